"""The whole system in memory: the published cases, what is switched off, and segments that go wrong."""

import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from firered.asr.config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.families.speech_llm import LlmAsr
from firered.audio.config import AudioConfig
from firered.audio.frames import Frames, of_samples
from firered.audio.like import as_frames
from firered.audio.load import read_blocks
from firered.audio.spool import Spool
from firered.errors import AudioError, ModelError, OptionError
from firered.output.published import published, read_transcript
from firered.punc.config import PuncConfig
from firered.results import AsrResult, PuncResult, Sentence, Word
from firered.system.assemble import Segment, transcript
from firered.system.config import SystemConfig
from firered.system.system import Modules, System
from firered.text.joining import join_sentences
from firered.vad.config import MvadConfig


@pytest.fixture(scope="module")
def models(shared):
    """Released VAD, tiny golden models of all else."""
    top = shared("goldens/tiny")
    names = ("FireRedLID", "FireRedASR2-AED", "FireRedPunc")
    vad = {f"FireRedVAD/{part}": shared(f"models/FireRedVAD/{part}") for part in ("VAD", "AED")}
    return {**vad, **{name: top / name for name in names}}


@pytest.fixture(scope="module")
def system(models):
    return System.from_pretrained(models, device="cpu")


def frames_of(path) -> Frames:
    return of_samples(path.stem, read_blocks(str(path), AudioConfig()))


@pytest.mark.parametrize("number", range(6))
def test_every_published_case(number, models, shared):
    top = shared("goldens/tiny")
    case = json.loads((top / "system_expected.json").read_text())[number]
    stamps = {"full": "reference", "no_ts": "none"}[case["case"]]
    expected = case["result"]
    system = System.from_pretrained(models, device="cpu", asr=AsrConfig(timestamps=stamps))
    result = system(top / expected["wav_path"])
    got = published(result)
    for name in ("words", "vad_segments_ms", "dur_s", "uttid"):
        assert got[name] == expected[name], name
    for one, golden in zip(got["sentences"], expected["sentences"], strict=True):
        confidences = {name: golden.pop(name) for name in ("asr_confidence", "lang_confidence")}
        assert {name: one[name] for name in confidences} == pytest.approx(confidences, abs=2e-3)
        assert {name: one[name] for name in golden} == golden
    # The published text lacks the spaces between English sentences.
    assert got["text"].replace(". H", ".H") == expected["text"]
    assert got["status"] == "ok"
    assert published(read_transcript(json.loads(json.dumps(got)))) == got
    assert type(result).from_dict(json.loads(json.dumps(result.to_dict()))) == result


def test_recordings_share_batches_and_give_what_each_gives_alone(system, shared, monkeypatch):
    paths = [shared(f"goldens/tiny/wav/utt0{number}.wav") for number in range(6)]
    alone = [published(system(path)) for path in paths]
    calls = []
    recognise = system.modules.asr.recognise
    monkeypatch.setattr(system.modules.asr, "recognise", lambda batch: calls.append(len(batch)) or recognise(batch))
    assert [published(result) for result in system.batch(paths)] == alone
    assert calls == [sum(len(one["vad_segments_ms"]) for one in alone)]
    calls.clear()
    monkeypatch.setattr(system, "config", replace(system.config, share_seconds=0))
    assert [published(result) for result in system.transcribe(iter(paths))] == alone
    assert len(calls) == 6


def test_recordings_in_memory_need_no_names(system, shared):
    """Two arrays without an id, of equal length, share batches and are not mixed up."""
    paths = [shared(f"goldens/tiny/wav/utt0{number}.wav") for number in (0, 1)]
    samples = [soundfile.read(path, dtype="int16")[0] for path in paths]
    length = min(map(len, samples))
    cut = [signal[:length] for signal in samples]
    no_vad = System(replace(system.modules, vad=None), system.config)
    alone = [no_vad(signal) for signal in cut]
    assert alone[0].text != alone[1].text
    batch = no_vad.batch([cut[0], (cut[1], 16000)])
    assert [published(result) for result in batch] == [published(result) for result in alone]
    assert [result.wav_path for result in alone] == ["", ""]


@pytest.mark.parametrize("name", ["vad", "lid", "asr", "punc"])
def test_every_module_can_be_switched_off(name, system, models, shared):
    path = shared("goldens/tiny/wav/utt00.wav")
    whole = system(path)
    without = System.from_pretrained({**models, _OWN[name]: "nowhere"}, SystemConfig(**{name: False}), device="cpu")
    result = without(path)
    assert result.dur_s == whole.dur_s
    if name == "vad":
        assert result.segments == ((0.0, 2.769),)
        assert result.sentences
    if name == "lid":
        assert [one.lang for one in result.sentences] == [None] * 3
        assert result.text == whole.text
    if name == "asr":
        assert [(one.text, one.lang) for one in result.sentences] == [("", "zh mandarin")]
        assert result.troubles == ()
    if name == "punc":
        assert [one.text for one in result.sentences] == ["请把音量调到最大"]
        assert result.words == whole.words


_OWN = {"vad": "FireRedVAD/VAD", "lid": "FireRedLID", "asr": "FireRedASR2-AED", "punc": "FireRedPunc"}


def test_events(models, shared):
    result = System.from_pretrained(models, SystemConfig(events=True), device="cpu")(shared("audio/firered/event.wav"))
    assert {one.kind for one in result.events} == {"speech", "singing", "music"}
    assert (result.events[0].start_s, result.events[0].kind) == (0.09, "music")
    assert "events" in published(result)


