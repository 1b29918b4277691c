"""Live recognition with a recogniser that streams: the open segment is computed once, finals are as ever."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from support.live import FixedVad, Scripted, run, scripted_system
from support.paths import EGS
from support.streaming import write_streaming

from firered import LiveConfig, LiveSystem, System
from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.errors import OptionError
from firered.hotwords.lists import HotwordList, Phrase
from firered.results import AsrResult, Word
from firered.results.live import Event, Final, Partial
from firered.runtime.context import Context
from firered.system.modules import Modules
from firered.text.joining import join_texts

MODELS, WAV = EGS / "mini/models", EGS / "mini/test/wav"


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    directory = write_streaming(tmp_path_factory.mktemp("streaming") / "model")
    asr = families.AED.load(directory, AsrConfig(timestamps="pauses"), "cpu")
    whole = LiveSystem.from_pretrained(MODELS, device="cpu")
    return LiveSystem(whole.detector, Modules(lid=whole.modules.lid, asr=asr, punc=whole.modules.punc))


def live(system, **config):
    return LiveSystem(system.detector, system.modules, LiveConfig(**{"behind_s": None, "chunk_s": 0.32} | config))


def talk(name, seconds=None):
    samples = soundfile.read(WAV / f"{name}.flac", dtype="int16")[0]
    return samples if seconds is None else samples[: round(16000 * seconds)]


def of(kind, results):
    return [result for result in results if isinstance(result, kind)]


def test_finals_are_those_of_the_recording_and_partials_come_with_the_chunks(system):
    own = live(system, interval_s=0.1)
    results = run(own.session(), talk("talk-zh-00001"), 1600)
    finals, partials = of(Final, results), of(Partial, results)
    spans = [(final.start_s, final.end_s) for final in finals]
    modules = Modules(vad=FixedVad(spans), lid=own.modules.lid, asr=own.modules.asr, punc=own.modules.punc)
    whole = System(modules)(WAV / "talk-zh-00001.flac")
    assert len(finals) > 3
    assert join_texts(final.text for final in finals) == whole.text
    assert [word for final in finals for word in final.words] == list(whole.words)
    assert len(partials) > 10
    for partial in partials:  # a chunk of 0.32 s, and 30 ms
        assert round((partial.end_s - partial.start_s - 0.03) / 0.32, 6).is_integer()
        assert partial.known_s == round(partial.end_s + 0.015, 3)
    for one, other in pairwise(partials):
        assert one.segment != other.segment or other.stable.startswith(one.stable)


def test_pieces_of_any_size_give_the_same(system):
    samples = talk("talk-en-00000", 4)
    whole = run(live(system).session(), samples, len(samples))
    assert {type(result) for result in whole} == {Event, Partial, Final}
    for size in (7, 1600, 48000):
        assert run(live(system).session(), samples, size) == whole


def test_the_interval_is_the_least_time_between_partials(system):
    results = run(live(system, chunk_s=0.08, interval_s=0.5).session(), talk("talk-zh-00001", 12), 1600)
    partials = of(Partial, results)
    assert len(partials) > 5
    for one, other in pairwise(partials):
        assert one.segment != other.segment or other.end_s - one.end_s >= 0.5 - 1e-6


def test_the_open_segment_goes_through_the_encoder_once(system, monkeypatch):
    model = system.modules.asr.loaded.model
    given, partial_rows = [], model.ctc_log_probs
    monkeypatch.setattr(model, "ctc_log_probs", lambda rows: given.append(rows.shape[1]) or partial_rows(rows))
    results = run(live(system).session(), talk("talk-zh-00001"), 1600)
    finals = of(Final, results)
    chunks = [count for count in given if count == 8]
    assert sum(chunks) <= sum(25 * (final.end_s - final.start_s) for final in finals)
    assert len(chunks) > 10
    longer = [count for count in given if count != 8]
    assert len(longer) == len(finals)  # once each, as a whole


def test_a_segment_that_is_cut_goes_on_with_a_stream_of_its_own(system):
    results = run(live(system, max_segment_s=2.0, cut_s=1.0).session(), talk("talk-cs-00000"), 1600)
    cut = [final.segment for final in of(Final, results) if final.cut]
    assert cut
    assert {partial.segment for partial in of(Partial, results)} >= {number + 1 for number in cut[:1]}


def test_while_computing_is_behind_chunks_wait_and_finals_are_the_same(system):
    samples, now = talk("talk-zh-00001"), [0.0]

    def slow():
        now[0] += 1.0
        return now[0]

    expected = of(Final, run(live(system).session(), samples, 1600))
    session = live(system, behind_s=1.0).session(clock=slow)
    results = run(session, samples, 1600)
    assert session.skipped
    finals = of(Final, results)
    assert [(final.text, final.words, final.end_s) for final in finals] == [
        (final.text, final.words, final.end_s) for final in expected
    ]
    assert not of(Partial, results)


def test_hotwords_that_a_stream_refuses_are_told_once_and_the_old_way_is_gone(system, caplog):
    context = Context(hotwords=HotwordList([Phrase(f"词{number}") for number in range(80)]))
    own = LiveSystem(system.detector, system.modules, LiveConfig(behind_s=None), context)
    results = run(own.session(), talk("talk-zh-00001", 6), 1600)
    assert of(Partial, results)
    assert [record.message for record in caplog.records if "not streamed" in record.message] == [
        message for message in (record.message for record in caplog.records) if "hotword_candidates" in message
    ]
    assert sum("not streamed" in record.message for record in caplog.records) == 1


def test_a_chunk_that_is_not_of_whole_frames_is_refused():
    with pytest.raises(OptionError, match=r"chunk_s: 0.5 is not a multiple of 0.04"):
        LiveConfig(chunk_s=0.5)


class ScriptedStream:
    """Of `Streaming`: hears a word every 0.5 s, in chunks of a second."""

    def __init__(self, owner, number):
        self._owner, self._number, self._given, self.frames = owner, number, 0, 0

    @property
    def wanted(self):
        return 100 * (self.frames // 25 + 1) - self._given

    def accept(self, feats):
        self._given += len(feats)
        if self._given >= 100 * (self.frames // 25 + 1):
            self.frames = 25 * (self._given // 100)
            if self._owner.breaks and self._number == 1:
                raise ValueError("no luck")

    def result(self):
        count = self.frames * 4 // 50
        words = [Word(f"w{number}", 0.5 * number, 0.5 * number + 0.4) for number in range(count)]
        return AsrResult("", " ".join(word.text for word in words), 1.0, self._given / 100, [], [], words=words)


class Streaming(Scripted):
    """A scripted recogniser that streams; its first stream fails, if it is to."""

    streams = True

    def __init__(self, breaks=False):
        super().__init__([])
        self.breaks, self.made = breaks, 0

    def stream(self, context=None, *, chunk_s=None, key=""):
        self.made += 1
        return ScriptedStream(self, self.made)


def test_a_stream_that_fails_is_told_and_begun_anew():
    silence = np.zeros(16000 * 8, np.int16)
    config = LiveConfig(behind_s=None, lead_s=0.0)
    good, bad = Streaming(), Streaming(breaks=True)
    expected, results = (
        run(scripted_system([(1.0, 5.0)], asr, config).session(), silence, 1600) for asr in (good, bad)
    )
    assert (good.made, bad.made) == (1, 2)
    texts = [partial.text for partial in of(Partial, expected)]
    assert texts == ["w0 w1", "w0 w1 w2 w3", "w0 w1 w2 w3 w4 w5", "w0 w1 w2 w3 w4 w5 w6 w7"]
    (trouble,) = [event for event in of(Event, results) if event.kind == "trouble"]
    assert trouble.reason == "recognition failed: no luck"
    assert [partial.text for partial in of(Partial, results)] == texts
