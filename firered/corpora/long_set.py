"""A set of millions of utterances in long recordings, made a Kaldi data directory without holding it in memory."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from os import cpu_count
from pathlib import Path

from firered.corpora.cut import Cut, Stretch, cut
from firered.corpora.files import README
from firered.corpora.hours import check_hours
from firered.corpora.sorted_lines import SortedLines, sorted_table
from firered.data.atomic import replacing
from firered.data.datadir import MOST_SHOWN, write_lines
from firered.data.names import file_names
from firered.data.write import one_line, seconds
from firered.errors import DataError

log = logging.getLogger(__name__)

_TABLES = ("wav.scp", "text", "utt2spk", "utt2dur", "utt2lang")


@dataclass(frozen=True)
class Recorded:
    """A recording with the utterances in it."""

    recording: str
    audio: Path
    stretches: list[Stretch]


@dataclass(frozen=True)
class LongSet:
    """Utterances of long recordings: each recording is decoded once, and its utterances are cut out into a tar file.

    Attributes:
        name: of the set.
        source: file that it is read from.
        recordings: goes through it from its beginning; speakers are recordings.
        language: of all of it.
        expected_hours: see CorpusSet.
        labels: a Kaldi table with other transcripts; utterances that it does not have are left out. Which they are is
            noted beside the data directory, in `note`.
        here: see Reading.
    """

    name: str
    source: Path
    recordings: Callable[[], Iterator[Recorded]]
    language: str
    expected_hours: float | None = None
    labels: Path | None = None
    here: bool = False

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write the data directory, and the utterances that are not in it with reasons to `skipped.txt`.

        Audio is in `audio/` of it, a tar file for each recording; those that are there are not made again.

        Raises:
            DataError: there are no utterances, or some are missing and `allow_missing` is False.
        """
        with ExitStack() as stack:
            found = stack.enter_context(SortedLines(out / ".sorted"))
            skipped = stack.enter_context(_Skipped(out / "skipped.txt"))
            for own, made in self._cut(out / "audio"):
                texts = {stretch.key: stretch.text for stretch in own.stretches}
                for key, (place, length) in made.places.items():
                    found.add(key, place, seconds(length), own.recording, one_line(texts[key]))
                for key, reason in made.failed.items():
                    skipped.miss(key, f"no audio: {reason}")
            written = self._write_tables(out, found, skipped)
        if skipped.missing and not (allow_missing and written):
            shown = "\n  ".join(skipped.first)
            raise DataError(
                f"{self.name}: {skipped.missing} missing beside {written} utterances that are complete "
                f"(--allow-missing goes on without them, {out}/skipped.txt lists them):\n  {shown}"
            )
        if not written:
            raise DataError(f"{self.name}: no utterances in {self.source}; {README}")
        log.info("%s: %d utterances in %s", self.name, written, out)

    def _cut(self, folder: Path) -> Iterator[tuple[Recorded, Cut]]:
        """What was cut out of each recording; as many are worked on at a time as there are processors."""
        recordings, workers = self.recordings(), cpu_count() or 1
        with ThreadPoolExecutor(workers) as pool:

            def begin(count: int) -> list[tuple[Recorded, Future[Cut]]]:
                return [(own, pool.submit(_cut_one, own, folder)) for own in islice(recordings, count)]

            under_way = begin(2 * workers)
            while under_way:
                own, made = under_way.pop(0)
                yield own, made.result()
                under_way += begin(1)

    def _write_tables(self, out: Path, found: SortedLines, skipped: "_Skipped") -> int:
        """Write the tables in one pass; the number of utterances."""
        count, length, before = 0, 0.0, ""
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(stack.enter_context(replacing(out / name)).open("w", encoding="utf-8"))
                for name in (*_TABLES, "spk2utt")
            }
            speakers = stack.enter_context(SortedLines(out / ".speakers"))
            texts = self._texts(stack, out)
            for key, place, duration, speaker, own_text in found.merged():
                text = own_text if texts is None else texts(key)
                if key == before:
                    skipped.miss(key, f"the id stands for {place} and for another")
                elif text is None:
                    skipped.leave_out(key, f"not in {self.labels}")
                elif not text:
                    skipped.leave_out(key, "no text")
                else:
                    values = (place, text, speaker, duration, self.language)
                    for name, value in zip(_TABLES, values, strict=True):
                        files[name].write(f"{key} {value}\n")
                    speakers.add(speaker, key)
                    count, length = count + 1, length + float(duration)
                before = key
            _write_speakers(speakers, files["spk2utt"].write)
        check_hours(self.name, self.expected_hours, length)
        labels = f"corrected, those of {self.labels}" if self.labels else f"the old ones, of {self.source.name}"
        write_lines(out.parent / "note", [f"transcripts are {labels}"])
        return count

    def _texts(self, stack: ExitStack, out: Path) -> Callable[[str], str | None] | None:
        """The transcript of each key in the table of labels, which is asked for them in order; None: there is none."""
        if self.labels is None:
            return None
        table = sorted_table(self.labels, stack.enter_context(SortedLines(out / ".labels")))
        current = next(table, None)

        def text_of(key: str) -> str | None:
            nonlocal current
            while current is not None and current[0] < key:
                current = next(table, None)
            return one_line(current[1]) if current is not None and current[0] == key else None

        return text_of


