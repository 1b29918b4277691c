"""What `firered live` listens to, and which of its options go with that."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firered.audio.config import AudioConfig
from firered.data.utterance import Utterance, make_id
from firered.errors import OptionError
from firered.output.config import SubtitleConfig
from firered.runs.config import RunConfig

if TYPE_CHECKING:
    from firered.audio.arriving import Source

STDIN, TIMEOUT_S, ROOM_S = "-", 15.0, 300.0

MIC, INPUT, URL, FILE = "mic", "stdin", "url", "file"  # the first three are ids, too
_CALLED = {MIC: "a microphone", INPUT: "standard input", URL: "an address", FILE: "a file"}
# Options that go with some kinds of audio only.
_OF = {"pace": {FILE}, "rate": {MIC, INPUT}, "channels": {MIC, INPUT}, "timeout": {URL}}
_LEAST = {"pace": 0.0, "timeout": 0.1, "buffer": 1.0}


@dataclass(frozen=True)
class Given:
    """What the command line says of one stream; None for what it does not."""

    paths: list[str]
    mic: str | None = None
    pace: float | None = None
    rate: int | None = None
    channels: int | None = None
    timeout: float | None = None
    buffer: float | None = None
    srt: Path | None = None
    vtt: Path | None = None
    jsonl: Path | None = None
    name: str | None = None
    overwrite: bool = False
    ids: bool = True

    def refuse_all(self) -> None:
        """Refuse options of one stream, where recordings are taken.

        Raises:
            OptionError: some are given.
        """
        given = {name: value for name, value in vars(self).items() if name not in ("paths", "overwrite", "ids")}
        _refuse({**given, "overwrite": self.overwrite or None, "no-ids": None if self.ids else True}, "with -o OUT")

    def kind(self) -> str:
        """What the audio of one stream comes from.

        Raises:
            OptionError: this is not one stream.
        """
        from firered.audio.live_sources import scheme_of

        if not self.paths:
            return MIC
        first, *others = self.paths
        if others or (first != STDIN and (Path(first).is_dir() or ".scp" in Path(first).suffixes)):
            raise OptionError(f"{' '.join(self.paths)}: not one stream; -o OUT takes all recordings, each as a stream")
        if self.mic is not None:
            raise OptionError(f"mic: {first} is given, too; only one of them can be the audio")
        if first == STDIN:
            return INPUT
        return URL if scheme_of(first) else FILE

    def check(self, kind: str, subtitles: SubtitleConfig, audio: AudioConfig, job: RunConfig) -> None:
        """Refuse what is out of range or without effect with this kind of audio, and files that are there.

        Raises:
            OptionError: there is some of that.
        """
        values: dict[str, Any] = vars(self)
        _refuse({name: values[name] for name, kinds in _OF.items() if kind not in kinds}, f"with {_CALLED[kind]}")
        for name, least in _LEAST.items():
            if values[name] is not None and not values[name] >= least:
                raise OptionError(f"{name}: {values[name]} is less than {least:g}")
        if not job.resume:
            raise OptionError("no-resume: without effect on a stream, which is never resumed; with -o OUT alone")
        if audio.channel == "each":
            raise OptionError("channel: 'each' is for recordings with -o OUT; of a stream take 'mix' or a number")
        if kind != FILE and replace(audio, channel="mix") != AudioConfig():
            raise OptionError(f"pipes, allow-truncated, max-overshoot: without effect with {_CALLED[kind]}")
        if subtitles != SubtitleConfig() and not (self.srt or self.vtt):
            raise OptionError("options of subtitles: without effect where neither --srt nor --vtt asks for any")
        self._check_files()

    def _check_files(self) -> None:
        named = [path for path in (self.srt, self.vtt, self.jsonl) if path is not None]
        if len({path.absolute() for path in named}) < len(named):
            raise OptionError(f"{', '.join(map(str, named))}: two kinds of output cannot be one file")
        for path in named:
            if path.exists() and not self.overwrite:
                raise OptionError(f"{path}: is there already; --overwrite writes over it")
            if not path.absolute().parent.is_dir():
                raise OptionError(f"{path}: there is no folder {path.parent}")

    def id(self, kind: str) -> str:
        """Of the stream."""
        return make_id(self.name or (Path(self.paths[0]).stem if kind == FILE else kind))

    def source(self, kind: str, audio: AudioConfig) -> "Source":
        """Where the audio comes from.

        Raises:
            FireRedError: it is not there.
        """
        from firered.audio.frames import samples_of
        from firered.audio.live_sources import Address, Recorded, StandardInput
        from firered.audio.microphone import Microphone
        from firered.data.files import trouble_with

        if kind == MIC:
            wanted = int(audio.channel) if audio.channel.isdecimal() else 1
            return Microphone(self.mic, self.rate, self.channels or wanted)
        if kind == INPUT:
            return StandardInput(self.rate, self.channels)
        path = self.paths[0]
        if kind == URL:
            return Address(path, self.timeout or TIMEOUT_S)
        if trouble := trouble_with(Path(path)):
            raise OptionError(f"{path}: {trouble}")
        return Recorded(path, samples_of(Utterance(path, path, path, is_file=True), audio), self.speed)

    @property
    def speed(self) -> float:
        """Seconds of audio that come in a second; 0: as fast as it is taken."""
        return 1.0 if self.pace is None else self.pace


def _refuse(options: dict[str, Any], where: str) -> None:
    named = [name for name, value in options.items() if value is not None]
    if named:
        raise OptionError(f"{', '.join(named)}: without effect {where}")
