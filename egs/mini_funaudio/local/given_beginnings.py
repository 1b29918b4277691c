"""How many texts of streams are wrong because the last step was given a wrong beginning, which it cannot take back."""

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer

from firered.asr.families.fun_asr_stream import HELD_BACK
from firered.data.datadir import read_table, write_lines
from firered.errors import FireRedError
from firered.text.llm_tokenizer import ChatTokenizer
from firered.train.data.growing import beginning_of


def texts_before(path: Path) -> dict[str, str]:
    """The text before the final one, by recording, of live.jsonl; that of the last step but one."""
    partial: dict[str, list[tuple[float, str]]] = defaultdict(list)
    found = {}
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if line["kind"] == "partial":
            partial[line["reco"]].append((line["heard_s"], line["stable"] + line["unstable"]))
        elif line["kind"] == "final":
            earlier = [text for heard_s, text in partial[line["reco"]] if heard_s < line["heard_s"]]
            found[line["reco"]] = earlier[-1] if earlier else ""
    return found


def counts(data: Path, decoded: Path, tokenizer: ChatTokenizer) -> dict[str, int]:
    """Utterances of a data directory, those whose text is wrong, and those of them that were given a wrong text."""
    texts, said = read_table(data / "text"), read_table(decoded / "text", empty_value_ok=True)
    before = texts_before(decoded / "live.jsonl")
    wrong = [key for key, text in texts.items() if said.get(key, "") != text]
    given = {key: beginning_of(before.get(key, ""), tokenizer.ids_of, tokenizer.decode, HELD_BACK) for key in wrong}
    of_given = [key for key, text in given.items() if not texts[key].startswith(text)]
    return {"utterances": len(texts), "wrong": len(wrong), "given_wrong": len(of_given)}


def main(
    llm: Annotated[Path, typer.Argument(help="the language model, for its tokens")],
    streams: Annotated[
        list[str],
        typer.Argument(help="OUT=DATA=DECODED: JSON to write, texts, what firered-asr --streaming has written"),
    ],
) -> None:
    """Write the counts of each."""
    try:
        tokenizer = ChatTokenizer.from_dir(llm)
        for out, data, decoded in (map(Path, stream.split("=")) for stream in streams):
            out.parent.mkdir(parents=True, exist_ok=True)
            write_lines(out, [json.dumps(counts(data, decoded, tokenizer))])
    except FireRedError as error:
        sys.exit(f"given_beginnings.py: {error}")


if __name__ == "__main__":
    typer.run(main)
