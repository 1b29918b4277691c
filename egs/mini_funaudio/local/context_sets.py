"""What the part `context` is trained and tested with, of what firered-context wrote.

    python context_sets.py train WRITTEN OUT            each utterance keeps some kinds of context
    python context_sets.py test WRITTEN SENTENCES OUT   one data directory with all ways of asking, OUT/asked, and for
                                                        each way a folder OUT/WAY with the texts to compare with

An utterance that had its name in every kind of context at once would not teach the model to look for it in each.
"""

import json
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from firered.data.datadir import DataDir, read_table, write_lines, write_table
from firered.data.partition import subset
from firered.errors import FireRedError
from firered.text.fun_asr import Request

CONTEXTS = "contexts.jsonl"
IRRELEVANT = 5  # contexts of other utterances
LISTED = 7  # names of others in a list
WAYS = ("none", "relevant", "five", "irrelevant", "list")  # of single sentences
TALKS = ("talk_none", "talk_reference")  # of conversations; recognised context is a run of its own
_KINDS = {"text": 0.4, "list": 0.4, "both": 0.2}  # shares of utterances
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Asked:
    """An utterance as it is asked for: its id there, recording, text, prompt, and hotwords."""

    key: str
    audio: str
    text: str
    prompt: str = ""
    hotwords: tuple[str, ...] = ()


def contexts_of(data: Path) -> dict[str, dict[str, list[str]]]:
    """The contexts of each utterance: `own` and `others`."""
    found: dict[str, dict[str, list[str]]] = {}
    for line in map(json.loads, (data / CONTEXTS).read_text(encoding="utf-8").splitlines()):
        kinds = found.setdefault(line["utterance"], {"own": [], "others": []})
        kinds["others" if line["kind"] == "irrelevant" else "own"].append(line["text"])
    return found


def single(written: Path, rng: random.Random) -> Iterator[tuple[str, Asked]]:
    """Each utterance in every way of asking."""
    data, contexts = DataDir(written), contexts_of(written)
    audio, texts, names = data.wav_scp or {}, data.text or {}, read_table(written / "keywords")
    for key in data.utterances():
        own = rng.choice(contexts[key]["own"])
        others = contexts[key]["others"][:IRRELEVANT]
        five = [own, *others]
        rng.shuffle(five)
        foreign = sorted({name for name in names.values() if name != names[key]})
        listed = [names[key], *rng.sample(foreign, min(LISTED, len(foreign)))]
        rng.shuffle(listed)
        prompts = {"none": "", "relevant": own, "five": " ".join(five), "irrelevant": " ".join(others), "list": ""}
        for way in WAYS:
            hotwords = tuple(listed) if way == "list" else ()
            yield way, Asked(f"{key}-{way}", audio[key], texts[key], prompts[way], hotwords)


def talks(sentences: Path) -> Iterator[tuple[str, Asked]]:
    """The sentences of conversations without context, and with the transcript of the one before."""
    data, before = DataDir(sentences), read_table(sentences / "previous")
    audio, texts = data.wav_scp or {}, data.text or {}
    for key in data.utterances():
        known = Request(history=before[key]).free_text if key in before else ""
        for way, prompt in zip(TALKS, ("", known), strict=True):
            yield way, Asked(f"{key}-{way}", audio[key], texts[key], prompt)


def write_asked(out: Path, asked: list[Asked]) -> None:
    """Write a data directory of utterances with their prompts and lists."""
    write_table(out / "wav.scp", {own.key: own.audio for own in asked})
    write_table(out / "text", {own.key: own.text for own in asked})
    write_table(out / "utt2prompt", {own.key: own.prompt for own in asked if own.prompt})
    listed = [own for own in asked if own.hotwords]
    write_table(out / "utt2hotwords", {own.key: own.key for own in listed})
    (out / "hotwords").mkdir(exist_ok=True)
    for own in listed:
        write_lines(out / "hotwords" / f"{own.key}.txt", list(own.hotwords))


@app.command()
def train(
    written: Annotated[Path, typer.Argument(help="what firered-context wrote")],
    out: Annotated[Path, typer.Argument(help="data directory to write")],
) -> None:
    """Write a data directory in which each utterance has its name in some kinds of context."""
    try:
        data, rng = DataDir(written), random.Random(1)
        subset(data, data.utterances(), out)
        kinds = {key: rng.choices([*_KINDS], [*_KINDS.values()])[0] for key in data.utterances()}
        lines = (written / CONTEXTS).read_text(encoding="utf-8").splitlines()
        kept = [
            line
            for line in lines
            if (own := json.loads(line))["kind"] == "irrelevant" or kinds[own["utterance"]] != "list"
        ]
        write_lines(out / CONTEXTS, kept)
        names = read_table(written / "keywords")
        write_table(out / "keywords", {key: name for key, name in names.items() if kinds[key] != "text"})
        write_table(out / "previous", read_table(written / "previous"))
    except FireRedError as error:
        sys.exit(f"context_sets.py: {error}")


@app.command()
def test(
    written: Annotated[Path, typer.Argument(help="what firered-context wrote")],
    sentences: Annotated[Path, typer.Argument(help="data directory of the sentences of conversations")],
    out: Annotated[Path, typer.Argument(help="folder to write")],
) -> None:
    """Write all ways of asking."""
    try:
        pairs = [*single(written, random.Random(1)), *talks(sentences)]
        (out / "asked").mkdir(parents=True, exist_ok=True)
        write_asked(out / "asked", [own for _, own in pairs])
        lengths = read_table(sentences.parent / "conversations/utt2span")
        for way in (*WAYS, *TALKS):
            own = [asked for name, asked in pairs if name == way]
            write_table(out / way / "text", {asked.key: asked.text for asked in own})
            write_table(out / way / "utt2lang", {asked.key: "zh mandarin" for asked in own})
            if way in TALKS:
                stems = {asked.key: asked.key.removesuffix(f"-{way}") for asked in own}
                write_table(out / way / "utt2span", {key: lengths[stem] for key, stem in stems.items()})
        names = {*read_table(written / "keywords").values(), *read_table(sentences / "keywords").values()}
        write_lines(out / "names.txt", sorted(names))
    except FireRedError as error:
        sys.exit(f"context_sets.py: {error}")


if __name__ == "__main__":
    app()
