"""firered live."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from firered.asr.config import RecogniserConfig
from firered.asr.families import find
from firered.audio.config import AudioConfig
from firered.cli.flags import script, use_threads
from firered.cli.frame import interruptible
from firered.cli.kinds import asr_kinds
from firered.cli.live_input import FILE, MIC, ROOM_S, TIMEOUT_S, Given
from firered.errors import OptionError, writing
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.live.config import BREATH_S, LiveConfig
from firered.options import write_sections
from firered.output.config import SubtitleConfig
from firered.punc.config import PuncConfig
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig, ContextConfig
from firered.system.config import ModulesConfig
from firered.vad.config import StreamVadConfig

if TYPE_CHECKING:
    from firered.live.system import LiveSystem
    from firered.output.live import Written


def live_command(
    system: ModulesConfig,
    live: LiveConfig,
    vad: StreamVadConfig,
    lid: LidConfig,
    asr: RecogniserConfig,
    context: ContextConfig,
    punc: PuncConfig,
    subtitles: SubtitleConfig,
    audio: AudioConfig,
    compute: ComputeConfig,
    job: RunConfig,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]",
            help="- for standard input, an audio or video file, an address (rtsp://, http://); nothing: the "
            "microphone. With -o: data directories, wav.scp files, folders and files",
            show_default=False,
        ),
    ] = None,
    mic: Annotated[str | None, typer.Option(help="microphone by its number, or a part of its name")] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="print the microphones and end")] = False,
    pace: Annotated[
        float | None, typer.Option(help="of a file: seconds of audio a second, 0: as fast as it goes [default: 1]")
    ] = None,
    rate: Annotated[
        int | None,
        typer.Option(
            help="Hz of raw samples on standard input [default: 16000], or of the microphone [default: its own]"
        ),
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="channels of raw samples on standard input, or of the microphone [default: 1]")
    ] = None,
    timeout: Annotated[
        float | None, typer.Option(help=f"seconds without audio that end an address [default: {TIMEOUT_S:g}]")
    ] = None,
    buffer: Annotated[
        float | None, typer.Option(help=f"seconds of audio kept while computing is behind [default: {ROOM_S:g}]")
    ] = None,
    srt: Annotated[Path | None, typer.Option(help="write subtitles to this file, each as soon as it is final")] = None,
    vtt: Annotated[Path | None, typer.Option(help="the same as WebVTT")] = None,
    jsonl: Annotated[
        Path | None, typer.Option(help="write all that is given out, a line of JSON each, for `firered-score live`")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="write over such files that are there")] = False,
    ids: Annotated[
        bool, typer.Option("--ids/--no-ids", help="lines that go to no terminal begin with the id of their segment")
    ] = True,
    name: Annotated[
        str | None, typer.Option(help="id of the stream [default: the file's name, or mic, stdin, url]")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output-dir", help="take all recordings of INPUT as streams, without waiting, into here"),
    ] = None,
    segments: Annotated[
        bool, typer.Option("--segments", help="with -o: the segments of a data directory are streams of their own")
    ] = False,
    models: Annotated[Path, typer.Option(help="directory that holds the models under their published names")] = MODELS,
) -> None:
    """Recognise live audio while it is spoken: captions in the terminal, subtitles, JSON.

    On a terminal, what may still change is dim, and what is final stands with its time. Elsewhere a line is printed for
    each final: the id of the segment, which holds its times in milliseconds, and the text. Ctrl-C ends the audio, and
    the open segment is finished. With -o OUT recordings are taken as streams: OUT has live.jsonl and text.
    """
    if list_devices:
        from firered.audio.microphone import list_devices as lines

        typer.echo("\n".join(lines()))
        return
    own = Given(
        paths or [], mic, pace, rate, channels, timeout, buffer, srt, vtt, jsonl, name, overwrite=overwrite, ids=ids
    )
    with_models = _Models(models, system, live, {"vad": vad, "lid": lid, "asr": asr, "punc": punc}, context, compute)
    if out is None:
        if segments:
            raise OptionError("--segments: without effect but with -o OUT")
        with interruptible(resumes=False):
            sys.exit(_stream(own, with_models, subtitles, audio, job))
    own.refuse_all()
    if subtitles != SubtitleConfig():
        raise OptionError("options of subtitles: without effect with -o OUT")
    sys.exit(_recordings(own.paths, out, with_models, audio, job, by_segment=segments))


@dataclass(frozen=True)
class _Models:
    """What recognises, and how."""

    models: Path
    system: ModulesConfig
    live: LiveConfig
    parts: dict[str, Any]  # options of the modules
    context: ContextConfig
    compute: ComputeConfig

    def build(self) -> "LiveSystem":
        """Load it."""
        from firered.live.system import LiveSystem

        use_threads(self.compute)
        known, carry, device = self.context.context(), self.context.context_carry, self.compute.device
        return LiveSystem.from_pretrained(
            self.models, self.live, system=self.system, device=device, context=known, context_carry=carry, **self.parts
        )


def _stream(own: Given, models: _Models, subtitles: SubtitleConfig, audio: AudioConfig, job: RunConfig) -> int:
    """Exit status of one stream."""
    kind = own.kind()
    own.check(kind, subtitles, audio, job)
    source, key = own.source(kind, audio), own.id(kind)

    from firered.output.live import JsonLines, Subtitles
    from firered.runs.captions import Live, run_captions

    # The channel of a file is taken where it is read.
    session = models.build().session(key, audio=AudioConfig() if kind == FILE else audio)
    written: list[Written] = [
        Subtitles(path, own.overwrite, form, subtitles) for form, path in (("srt", own.srt), ("vtt", own.vtt)) if path
    ]
    if own.jsonl:
        written.append(JsonLines(own.jsonl, own.overwrite, key))
    room_s = ROOM_S if own.buffer is None else own.buffer
    return run_captions(session, Live(source, own.speed, room_s, written, own.ids, job.keep_going, kind == MIC))


def _recordings(
    paths: list[str], out: Path, models: _Models, audio: AudioConfig, job: RunConfig, *, by_segment: bool
) -> int:
    """Exit status of all recordings of the inputs, or their segments, as streams."""
    from firered.live.system import STREAM_VAD, recognition_of
    from firered.runs.depends import fingerprint
    from firered.runs.inputs import resolve
    from firered.runs.streams import run_streams
    from firered.system.system import model_dirs, recogniser_of

    if not paths:
        raise OptionError("-o OUT takes recordings: a data directory, a wav.scp, a folder, or files")
    system, parts = recognition_of(models.system), models.parts
    if system.asr:
        system = replace(system, asr_type=recogniser_of(models.models, system)[1].name)
    places = [find_model(models.models, STREAM_VAD), *model_dirs(models.models, system, parts["asr"]).values()]
    places += [find(path)[0] for path in system.routes().values()]
    identity = fingerprint("firered live", system, models.live, *parts.values(), models.context, audio, *places)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    inputs = resolve(paths, audio, by_segment=by_segment, tables=False)
    sections = [("system", models.system), ("live", models.live), *parts.items(), ("asr", models.context)]
    write_sections(out / "config.yaml", f"firered live --models {models.models}", [*sections, ("audio", audio)])
    return run_streams(inputs, out, models.build, identity, audio, job)


# Word times are on, as for subtitles; a breath in mid-sentence ends no segment (docs/live.md has the numbers).
_PRESET = {"timestamps": "pauses", "silence_s": BREATH_S}
_MODULES = {"vad": "vad", "lid": "lid", "asr": "asr", "context": "asr", "punc": "punc"}

live = script(live_command, _PRESET, _MODULES, asr_kinds)
