"""Training data as Fun-ASR-Nano publishes it: a line of JSON with `messages` for each utterance."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from firered.audio.framing import FRAME_LENGTH, FRAME_SHIFT, SAMPLE_RATE
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.data.lines import read_lines
from firered.data.utterance import make_id
from firered.errors import DataError
from firered.train.data.fun_asr import Line
from firered.train.data.fun_asr_asked import MESSAGES


def has_messages(path: Path) -> bool:
    """Whether a file begins with a line of such data."""
    if not path.name.endswith(".jsonl") or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as lines:
        first = next((line for line in lines if line.strip()), "")
    try:
        values = json.loads(first)
    except (ValueError, RecursionError):
        return False
    return isinstance(values, dict) and "messages" in values


def messages_set(path: Path) -> CorpusSet:
    """The utterances of a file, named by their recordings, and their lines; those that cannot be used are missing.

    Raises:
        DataError: the file cannot be read.
    """
    found, names, kept = CorpusSet(path.name, path), Counter[str](), dict[str, str]()
    for number, text in read_lines(path):
        if not text.strip():
            continue
        where = f"{path.name}:{number}"
        try:
            line = Line.parse(text, str(path) + f":{number}")
        except DataError as error:
            found.miss(where, str(error))
            continue
        name = make_id(Path(line.path).stem)
        names[name] += 1
        key = name if names[name] == 1 else f"{name}-{names[name]}"
        found.add(Entry(key, Path(line.path), text=line.text, duration_s=_seconds(line.frames)))
        kept[key] = text
    found.files = [(MESSAGES, _with_ids(found, kept))]
    return found


def _with_ids(found: CorpusSet, lines: dict[str, str]) -> Iterator[str]:
    for key in sorted(found.entries):
        yield json.dumps({"uttid": key, **json.loads(lines[key])}, ensure_ascii=False)


def _seconds(frames: int | None) -> float | None:
    """Of the shortest recording that has so many frames."""
    return ((frames - 1) * FRAME_SHIFT + FRAME_LENGTH) / SAMPLE_RATE if frames else None
