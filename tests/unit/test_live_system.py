"""Live recognition with the small models of egs/mini: what it gives is what recordings give."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from support.live import FixedVad, Scripted, run, scripted_system
from support.paths import EGS

from firered import Asr, LiveConfig, LiveSystem, System
from firered.asr.aed_config import AsrConfig
from firered.audio.frames import of_samples
from firered.audio.frontend import SAMPLES, FrontEnd
from firered.audio.spool import Spool
from firered.errors import DataError
from firered.live.heard import Heard
from firered.results.live import Event, Final, Partial
from firered.runtime.context import Context
from firered.system.modules import Modules
from firered.text.joining import join_texts

MODELS, WAV = EGS / "mini/models", EGS / "mini/test/wav"


@pytest.fixture(scope="module")
def system():
    return LiveSystem.from_pretrained(MODELS, LiveConfig(behind_s=None), device="cpu")


def talk(name):
    return soundfile.read(WAV / f"{name}.flac", dtype="int16")[0]


def recording(system, finals):
    """What the modules of a live system make of a recording with the segments that the finals have."""
    modules, spans = system.modules, [(final.start_s, final.end_s) for final in finals]
    whole = Modules(vad=FixedVad(spans), lid=modules.lid, asr=modules.asr, punc=modules.punc)
    return System(whole, context=system.context, context_carry=system.context_carry)


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("talk-zh-00001", LiveConfig(behind_s=None)),
        ("talk-cs-00000", LiveConfig(behind_s=None, max_segment_s=2.0, cut_s=1.0, lead_s=0.0)),
        ("talk-en-00001", LiveConfig(behind_s=None, silence_s=0.8)),
    ],
)
def test_finals_are_what_the_same_segments_of_the_recording_give(name, config, system):
    live = LiveSystem(system.detector, system.modules, config)
    results = run(live.session(), talk(name), 1600)
    finals = [result for result in results if isinstance(result, Final)]
    whole = recording(live, finals)(WAV / f"{name}.flac")
    assert len(finals) > 3
    assert join_texts(final.text for final in finals) == whole.text
    assert [word for final in finals for word in final.words] == list(whole.words)
    assert [sentence.start_s for final in finals for sentence in final.sentences] == [
        sentence.start_s for sentence in whole.sentences
    ]
    assert [sentence.lang for final in finals for sentence in final.sentences] == [
        sentence.lang for sentence in whole.sentences
    ]
    assert [trouble for final in finals for trouble in final.troubles] == list(whole.troubles)
    for sentence, own in zip(whole.sentences, [one for final in finals for one in final.sentences], strict=True):
        assert own.asr_confidence == pytest.approx(sentence.asr_confidence, abs=1e-4)


def test_pieces_of_any_size_give_the_same(system):
    samples = talk("talk-en-00000")[: 16000 * 3]
    whole = run(system.session(), samples, len(samples))
    assert {type(result) for result in whole} == {Event, Partial, Final}
    for size in (160, 4096, 48000):
        assert run(system.session(), samples, size) == whole
    short = soundfile.read(WAV / "f3-zh-00003.flac", dtype="int16")[0]
    assert run(system.session(), short, 7) == run(system.session(), short, len(short))


def test_a_rate_that_is_resampled_may_be_cut_anywhere(system):
    samples = np.repeat(talk("talk-en-00000")[: 16000 * 4], 3)  # at 48 kHz
    whole = run(system.session(), samples, len(samples), 48000)
    assert next(result.text for result in whole if isinstance(result, Final)) == "Would you like coffee?"
    assert run(system.session(), samples, 4801, 48000) == whole


@pytest.mark.parametrize(("name", "how"), [("talk-yue-00000", "agreement"), ("talk-cs-00000", "hold")])
def test_the_stable_text_of_a_segment_only_grows(name, how, system):
    config = LiveConfig(behind_s=None, stable=how, interval_s=0.3)
    results = run(LiveSystem(system.detector, system.modules, config).session(), talk(name), 1600)
    partials = [result for result in results if isinstance(result, Partial)]
    assert len(partials) > 20
    for earlier, later in pairwise(partials):
        assert later.stable.startswith(earlier.stable) or later.segment > earlier.segment
    for final in (result for result in results if isinstance(result, Final)):
        *_, last = ["", *(partial.stable for partial in partials if partial.segment == final.segment)]
        text = "".join(word.text for word in final.words)
        assert text.startswith(last.replace(" ", "")) == (final.revised is None)


def test_a_stream_that_ends_with_its_last_word_has_that_word(system):
    """Without silence after it, the model writes on, or stops early."""
    samples = talk("talk-en-00000")[: round(16000 * 2.185)]
    for tail_s, right in ((0.1, True), (0.0, False)):
        live = LiveSystem(system.detector, system.modules, LiveConfig(tail_s=tail_s))
        (*_, final) = run(live.session(), samples, 1600)
        assert (final.text == "Would you like coffee?") == right
        assert final.end_s == 2.185 >= final.words[-1].end_s


def test_the_text_of_the_pass_before_saves_steps_and_changes_nothing():
    samples, passes = talk("talk-cs-00000"), {}
    for drafts in (False, True):
        live = LiveSystem.from_pretrained(
            MODELS, LiveConfig(behind_s=None, drafts=drafts, interval_s=0.3), device="cpu"
        )
        passes[drafts] = run(live.session(), samples, 1600)
        counts = live.modules.asr.drafting.counts
        assert bool(counts.utterances) == drafts
    assert passes[True] == passes[False]
    assert counts.saved > 0.2


def test_hotwords_are_told_and_found(system):
    live = LiveSystem(system.detector, system.modules, context=Context(["coffee"]))
    results = run(live.session(), talk("talk-en-00000")[: 16000 * 3], 1600)
    assert [result.hotwords for result in results if isinstance(result, Final)] == [("coffee",)]


def test_results_are_plain_values_and_back(system):
    for result in run(system.session("s"), talk("talk-en-00000")[: 16000 * 3], 1600):
        assert type(result).from_dict(result.to_dict()) == result


def test_options_of_the_recogniser_are_its_own(system):
    live = LiveSystem.from_pretrained(MODELS, asr=AsrConfig(beam_size=1), device="cpu")
    results = run(live.session(), talk("talk-en-00000")[: 16000 * 3], 16000)
    assert results[-1].text == "Would you like coffee?"
    assert results[-1].words == ()  # no time stamps were asked for


class Teller(Scripted):
    takes_history = True


def test_another_recogniser_may_do_the_partial_text(system):
    samples = talk("talk-en-00000")[: 16000 * 3]
    greedy = Asr(system.modules.asr.loaded, AsrConfig(beam_size=1, timestamps="pauses"))
    live = LiveSystem(system.detector, system.modules, system.config, quick=greedy)
    results, usual = run(live.session(), samples, 1600), run(system.session(), samples, 1600)
    assert [one for one in results if isinstance(one, Final)] == [one for one in usual if isinstance(one, Final)]
    asr = Scripted([("quick", 1.3, 1.6)])
    live = LiveSystem(system.detector, system.modules, system.config, quick=asr)
    results = run(live.session(), samples, 1600)
    assert {result.text for result in results if isinstance(result, Partial)} == {"quick"}
    assert results[-1].text == "Would you like coffee?"


def test_what_was_said_before_is_told_with_each_pass():
    spans = [(1.0, 2.6), (3.4, 5.0), (6.0, 7.0)]
    script = [(f"w{n}.", start_s + 0.1, start_s + 0.6) for n, (start_s, _) in enumerate(spans)]
    asr = Teller(script)
    live = scripted_system(spans, asr)
    live.context_carry = 1
    run(live.session(), np.zeros(8 * 16000, np.int16), 1600)
    histories = {round(int(speech.key.split("-")[-2]) / 1000, 1): speech.context.history for speech in asr.calls}
    assert histories == {0.8: "", 3.2: "w0.", 5.8: "w1."}


@pytest.mark.parametrize("front_end", [FrontEnd(), FrontEnd(window="hamming", stack=7, skip=6), SAMPLES])
def test_stretches_of_what_was_heard_are_those_of_the_recording(front_end):
    samples = talk("talk-en-00000")[: 16000 * 5 + 77].astype(np.float32)
    spool = Spool(of_samples("r", [samples]), front_ends=[front_end])
    feats = np.concatenate([block.numpy() for block in spool])
    heard = Heard("r", [front_end])
    given = 0
    for begin in range(0, len(samples), 1111):
        piece = samples[begin : begin + 1111]
        ready = 0 if heard.samples + len(piece) < 400 else (heard.samples + len(piece) - 400) // 160 + 1
        heard.append(spool.cut(0, 9).feats[given:ready], piece)
        given = ready
    assert given == len(feats)
    heard.drop(1.0)
    for span in ((1.0, 2.0), (1.23, 4.56), (4.9, 5.004)):
        own, other = heard.cut(*span, front_end), spool.cut(*span, front_end)
        assert (own.key, own.duration_s, own.feats.shape) == (other.key, other.duration_s, other.feats.shape)
        assert np.allclose(own.feats, other.feats, rtol=0, atol=1e-5)
    assert heard.kept_s < 4.1
    with pytest.raises(DataError, match="there are"):
        heard.cut(0.2, 0.9, front_end)
