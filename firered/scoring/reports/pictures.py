"""Pictures of scores: reliability of confidences, threshold sweeps, confusion matrices, delays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
import numpy as np

from firered.errors import writing
from firered.scoring.metrics.calibration import Calibration

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.colors import PowerNorm

if TYPE_CHECKING:
    from firered.scoring.metrics.frames import Roc

_BLUE, _ORANGE, _GREEN, _GREY = "#1f6fb4", "#c8521b", "#3b8a3e", "#98a2b3"
_DPI = 110
_CURVE_POINTS = 2000
_LARGEST = 30  # inches
_MOST_NUMBERED = 25  # labels of a confusion matrix that still leave room for numbers in its cells


def draw_reliability(path: Path, calibration: Calibration) -> None:
    """Draw the share that is right over the confidence, and how much there is at each confidence."""
    figure, (curve, bars) = pyplot.subplots(
        2, 1, figsize=(5.2, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    used = calibration.weights > 0
    curve.plot((0, 1), (0, 1), color=_GREY, linestyle="--", linewidth=1, label="perfect")
    curve.plot(calibration.confidences[used], calibration.accuracies[used], "o-", color=_BLUE, label="measured")
    curve.set(ylabel="share that is right", ylim=(-0.02, 1.02), xlim=(0, 1))
    curve.set_title(f"expected calibration error {calibration.error:.4f}", fontsize=11)
    curve.legend(loc="upper left", frameon=False)
    edges = np.linspace(0, 1, len(calibration.weights) + 1)
    shares = calibration.weights / calibration.weights.sum()
    bars.bar(edges[:-1], shares, np.diff(edges), align="edge", color=_BLUE, alpha=0.6, edgecolor="white")
    bars.set(xlabel="confidence", ylabel="share of all", ylim=(0, None))
    _save(figure, path)


def draw_sweep(path: Path, roc: "Roc", rows: Sequence[tuple[float | None, ...]], threshold: float) -> None:
    """Draw F1, false alarms and misses over the threshold, and the ROC curve; `rows` are those of `sweep`."""
    figure, (sweep, curve) = pyplot.subplots(1, 2, figsize=(10, 4.4), width_ratios=(3, 2), layout="constrained")
    columns = np.array(rows, float)
    for column, (name, colour) in enumerate((("F1", _BLUE), ("false alarms", _ORANGE), ("misses", _GREEN)), 1):
        sweep.plot(columns[:, 0], columns[:, column], color=colour, label=name)
    sweep.axvline(threshold, color=_GREY, linestyle=":", label=f"threshold {threshold:g}")
    sweep.set(xlabel="threshold", ylabel="%", xlim=(0, 1), ylim=(-2, 102))
    sweep.legend(loc="center", ncols=2, frameon=False)
    hits, false_alarms = (np.append(0, counts) for counts in (roc.hits, roc.false_alarms))
    thinned = np.unique(np.linspace(0, len(hits) - 1, _CURVE_POINTS).astype(int))
    curve.plot((0, 100), (0, 100), color=_GREY, linestyle="--", linewidth=1)
    curve.plot(
        100 * false_alarms[thinned] / max(false_alarms[-1], 1), 100 * hits[thinned] / max(hits[-1], 1), color=_BLUE
    )
    point = roc.at(threshold).rates
    if point["FAR%"] is not None and point["MR%"] is not None:
        curve.plot(point["FAR%"], 100 - point["MR%"], "o", color=_ORANGE, label=f"threshold {threshold:g}")
        curve.legend(loc="lower right", frameon=False)
    curve.set(xlabel="false alarms, %", ylabel="speech found, %", xlim=(-2, 102), ylim=(-2, 102))
    curve.set_title("ROC" if roc.auc is None else f"ROC, area {roc.auc:.2f} %", fontsize=11)
    _save(figure, path)


def draw_confusion_matrix(path: Path, labels: Sequence[str], columns: Sequence[str], counts: np.ndarray) -> None:
    """Draw (rows, columns) counts of what was taken for what; colours are shares of a row."""
    cell, font = (0.45, 9) if len(columns) <= _MOST_NUMBERED else (0.15, 7)
    size = (min(3.5 + cell * len(columns), _LARGEST), min(2 + cell * len(labels), _LARGEST))
    figure, axes = pyplot.subplots(figsize=size, layout="constrained")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    # The root of the shares, so that rare confusions can be seen.
    image = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1), aspect="auto")
    axes.set_xticks(range(len(columns)), map(_plain, columns), rotation=90, fontsize=font)
    axes.set_yticks(range(len(labels)), map(_plain, labels), fontsize=font)
    axes.set(xlabel="hypothesis", ylabel="reference")
    if len(columns) <= _MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                colour = "white" if shares[row, column] > 0.3 else "#1d2430"
                axes.text(column, row, str(count), ha="center", va="center", fontsize=8, color=colour)
    figure.colorbar(image, label="share of the reference label", aspect=40)
    _save(figure, path)


def draw_delays(path: Path, delays_s: Mapping[str, np.ndarray]) -> None:
    """Draw the share of words whose delay is at most so many seconds, a line for each of these (N,) delays by name."""
    figure, axes = pyplot.subplots(figsize=(7, 4.4), layout="constrained")
    shown = {name: np.sort(delays) for name, delays in delays_s.items() if len(delays)}
    # The slowest hundredth would take most of the width.
    right = max((float(np.percentile(delays, 99)) for delays in shown.values()), default=1.0)
    left = min((float(np.percentile(delays, 1)) for delays in shown.values()), default=0.0)
    for name, delays in shown.items():
        shares = 100 * np.arange(len(delays) + 1) / len(delays)
        style = "-" if "heard" in name else "--"
        colour = _BLUE if name.startswith("first") else _ORANGE
        axes.step(np.append(delays[0], delays), shares, style, where="post", color=colour, label=name)
    for seconds in (0.5, 1, 2):
        axes.axvline(seconds, color=_GREY, linestyle=":", linewidth=1)
    edge = 0.05 * (max(right, 0.1) - min(left, 0)) + 0.01
    axes.set(xlabel="seconds after the end of the word", ylabel="share of the words, %", ylim=(-2, 102))
    axes.set_xlim(min(left, 0) - edge, max(right, 0.1) + edge)
    if shown:
        axes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def _plain(label: str) -> str:
    return label.replace("$", r"\$")  # else the start of a formula


def _save(figure: pyplot.Figure, path: Path) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=_DPI)
    pyplot.close(figure)
