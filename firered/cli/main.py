"""firered: all commands under one name."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from firered.cli.frame import CONTEXT, Version, run_command


@dataclass(frozen=True)
class Entry:
    """A command in the list: its heading, what it does, and the `Script` that it is, as `module:name`."""

    heading: str
    summary: str
    target: str


# The order of the list. `firered NAME` is also the script firered-NAME, but for transcribe, live, serve and doctor.
COMMANDS = {
    "transcribe": Entry("Transcribe", "Recordings to subtitles, text and other files", "transcribe:transcribe"),
    "live": Entry("Transcribe", "Live audio to captions while it is spoken", "live:live"),
    "serve": Entry("Transcribe", "Serve transcripts over HTTP, as OpenAI's API has them", "serve:serve"),
    "vad": Entry("Modules", "Find speech in recordings", "vad:vad"),
    "mvad": Entry("Modules", "Find speech, singing and music in recordings", "vad:mvad"),
    "stream-vad": Entry("Modules", "Find speech in live audio", "vad:stream_vad"),
    "lid": Entry("Modules", "Identify languages and Chinese dialects", "lid:lid"),
    "asr": Entry("Modules", "Recognise speech", "asr:asr"),
    "align": Entry("Modules", "Align text to audio: word times", "asr:align"),
    "encode": Entry("Modules", "Write a recogniser's encoder output", "encode:encode"),
    "punc": Entry("Modules", "Punctuate recognised text", "punc:punc"),
    "peer": Entry("Modules", "Run another system, to compare with", "peer:peer"),
    "prepare-data": Entry("Features", "Make a Kaldi data directory of recordings", "features:prepare"),
    "fbank": Entry("Features", "Write filterbank features", "features:fbank"),
    "cmvn": Entry("Features", "Write mean and variance statistics of features", "features:cmvn"),
    "noisy": Entry("Training", "Write noisy copies of a data directory", "data:noisy"),
    "shards": Entry("Training", "Pack a data directory into tar files", "data:shards"),
    "pseudo-label": Entry("Training", "Label recordings with what several systems agree on", "label:pseudo_label"),
    "tokens": Entry("Training", "Make a dictionary and a SentencePiece model of text", "train:tokens"),
    "context": Entry("Training", "Write contexts of utterances", "data:context"),
    "mixed-text": Entry("Training", "Write sentences that mix two languages", "data:mixed_text"),
    "speak": Entry("Training", "Have texts spoken by a synthesiser", "data:spoken"),
    "rl-data": Entry("Training", "Choose utterances for reinforcement learning", "train:rl_data"),
    "train": Entry("Training", "Train or fine-tune a model", "train:train"),
    "score": Entry("Scoring", "Score text, voice activity, languages or punctuation", "score:score"),
    "table": Entry("Scoring", "Write scores next to published figures", "table:table"),
    "quantize": Entry("Tools", "Write a model in int8 or bfloat16", "quantize:quantize"),
    "download": Entry("Tools", "Fetch published models", "download:download"),
    "doctor": Entry("Tools", "Check packages, devices and models", "doctor:doctor"),
}


class _OnDemand(Mapping[str, TyperCommand]):
    """The commands by name, each imported when it is looked up."""

    def __getitem__(self, name: str) -> TyperCommand:
        module, _, attribute = COMMANDS[name].target.partition(":")
        return getattr(importlib.import_module(f"firered.cli.{module}"), attribute).command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(TyperGroup):
    """The list of commands, which is shown without importing any of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - click's context
        """Parse; without arguments print help."""
        return super().parse_args(ctx, args or ["--help"])

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write the commands under their headings."""
        width = max(map(len, COMMANDS))
        for heading in dict.fromkeys(entry.heading for entry in COMMANDS.values()):
            rows = [(name.ljust(width), entry.summary) for name, entry in COMMANDS.items() if entry.heading == heading]
            with formatter.section(heading):
                formatter.write_dl(rows)


def _firered(version: Version = False) -> None:
    """Speech recognition: voice activity, language, text, word times and punctuation.

    firered COMMAND --help shows what a command takes. Each command but transcribe, live, serve and doctor is also
    there as firered-COMMAND.
    """


def _app() -> TyperGroup:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.callback(cls=Commands, context_settings=CONTEXT)(_firered)
    group = typer.main.get_command(app)
    assert isinstance(group, Commands)
    group.commands = _OnDemand()  # type: ignore[assignment]  # nothing adds to it
    return group


def main() -> None:
    """Console script."""
    run_command(_app())
