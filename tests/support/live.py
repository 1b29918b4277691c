"""A detector and a recogniser for live recognition that know from a script what is said when, and compute nothing."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch

from firered.audio.framing import num_frames
from firered.audio.frontend import PUBLISHED
from firered.live.config import LiveConfig
from firered.live.system import LiveSystem
from firered.results import AsrResult, StreamVadResult, Word
from firered.system.modules import Modules
from firered.text.joining import join_texts
from firered.vad.config import StreamVadConfig
from firered.vad.post import StreamSegmenter


class Decided(NamedTuple):
    """What live recognition looks at of a detector's frame."""

    frame: int
    speech: bool


class ScriptedStream:
    """Of a detector: speech lies where the script says; a frame's loudness is 1 there, 0 in `dips` and elsewhere."""

    def __init__(self, speech, dips, config):
        self._speech, self._dips, self._segmenter = speech, dips, StreamSegmenter(config)
        self._samples = self._frames = 0
        self.feats, self.frames = torch.zeros(0, 80), []

    def accept(self, samples):
        self._samples += len(samples)
        first, self._frames = self._frames, num_frames(self._samples)
        times = np.arange(first, self._frames) / 100
        probs = np.zeros(len(times))
        for start_s, end_s in self._speech:
            probs[(times > start_s + 0.005) & (times < end_s)] = 1.0  # a start lies a frame early
        loudness = probs.astype(np.float32)
        for start_s, end_s in self._dips:
            loudness[(times >= start_s) & (times < end_s)] = 0.0
        self.feats = torch.from_numpy(loudness)[:, None].expand(-1, 80).contiguous()
        events, self.frames = [], []
        for prob in probs.tolist():
            events += self._segmenter.accept(prob)
            # As a StreamFrame, which takes longer to make than all else here.
            self.frames.append(Decided(self._segmenter.frame, prob >= 0.5))
        return events

    def finish(self):
        return self._segmenter.finish()

    def forget(self):
        self._segmenter.intervals.clear()


class Detector:
    def __init__(self, speech, dips):
        self.speech, self.dips, self.config = speech, dips, StreamVadConfig(smooth_window_size=1, pad_start_frame=0)

    def stream(self):
        return ScriptedStream(self.speech, self.dips, self.config)


class Scripted:
    """A recogniser that hears the words (text, start, end) of a script that end within a stretch of the stream.

    `timed` says whether it has word times; `fails` which of its calls raise an error; `on_call` is told of each call.
    """

    front_end, punctuates, takes_history = PUBLISHED, False, False
    config = SimpleNamespace(batch_seconds=60.0)

    def __init__(self, script, timed=True, fails=lambda _: False, on_call=lambda _: None, knows=()):
        self.script, self.timed, self.fails, self.on_call, self.knows = script, timed, fails, on_call, knows
        self.calls = []

    def check(self, context):
        """Any context will do."""

    def recognise(self, utterances):
        (speech,) = utterances
        self.calls.append(speech)
        self.on_call(speech)
        if self.fails(len(self.calls)):
            raise ValueError("no luck")
        start_s, end_s = (int(ms) / 1000 for ms in speech.key.split("-")[-2:])
        words = [
            Word(text, begin - start_s, end - start_s)
            for text, begin, end in self.script
            if begin >= start_s - 1e-6 and end <= end_s + 1e-6
        ]
        text, tokens = join_texts(word.text for word in words), [word.text for word in words]
        sure = [1.0] * len(words)
        return [AsrResult(speech.key, text, 1.0, speech.duration_s, tokens, sure, words=words if self.timed else None)]


def scripted_system(speech, asr=None, config=None, lid=None, dips=()):
    """A live system of these."""
    return LiveSystem(Detector(speech, dips), Modules(asr=asr, lid=lid), config or LiveConfig(behind_s=None))


def run(session, samples, size, rate=16000):
    """All results of a stream in pieces of one size."""
    found = []
    for begin in range(0, len(samples), size):
        found += session.accept(samples[begin : begin + size], rate)
    return [*found, *session.finish()]


class FixedVad:
    """A detector of recordings that finds what it is told."""

    def __init__(self, spans):
        self.spans = spans

    def detect(self, recordings):
        for recording in recordings:
            for _ in recording:
                pass
            yield recording, StreamVadResult(recording.key, recording.duration_s, self.spans)
