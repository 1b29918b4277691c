"""One test set of a corpus: gathered utterance by utterance, checked, written as a Kaldi data directory."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firered.data.datadir import MOST_SHOWN, Segment, format_segment, spk2utt_of, write_lines, write_table
from firered.data.files import why_no_line
from firered.data.validate import validate
from firered.data.write import one_line, rttm, seconds
from firered.errors import DataError

log = logging.getLogger(__name__)

SPEECH = "speech"  # label of the reference for voice activity
_TABLES = ("wav.scp", "segments", "text", "text.raw", "utt2spk", "spk2utt", "utt2dur", "reco2dur", "utt2lang", "rttm")


@dataclass(frozen=True)
class Entry:
    """One utterance.

    Attributes:
        key: utterance id.
        audio: its recording.
        speaker: by default the utterance itself.
        text: transcript as it is scored.
        raw: transcript as the corpus has it, where that differs.
        language: for `utt2lang`.
        recording: recording id, where the utterance is a segment.
        span: its start and end in seconds; None: the whole recording.
        duration_s: length in seconds, where the corpus tells it.
        speech: labelled segments of speech, start and end in seconds.
    """

    key: str
    audio: Path
    speaker: str = ""
    text: str | None = None
    raw: str | None = None
    language: str | None = None
    recording: str = ""
    span: tuple[float, float] | None = None
    duration_s: float | None = None
    speech: Sequence[tuple[float, float]] | None = None


@dataclass
class CorpusSet:
    """Utterances of a test set under the name that the papers' tables have for it.

    Attributes:
        name: of the set.
        source: folder or table that it is read from.
        expected: number of utterances in the corpus' documentation.
        compressed: convert recordings to wav, because cutting a segment out of them decodes all that is before it.
        entries: utterances by id.
        missing: lines `id reason` of utterances that lack audio or transcript.
        left_out: lines `id reason` of utterances that are not to be scored.
    """

    name: str
    source: Path
    expected: int | None = None
    compressed: bool = False
    entries: dict[str, Entry] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add an utterance; one whose audio does not exist is recorded as missing.

        Raises:
            DataError: its id is taken.
        """
        other = self.entries.get(entry.key)
        if other is not None:
            raise DataError(f"{self.name}: id {entry.key} stands for {other.audio} and for {entry.audio}")
        if not entry.audio.is_file():
            self.miss(entry.key, f"no audio {entry.audio}")
        elif reason := why_no_line(entry.audio.absolute()):
            self.miss(entry.key, f"{str(entry.audio)!r}: {reason}; rename the file")
        else:
            self.entries[entry.key] = entry

    def miss(self, key: str, what: str) -> None:
        """Record an utterance that lacks audio or transcript."""
        self.missing.append(f"{key} {what}")

    def leave_out(self, key: str, reason: str) -> None:
        """Record an utterance of the corpus that is not to be scored."""
        self.left_out.append(f"{key} {reason}")

    def count(self) -> None:
        """Warn, with both numbers, if the number of utterances is not the expected one."""
        if self.expected not in (None, len(self.entries)):
            log.warning("%s: expected %d utterances, found %d", self.name, self.expected, len(self.entries))

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write the data directory, and the utterances that are not in it with reasons to `skipped.txt`.

        Raises:
            DataError: there are no utterances, or some are missing and `allow_missing` is False.
        """
        skipped = [*self.missing, *self.left_out]
        write_lines(out / "skipped.txt", skipped)
        if self.missing and not (allow_missing and self.entries):
            shown = "\n  ".join(self.missing[:MOST_SHOWN])
            raise DataError(
                f"{self.name}: {len(self.missing)} of {len(self.missing) + len(self.entries)} utterances lack audio or "
                f"transcript (--allow-missing skips them, {out}/skipped.txt lists them):\n  {shown}"
            )
        if not self.entries:
            raise DataError(f"{self.name}: no utterances in {self.source}; the recipe's README.md shows the layout")
        self.count()
        if skipped:
            log.warning("%s: %d skipped, with reasons in %s/skipped.txt", self.name, len(skipped), out)
        self._write_tables(out)
        errors = validate(out, feats=False, text=False, non_print=True, spk_sort=False)
        if errors:
            raise DataError("\n".join(errors[:MOST_SHOWN]))
        log.info("%s: %d utterances in %s", self.name, len(self.entries), out)

    def _recordings(self) -> dict[str, Path]:
        """The audio of each recording."""
        audio: dict[str, Path] = {}
        for key, entry in self.entries.items():
            path = audio.setdefault(entry.recording or key, entry.audio.absolute())
            if path != entry.audio.absolute():
                raise DataError(f"{self.name}: recording {entry.recording or key} is {path} and {entry.audio}")
        return audio

    def _write_tables(self, out: Path) -> None:
        for name in _TABLES:
            (out / name).unlink(missing_ok=True)  # of an earlier layout
        entries = self.entries
        speakers = {key: entry.speaker or key for key, entry in entries.items()}
        audio = self._recordings()
        if self.compressed:
            from firered.corpora.convert import converted  # loads torch, which nothing else here needs

            audio = converted(audio, out / "wav")
        write_table(out / "wav.scp", {key: str(path) for key, path in audio.items()})
        write_table(out / "utt2spk", speakers)
        write_table(out / "spk2utt", spk2utt_of(speakers))
        cut = any(entry.span for entry in entries.values())
        columns = {
            "segments": {key: format_segment(_segment(entry)) for key, entry in entries.items() if cut},
            "text": {key: one_line(entry.text) for key, entry in entries.items() if entry.text is not None},
            "text.raw": {key: one_line(entry.raw) for key, entry in entries.items() if entry.raw is not None},
            "utt2lang": {key: entry.language for key, entry in entries.items() if entry.language},
            "utt2dur": {
                key: seconds(entry.duration_s) for key, entry in entries.items() if entry.duration_s is not None
            },
        }
        for name, table in columns.items():
            if table:
                write_table(out / name, table)
        labels = {key: [(*span, SPEECH) for span in entries[key].speech or ()] for key in sorted(entries)}
        if any(labels.values()):
            write_lines(out / "rttm", "".join(rttm(key, spans) for key, spans in labels.items()).splitlines())


def _segment(entry: Entry) -> Segment:
    """The line of `segments` of an utterance; from 0 to the end where it is a whole recording."""
    return Segment(entry.recording or entry.key, *(entry.span or (0.0, math.inf)))
