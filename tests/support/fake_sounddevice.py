"""The package sounddevice as `firered live` uses it, without a sound card: the microphone plays what it is given."""

import threading
import time
from types import ModuleType, SimpleNamespace

import numpy as np

DEVICES = [
    {"name": "Speakers", "max_input_channels": 0, "default_samplerate": 48000.0},
    {"name": "Built-in", "max_input_channels": 1, "default_samplerate": 16000.0},
    {"name": "Headset", "max_input_channels": 2, "default_samplerate": 48000.0},
]


class PortAudioError(Exception):
    """As there."""


def fake(samples, *, speed=20.0, devices=DEVICES, overflow=False, then=lambda: None, stops=False):
    """A module whose microphones give `samples` (n, channels) int16 at `speed` times real time; `then` is called after.

    `overflow`: the first block says that samples were lost; `stops`: the stream is not active after the last one.
    """
    module = ModuleType("sounddevice")
    module.opened = []

    class InputStream:
        def __init__(self, *, samplerate, device, channels, dtype, callback):
            assert dtype == "int16"
            if samplerate == 12345:
                raise PortAudioError("Invalid sample rate [PaErrorCode -9997]")
            module.opened.append(SimpleNamespace(samplerate=samplerate, device=device, channels=channels))
            self.active, self._callback, self._rate = True, callback, samplerate
            self._thread = threading.Thread(target=self._play, daemon=True)

        def _play(self):
            block = self._rate // 20
            buffer = np.zeros((block, samples.shape[1]), np.int16)  # used again and again, as PortAudio's is
            for first in range(0, len(samples), block):
                piece = samples[first : first + block]
                buffer[: len(piece)] = piece
                status = SimpleNamespace(input_overflow=overflow and first == 0)
                self._callback(buffer[: len(piece)], len(piece), None, status)
                time.sleep(block / self._rate / speed)
            self.active = not stops
            then()

        def __enter__(self):
            self._thread.start()
            return self

        def __exit__(self, *_):
            self.active = False

    def query_devices(device=None, kind=None):
        if kind is None:
            return devices
        found = [d for d in devices if d["max_input_channels"] > 0]
        if device is None:
            if not found:
                raise PortAudioError("Error querying device -1")
            return found[0]
        if isinstance(device, int):
            return devices[device]
        named = [d for d in found if device.lower() in d["name"].lower()]
        if not named:
            raise ValueError(f"No input device matching {device!r}")
        return named[0]

    module.PortAudioError, module.InputStream, module.query_devices = PortAudioError, InputStream, query_devices
    module.default = SimpleNamespace(device=(1, 0))
    return module
