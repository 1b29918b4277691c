"""The texts of the CTC head, of which firered-asr's results have a field, as a table `text`."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import write_table
from firered.errors import DataError, FireRedError


def first_texts(results: Path) -> dict[str, str]:
    """The text of each utterance; DataError where the model has no CTC head."""
    found = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        if result.get("ctc_text") is None:
            raise DataError(f"{results}: {result['uttid']}: no ctc_text; the model has no CTC head")
        found[result["uttid"]] = result["ctc_text"]
    return found


def main(
    decoded: Annotated[Path, typer.Argument(help="what firered-asr wrote")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
) -> None:
    """Write the table."""
    try:
        write_table(out / "text", first_texts(decoded / "asr.jsonl"))
    except FireRedError as error:
        sys.exit(f"first_pass.py: {error}")


if __name__ == "__main__":
    typer.run(main)
