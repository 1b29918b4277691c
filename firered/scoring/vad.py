"""Voice activity, frame by frame, against labels: the conventions of the FireRedASR2S report, section 7.2.

Frame t of a recording stands for the 10 ms from 0.01 t on, as in the segments that the detectors write; there are as
many frames as 25 ms windows fit into the recording. A label begins and ends at the frame boundary nearest to it.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from firered.audio.framing import SAMPLE_RATE, num_frames
from firered.data.archives import read_matrix
from firered.data.datadir import DataDir
from firered.data.lines import read_lines
from firered.errors import DataError
from firered.scoring.config import SampleConfig, VadScoreConfig
from firered.scoring.inputs.groups import UNKNOWN
from firered.scoring.inputs.labels import Labels, Span, read_labels, read_uem
from firered.scoring.inputs.pair import need_common, numbers
from firered.scoring.metrics.bootstrap import Interval, interval
from firered.scoring.metrics.frames import FRAMES_PER_S, FrameCounts, Roc, resampled_rate

log = logging.getLogger(__name__)

_LATE_S = 0.1  # a label may end this much after the last window without a word


@dataclass(frozen=True)
class Recording:
    """Frames of one recording that are scored: what is right, and what was found.

    `speech` and `decided` are (T,) booleans, `posteriors` (T,) floats; either of the last two may be None.
    """

    key: str
    speech: np.ndarray
    posteriors: np.ndarray | None
    decided: np.ndarray | None


@dataclass(frozen=True)
class Pooled:
    """Scores of some recordings taken together: of posteriors at the threshold, of segments, or both."""

    recordings: int
    frames: int
    speech_frames: int
    auc: float | None
    at_threshold: FrameCounts | None
    segments: FrameCounts | None

    @property
    def counts(self) -> FrameCounts:
        """Of the posteriors at the threshold; of the segments where there are no posteriors."""
        return self.at_threshold or self.segments or FrameCounts()

    @property
    def metrics(self) -> dict[str, float | None]:
        """The papers' figures; the area under the curve is of posteriors only, and None without them."""
        return {"AUC-ROC%": self.auc, **self.counts.rates}


@dataclass(frozen=True)
class VadScore:
    """A detector's score over all recordings, and what it is made of; `roc` is of posteriors only."""

    threshold: float
    pooled: Pooled
    roc: Roc | None
    languages: dict[str, Pooled]
    recordings: dict[str, Pooled]
    intervals: dict[str, Interval | None]
    missing: list[str]
    extra: list[str]
    drafts: int = 0  # recordings whose labels are a detector's, which nobody has corrected


def score_vad(reference: Path, hypothesis: Path, config: VadScoreConfig, sample: SampleConfig) -> VadScore:
    """The score of posteriors (probs.scp), of segments, or of both, against labels.

    Raises:
        DataError: labels or posteriors cannot be read, or a recording's length is not known.
    """
    labels = read_labels(reference, config)
    if not labels.spans:
        raise DataError(f"{reference}: names no recordings")
    posteriors = DataDir(hypothesis).table("probs.scp") if hypothesis.is_dir() else None
    segments = _segments(hypothesis, config, posteriors)
    listed = _listed(hypothesis)
    known = set(posteriors or {}) | set(segments.spans if segments else {}) | set(listed)
    need_common(labels.spans, known, hypothesis)
    seconds = listed | _durations(reference, hypothesis, labels, segments)
    scored = read_uem(Path(config.uem)) if config.uem else None
    recordings = []
    for key in sorted(labels.spans):
        probs = _posteriors(posteriors, key) if posteriors is not None else None
        frames = len(probs) if probs is not None and len(probs) else _windows(seconds, key)
        recordings.append(_recording(key, frames, labels, probs, segments, scored))
    missing = sorted(labels.spans.keys() - known)
    languages = (DataDir(reference).utt2lang if reference.is_dir() else None) or {}
    score = _score(recordings, languages, config.threshold, sample, missing, sorted(known - labels.spans.keys()))
    drafts = (DataDir(reference).table("drafts") if reference.is_dir() else None) or {}
    return replace(score, drafts=len(drafts.keys() & labels.spans.keys()))


def _segments(hypothesis: Path, config: VadScoreConfig, posteriors: Mapping[str, str] | None) -> Labels | None:
    """The segments that were found; a directory of posteriors need not have any."""
    has_segments = not hypothesis.is_dir() or any((hypothesis / name).is_file() for name in ("rttm", "segments"))
    return read_labels(hypothesis, config) if has_segments or posteriors is None else None


def _listed(hypothesis: Path) -> dict[str, float]:
    """Seconds of the recordings that a detector has been through, those without speech included, by its vad.jsonl."""
    file = hypothesis / "vad.jsonl"
    if not file.is_file():
        return {}
    try:
        found = [json.loads(line) for _, line in read_lines(file)]
        return {str(result["uttid"]): float(result["dur"]) for result in found}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file}: not what firered-vad writes ({type(error).__name__}: {error})") from None


