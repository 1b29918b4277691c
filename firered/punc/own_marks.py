"""Sentences of a text that has its punctuation already."""

import re
from collections.abc import Sequence

from firered.errors import Outcome
from firered.punc.config import PuncConfig
from firered.results import PuncResult, Sentence, Word
from firered.text.timed_words import word_spans

_ENDS_SENTENCE = re.compile(r"""[。？！.?!…]["'”’」』）)]*$""")


def sentences_by_own_marks(uttid: str, text: str, words: Sequence[Word] = ()) -> PuncResult:
    """The text as it is, in sentences that end with its own full stops, question and exclamation marks.

    Args:
        uttid: id in the result.
        text: with its marks.
        words: its words with their times, or none: then there are no sentences.
    """
    spans = word_spans(text)
    if len(spans) != len(words) or not words:
        return PuncResult(uttid, text, text)
    sentences: list[Sentence] = []
    first = 0
    for number, (word, span) in enumerate(zip(words, spans, strict=True)):
        if number == len(words) - 1 or _ENDS_SENTENCE.search(word.text):
            sentences.append(Sentence(text[spans[first].start : span.end], words[first].start_s, word.end_s))
            first = number + 1
    return PuncResult(uttid, text, text, sentences)


class OwnMarks:
    """What `Punc` gives, for texts that have their punctuation: they stay as they are, and no model is asked."""

    def __init__(self, config: PuncConfig | None = None) -> None:
        self.config = config or PuncConfig()
        self.batch_size = self.config.batch_size

    def punctuate(self, texts: Sequence[str], uttids: Sequence[str]) -> list[Outcome[PuncResult]]:
        """Each text as it is."""
        return [PuncResult(uttid, text, text) for uttid, text in zip(uttids, texts, strict=True)]

    def sentences(
        self, utterances: Sequence[Sequence[Word]], uttids: Sequence[str], texts: Sequence[str]
    ) -> list[Outcome[PuncResult]]:
        """The sentences of each text, whose words these are."""
        return [sentences_by_own_marks(*own) for own in zip(uttids, texts, utterances, strict=True)]
