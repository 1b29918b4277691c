"""The microphone, by PortAudio (the package sounddevice)."""

import importlib
import logging
from typing import Any

import numpy as np

from firered.audio.arriving import Arriving
from firered.errors import AudioError

log = logging.getLogger(__name__)

_LOOK_S = 0.2  # between two looks whether it still runs
_NO_PORTAUDIO = (
    "sounddevice does not find PortAudio ({error}): install it (Debian: libportaudio2, Fedora: portaudio, conda: "
    "portaudio)"
)


def list_devices() -> list[str]:
    """A line a microphone: its number, its name, channels and rate; a star before the default one.

    Raises:
        AudioError: there is none.
        ModuleNotFoundError: sounddevice is not installed.
    """
    sound = _sounddevice()
    default = sound.default.device[0]
    lines = [
        f"{'*' if number == default else ' '} {number:2}  {device['name']}  "
        f"({device['max_input_channels']} channels, {device['default_samplerate']:.0f} Hz)"
        for number, device in enumerate(sound.query_devices())
        if device["max_input_channels"] > 0
    ]
    if not lines:
        raise AudioError("no microphone is found on this machine")
    return lines


class Microphone:
    """A microphone, from when it is read.

    Args:
        device: its number or a part of its name; None: the system's default.
        rate: in Hz that it is opened with; None: its own.
        channels: that it is opened with.

    Raises:
        AudioError: there is none, none of this name, or it has not so many channels.
        ModuleNotFoundError: sounddevice is not installed.
    """

    def __init__(self, device: str | None = None, rate: int | None = None, channels: int = 1) -> None:
        self._sound = _sounddevice()
        self._device = int(device) if device is not None and device.isdecimal() else device
        try:
            found = self._sound.query_devices(self._device, "input")
        except (ValueError, self._sound.PortAudioError) as error:
            asked = "no microphone is found" if device is None else f"microphone {device!r}"
            raise AudioError(f"{asked}: {_plain(error)}; --list-devices shows what there is") from error
        self.name = f"the microphone {found['name']}"
        if channels > found["max_input_channels"]:
            raise AudioError(f"{self.name} has {found['max_input_channels']} channels, {channels} are asked for")
        self._rate, self._channels = rate or round(found["default_samplerate"]), channels

    def read(self, into: Arriving) -> None:
        """Put in what comes; the sound card's thread never waits."""
        overflows = 0

        def take(samples: np.ndarray, _frames: int, _when: Any, status: Any) -> None:  # noqa: ANN401 - sounddevice's
            nonlocal overflows
            overflows += bool(status.input_overflow)
            into.offer(samples.copy(), self._rate)

        try:
            with self._sound.InputStream(
                samplerate=self._rate, device=self._device, channels=self._channels, dtype="int16", callback=take
            ) as stream:
                log.info("listening to %s, %d Hz; Ctrl-C ends it", self.name, self._rate)
                while not into.stopped.wait(_LOOK_S):
                    if not stream.active:
                        raise AudioError(f"{self.name} has stopped: is it still plugged in?")
        except self._sound.PortAudioError as error:
            raise AudioError(f"{self.name} cannot be opened at {self._rate} Hz: {_plain(error)}") from error
        finally:
            if overflows:
                into.faults.append(f"{self.name}: the system lost samples {overflows} times; it is too busy")


def _sounddevice() -> Any:  # noqa: ANN401 - a module without type hints
    try:
        return importlib.import_module("sounddevice")
    except OSError as error:
        raise AudioError(_NO_PORTAUDIO.format(error=error)) from error


def _plain(error: Exception) -> str:
    return " ".join(str(error).split())
