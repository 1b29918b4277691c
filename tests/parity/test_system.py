"""The whole system in memory: the published cases, what is switched off, and segments that go wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from support.paths import EGS, GOLDENS

from firered.asr.config import AsrConfig
from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_samples
from firered.audio.load import read_blocks
from firered.audio.spool import Spool
from firered.errors import AudioError
from firered.system.config import SystemConfig
from firered.system.system import System
from firered.system.transcript import Transcript


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
    system = System.from_pretrained(released, device="cpu", asr=AsrConfig(timestamps=stamps))
    got = system(top / expected["wav_path"]).to_json()
    for name in ("words", "vad_segments_ms", "dur_s", "uttid"):
        assert got[name] == expected[name], name
    for one, golden in zip(got["sentences"], expected["sentences"], strict=True):
        confidences = {name: golden.pop(name) for name in ("asr_confidence", "lang_confidence")}
        assert {name: one[name] for name in confidences} == pytest.approx(confidences, abs=2e-3)
        assert {name: one[name] for name in golden} == golden
    # The published text lacks the spaces between English sentences.
    assert got["text"].replace(". H", ".H") == expected["text"]
    assert got["status"] == "ok"
    assert Transcript.from_json(json.loads(json.dumps(got))).to_json() == got


def test_recordings_share_batches_and_give_what_each_gives_alone(system, monkeypatch):
    paths = [GOLDENS / f"tiny/wav/utt0{number}.wav" for number in range(6)]
    alone = {path.stem: system(path).to_json() for path in paths}
    calls = []
    transcribe = system.modules.asr.recognise
    monkeypatch.setattr(system.modules.asr, "transcribe", lambda batch: calls.append(len(batch)) or transcribe(batch))
    together = dict(system.transcribe((frames_of(path), str(path)) for path in paths))
    assert calls == [sum(len(one["vad_segments_ms"]) for one in alone.values())]
    assert {key: one.to_json() for key, one in together.items()} == alone
    calls.clear()
    monkeypatch.setattr(system, "config", replace(system.config, share_seconds=0))
    assert len(list(system.transcribe((frames_of(path), str(path)) for path in paths))) == 6
    assert len(calls) == 6


@pytest.mark.parametrize("name", ["vad", "lid", "asr", "punc"])
def test_every_module_can_be_switched_off(name, system, models):
    path = GOLDENS / "tiny/wav/utt00.wav"
    whole = system(path)
    without = System.from_pretrained({**models, _OWN[name]: "nowhere"}, SystemConfig(**{name: False}), device="cpu")
    result = without(path)
    assert result.dur_s == whole.dur_s
    if name == "vad":
        assert result.vad_segments_ms == [(0, 2769)]
        assert result.sentences
    if name == "lid":
        assert [one.lang for one in result.sentences] == [None] * 3
        assert result.text == whole.text
    if name == "asr":
        assert [(one.text, one.lang) for one in result.sentences] == [("", "zh mandarin")]
        assert result.troubles == []
    if name == "punc":
        assert [one.text for one in result.sentences] == ["请把音量调到最大"]
        assert result.words == whole.words


_OWN = {"vad": "FireRedVAD/VAD", "lid": "FireRedLID", "asr": "FireRedASR2-AED", "punc": "FireRedPunc"}


def test_events(released, shared):
    result = System.from_pretrained(released, SystemConfig(events=True), device="cpu")(
        shared("audio/firered/event.wav")
    )
    assert {one.kind for one in result.events} == {"speech", "singing", "music"}
    assert (result.events[0].start_ms, result.events[0].kind) == (90, "music")
    assert "events" in result.to_json()


def test_a_language_may_have_a_recogniser_of_its_own(system):
    class Other:
        config = system.modules.asr.config

        def transcribe(self, batch):
            results = system.modules.asr.recognise(batch)
            for one in results:
                one.text, one.words = "其他", []
            return results

    routed = System(replace(system.modules, routes={"en": Other()}), system.config)
    path = GOLDENS / "tiny/wav/long.wav"
    before, after = system(path), routed(path)
    english = {(one.start_ms, one.lang) for one in before.sentences if one.lang == "en"}
    assert english
    assert [one.text for one in after.sentences if one.lang == "en"] == ["其他，"] * len(english)
    rest = [[one for one in result.sentences if one.lang != "en"] for result in (before, after)]
    assert rest[0] == rest[1]


def test_a_bad_recording_harms_nobody(system, tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(16000, np.int16), 16000)
    (tmp_path / "text.wav").write_text("no audio")
    good = GOLDENS / "tiny/wav/utt00.wav"
    paths = [tmp_path / "text.wav", good, tmp_path / "zero.wav"]
    results = dict(system.transcribe((frames_of(path), str(path)) for path in paths))
    assert list(results) == ["text", "utt00", "zero"]
    assert isinstance(results["text"], AudioError)
    assert "every sample is zero" in str(results["zero"])
    assert results["utt00"].to_json() == system(good).to_json()
    with pytest.raises(AudioError):
        system(tmp_path / "zero.wav")


def test_no_speech_is_a_result(system):
    result = system((np.random.default_rng(0).standard_normal(48000) * 3).astype(np.int16), "hush")
    assert (result.status, result.sentences, result.vad_segments_ms, result.dur_s) == ("no speech", [], [], 3.0)


def test_what_goes_wrong_with_a_segment_stays_with_it(system, monkeypatch):
    """One segment fails in recognition, one has no text; languages stay with their own segments."""
    path = GOLDENS / "tiny/wav/long.wav"
    whole = system(path)
    bad, silent = whole.vad_segments_ms[1], whole.vad_segments_ms[3]
    transcribe = system.modules.asr.recognise

    def faulty(batch):
        if any(f"{bad[0]:07d}" in one.key for one in batch):
            if len(batch) > 1:
                raise RuntimeError("batch")
            raise RuntimeError("gone wrong")
        results = transcribe(batch)
        for one in results:
            if f"{silent[0]:07d}" in one.uttid:
                one.text, one.tokens, one.words = "", [], []
        return results

    monkeypatch.setattr(system.modules.asr, "transcribe", faulty)
    result = system(path)
    assert result.status == "partial"
    assert [(one.start_ms, one.kind, one.reason) for one in result.troubles] == [
        (bad[0], "failed", "recognition failed: gone wrong"),
        (silent[0], "no text", "speech, but no text was recognised"),
    ]
    lost = [one for one in whole.sentences if any(a <= one.start_ms < b for a, b in (bad, silent))]
    assert [one for one in whole.sentences if one not in lost] == result.sentences
    assert result.vad_segments_ms == whole.vad_segments_ms


def test_spooled_segments_are_those_cut_from_the_audio(shared):
    path = shared("audio/firered/event.wav")
    spool = Spool(frames_of(path))
    assert sum(len(block) for block in spool) == spool.count
    for start, end in ((0.0, 2.0), (1.79, 9.96), (19.0, 22.016)):
        cut = spool.cut(start, end)
        samples = read_blocks(str(path), AudioConfig(), start_s=start, end_s=end)
        (whole,) = [np.concatenate([block.numpy() for block in of_samples("x", samples)])]
        np.testing.assert_array_equal(cut.feats.numpy(), whole)
        assert cut.duration_s == pytest.approx(end - start)
    np.testing.assert_array_equal(np.concatenate(list(spool.again())).shape, (spool.count, 80))
    spool.close()