def _posteriors(table: Mapping[str, str], key: str) -> np.ndarray:
    """(T,) posteriors of a recording, none where it is missing."""
    if key not in table:
        return np.zeros(0, np.float32)
    matrix = read_matrix(table[key])
    if matrix.shape[1] != 1:
        raise DataError(f"{table[key]}: {matrix.shape[1]} columns; posteriors of speech are one")
    if not (np.isfinite(matrix).all() and matrix.min(initial=0) >= 0 and matrix.max(initial=0) <= 1):
        raise DataError(f"{table[key]}: holds posteriors of {key} that are not between 0 and 1")
    return matrix[:, 0]


def _durations(reference: Path, hypothesis: Path, *labels: Labels | None) -> dict[str, float]:
    """Seconds of the recordings, from the tables of either side or the labels themselves."""
    seconds: dict[str, float] = {}
    for side in filter(None, labels):
        seconds |= side.durations
    for path in (hypothesis, reference):
        data = DataDir(path if path.is_dir() else path.parent)
        seconds |= numbers(data, "utt2dur") | numbers(data, "reco2dur")
    return seconds


def _windows(seconds: Mapping[str, float], key: str) -> int:
    """The number of analysis windows that fit into a recording."""
    if key not in seconds:
        raise DataError(f"{key}: how long is it? Put a reco2dur beside the labels, or posteriors into HYP")
    return num_frames(round(seconds[key] * SAMPLE_RATE))


def frames_of(spans: list[Span], frames: int) -> np.ndarray:
    """(T,) booleans of the frames that lie in any of the spans."""
    inside = np.zeros(frames, bool)
    for start_s, end_s in spans:
        end = frames if math.isinf(end_s) else math.floor(end_s * FRAMES_PER_S + 0.5)
        inside[math.floor(start_s * FRAMES_PER_S + 0.5) : end] = True
    return inside


def _recording(
    key: str,
    frames: int,
    labels: Labels,
    probs: np.ndarray | None,
    segments: Labels | None,
    scored: Mapping[str, list[Span]] | None,
) -> Recording:
    spans = labels.spans[key]
    last_s = max((end for _, end in spans if math.isfinite(end)), default=0.0)
    if last_s > (frames + 1.5) / FRAMES_PER_S + _LATE_S:
        log.warning("%s: labels go on to %.2f s, %d frames only to %.2f s", key, last_s, frames, frames / FRAMES_PER_S)
    kept = slice(None) if scored is None else frames_of(scored.get(key, []), frames)
    if probs is not None and not len(probs):
        probs = np.zeros(frames, np.float32)  # missing: nothing was found in it
    decided = frames_of(segments.spans.get(key, []), frames)[kept] if segments else None
    return Recording(key, frames_of(spans, frames)[kept], None if probs is None else probs[kept], decided)


def _score(
    recordings: list[Recording],
    languages: Mapping[str, str],
    threshold: float,
    sample: SampleConfig,
    missing: list[str],
    extra: list[str],
) -> VadScore:
    each = {recording.key: _pool([recording], threshold)[0] for recording in recordings}
    members: dict[str, list[Recording]] = {}
    for recording in recordings if languages else ():
        members.setdefault(languages.get(recording.key, UNKNOWN), []).append(recording)
    by_language = {language: _pool(members[language], threshold)[0] for language in sorted(members)}
    pooled, roc = _pool(recordings, threshold)
    counts = np.array([of_recording.counts.row() for of_recording in each.values()], np.int64)
    intervals = {name: interval(counts, partial(resampled_rate, name), sample) for name in pooled.counts.rates}
    return VadScore(threshold, pooled, roc, by_language, each, intervals, missing, extra)


def _pool(recordings: list[Recording], threshold: float) -> tuple[Pooled, Roc | None]:
    """Scores of recordings taken together, each frame of the same weight, and the curve of their posteriors."""
    speech = np.concatenate([recording.speech for recording in recordings])
    posteriors = _joined([recording.posteriors for recording in recordings])
    decided = _joined([recording.decided for recording in recordings])
    roc = Roc.of(speech, posteriors) if posteriors is not None and len(speech) else None
    at_threshold = None
    if posteriors is not None:
        at_threshold = roc.at(threshold) if roc else FrameCounts()
    segments = None if decided is None else FrameCounts.of(speech, decided)
    auc = roc.auc if roc else None
    return Pooled(len(recordings), len(speech), int(speech.sum()), auc, at_threshold, segments), roc


def _joined(parts: list[np.ndarray | None]) -> np.ndarray | None:
    """The arrays of all recordings one after the other; None where they have none."""
    given = [part for part in parts if part is not None]
    return np.concatenate(given) if given else None
