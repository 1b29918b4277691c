"""Options of firered-context."""

from dataclasses import dataclass

from firered.errors import OptionError
from firered.options import Options, option

RULE, LIST, ENDPOINT, TEMPLATE = "rule", "list", "endpoint", "template"


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


@dataclass(frozen=True)
class ContextConfig(EndpointConfig):
    """Contexts for training (FunAudio-ASR report, section 4.3)."""

    keywords: str = option(
        RULE,
        "what finds the keywords of a transcript: rare words, numbers and times (rule), a list of phrases (list), or "
        "the endpoint; the table `keywords` of DATA comes before",
        choices=(RULE, LIST, ENDPOINT),
    )
    keyword_list: str = option("", "words and phrases, one a line, for --keywords list")
    rare: float = option(
        0.01,
        "rule: a word is rare that is in no more than this share of the utterances, or in one alone",
        low=0,
        high=1,
    )
    most_keywords: int = option(5, "keywords of an utterance at most", low=1)
    write: str = option(
        TEMPLATE,
        "what writes contexts: sentences that name the keywords (template), or the endpoint",
        choices=(TEMPLATE, ENDPOINT),
    )
    contexts: int = option(3, "contexts that are written for an utterance", low=1)
    irrelevant: int = option(5, "contexts of other utterances that are mixed in", low=0)
    seed: int = option(1, "of what is drawn for an utterance", low=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.keywords == LIST) != bool(self.keyword_list):
            raise OptionError("keyword_list: belongs to --keywords list, which needs it")
        asked = ENDPOINT in (self.keywords, self.write)
        if asked != bool(self.endpoint):
            raise OptionError("endpoint: belongs to --keywords endpoint and --write endpoint, which need it")
