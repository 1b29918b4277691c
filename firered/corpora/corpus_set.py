"""One set of a corpus: gathered utterance by utterance, checked, written as a Kaldi data directory."""

import logging
import math
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.audio.probe import probe_all
from firered.corpora.files import README, holds
from firered.corpora.hours import check_hours
from firered.corpora.packed import Made, Packed, unpack
from firered.data.datadir import MOST_SHOWN, Segment, format_segment, spk2utt_of, write_lines, write_table
from firered.data.files import visible, why_no_line
from firered.data.validate import validate
from firered.data.write import one_line, rttm, seconds
from firered.errors import DataError

log = logging.getLogger(__name__)

DRAFTS = "drafts"  # table of the recordings whose labels are a detector's; scores say so and stand beside nothing
SPEECH = "speech"  # label of the reference for voice activity
_SEEKABLE = {".wav", ".flac"}
_TABLES = (
    "wav.scp",
    "segments",
    "text",
    "text.raw",
    "utt2spk",
    "spk2utt",
    "utt2dur",
    "reco2dur",
    "utt2lang",
    "utt2dialect",
    "rttm",
    DRAFTS,
)


@dataclass(frozen=True)
class Entry:
    """One utterance.

    Attributes:
        key: utterance id.
        audio: its recording: a file, or inside of one.
        speaker: by default the utterance itself.
        text: transcript as it is scored.
        raw: transcript as the corpus has it, where that differs.
        language: for `utt2lang`, where its set has not one language.
        dialect: for `utt2dialect`.
        recording: recording id, where the utterance is a segment.
        span: its start and end in seconds; None: the whole recording.
        duration_s: length in seconds, where the corpus tells it.
        speech: labelled segments of speech, start and end in seconds.
        draft: whether these are a detector's, which nobody has corrected.
        labels: what else is known of it, by name: `env` goes to the table `utt2env`.
    """

    key: str
    audio: Path | Packed
    speaker: str = ""
    text: str | None = None
    raw: str | None = None
    language: str | None = None
    dialect: str | None = None
    recording: str = ""
    span: tuple[float, float] | None = None
    duration_s: float | None = None
    speech: Sequence[tuple[float, float]] | None = None
    draft: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass
