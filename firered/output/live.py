"""What live recognition gives, written while it does: lines of live.jsonl, subtitles, lines of text."""

from pathlib import Path
from typing import Any, Protocol, TextIO

from firered.data.write import json_line, one_line, segment_id
from firered.errors import writing
from firered.output.config import SubtitleConfig
from firered.output.formats import VTT_HEAD, srt_cue, vtt_cue
from firered.output.printing import put_out
from firered.output.subtitles import SHORTEST_MS, Cue, cues
from firered.results import Transcript
from firered.results.live import Event, Final, LiveResult, Partial


def live_line(reco: str, result: LiveResult, clock_s: float) -> dict[str, Any] | None:
    """The fields of a line of live.jsonl, as `firered-score live` reads them; of a trouble None.

    What is in trouble stands in the final of its segment.

    Args:
        reco: id of the stream.
        result: what was given out.
        clock_s: seconds on the clock from the stream's first sample until then.
    """
    head = {"reco": reco, "kind": "", "heard_s": result.heard_s, "clock_s": round(clock_s, 3)}
    head["segment"] = result.segment
    if isinstance(result, Event):
        at = {"event": result.kind, "time_s": result.time_s, "known_s": result.known_s}
        return None if result.kind == "trouble" else head | {"kind": "event"} | at
    span = {"start_s": result.start_s, "end_s": result.end_s}
    rest = {"lang": result.lang, "known_s": result.known_s}
    if isinstance(result, Partial):
        texts = {"stable": result.stable, "unstable": result.unstable, "text": result.text}
        return head | {"kind": "partial"} | span | texts | rest
    words = [{"text": word.text, "start_s": word.start_s, "end_s": word.end_s} for word in result.words]
    return head | {"kind": "final"} | span | {"text": result.text, "words": words} | rest | _more(result)


def _more(final: Final) -> dict[str, Any]:
    """The confidence, and what most finals do not have."""
    more: dict[str, Any] = {
        "cut": final.cut,
        "revised": list(final.revised) if final.revised else None,
        "hotwords": list(final.hotwords),
        "troubles": [trouble.to_dict() for trouble in final.troubles],
    }
    return {"confidence": round(final.confidence, 3)} | {name: value for name, value in more.items() if value}


class Written(Protocol):
    """Something that live results are written to as they come."""

    def give(self, result: LiveResult, clock_s: float) -> None:
        """Write what there is to write of the next result, so that a kill does not lose it."""

    def close(self) -> None:
        """Nothing more comes."""


class _File:
    """A file that is written line by line and is complete up to what was written last.

    Raises:
        FireRedError: it cannot be written, or it is there and is not to be overwritten.
    """

    def __init__(self, path: Path, overwrite: bool, head: str = "") -> None:
        self._path = path
        with writing(path):
            self._file = path.open("w" if overwrite else "x", encoding="utf-8")
        self._write(head)

    def _write(self, text: str) -> None:
        with writing(self._path):
            self._file.write(text)
            self._file.flush()

    def close(self) -> None:
        """Nothing more comes."""
        with writing(self._path):
            self._file.close()


class JsonLines(_File):
    """live.jsonl.

    Args:
        path: of the file.
        overwrite: one that is there.
        reco: id of the stream.
    """

    def __init__(self, path: Path, overwrite: bool, reco: str) -> None:
        super().__init__(path, overwrite)
        self._reco = reco

    def give(self, result: LiveResult, clock_s: float) -> None:
        """Write a line."""
        line = live_line(self._reco, result, clock_s)
        if line is not None:
            self._write(json_line(line) + "\n")


class Subtitles(_File):
    """Subtitles of the finals, cut and wrapped as those of a transcript.

    Args:
        path: of the file.
        overwrite: one that is there.
        kind: srt or vtt.
        config: how sentences become subtitles.
    """

    def __init__(self, path: Path, overwrite: bool, kind: str, config: SubtitleConfig) -> None:
        super().__init__(path, overwrite, VTT_HEAD if kind == "vtt" else "")
        self._kind, self._config = kind, config
        self._count = self._end_ms = 0

    def give(self, result: LiveResult, clock_s: float) -> None:
        """Write the subtitles of a final."""
        if not isinstance(result, Final):
            return
        span = result.start_s, result.end_s
        transcript = Transcript("", result.text, result.sentences, [span], result.end_s, result.words, "")
        for start_ms, end_ms, lines in cues(transcript, self._config):
            start_ms = max(start_ms, self._end_ms)  # where a very short one before had to be shown longer
            self._end_ms = max(end_ms, start_ms + SHORTEST_MS)
            self._count += 1
            cue = Cue(start_ms, self._end_ms, lines)
            self._write(vtt_cue(cue) if self._kind == "vtt" else srt_cue(self._count, cue))


class Lines:
    """A line a final that has text: its id, which holds its times in milliseconds, and the text, as in Kaldi's tables.

    Args:
        out: where they go.
        reco: id of the stream.
        ids: false: the text alone.
    """

    def __init__(self, out: TextIO, reco: str, ids: bool) -> None:
        self._out, self._reco, self._ids = out, reco, ids

    def give(self, result: LiveResult, clock_s: float) -> None:
        """Print a final."""
        if isinstance(result, Final) and (text := one_line(result.text)):
            key = segment_id(self._reco, result.start_s, result.end_s)
            put_out(f"{key} {text}\n" if self._ids else f"{text}\n", self._out)

    def close(self) -> None:
        """There is nothing to close."""
