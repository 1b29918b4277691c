"""What became of each entry of the lists of a run: OUT/hotwords.tsv."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from firered.asr.hotword_config import WAYS
from firered.data.datadir import write_lines
from firered.hotwords.lists import HotwordList
from firered.results import AsrResult

log = logging.getLogger(__name__)
_COLUMNS = ("hotword", "heard", *WAYS[:2], "corrected", "found", "note")


def write_hotwords(
    path: Path, lists: Iterable[HotwordList], results: Iterable[AsrResult], unwritable: Mapping[str, str]
) -> None:
    """A line an entry, in the order of the lists; none at all where no utterance has a list.

    `heard`: utterances whose text sounds like it; `graph`, `prompt`: utterances whose search was told of it so;
    `corrected`, `found`: places where it was put into a text, and where it is in one. The note says why it is unused.

    Args:
        path: of the table.
        lists: of the utterances.
        results: of the run.
        unwritable: entries that the search cannot write, and the characters that the model lacks.
    """
    entries = list(dict.fromkeys(text for own in dict.fromkeys(lists) for text in own.texts))
    if not entries:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    counts: dict[str, Counter[str]] = {name: Counter() for name in _COLUMNS[1:-1]}
    for result in results:
        told = {hotword.text: hotword for hotword in result.hotwords}
        for text, hotword in told.items():
            counts["heard"][text] += hotword.score is not None
            for way in WAYS[:2]:
                counts[way][text] += way in hotword.used
        for hotword in result.hotwords:
            counts["found"][hotword.text] += hotword.start is not None
            counts["corrected"][hotword.text] += hotword.original is not None
    lines = ["\t".join(_COLUMNS)]
    for text in entries:
        numbers = [str(own[text]) for own in counts.values()]
        lines.append("\t".join([text, *numbers, _note(text, counts, unwritable)]))
    write_lines(path, lines)
    found = sum(1 for text in entries if counts["found"][text])
    log.info("hotwords: %d of %d are in the texts; what became of each is in %s", found, len(entries), path)
    if unwritable:
        text, characters = next(iter(unwritable.items()))
        log.warning(
            "hotwords: %d of %d cannot be written by the search, as %s: the model has no token for %s; correction can",
            *(len(unwritable), len(entries), text, " ".join(characters)),
        )


def _note(text: str, counts: Mapping[str, Counter[str]], unwritable: Mapping[str, str]) -> str:
    """Why an entry was not used, if it was not."""
    if text in unwritable:
        return f"no token for {' '.join(unwritable[text])}: corrected only"
    if not any(own[text] for own in counts.values()):
        return "no text sounds like it"
    return ""
