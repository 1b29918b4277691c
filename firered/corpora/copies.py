"""Copies of corpora as hubs have them: parquet files, or manifests of lhotse with the recordings in tar files."""

import logging
import re
import shlex
from pathlib import Path

from firered.corpora import lhotse, parquet
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below
from firered.corpora.packed import Packed
from firered.errors import DataError

log = logging.getLogger(__name__)

_MANIFESTS = {"cuts", "supervisions"}
_OF_SHARDS = re.compile(r"-(\d+)-of-(\d+)\.parquet")
# Columns as copies name them, in small letters; of each the first that a row has is taken.
_IDS = ("id", "utt_id", "uttid", "utterance_id", "utt", "key")
_TEXTS = ("text", "transcription", "transcript", "sentence", "label")
_SPEAKERS = ("speaker_id", "speaker", "spk_id", "spk", "client_id")
_LANGUAGES = ("locale", "subdialect", "dialect", "language")


def copy_of(corpus: Path, *words: str) -> list[Path]:
    """The parquet files or manifests of a set; none where there is no copy of such a kind.

    A set's files are those in whose path, from the corpus on, every one of the words stands (`test` and `clean`:
    clean/test/0000.parquet or librispeech_test_clean-00000-of-00001.parquet). Of several copies the one with the
    shortest name is taken, and the others are named in a warning.

    Raises:
        DataError: there are fewer parts than the name of a part says, or what `datasets` saves to disk.
    """
    groups: dict[tuple[int, str], list[Path]] = {}
    for path in files_below(corpus, parquet.SUFFIX, *lhotse.SUFFIXES):
        place = path.relative_to(corpus).as_posix()
        if set(words) <= _words(place) and (path.suffix == parquet.SUFFIX or _MANIFESTS & _words(path.name)):
            groups.setdefault((len(_words(place)), re.sub(r"\d+", "#", place)), []).append(path)
    if not groups:
        _refuse_arrow(corpus, words)
        return []
    chosen, *others = sorted(groups)
    if others:
        left_out = ", ".join(str(groups[other][0].relative_to(corpus)) for other in others)
        log.warning("%s: %s is read, not %s", corpus, groups[chosen][0].relative_to(corpus), left_out)
    _check_complete(groups[chosen])
    return groups[chosen]


def add_copy(found: CorpusSet, corpus: Path, files: list[Path], *, languages: bool = False) -> None:
    """Add the utterances of the files; rows and files that cannot be used are recorded as missing.

    With `languages` those of manifests have a language, too, as rows of parquet files have.
    """
    for path in files:
        try:
            if path.suffix == parquet.SUFFIX:
                _add_rows(found, path)
            elif "supervisions" in path.name:
                recordings = path.with_name(path.name.replace("supervisions", "recordings"))
                lhotse.add_supervisions(found, path, recordings, corpus, languages=languages)
            else:
                lhotse.add_cuts(found, path, corpus, languages=languages)
        except DataError as error:
            found.miss(path.name, str(error))


def _add_rows(found: CorpusSet, path: Path) -> None:
    for row in parquet.rows(path):
        key = row.text_of(*(name for name in _IDS if isinstance(row.columns.get(name), str))) or row.name
        text = row.text_of(*_TEXTS)
        if not key or text is None:
            found.miss(
                key or f"{path.name}:{row.number}", f"row {row.number} of {path} has no {'text' if key else 'id'}"
            )
            continue
        speaker = row.text_of(*_SPEAKERS) or ""
        if chapter := row.text_of("chapter_id"):  # of LibriSpeech, where Kaldi's speakers are reader and chapter
            speaker = f"{speaker}-{chapter}"
        audio = Packed(path, str(row.number))
        found.add(Entry(key, audio, speaker, text, language=row.text_of(*_LANGUAGES)))


def _refuse_arrow(corpus: Path, words: tuple[str, ...]) -> None:
    """Raise where `save_to_disk` of `datasets` has written a set, with the command that makes parquet of it."""
    for path in files_below(corpus, ".arrow"):
        if path.name.startswith("data-") and set(words) <= _words(path.relative_to(corpus).as_posix()):
            saved, made = str(path.parent), f"{path.parent}.parquet"
            code = f"import datasets; datasets.load_from_disk({saved!r}).to_parquet({made!r})"
            raise DataError(f"{path}: Arrow files are not read; make parquet of them: python -c {shlex.quote(code)}")


def _words(place: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", place.lower()))


def _check_complete(files: list[Path]) -> None:
    """Raise where the names say how many parts there are, and some are not here."""
    parts = [match for path in files if (match := _OF_SHARDS.search(path.name))]
    if parts and len(parts) != int(parts[0][2]):
        here = {int(part[1]) for part in parts}
        absent = [str(number) for number in range(int(parts[0][2])) if number not in here]
        raise DataError(
            f"{files[0]}: of {parts[0][2]} parts {', '.join(absent)} (from 0) are not there; fetch them, too"
        )
