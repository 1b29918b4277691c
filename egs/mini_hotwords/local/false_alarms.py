"""How often an entry of a list of which nothing is said comes into a text, by the entry's length."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from make_lists import spans, units_of
from names import compact

from firered.data.datadir import DataDir, read_table, write_lines

LENGTHS = ("1", "2", "3 or more")  # Chinese characters, or words


def length_of(entry: str) -> str:
    """One of `LENGTHS`."""
    return LENGTHS[min(len(units_of(entry)), len(LENGTHS)) - 1]


def alarms(texts: dict[str, str], references: dict[str, str], entries: list[str]) -> Counter[str]:
    """Utterances whose text has an entry that their reference has not, by the entry's length, one an entry."""
    lengths = {compact(entry): length_of(entry) for entry in entries}
    found: Counter[str] = Counter()
    for key, text in texts.items():
        for own in spans([text]) & lengths.keys() - spans([references[key]]):
            found[lengths[own]] += 1
    return found


def main(
    entries: Annotated[Path, typer.Argument(help="the list")],
    data: Annotated[Path, typer.Argument(help="data directory with text and utt2dur")],
    found: Annotated[Path, typer.Argument(help="what was recognised, with the list or without one")],
    out: Annotated[Path, typer.Argument(help="file to write")],
) -> None:
    """Write the entries of each length, and false alarms of them an hour of audio, as JSON."""
    listed = entries.read_text(encoding="utf-8").splitlines()
    reference = DataDir(data)
    hours = sum(map(float, (reference.table("utt2dur") or {}).values())) / 3600
    counts = alarms(read_table(found / "text", empty_value_ok=True), reference.text, listed)
    of_length = Counter(map(length_of, listed))
    rows = {name: {"entries": of_length[name], "an hour": counts[name] / hours} for name in LENGTHS}
    write_lines(out, [json.dumps(rows, indent=2)])


if __name__ == "__main__":
    typer.run(main)
