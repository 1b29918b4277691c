"""Plots of a detector's result: waveform, posteriors and segments on one time axis."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib
import numpy as np

from firered.audio.framing import FRAME_SHIFT_S
from firered.data.write import Labelled
from firered.errors import writing
from firered.output.envelope import Envelope

matplotlib.use("Agg")
from matplotlib import pyplot

COLOURS = {"speech": "#1f6fb4", "singing": "#c8521b", "music": "#3b8a3e"}
_COLUMNS = 2400  # pixels across: an envelope of so many points shows all that a picture can


def draw(
    path: Path,
    title: str,
    samples: Iterable[np.ndarray],
    probs: np.ndarray,
    labels: Sequence[str],
    thresholds: Sequence[float],
    segments: Sequence[Labelled],
) -> None:
    """Draw one recording.

    Args:
        path: of the png file.
        title: over the picture.
        samples: pieces of the signal, 16 kHz on the int16 scale.
        probs: (T, len(labels)) posteriors.
        labels: of the columns of `probs`.
        thresholds: decision threshold of each.
        segments: what was found.
    """
    envelope = Envelope()
    for piece in samples:
        envelope.add(piece / 32768.0)
    times, low, high = envelope.curve(_COLUMNS)
    end = max(len(probs) * FRAME_SHIFT_S, times[-1])
    size = {"height_ratios": [2, 2, 0.35 * len(labels)]}
    figure, (wave, post, bars) = pyplot.subplots(
        3, 1, figsize=(12, 5), sharex=True, gridspec_kw=size, layout="constrained"
    )
    _draw_wave(wave, times, low, high, segments)
    _draw_posteriors(post, probs, labels, thresholds)
    _draw_bars(bars, labels, segments)
    bars.set(xlim=(0, end), xlabel="time (s)")
    figure.suptitle(title.replace("$", r"\$"), fontsize=11)
    with writing(path):
        figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _draw_wave(
    axes: pyplot.Axes, times: np.ndarray, low: np.ndarray, high: np.ndarray, segments: Sequence[Labelled]
) -> None:
    axes.fill_between(times, low, high, color="#444444", linewidth=0.4, step="post")
    one_label = len({label for *_, label in segments}) == 1  # shades of several would only mix into grey
    for start, end, label in segments if one_label else ():
        axes.axvspan(start, end, color=COLOURS[label], alpha=0.16, linewidth=0)
    limit = max(0.05, float(max(-low.min(), high.max())) * 1.1)
    axes.set(ylabel="amplitude", ylim=(-limit, limit))


def _draw_posteriors(axes: pyplot.Axes, probs: np.ndarray, labels: Sequence[str], thresholds: Sequence[float]) -> None:
    step = -(-len(probs) // _COLUMNS)
    times = np.arange(0, len(probs), step) * FRAME_SHIFT_S
    for column, (label, threshold) in enumerate(zip(labels, thresholds, strict=True)):
        axes.plot(times, probs[::step, column], color=COLOURS[label], linewidth=1.0, label=label)
        axes.axhline(threshold, color=COLOURS[label], linewidth=0.8, linestyle=":")
    axes.set(ylabel="posterior", ylim=(-0.03, 1.03))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=len(labels), fontsize=8, frameon=False, borderpad=0)


def _draw_bars(axes: pyplot.Axes, labels: Sequence[str], segments: Sequence[Labelled]) -> None:
    for row, label in enumerate(labels):
        spans = [(start, end - start) for start, end, name in segments if name == label]
        axes.broken_barh(spans, (row + 0.15, 0.7), facecolor=COLOURS[label])
    axes.set(yticks=np.arange(len(labels)) + 0.5, yticklabels=labels, ylim=(len(labels), 0))