def _cut_one(own: Recorded, folder: Path) -> Cut:
    bad = {stretch.key: why for stretch in own.stretches if (why := _why_not(stretch))}
    good = [*{stretch.key: stretch for stretch in reversed(own.stretches) if stretch.key not in bad}.values()][::-1]
    seen = Counter(stretch.key for stretch in own.stretches)
    bad |= {key: f"the id comes {seen[key]} times; the first is taken" for key in seen if seen[key] > 1}
    if not own.audio.is_file():
        return Cut({}, bad | {stretch.key: f"{own.audio} is not there" for stretch in good})
    name = file_names([own.recording])[own.recording]
    made = cut(own.audio, good, folder / name[:_FOLDER] / f"{name}.tar")
    return Cut(made.places, made.failed | bad)


_LONGEST_KEY = 90  # bytes: a name in a tar file has 100
_FOLDER = 8  # first letters of a recording's name, of which its folder is made: a folder has not all of them


def _why_not(stretch: Stretch) -> str:
    if stretch.key.split() != [stretch.key] or "/" in stretch.key or len(stretch.key.encode()) > _LONGEST_KEY:
        return f"cannot be an id: it is empty, has white space or a slash, or is longer than {_LONGEST_KEY} bytes"
    if stretch.end_s <= stretch.start_s:
        return f"its end, {stretch.end_s:g} s, is not after its start, {stretch.start_s:g} s"
    return ""


def _write_speakers(speakers: SortedLines, write: Callable[[str], object]) -> None:
    before = ""
    for speaker, key in speakers.merged():
        write(f" {key}" if speaker == before else f"{chr(10) if before else ''}{speaker} {key}")
        before = speaker
    write("\n" if before else "")


class _Skipped:
    """The list of what is not in a set, which grows line by line; a context."""

    def __init__(self, path: Path) -> None:
        self._stack, self._path = ExitStack(), path
        self.missing, self.first = 0, list[str]()

    def __enter__(self) -> "_Skipped":
        self._file = self._stack.enter_context(
            self._stack.enter_context(replacing(self._path)).open("w", encoding="utf-8")
        )
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def miss(self, key: str, what: str) -> None:
        """Note an utterance that lacks something."""
        self.missing += 1
        if len(self.first) < MOST_SHOWN:
            self.first.append(f"{key} {what}")
        self.leave_out(key, what)

    def leave_out(self, key: str, why: str) -> None:
        """Note an utterance that is left out on purpose."""
        self._file.write(f"{key} {why}\n")
