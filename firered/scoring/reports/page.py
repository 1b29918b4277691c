"""The HTML page of aligned errors: one file that needs nothing from elsewhere but the audio that it links to."""

import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from pathlib import Path
from urllib.parse import quote

from firered.data.datadir import DataDir, write_lines
from firered.output.html import fill, packaged, script_data
from firered.scoring.asr import AsrScore
from firered.scoring.config import ErrorRateConfig
from firered.scoring.hotwords import UtteranceHotwords
from firered.scoring.inputs.groups import labels_of
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import Aligned, Counts

_MOST_GROUPS = 30  # of each kind; by_*.tsv has all


def write_page(path: Path, score: AsrScore, reference: Side, title: str, config: ErrorRateConfig) -> None:
    """Write the page, with the utterances that have most errors."""
    wrong = [utterance for utterance in score.aligned if utterance.counts.wrong]
    wrong.sort(key=lambda utterance: (-utterance.counts.errors, utterance.key))
    shown = wrong[: config.page_utterances]
    labels = labels_of(reference, config.by)
    hot = score.hotwords
    content = {
        "rate_name": score.rate_name,
        "rate": score.total.rate,
        "interval": score.interval,
        "sentence_rate": score.total.sentence_rate,
        "normalizer": score.normalizer,
        "notes": score.notes(),
        "total": {**asdict(score.total), "errors": score.total.errors, "tokens": score.total.tokens},
        "confusions": [[*pair, times] for pair, times in score.most_common[: config.confusions]],
        "labels": list(labels),
        "groups": {name: _group_rows(score.groups[name]) for name in labels},
        "hotwords": [hot.total.recall, hot.total.precision, hot.total.f1] if hot else None,
        "utterances": [
            {
                **_utterance(utterance, labels, score.confidences, reference.data, path.parent),
                "hot": _marks(utterance, hot.utterances[utterance.key]) if hot else None,
            }
            for utterance in shown
        ],
    }
    template = packaged("firered.scoring.reports", "page.html")
    write_lines(path, [fill(template, {"title": escape(title), "data": script_data(content)})])


def _group_rows(groups: Mapping[str, Counts]) -> list[list[str | int | float | None]]:
    """Label, utterances, tokens and rate of the groups with most errors, in order of the labels."""
    most = set(sorted(groups, key=lambda label: -groups[label].errors)[:_MOST_GROUPS])
    return [[label, counts.utterances, counts.tokens, counts.rate] for label, counts in groups.items() if label in most]


def _utterance(
    utterance: Aligned,
    labels: Mapping[str, Mapping[str, str]],
    confidences: Mapping[str, float],
    data: DataDir,
    folder: Path,
) -> dict:
    """An utterance for the page; of `parts` a string is a token of both sides, a pair is an error."""
    counts = utterance.counts
    return {
        "id": utterance.key,
        "labels": [table.get(utterance.key, "") for table in labels.values()],
        "tokens": counts.tokens,
        "counts": [counts.substitutions, counts.deletions, counts.insertions],
        "missing": bool(counts.missing),
        "confidence": confidences.get(utterance.key),
        "audio": audio_link(data, utterance.key, folder),
        "parts": [pair[0] if pair[0] == pair[1] else pair for pair in utterance.pairs()],
    }


def _marks(utterance: Aligned, hotwords: UtteranceHotwords) -> list[int]:
    """Of each part: 1 where its token of the reference is in a hotword, 2 where that of the hypothesis is, 3: both."""
    inside = [
        {place for occurrence in side for place in range(occurrence.start, occurrence.end)}
        for side in (hotwords.reference, hotwords.hypothesis)
    ]
    marks, places = [], [0, 0]
    for pair in utterance.pairs():
        mark = 0
        for side, token in enumerate(pair):
            if token:
                mark |= (places[side] in inside[side]) << side
                places[side] += 1
        marks.append(mark)
    return marks


def audio_link(data: DataDir, utterance: str, folder: Path) -> str | None:
    """The address of an utterance's audio as seen from a folder; a segment carries its times as a media fragment.

    None where the recording is not a file of its own, or not there.
    """
    segment = (data.segments or {}).get(utterance)
    recording = Path((data.wav_scp or {}).get(segment.recording if segment else utterance, ""))
    if not recording.is_file():
        return None
    link = quote(os.path.relpath(recording.resolve(), folder.resolve()))
    if segment is None:
        return link
    end = "" if math.isinf(segment.end_s) else f",{segment.end_s:.3f}"
    return f"{link}#t={segment.start_s:.3f}{end}"
