"""Kaldi data directories of the corpus."""

import re
from collections.abc import Sequence
from pathlib import Path

from shards import Recording

from firered.data.datadir import spk2utt_of, write_lines, write_table
from firered.data.write import rttm, seconds

_LABELS = {"zh": "zh mandarin", "yue": "zh yue"}  # of languages in LID; the others are their own
_MARKS = re.compile("[，。？！,.?!¿¡]")
_BETWEEN_HAN = re.compile("(?<=[\u4e00-\u9fff]) +(?=[\u4e00-\u9fff])")
_WORDS = re.compile("[\u4e00-\u9fff]|[^\\s\u4e00-\u9fff]+")


def plain_text(text: str) -> str:
    """A sentence without punctuation, as a transcript has it."""
    return _BETWEEN_HAN.sub("", " ".join(_MARKS.sub(" ", text).split()))


def has_exact_times(recording: Recording) -> bool:
    """Whether espeak-ng told the time of every word; at times it runs two together."""
    return [word.text for word in recording.words] == _WORDS.findall(_text(recording))


def write_recordings(out: Path, recordings: Sequence[Recording]) -> None:
    """Audio, speakers and durations of a set; text, languages and ctm of what has words, rttm of what has events."""
    speakers = {recording.key: _speaker(recording) for recording in recordings}
    languages = {recording.key: recording.lines[0].language for recording in recordings}
    if any(recording.words for recording in recordings):
        write_table(out / "text", {recording.key: _text(recording) for recording in recordings})
        write_table(out / "utt2lang", {key: _LABELS.get(language, language) for key, language in languages.items()})
        write_lines(out / "ctm", [line for recording in recordings for line in _ctm(recording)])
    if any(recording.events for recording in recordings):
        events = "".join(rttm(recording.key, recording.events) for recording in recordings)
        write_lines(out / "rttm", events.splitlines())
    write_table(out / "wav.scp", {recording.key: str(recording.path) for recording in recordings})
    write_table(out / "utt2spk", speakers)
    write_table(out / "spk2utt", spk2utt_of(speakers))
    write_table(out / "utt2dur", {recording.key: seconds(recording.seconds) for recording in recordings})


def _speaker(recording: Recording) -> str:
    """The voice of an utterance; a recording of several voices is a speaker of its own."""
    return recording.lines[0].voice.variant if len(recording.lines) == 1 else recording.key


def _text(recording: Recording) -> str:
    return plain_text(" ".join(line.text for line in recording.lines))


def _ctm(recording: Recording) -> list[str]:
    times = ((word, word.start_s, word.end_s - word.start_s) for word in recording.words)
    return [f"{recording.key} 1 {start:.3f} {duration:.3f} {word.text}" for word, start, duration in times]