def test_a_language_may_have_a_recogniser_of_its_own(system, shared):
    class Other:
        config = system.modules.asr.config

        def recognise(self, batch):
            return [replace(result, text="其他", words=[]) for result in system.modules.asr.recognise(batch)]

    routed = System(replace(system.modules, routes={"en": Other()}), system.config)
    path = shared("goldens/tiny/wav/long.wav")
    before, after = system(path), routed(path)
    english = {(one.start_s, one.lang) for one in before.sentences if one.lang == "en"}
    assert english
    assert [one.text for one in after.sentences if one.lang == "en"] == ["其他，"] * len(english)
    rest = [[one for one in result.sentences if one.lang != "en"] for result in (before, after)]
    assert rest[0] == rest[1]


def test_a_route_may_lead_to_another_family_and_every_module_has_options(models, shared):
    config = SystemConfig(events=True, lid=False, route=f"en={shared('goldens/tiny/FireRedASR2-LLM')}")
    system = System.from_pretrained(
        models, config, device="cpu", mvad=MvadConfig(music_threshold=0.7), punc=PuncConfig(sentence_max_length=9)
    )
    modules = system.modules
    assert {code: type(module) for code, module in modules.routes.items()} == {"en": LlmAsr}
    assert isinstance(modules.asr, Asr)
    assert (modules.mvad.config.music_threshold, modules.punc.config.sentence_max_length) == (0.7, 9)


def test_routes_as_options():
    assert SystemConfig(route="yue=a,en=b/c").routes() == {"yue": "a", "en": "b/c"}
    assert SystemConfig(route={"yue": "a"}).routes() == {"yue": "a"}
    assert SystemConfig().routes() == {}
    with pytest.raises(OptionError, match="route: 'yue' is not of the form"):
        SystemConfig(route="yue")


def test_a_missing_model_is_named():
    with pytest.raises(ModelError, match="nowhere: no FireRedVAD/VAD"):
        System.from_pretrained("nowhere")


def test_a_bad_recording_harms_nobody(system, shared, tmp_path):
    soundfile.write(tmp_path / "zero.wav", np.zeros(16000, np.int16), 16000)
    (tmp_path / "text.wav").write_text("no audio")
    good = shared("goldens/tiny/wav/utt00.wav")
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


def test_what_goes_wrong_with_a_segment_stays_with_it(system, shared, monkeypatch):
    """One segment fails in recognition, one has no text; languages stay with their own segments."""
    path = shared("goldens/tiny/wav/long.wav")
    whole = system(path)
    bad, silent = whole.segments[1], whole.segments[3]
    recognise = system.modules.asr.recognise

    def faulty(batch):
        if any(f"{round(1000 * bad[0]):07d}" in one.key for one in batch):
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
    assert [(one.start_s, one.kind, one.reason) for one in result.troubles] == [
        (bad[0], "failed", "recognition failed: gone wrong"),
        (silent[0], "no text", "speech, but no text was recognised"),
    ]
    rest = [one for one in whole.sentences if not any(a <= one.start_s < b for a, b in (bad, silent))]
    assert published(replace(whole, sentences=rest))["sentences"] == published(result)["sentences"]
    assert result.segments == whole.segments


def recognised(text: str, tokens: list[str], **more: object) -> AsrResult:
    return AsrResult("", text, 0.5, 1.0, tokens, [0.5] * len(tokens), **more)


def recording() -> Spool:
    spool = Spool(as_frames(np.full(16000, 9, np.int16), "r"), "r.wav")
    assert sum(len(block) for block in spool) == 98
    return spool


def test_times_are_cut_off_after_adding():
    """As published: the seconds of a word are not made milliseconds before the segment's start is added."""
    segment = Segment((0.29, 1.0))  # 1000 * 0.29 is 290 less a little
    segment.asr = recognised("a b", ["▁A", "▁B"], words=[Word("a", 0.001, 0.29), Word("b", 0.3, 0.7)])
    segment.punc = PuncResult("", "a b", "A, b.", [Sentence("A,", 0.001, 0.29), Sentence("B.", 0.3, 0.7)])
    fields = published(transcript(recording(), [segment], []))
    assert segment.start_ms == int(1000 * 0.29)
    assert [(word["start_ms"], word["end_ms"]) for word in fields["words"]] == [(291, 580), (590, 990)]
    assert [(one["start_ms"], one["end_ms"], one["text"]) for one in fields["sentences"]] == [
        (290, 580, "A,"),
        (590, 1000, "B."),
    ]


@pytest.mark.parametrize(
    ("asr", "kinds", "text", "left_out"),
    [
        (recognised("好", ["好"]), [], "好", []),
        (recognised("", []), ["no text"], "", [""]),
        (recognised("", ["<sil>"]), ["no text"], "", [""]),
        (recognised("<b>", ["<blank>", "好"]), ["no text"], "", [""]),
        (recognised("好好好", ["好"], flags=["repeats"]), ["doubt"], "好好好", [""]),
        (recognised("", [], flags=["repeats"], dropped="好好好"), ["doubt"], "", ["好好好"]),
        (ValueError("x"), ["failed"], "", [""]),
    ],
)
def test_troubles(asr, kinds, text, left_out):
    result = transcript(recording(), [Segment((0.0, 1.0), asr=asr)], [])
    assert [trouble.kind for trouble in result.troubles] == kinds
    assert [trouble.text for trouble in result.troubles] == left_out
    assert result.text == text
    assert result.status == ("partial" if kinds else "ok")


def test_sentences_are_joined_with_a_space_between_half_width_text():
    assert join_sentences(["Hello world.", "How are you?", "", "你好，", "ok.", "好"]) == (
        "Hello world. How are you?你好，ok.好"
    )


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


def test_modules_are_all_optional(shared):
    result = System(Modules())(shared("goldens/tiny/wav/utt00.wav"))
    assert result.segments == ((0.0, 2.769),)
    assert result.status == "ok"
