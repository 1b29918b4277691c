"""Options of firered-context."""

from dataclasses import dataclass

from firered.corpora.made.endpoint_config import EndpointConfig
from firered.errors import OptionError
from firered.options import option

RULE, LIST, ENDPOINT, TEMPLATE = "rule", "list", "endpoint", "template"


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