class CorpusSet:
    """Utterances of a set; a test set has the name that the papers' tables have for it.

    Attributes:
        name: of the set.
        source: folder or table that it is read from.
        expected: number of utterances in the corpus' documentation.
        expected_hours: hours of audio there.
        measure: read the lengths of recordings from their headers where the corpus does not tell them, for `utt2dur`:
            training takes them from there.
        compressed: convert recordings to wav, because cutting a segment out of them decodes all that is before it.
        language: code of the language of all of it (`zh`, `yue`, `en`), for `utt2lang`: recognisers that take one are
            told it, and rules of scoring depend on it.
        entries: utterances by id.
        missing: lines `id reason` of utterances that lack audio or transcript.
        left_out: lines `id reason` of utterances that are not to be scored.
        files: other files of the data directory: their names, which may have a folder, and their lines; gone through
            once, when they are written.
    """

    name: str
    source: Path
    expected: int | None = None
    expected_hours: float | None = None
    measure: bool = False
    compressed: bool = False
    language: str | None = None
    entries: dict[str, Entry] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    files: Iterable[tuple[str, Iterable[str]]] = ()

    def add(self, entry: Entry) -> None:
        """Add an utterance; one that has no audio, or whose id is taken or cannot be one, is recorded as missing."""
        other = self.entries.get(entry.key)
        if other is not None:
            self.miss(entry.key, f"the id stands for {other.audio} and for {entry.audio}")
        elif entry.key.split() != [entry.key]:
            self.miss(repr(entry.key), f"cannot be an id: it is empty or holds white space ({entry.audio})")
        elif entry.span and entry.span[1] <= entry.span[0]:
            self.miss(entry.key, f"its end, {entry.span[1]:g} s, is not after its start, {entry.span[0]:g} s")
        elif isinstance(entry.audio, Path) and not entry.audio.is_file():
            self.miss(entry.key, f"no audio {entry.audio}")
        elif isinstance(entry.audio, Path) and (reason := why_no_line(entry.audio.absolute())):
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
        check_hours(self.name, self.expected_hours, sum(map(_length_s, self.entries.values())))

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write the data directory, and the utterances that are not in it with reasons to `skipped.txt`.

        Recordings that are inside of other files are written to `audio/` of it, converted ones to `wav/`.

        Raises:
            DataError: there are no utterances, or some are missing and `allow_missing` is False.
        """
        self._make_files(out)
        if self.measure:
            self._measure()
        self._drop_unlabelled()
        skipped = [*self.missing, *self.left_out]
        write_lines(out / "skipped.txt", skipped)
        if self.missing and not (allow_missing and self.entries):
            shown = "\n  ".join(self.missing[:MOST_SHOWN])
            raise DataError(
                f"{self.name}: {len(self.missing)} missing beside {len(self.entries)} utterances that are complete "
                f"(--allow-missing goes on without them, {out}/skipped.txt lists them):\n  {shown}"
            )
        if not self.entries:
            raise DataError(f"{self.name}: no utterances in {self.source}; {holds(self.source)}; {README}")
        self.count()
        if skipped:
            log.warning("%s: %d skipped, with reasons in %s/skipped.txt", self.name, len(skipped), out)
        self._write_tables(out)
        self._write_files(out)
        errors = validate(out, feats=False, text=False, non_print=True, spk_sort=False)
        if errors:
            raise DataError("\n".join(errors[:MOST_SHOWN]))
        log.info("%s: %d utterances in %s", self.name, len(self.entries), out)

    def _make_files(self, out: Path) -> None:
        """Give recordings that are inside of a container, or compressed, files of their own.

        Utterances of those where that fails are missing.
        """
        packed = {key: audio for key, audio in self._recordings().items() if isinstance(audio, Packed)}
        if packed:
            self._replace_audio(unpack(packed, out / "audio"))
        files = {key: audio for key, audio in self._recordings().items() if isinstance(audio, Path)}
        compressed = {key: path for key, path in files.items() if path.suffix not in _SEEKABLE}
        if self.compressed and compressed:
            from firered.corpora.convert import converted  # loads torch, which nothing else here needs

            self._replace_audio(converted(compressed, out / "wav"))

    def _measure(self) -> None:
        """Give utterances that are whole recordings their lengths; one whose header cannot be read is missing."""
        whole = {
            key: entry.audio
            for key, entry in self.entries.items()
            if entry.duration_s is None and entry.span is None and isinstance(entry.audio, Path)
        }
        headers = probe_all(whole.values(), AudioConfig())
        for key, path in whole.items():
            header = headers[path]
            if isinstance(header, Exception):
                self.miss(key, f"no audio: {header}")
                del self.entries[key]
            else:
                self.entries[key] = replace(self.entries[key], duration_s=header.duration_s)

    def _replace_audio(self, made: Made) -> None:
        for key, entry in list(self.entries.items()):
            recording = entry.recording or key
            if recording in made.files:
                self.entries[key] = replace(entry, audio=made.files[recording])
            elif recording in made.failed:
                self.miss(key, f"no audio: {made.failed[recording]}")
                del self.entries[key]

    def _drop_unlabelled(self) -> None:
        """Where utterances have languages or dialects, one without is missing: their tables are of all of them."""
        for what in ("dialect",) if self.language else ("language", "dialect"):
            unlabelled = [key for key, entry in self.entries.items() if not getattr(entry, what)]
            for key in unlabelled if len(unlabelled) < len(self.entries) else ():
                self.miss(key, f"no {what}, which others have")
                del self.entries[key]

    def _recordings(self) -> dict[str, Path | Packed]:
        """The audio of each recording."""
        recordings: dict[str, Path | Packed] = {}
        for key, entry in self.entries.items():
            audio = recordings.setdefault(entry.recording or key, entry.audio)
            if audio != entry.audio:
                raise DataError(f"{self.name}: recording {entry.recording or key} is {audio} and {entry.audio}")
        return recordings

    def _write_tables(self, out: Path) -> None:
        for path in (*map(out.joinpath, _TABLES), *visible(out, "utt2*")):
            path.unlink(missing_ok=True)  # of an earlier layout
        entries = self.entries
        speakers = {key: entry.speaker or key for key, entry in entries.items()}
        audio = {key: path for key, path in self._recordings().items() if isinstance(path, Path)}
        write_table(out / "wav.scp", {key: str(path.absolute()) for key, path in audio.items()})
        write_table(out / "utt2spk", speakers)
        write_table(out / "spk2utt", spk2utt_of(speakers))
        cut = any(entry.span for entry in entries.values())
        columns = {
            "segments": {key: format_segment(_segment(entry)) for key, entry in entries.items() if cut},
            "text": {key: one_line(entry.text) for key, entry in entries.items() if entry.text is not None},
            "text.raw": {key: one_line(entry.raw) for key, entry in entries.items() if entry.raw is not None},
            DRAFTS: {key: "uncorrected" for key, entry in entries.items() if entry.draft},
            "utt2lang": {key: lang for key, entry in entries.items() if (lang := self.language or entry.language)},
            "utt2dialect": {key: entry.dialect for key, entry in entries.items() if entry.dialect},
            "utt2dur": {
                key: seconds(entry.duration_s) for key, entry in entries.items() if entry.duration_s is not None
            },
        }
        for name in sorted({name for entry in entries.values() for name in entry.labels}):
            columns[f"utt2{name}"] = {key: entry.labels[name] for key, entry in entries.items() if name in entry.labels}
        for name, table in columns.items():
            if table:
                write_table(out / name, table)
        labels = {key: [(*span, SPEECH) for span in entries[key].speech or ()] for key in sorted(entries)}
        if any(labels.values()):
            write_lines(out / "rttm", "".join(rttm(key, spans) for key, spans in labels.items()).splitlines())

    def _write_files(self, out: Path) -> None:
        """Write the other files, and do away with what an earlier layout had in their folders."""
        fresh: set[Path] = set()
        for name, lines in self.files:
            path = out / name
            if path.parent != out and path.parent not in fresh:
                shutil.rmtree(path.parent, ignore_errors=True)
                path.parent.mkdir(parents=True)
                fresh.add(path.parent)
            write_lines(path, lines)


@dataclass(frozen=True)
class Reading:
    """A set that is read when it is written, so that one which cannot be read does not stop the others.

    Attributes:
        name: of the set.
        read: reads it.
        here: False: a part of the corpus that many do without; it is read only if it is asked for by name.
    """

    name: str
    read: Callable[[], CorpusSet]
    here: bool = True

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Read and write it; raises what either does."""
        self.read().write(out, allow_missing=allow_missing)


def _length_s(entry: Entry) -> float:
    """Seconds of an utterance; 0 where they are not known."""
    return entry.span[1] - entry.span[0] if entry.span else entry.duration_s or 0.0


def _segment(entry: Entry) -> Segment:
    """The line of `segments` of an utterance; from 0 to the end where it is a whole recording."""
    return Segment(entry.recording or entry.key, *(entry.span or (0.0, math.inf)))
