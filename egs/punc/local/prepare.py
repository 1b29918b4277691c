"""Punctuated texts, and the same words without marks, as a recogniser gives them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.files import not_there
from firered.data.datadir import MOST_SHOWN, write_table
from firered.data.texts import Texts, read_texts
from firered.errors import DataError
from firered.scoring.punc import tokens_and_marks
from firered.text.joining import join_texts

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class PunctuatedSet:
    """Texts with punctuation; `source` is where they are from."""

    name: str
    source: Path
    texts: Texts

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write the texts to `text`, and without their marks to `plain/text`.

        Raises:
            DataError: there are none, or a line cannot be read and `allow_missing` is False.
        """
        problems = [str(problem) for problem in self.texts.problems]
        texts = {key: text for key, text in self.texts.by_id.items() if text}
        if not texts or (problems and not allow_missing):
            raise DataError("\n".join([f"{self.source}: no texts, or bad lines", *problems[:MOST_SHOWN]]))
        write_table(out / "text", texts)
        write_table(out / "plain/text", {key: without_marks(text) for key, text in texts.items()})


def without_marks(text: str) -> str:
    """The words of a text in lower case."""
    return join_texts(tokens_and_marks(text, {})[0])


def read(corpus: Path) -> Iterator[PunctuatedSet]:
    """The texts <language>.txt (one per line) or <language>/text (Kaldi) in CORPUS, for zh and en."""
    sources = {language: [corpus / f"{language}.txt", corpus / language / "text"] for language in LANGUAGES}
    here = {language: next(filter(Path.is_file, places), None) for language, places in sources.items()}
    if not any(here.values()):
        raise not_there(corpus / "zh.txt", "expected is any of zh.txt, zh/text, en.txt and en/text: texts of your own")
    for language, source in here.items():
        if source:
            yield PunctuatedSet(f"punc-{language}", source, read_texts(str(source)))


if __name__ == "__main__":
    prepare(read)
