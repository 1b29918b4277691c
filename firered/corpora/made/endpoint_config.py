"""Options of what asks a language model behind an API."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class EndpointConfig(Options):
    """A language model that is asked by OpenAI's API for chats, as vLLM, SGLang, llama.cpp and others have it too."""

    endpoint: str = option("", "address of the API, up to and with its version: http://127.0.0.1:8000/v1")
    endpoint_model: str = option("", "name of the language model there")
    endpoint_key: str = option("OPENAI_API_KEY", "environment variable that holds the key; not set: none is sent")
    temperature: float = option(0.7, "of its answers", low=0)
    answer_seconds: float = option(120.0, "an answer that takes longer is asked for again", low=0.1)
    tries: int = option(4, "times that it is asked where it does not answer, or has too much to do", low=1)
    parallel: int = option(8, "utterances that it is asked about at the same time", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.endpoint and not self.endpoint.startswith(("http://", "https://")):
            raise OptionError(f"endpoint: {self.endpoint}: is not the address of an API, such as http://host:8000/v1")
        if self.endpoint and not self.endpoint_model:
            raise OptionError("endpoint: needs the name of its language model (endpoint_model)")
