"""A server on 127.0.0.1 in this process, and systems for it."""

import contextlib
import threading
import time
from types import SimpleNamespace

import httpx
import numpy as np
import soundfile

from firered.audio.frontend import PUBLISHED
from firered.results import AsrResult, Word
from firered.serve.config import ServeConfig
from firered.serve.server import Listening, application
from firered.system.modules import Modules
from firered.system.system import System
from firered.vad.config import StreamVadConfig
from firered.vad.detect import StreamVad
from support.live import Detector, FixedVad
from support.paths import EGS

WAV = EGS / "mini/test/wav"
ZH, EN, TALK_ZH, TALK_EN = (
    WAV / f"{name}.flac" for name in ("f3-zh-00003", "f3-en-00003", "talk-zh-00000", "talk-en-00000")
)
_PATIENCE_S = 60


class Served:
    """A running server: its address, and what it is made of."""

    def __init__(self, listening, app):
        self.listening, self.app = listening, app
        self.url = f"http://127.0.0.1:{listening.port}"
        self.services = app.state.services
        self.engine = self.services.engine

    def socket(self, path="/v1/stream?rate=16000", **how):
        """A WebSocket, by a client that goes by no proxy."""
        from websockets.sync.client import connect

        return connect(self.url.replace("http", "ws", 1) + path, proxy=None, open_timeout=_PATIENCE_S, **how)

    def http(self, **how):
        """A client that waits as long as it takes, and goes by no proxy."""
        return httpx.Client(base_url=self.url, timeout=_PATIENCE_S, trust_env=False, **how)


@contextlib.contextmanager
def serving(
    tmp_path,
    build=None,
    *,
    ready=True,
    name="FireRedASR2-AED",
    languages=("zh", "en", "yue"),
    detector=None,
    live=None,
    **options,
):
    """A server with the bundled models, or others; it ends with the block."""
    detector = detector or (bundled_detector if build is None else None)
    config = ServeConfig(**{"port": 0, "jobs": str(tmp_path / "jobs"), "probe_s": 0.0, "grace_s": 5.0, **options})
    app = application(config, build or bundled, name, languages, detector=detector, live=live)
    listening = Listening(config, app)
    thread = threading.Thread(target=listening.run, name="server")
    thread.start()
    try:
        wait_for(lambda: listening.port)
        served = Served(listening, app)
        if ready:
            wait_for(lambda: served.services.keeper.ready)
        yield served
    finally:
        listening.should_exit = True
        thread.join(_PATIENCE_S)
        assert not thread.is_alive()


def wait_for(condition, seconds=_PATIENCE_S):
    """The first true value of a condition."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.01)
    return found


def bundled():
    """The system of the bundled models."""
    return System.from_pretrained(EGS / "mini/models", device="cpu")


def bundled_detector():
    """The voice detector of live streams of the bundled models."""
    return StreamVad.from_pretrained(EGS / "mini/models/FireRedVAD/Stream-VAD", device="cpu")


def always_speech():
    """A voice detector of live streams that finds speech from 0.5 to 1.5 s of every two seconds."""
    detector = Detector([(second + 0.5, second + 1.5) for second in range(0, 4000, 2)], ())
    detector.config = StreamVadConfig()  # so that it serves whoever wants nothing else
    return detector


def wav_bytes(seconds=1.0, rate=16000, form="WAV", seed=0):
    """Noise as an audio file."""
    import io

    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=form)
    return out.getvalue()


class Told:
    """A recogniser that writes a word for each second, and does on each call what it is told."""

    front_end, punctuates, takes_history, times_words = PUBLISHED, False, False, True
    uses = ("hotwords", "prompt")
    config = SimpleNamespace(batch_seconds=60.0)

    def __init__(self, on_call=lambda batch: None):
        self.on_call, self.calls, self.weights = on_call, [], None

    def check(self, context):
        """Any context will do."""

    def recognise(self, utterances):
        self.calls.append([speech.key for speech in utterances])
        self.on_call(utterances)
        return [self._result(speech) for speech in utterances]

    def _result(self, speech):
        texts = [f"w{second}" for second in range(max(1, round(speech.duration_s)))]
        words = [Word(text, second, second + 1) for second, text in enumerate(texts)]
        sure = [0.5] * len(texts)
        return AsrResult(speech.key, " ".join(texts), 0.5, speech.duration_s, texts, sure, words=words)


def told_system(on_call=lambda batch: None, spans=((0.0, 1.0),)):
    """Makes systems whose recogniser is `Told`, and whose voice detector finds these stretches."""
    return lambda: System(Modules(vad=FixedVad(spans), asr=Told(on_call)))
