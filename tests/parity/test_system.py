"""The whole system in memory: the published cases, what is switched off, and segments that go wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from support.made_up_family import HammingLoudness, LoudnessConfig, write_model
from support.paths import EGS, GOLDENS

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.families.speech_llm import LlmAsr
from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_samples
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.audio.load import read_blocks
from firered.audio.spool import Spool
from firered.errors import AudioError, DataError
from firered.output.published import published, read_transcript
from firered.punc.config import PuncConfig
from firered.results import Word
from firered.system.config import SystemConfig
from firered.system.system import System
from firered.vad.config import MvadConfig


def models_with(vad):
    """These detectors, and tiny golden models of all else."""
    of_vad = {f"FireRedVAD/{part}": vad / part for part in ("VAD", "AED")}
    return {**of_vad, **{name: GOLDENS / "tiny" / name for name in ("FireRedLID", "FireRedASR2-AED", "FireRedPunc")}}


@pytest.fixture(scope="module")
def released(shared):
    return models_with(shared("models/FireRedVAD"))


@pytest.fixture(scope="module")
def models():
    """With the detectors of egs/mini."""
    return models_with(EGS / "mini/models/FireRedVAD")


@pytest.fixture(scope="module")
def system(models):
    return System.from_pretrained(models, device="cpu")


def frames_of(path) -> Frames:
    return of_samples(path.stem, read_blocks(str(path), AudioConfig()))


@pytest.mark.parametrize("number", range(6))
def test_every_published_case(number, released):
    top = GOLDENS / "tiny"
    case = json.loads((top / "system_expected.json").read_text())[number]
    stamps = {"full": "reference", "no_ts": "none"}[case["case"]]
    expected = case["result"]
    system = System.from_pretrained(
        released, device="cpu", asr=AsrConfig(timestamps=stamps), punc=PuncConfig(published=True)
    )
    result = system(top / expected["wav_path"])
    got = published(result)
    for name in ("words", "vad_segments_ms", "dur_s", "uttid"):
        assert got[name] == expected[name], name
    for sentence, golden in zip(got["sentences"], expected["sentences"], strict=True):
        confidences = {name: golden.pop(name) for name in ("asr_confidence", "lang_confidence")}
        assert {name: sentence[name] for name in confidences} == pytest.approx(confidences, abs=2e-3)
        assert {name: sentence[name] for name in golden} == golden
    # The published text lacks the spaces between English sentences.
    assert got["text"].replace(". H", ".H") == expected["text"]
    assert got["status"] == "ok"
    assert published(read_transcript(json.loads(json.dumps(got)))) == got
    assert type(result).from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_recordings_share_batches_and_give_what_each_gives_alone(system, monkeypatch):
    paths = [GOLDENS / f"tiny/wav/utt0{number}.wav" for number in range(6)]
    single = [published(system(path)) for path in paths]
    calls = []
    recognise = system.modules.asr.recognise
    monkeypatch.setattr(system.modules.asr, "recognise", lambda batch: calls.append(len(batch)) or recognise(batch))
    assert [published(result) for result in system.batch(paths)] == single
    assert calls == [sum(len(result["vad_segments_ms"]) for result in single)]
    calls.clear()
    monkeypatch.setattr(system, "config", replace(system.config, share_seconds=0))
    assert [published(result) for result in system.transcribe(iter(paths))] == single
    assert len(calls) == 6


def test_recordings_in_memory_need_no_names(system):
    """Two arrays without an id, of equal length, share batches and are not mixed up."""
    paths = [GOLDENS / f"tiny/wav/utt0{number}.wav" for number in (0, 1)]
    samples = [soundfile.read(path, dtype="int16")[0] for path in paths]
    length = min(map(len, samples))
    cut = [signal[:length] for signal in samples]
    no_vad = System(replace(system.modules, vad=None), system.config)
    single = [no_vad(signal) for signal in cut]
    assert single[0].text != single[1].text
    batch = no_vad.batch([cut[0], (cut[1], 16000)])
    assert [published(result) for result in batch] == [published(result) for result in single]
    assert [result.wav_path for result in single] == ["", ""]


@pytest.mark.parametrize("name", ["vad", "lid", "asr", "punc"])
def test_every_module_can_be_switched_off(name, system, models):
    path = GOLDENS / "tiny/wav/utt00.wav"
    whole = system(path)
    without = System.from_pretrained({**models, _OWN[name]: "nowhere"}, SystemConfig(**{name: False}), device="cpu")
    result = without(path)
    assert result.dur_s == whole.dur_s
    if name == "vad":
        assert result.segments == ((0.0, 2.769),)
        assert result.sentences
    if name == "lid":
        assert [sentence.lang for sentence in result.sentences] == [None] * 3
        assert result.text == whole.text
    if name == "asr":
        assert [(sentence.text, sentence.lang) for sentence in result.sentences] == [("", "zh mandarin")]
        assert result.troubles == ()
    if name == "punc":
        assert [sentence.text for sentence in result.sentences] == ["请把音量调到最大"]
        assert result.words == whole.words


_OWN = {"vad": "FireRedVAD/VAD", "lid": "FireRedLID", "asr": "FireRedASR2-AED", "punc": "FireRedPunc"}


def test_events(released, shared):
    result = System.from_pretrained(released, SystemConfig(events=True), device="cpu")(
        shared("audio/firered/event.wav")
    )
    assert {event.kind for event in result.events} == {"speech", "singing", "music"}
    assert (result.events[0].start_s, result.events[0].kind) == (0.09, "music")
    assert "events" in published(result)


def test_a_language_may_have_a_recogniser_of_its_own(system):
    class Other:
        config = system.modules.asr.config
        front_end = system.modules.asr.front_end
        punctuates = False

        def check(self, context):
            pass

        def recognise(self, batch):
            return [replace(result, text="其他", words=[]) for result in system.modules.asr.recognise(batch)]

    routed = System(replace(system.modules, routes={"en": Other()}), system.config)
    path = GOLDENS / "tiny/wav/long.wav"
    before, after = system(path), routed(path)
    english = {(sentence.start_s, sentence.lang) for sentence in before.sentences if sentence.lang == "en"}
    assert english
    assert [sentence.text for sentence in after.sentences if sentence.lang == "en"] == ["其他，"] * len(english)
    rest = [[sentence for sentence in result.sentences if sentence.lang != "en"] for result in (before, after)]
    assert rest[0] == rest[1]


@pytest.mark.parametrize("with_times", [True, False])
def test_spaces_of_the_recognised_text_survive(with_times, system, monkeypatch):
    """Of any script, beside apostrophes and numbers: the transcript is the text with marks after its words."""
    text = "привет как дела don't 3.14 café"
    recognise = system.modules.asr.recognise

    def other(batch):
        words = [Word(word, n / 10, (n + 1) / 10) for n, word in enumerate(text.split())] if with_times else None
        return [replace(result, text=text, tokens=text.split(), words=words) for result in recognise(batch)]

    monkeypatch.setattr(system.modules.asr, "recognise", other)
    result = system(GOLDENS / "tiny/wav/utt00.wav")
    assert [word.rstrip(",.?!，。？！") for word in result.text.split()] == text.split()
    assert [word.text for word in result.words] == (text.split() if with_times else [])
    assert " ".join(sentence.text for sentence in result.sentences) == result.text


def test_a_bad_recording_harms_nobody(system, tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(16000, np.int16), 16000)
    (tmp_path / "text.wav").write_text("no audio")
    good = GOLDENS / "tiny/wav/utt00.wav"
    paths = [tmp_path / "text.wav", good, tmp_path / "zero.wav"]
    text, speech, zero, cube = system.batch([*paths, np.zeros((2, 2, 2))])
    assert isinstance(text, AudioError)
    assert "shape (2, 2, 2)" in str(cube)
    assert "every sample is zero" in str(zero)
    assert published(speech) == published(system(good))
    with pytest.raises(AudioError):
        system(tmp_path / "zero.wav")


def test_no_speech_is_a_result(system):
    result = system((np.random.default_rng(0).standard_normal(48000) * 3).astype(np.int16), "hush")
    assert (result.status, result.sentences, result.segments, result.dur_s) == ("no speech", (), (), 3.0)


def test_what_goes_wrong_with_a_segment_stays_with_it(system, monkeypatch):
    """One segment fails in recognition, one has no text; languages stay with their own segments."""
    path = GOLDENS / "tiny/wav/long.wav"
    whole = system(path)
    bad, silent = whole.segments[1], whole.segments[3]
    recognise = system.modules.asr.recognise

    def faulty(batch):
        if any(f"{round(1000 * bad[0]):07d}" in speech.key for speech in batch):
            if len(batch) > 1:
                raise RuntimeError("batch")
            raise RuntimeError("gone wrong")
        silent_id = f"{round(1000 * silent[0]):07d}"
        return [
            replace(result, text="", tokens=[], words=[]) if silent_id in result.uttid else result
            for result in recognise(batch)
        ]

    monkeypatch.setattr(system.modules.asr, "recognise", faulty)
    result = system(path)
    assert result.status == "partial"
    assert [(trouble.start_s, trouble.kind, trouble.reason) for trouble in result.troubles] == [
        (bad[0], "failed", "recognition failed: gone wrong"),
        (silent[0], "no text", "speech, but no text was recognised"),
    ]
    rest = [sentence for sentence in whole.sentences if not any(a <= sentence.start_s < b for a, b in (bad, silent))]
    assert published(replace(whole, sentences=rest))["sentences"] == published(result)["sentences"]
    assert result.segments == whole.segments


OTHERS = (FrontEnd(window="hamming", bins=40), FrontEnd(frame_length_ms=32, frame_shift_ms=5, stack=4, skip=3))


def cut_out(path, start_s, end_s, front_end):
    """The features (T, bins) of a stretch of audio by itself."""
    samples = read_blocks(str(path), AudioConfig(), start_s=start_s, end_s=end_s)
    return np.concatenate([block.numpy() for block in of_samples("x", samples, front_end)])


@pytest.mark.parametrize("front_end", [PUBLISHED, *OTHERS])
def test_spooled_segments_are_those_cut_from_the_audio(shared, front_end):
    path = shared("audio/firered/event.wav")
    spool = Spool(frames_of(path), front_ends=OTHERS)
    assert sum(len(block) for block in spool) == spool.count
    for start, end in ((0.0, 2.0), (1.79, 9.96), (19.0, 22.016)):
        cut = spool.cut(start, end, front_end)
        np.testing.assert_array_equal(cut.feats.numpy(), cut_out(path, start, end, front_end))
        assert cut.duration_s == pytest.approx(end - start)
    np.testing.assert_array_equal(np.concatenate(list(spool.again())).shape, (spool.count, 80))
    spool.close()


def test_only_filterbanks_that_differ_are_computed():
    source = frames_of(GOLDENS / "tiny/wav/utt00.wav")
    stacked = FrontEnd(stack=7, skip=6, cmvn=False)
    spool = Spool(source, front_ends=[PUBLISHED, stacked, OTHERS[0], replace(OTHERS[0], stack=3)])
    assert list(source.further) == [OTHERS[0]]
    assert sum(len(block) for block in spool) == spool.count
    np.testing.assert_array_equal(spool.cut(0.5, 1.0, stacked).feats, spool.cut(0.5, 1.0).feats)
    with pytest.raises(DataError, match=r"utt00: there are features of .* need the audio itself"):
        spool.cut(0.5, 1.0, OTHERS[1])
    spool.close()


def test_a_recording_that_is_too_short_for_another_front_end_has_no_frames_of_it():
    spool = Spool(of_samples("short", [np.ones(480, np.float32)]), front_ends=[FrontEnd(frame_length_ms=64)])
    assert sum(len(block) for block in spool) == 1
    assert spool.cut(0.0, 0.03).feats.shape == (1, 80)
    assert spool.cut(0.0, 0.03, FrontEnd(frame_length_ms=64)).feats.shape == (0, 80)
    spool.close()


def test_what_was_cut_of_a_recording_is_no_part_of_a_mapping_that_stays_in_memory():
    spool = Spool(of_samples("long", [np.ones(16000, np.float32)]))
    whole = torch.cat(list(spool))
    first, again = spool.cut(0.2, 0.6).feats, spool.cut(0.2, 0.6).feats
    assert torch.equal(first, whole[20:58])
    first.zero_()
    assert torch.equal(again, whole[20:58])
    assert not isinstance(again.numpy().base, np.memmap)
    spool.close()
    assert torch.equal(again, whole[20:58])


def test_a_live_spool_has_the_published_front_end_alone():
    spool = Spool.growing("live")
    spool.append(torch.zeros(200, 80))
    assert spool.cut(0.5, 1.0).feats.shape == (48, 80)
    for _ in range(2):  # while it grows, and when it is complete
        with pytest.raises(DataError, match=r"live: there are features of .* need the audio itself"):
            spool.cut(0.5, 1.0, OTHERS[0])
        spool.finish(2.015)
    spool.close()


def test_a_route_of_another_front_end_is_given_its_own_features(system, tmp_path, monkeypatch):
    model = write_model(tmp_path / "hamming", HammingLoudness.front_end.bins)
    hamming, main, path = HammingLoudness(model, LoudnessConfig()), system.modules.asr, GOLDENS / "tiny/wav/long.wav"
    given, before = {hamming: [], main: []}, system(path)
    for recogniser in given:
        monkeypatch.setattr(recogniser, "recognise", noted(recogniser.recognise, given[recogniser]))
    after = System(replace(system.modules, routes={"en": hamming}), system.config)(path)
    assert len(given[hamming]) > 0 < len(given[main])
    for recogniser, segments in given.items():
        for speech in segments:
            start_s, end_s = (int(part) / 1000 for part in speech.key.split("-")[1:])
            assert speech.front_end == recogniser.front_end
            np.testing.assert_array_equal(speech.feats, cut_out(path, start_s, end_s, recogniser.front_end))
    kept = [[one for one in result.sentences if one.lang != "en"] for result in (before, after)]
    assert kept[0] == kept[1]
    english = "".join(one.text.lower() for one in after.sentences if one.lang == "en")
    assert set(english) <= set("ab ,.?!，。？！")
    assert set(english) & set("ab")


def noted(recognise, given):
    """The same function, which keeps what it is given."""
    return lambda batch: given.extend(batch) or recognise(batch)


def test_a_route_may_lead_to_another_family_and_every_module_has_options(models):
    config = SystemConfig(events=True, lid=False, route=f"en={GOLDENS / 'tiny/FireRedASR2-LLM'}")
    system = System.from_pretrained(
        models, config, device="cpu", mvad=MvadConfig(music_threshold=0.7), punc=PuncConfig(sentence_max_length=9)
    )
    modules = system.modules
    assert {code: type(module) for code, module in modules.routes.items()} == {"en": LlmAsr}
    assert isinstance(modules.asr, Asr)
    assert (modules.mvad.config.music_threshold, modules.punc.config.sentence_max_length) == (0.7, 9)
