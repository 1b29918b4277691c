"""How many recordings without speech have a word of a list in their text, and which."""

import json
from pathlib import Path
from typing import Annotated

import typer
from make_lists import spans
from names import compact

from firered.data.datadir import read_table, write_lines


def echoes(texts: dict[str, str], entries: list[str]) -> dict[str, list[str]]:
    """The entries that are in a text as whole words, of each text that has any; spaces and capitals do not matter."""
    compacted = {entry: compact(entry) for entry in entries}
    stretches = {key: spans([text]) for key, text in texts.items()}
    found = {key: [entry for entry, own in compacted.items() if own in stretches[key]] for key in texts}
    return {key: own for key, own in found.items() if own}


def main(
    lists: Annotated[Path, typer.Argument(help="folder of the lists; none.txt need not be there")],
    found: Annotated[Path, typer.Argument(help="what was recognised; its name has that of the list at its end")],
    out: Annotated[Path, typer.Argument(help="folder for score.json")],
) -> None:
    """Write score.json: recordings, those with text, those with a word of the list, and all such words."""
    size = found.name.rpartition("-")[2]
    path = max(lists.glob("*.txt"), key=lambda path: int(path.stem)) if size == "none" else lists / f"{size}.txt"
    entries = path.read_text(encoding="utf-8").splitlines()
    texts = read_table(found / "text", empty_value_ok=True)
    words = echoes(texts, entries)
    score = {"recordings": len(texts), "with_text": sum(map(bool, texts.values())), "list": str(path), "echoes": words}
    write_lines(out / "score.json", [json.dumps(score, ensure_ascii=False, indent=2)])


if __name__ == "__main__":
    typer.run(main)
