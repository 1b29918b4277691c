"""STUB, not committed."""
from pathlib import Path
from firered.errors import DataError
from firered.hotwords.lists import HotwordList, Phrase
def read_list(path: Path) -> HotwordList:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError as e:
        raise DataError(f"{path}: {e}")
    return HotwordList(Phrase(l.split("\t")[0]) for l in lines if l.strip() and not l.startswith("#"))
