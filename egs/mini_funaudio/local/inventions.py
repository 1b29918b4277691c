"""Words that a recogniser invented, a minute of audio, by kind of recording."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import DataDir, read_table
from firered.errors import FireRedError
from firered.scoring.config import NormalizerConfig
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side
from firered.scoring.metrics.error_rate import align_texts
from firered.scoring.text.normalise import normalizer


def counts(data: DataDir, texts: dict[str, str]) -> dict[str, dict[str, float]]:
    """Of each kind: utterances, those of them with invented words, these words, and minutes."""
    references, kinds, seconds = data.text or {}, data.table("utt2kind") or {}, data.durations()
    languages = languages_of(Side(data.path, dict(references), data))
    found: dict[str, dict[str, float]] = {}
    pairs = align_texts(references, texts, normalizer(NormalizerConfig()), languages)
    for key, pair in zip(sorted(references), pairs, strict=True):
        own = found.setdefault(kinds[key], {"utterances": 0, "with": 0, "words": 0, "minutes": 0.0})
        own["utterances"] += 1
        own["with"] += pair.counts.insertions > 0
        own["words"] += pair.counts.insertions
        own["minutes"] += seconds[key] / 60
    return found


def main(
    data: Annotated[Path, typer.Argument(help="data directory with utt2kind")],
    recognised: Annotated[Path, typer.Argument(help="what was recognised")],
    out: Annotated[Path, typer.Argument(help="JSON file to write")],
) -> None:
    """Write the counts."""
    try:
        texts = read_table(recognised / "text", empty_value_ok=True)
        source = DataDir(data)
        found = counts(source, {key: texts.get(key, "") for key in source.utterances()})
    except FireRedError as error:
        sys.exit(f"inventions.py: {error}")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
