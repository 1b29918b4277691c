"""The test sets of FLEURS, one for each language."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry, Reading
from firered.corpora.fleurs import languages_here, read_language

# The codes of languages are the beginnings of their folders' names, but of these.
CODES = {"cmn_hans_cn": "zh", "yue_hant_hk": "yue"}
NEEDED = ("cmn_hans_cn", "en_us")  # that run.sh takes if no others are named
EXPECTED = {"en_us": 647}


def read(corpus: Path) -> Iterator[Reading]:
    """Data directories of the test sets of FLEURS, such as fleurs-zh; CORPUS: the data set's folder, or a copy."""
    for language in dict.fromkeys((*NEEDED, *languages_here(corpus))):
        code = CODES.get(language, language.partition("_")[0])
        yield Reading(f"fleurs-{code}", partial(read_set, corpus, language, code))


def read_set(corpus: Path, language: str, code: str) -> CorpusSet:
    """The test set of a language, whose folder has this name."""
    found = CorpusSet(f"fleurs-{code}", corpus / "data" / language, EXPECTED.get(language), language=code)
    for recording in read_language(corpus, language):
        if recording.text:
            found.add(Entry(recording.name, recording.path, text=recording.text, duration_s=recording.duration_s))
        else:
            found.miss(recording.name, "no transcript")
    return found


if __name__ == "__main__":
    prepare(read)
