"""firered-peer; its first word is vad, lid, punc or asr."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from firered.audio.config import AudioConfig
from firered.cli.flags import Script, script, split_paths, use_threads
from firered.cli.frame import Chooser
from firered.errors import OptionError
from firered.hub.catalogue import MODELS
from firered.peers import KINDS, PEERS, Peer, find_peer
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runtime.config import ComputeConfig

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="NAME IN... OUT",
        help="NAME: the system, see firered-peer --list. IN: a data directory, a wav.scp, a folder of audio, or audio "
        "files. OUT: the data directory to write.",
        show_default=False,
    ),
]
Model = Annotated[
    str | None,
    typer.Option(help="its weights, where they are elsewhere; of webrtcvad its mode, 0 to 3", show_default=False),
]
Models = Annotated[Path, typer.Option(help="folder of the weights that do not come with a package")]


def _opened(words: list[str], kind: str, model: str | None, models: Path, compute: ComputeConfig) -> Any:  # noqa: ANN401
    """The peer, its weights, its adapter, the inputs and the output; loading may take a while."""
    peer = find_peer(words[0], kind)
    inputs, out = split_paths(words[1:])
    use_threads(compute)
    return peer, peer.weights(model, models), peer.open(model, compute.device, models), inputs, out


def vad_command(
    words: Words,
    output: VadOutputConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = None,
    models: Models = MODELS,
) -> None:
    """Find speech with another system, and write what firered-vad writes; posteriors where the system has any.

    A posterior is held over the 10 ms frames whose centre its window covers.
    """
    peer, weights, adapter, inputs, out = _opened(words, "vad", model, models, compute)

    from firered.runs.peer import run_vad_peer

    sys.exit(run_vad_peer(peer, adapter, inputs, out, weights, output, audio, job))


def lid_command(
    words: Words,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = None,
    models: Models = MODELS,
) -> None:
    """Identify languages with another system, and write utt2lang, utt2lang_conf and lid.jsonl as firered-lid does."""
    peer, weights, adapter, inputs, out = _opened(words, "lid", model, models, compute)

    from firered.runs.peer import run_lid_peer

    sys.exit(run_lid_peer(peer, adapter, inputs, out, weights, audio, job))


def punc_command(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME TEXT OUT",
            help="NAME: the system, see firered-peer --list. TEXT: Kaldi text, plain text file, or - (standard input). "
            "OUT: the directory to write.",
            show_default=False,
        ),
    ],
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = None,
    models: Models = MODELS,
    kind: Annotated[str, typer.Option("--format", help="of TEXT, as for firered-punc: auto, kaldi or plain")] = "auto",
) -> None:
    """Punctuate texts with another system, and write the text that firered-punc writes."""
    if len(words) != 3:
        raise OptionError("give the system, a text and the output directory: NAME TEXT OUT")
    if kind not in ("auto", "kaldi", "plain"):
        raise OptionError(f"format: {kind!r} is not one of auto, kaldi, plain")
    peer, weights, adapter, (text,), out = _opened(words, "punc", model, models, compute)

    from firered.runs.peer import run_punc_peer

    sys.exit(run_punc_peer(peer, adapter, text, out, weights, job, kind))


def asr_command(
    words: Words,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    model: Model = None,
    models: Models = MODELS,
    language: Annotated[
        str | None,
        typer.Option(help="code of the spoken language, where the data directory has no utt2lang", show_default=False),
    ] = None,
) -> None:
    """Recognise utterances with another system, and write text and asr.jsonl; these have no tokens or confidences."""
    peer, weights, adapter, inputs, out = _opened(words, "asr", model, models, compute)

    from firered.runs.peer import run_asr_peer

    sys.exit(run_asr_peer(peer, adapter, inputs, out, weights, audio, job, language))


_KINDS = {
    "vad": script(vad_command),
    "lid": script(lid_command),
    "punc": script(punc_command),
    "asr": script(asr_command),
}


def _row(peer: Peer) -> str:
    return "\t".join((peer.kind, peer.name, peer.printed_name or "-", f"pip install {peer.package}", peer.about))


def _list(wanted: bool) -> None:
    if not wanted:
        return
    for peer in sorted(PEERS.values(), key=lambda peer: KINDS.index(peer.kind)):
        typer.echo(_row(peer))
    raise typer.Exit


def peer_command(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="vad, lid, punc or asr", show_default=False)],
    show: Annotated[
        bool,
        typer.Option(
            "--list",
            help="Print the systems: kind, name, name in the papers' tables, package, and what they are.",
            callback=_list,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Run another system that the papers' tables name, through its own library.

    firered peer vad NAME IN... OUT, and likewise lid, punc and asr, each with its own --help. OUT is what the command
    of this project writes, so that firered-score takes it.
    """
    raise OptionError(f"{kind}: no kind of system; give vad, lid, punc or asr first: vad NAME IN... OUT")


_OTHERWISE = script(peer_command)


def _choose(args: list[str]) -> tuple[TyperCommand, str, list[str]]:
    """The command of the kind that the first word names; without one, the list and the help."""
    if args and args[0] in _KINDS:
        return _KINDS[args[0]].command, args[0], args[1:]
    return _OTHERWISE.command, "", args[:1] or ["--help"]


peer = Script(lambda: Chooser("peer", _choose), peer_command.__doc__)
