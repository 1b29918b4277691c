"""MUSAN: recordings of music, with a list that says which have voices in them, and of noise."""

from pathlib import Path

from firered.corpora.files import files_below, need, not_there, numbered_lines
from firered.errors import DataError
from firered.runs.noise import Noise, find_noises

_GET = "get musan.tar.gz from openslr.org/17 and unpack it"
_LIST = "ANNOTATIONS"  # in each folder of music: file, genres, Y or N for vocals, artist
_YES, _NO = "Y", "N"


def root_of(corpus: Path) -> Path:
    """The folder that holds music/ and noise/: musan/ of a corpus, or itself."""
    return corpus / "musan" if (corpus / "musan").is_dir() else corpus


def read_music(corpus: Path) -> tuple[list[Noise], list[str]]:
    """The recordings of music without voices, by id, and the ids of those with voices or not in a list.

    Raises:
        DataError: the folder or the lists are not there, or a line cannot be read.
    """
    folder = need(root_of(corpus) / "music", _GET)
    lists = files_below(folder, _LIST.lower())
    if not lists:
        raise not_there(folder / f"<source>/{_LIST}", _GET)
    vocals: dict[str, str] = {}
    for path in lists:
        vocals |= _vocals(path)
    music = find_noises(str(folder))
    return (
        [recording for recording in music if vocals.get(recording.key) == _NO],
        [recording.key for recording in music if vocals.get(recording.key) != _NO],
    )


def read_noise(corpus: Path) -> list[Noise]:
    """The recordings of noise, by id.

    Raises:
        DataError: the folder is not there or holds none.
    """
    return find_noises(str(need(root_of(corpus) / "noise", _GET)))


def _vocals(path: Path) -> dict[str, str]:
    """For each recording of a list whether it has voices, Y or N."""
    found = {}
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) < 3 or fields[2] not in (_YES, _NO):
            raise DataError(f"{path}:{number}: not `file genres Y|N artist`: {line!r}")
        found[fields[0]] = fields[2]
    return found
