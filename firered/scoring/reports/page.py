"""The HTML page of aligned errors: one file that needs nothing from elsewhere but the audio that it links to."""

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from firered.data.datadir import DataDir, write_lines
from firered.scoring.asr import AsrScore
from firered.scoring.config import ErrorRateConfig
from firered.scoring.inputs.groups import labels_of
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import Aligned


def write_page(path: Path, score: AsrScore, reference: Side, title: str, config: ErrorRateConfig) -> None:
    """Write the page, with the utterances that have most errors."""
    wrong = sorted((one for one in score.aligned if one.counts.wrong), key=lambda one: (-one.counts.errors, one.key))
    shown = wrong[: config.page_utterances]
    labels = labels_of(reference)
    content = {
        "rate_name": score.rate_name,
        "rate": score.total.rate,
        "interval": score.interval,
        "sentence_rate": score.total.sentence_rate,
        "normalizer": score.normalizer,
        "total": {**asdict(score.total), "errors": score.total.errors, "tokens": score.total.tokens},
        "confusions": [[*pair, times] for pair, times in score.most_common()[: config.confusions]],
        "labels": list(labels),
        "utterances": [_utterance(one, labels, score.confidences, reference.data, path.parent) for one in shown],
    }
    template = files("firered.scoring.reports").joinpath("page.html").read_text(encoding="utf-8")
    # `<` is the one character that could end the script element that holds the data.
    data = json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
    filled = {"title": escape(title), "data": data}
    write_lines(path, [re.sub("{{(title|data)}}", lambda place: filled[place[1]], template)])


def _utterance(
    one: Aligned,
    labels: Mapping[str, Mapping[str, str]],
    confidences: Mapping[str, float],
    data: DataDir,
    folder: Path,
) -> dict:
    """An utterance for the page; of `parts` a string is a token of both sides, a pair is an error."""
    counts = one.counts
    return {
        "id": one.key,
        "labels": [table.get(one.key, "") for table in labels.values()],
        "tokens": counts.tokens,
        "counts": [counts.substitutions, counts.deletions, counts.insertions],
        "missing": bool(counts.missing),
        "confidence": confidences.get(one.key),
        "audio": audio_link(data, one.key, folder),
        "parts": [pair[0] if pair[0] == pair[1] else pair for pair in one.pairs()],
    }


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
