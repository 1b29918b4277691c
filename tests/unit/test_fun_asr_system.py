"""Fun-ASR-Nano in the whole system, and the parts of recordings that it is not to be asked about."""

import json
import logging
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from support.close import assert_same
from support.tiny_fun_asr import write_published_form, write_transformers_form

from firered.asr import families
from firered.asr.families.fun_asr import _NOTHING
from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import fbank
from firered.hub.find import find_model
from firered.output.config import SubtitleConfig
from firered.output.formats import FORMATS
from firered.output.published import published as fields_of
from firered.results import LidResult, VadResult
from firered.runs.asr import write_asr
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.search.beams import Hypothesis
from firered.system.config import SystemConfig
from firered.system.system import PUNC, Modules, System, model_dirs
from firered.text.fun_asr import clean

RATE = 16000


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "Fun-ASR-Nano-2512")


@pytest.fixture(scope="module")
def transformers_form(tmp_path_factory):
    return write_transformers_form(tmp_path_factory.mktemp("fun") / "other")


def loaded(directory, **options):
    config = FunAsrConfig(**{"dtype": "float32", "max_length": 12, "split_truncated": False, **options})
    return families.FUN_ASR.load(directory, config, "cpu")


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 3000, round(RATE * seconds)).astype(np.float32)


def speech(asr, samples, key="utt"):
    return Speech(key, fbank(samples, asr.front_end), len(samples) / RATE, Context(), asr.front_end)


class Segments:
    """A detector that finds segments which are known."""

    def __init__(self, *spans):
        self.spans = spans

    def detect(self, recordings):
        for spool in recordings:
            for _ in spool:
                pass
            yield spool, VadResult(spool.key, spool.duration_s, self.spans)


def watch(monkeypatch, asr):
    """The seconds of each window that the encoder and the language model are given."""
    given = []
    rows = asr.loaded.rows

    def watched(batch):
        given.extend(utterance.duration_s for utterance in batch)
        return rows(batch)

    monkeypatch.setattr(asr.loaded, "rows", watched)
    return given


@pytest.mark.parametrize("value", [0, 1234])
def test_digital_silence_is_not_decoded(published, monkeypatch, value):
    asr = loaded(published)
    given = watch(monkeypatch, asr)
    silence = speech(asr, np.full(RATE, value, np.float32), "silence")
    silent, spoken = asr.recognise([silence, speech(asr, noise(1.5))])
    assert given == [1.5]
    assert (silent.text, silent.plain_text, silent.tokens, silent.words, silent.ctc_text) == ("", "", (), (), "")
    assert silent.confidence == 0
    assert silent.flags == ("silent: digital silence, which is not decoded",)
    assert spoken == asr.recognise([speech(asr, noise(1.5))])[0]
    assert not any(flag.startswith("silent") for flag in spoken.flags)


def test_one_step_of_16_bits_is_heard(published, monkeypatch):
    asr = loaded(published)
    given = watch(monkeypatch, asr)
    samples = np.zeros(RATE, np.float32)
    samples[8000] = 1
    asr.recognise([speech(asr, samples)])
    assert given == [1.0]


def test_the_form_of_transformers_hears_nothing_below_its_own_floor(transformers_form, monkeypatch):
    asr = loaded(transformers_form)
    given = watch(monkeypatch, asr)
    samples = np.zeros(RATE, np.float32)
    samples[8000] = 1
    (result,) = asr.recognise([speech(asr, samples)])
    assert given == []
    assert result.text == ""
    assert result.ctc_text is None


def test_only_the_silent_windows_of_a_recording_are_left_out(published, monkeypatch):
    asr = loaded(published, window_seconds=2.0)
    given = watch(monkeypatch, asr)
    samples = np.concatenate([noise(1.5), np.zeros(6 * RATE, np.float32), noise(1.5, 1)])
    (result,) = asr.recognise([speech(asr, samples)])
    assert 0 < sum(given) < 7
    assert result.text
    assert not any(flag.startswith("silent") for flag in result.flags)


def test_the_guard_keeps_what_the_recogniser_flagged(published):
    asr = loaded(published, guard="drop", guard_chars_per_second=0.1, max_length=4)
    (result,) = asr.recognise([speech(asr, noise(1.5))])
    assert [flag.partition(":")[0] for flag in result.flags][:1] == ["truncated"]
    assert len(result.flags) > 1
    assert result.dropped
    assert (result.text, result.plain_text) == ("", "")


def test_flags_are_written_and_counted_by_kind_without_a_guard(published, tmp_path, caplog):
    asr = loaded(published, max_length=4)
    utterances = [speech(asr, np.zeros(RATE, np.float32), "a"), speech(asr, noise(1.5), "b")]
    results = dict(zip("ab", asr.recognise(utterances), strict=True))
    with caplog.at_level(logging.WARNING):
        write_asr(tmp_path, results, asr.config)
    assert "2 of 2 texts flagged, 0 of them dropped (1 silent, 1 truncated); reasons in" in caplog.text
    flags = dict(line.split(" ", 1) for line in (tmp_path / "flags").read_text().splitlines())
    assert flags["a"].startswith("silent: ")
    assert flags["b"].startswith("truncated: ")
    write_asr(tmp_path, {}, asr.config)
    assert not (tmp_path / "flags").exists()


def test_asr_jsonl_has_the_text_without_marks_and_what_the_ctc_head_reads(published):
    asr = loaded(published)
    (result,) = asr.recognise([speech(asr, noise(1.5))])
    fields = json.loads(json.dumps(fields_of(result)))
    assert fields["text_tn"] == result.plain_text
    assert fields["ctc_text"] == result.ctc_text
    assert fields["timestamp"]
    assert fields["flags"] == list(result.flags)


def test_silence_tags_do_not_reach_text_or_words(published, monkeypatch):
    """`/sil` is cleaned away as published, which leaves `[breath]` in the text."""
    asr = loaded(published)
    ids = asr.loaded.tokenizer.ids_of("a/sil/silb [breath]")
    answer = Hypothesis(tuple(ids), 0.0, 0.0, 0.0, 1.0, (0.0,) * len(ids), finished=True)
    monkeypatch.setattr(asr, "_search", lambda *_: [[answer]])
    (result,) = asr.recognise([speech(asr, noise(4.0))])
    assert result.text == "a b [breath]" == clean("a/sil/silb [breath]")
    assert [word.text for word in result.words] == ["a", "b", "[breath]"]


def test_each_utterance_of_a_batch_has_its_own_limit(published, monkeypatch):
    asr = loaded(published, max_length=512)
    limits = []
    search = asr._search

    def watched(embeds, mask, last, own, *rest):
        limits.append(own)
        return search(embeds, mask, last, own, *rest)

    monkeypatch.setattr(asr, "_search", watched)
    long, short = speech(asr, noise(3.0), "long"), speech(asr, noise(0.3, 1), "short")
    together = asr.recognise([long, short])
    assert limits == [[152, 44]]
    for result, most in zip(together, (152, 44), strict=True):
        assert 0 < len(result.tokens) <= most
        assert any(flag.startswith("truncated") for flag in result.flags) == (len(result.tokens) == most)
    assert_same(together, [asr.recognise([own])[0] for own in (long, short)])


@pytest.mark.parametrize("name", ["Fun-ASR-MLT-Nano-2512", "FireRedASR2-AED", "Fun-ASR-Nano-2512-hf", "x"])
@pytest.mark.parametrize("form", ["published", "transformers_form"])
def test_a_renamed_directory_gives_the_same(request, tmp_path, form, name):
    directory = request.getfixturevalue(form)
    copy = shutil.copytree(directory, tmp_path / name)
    assert families.find(copy) == (copy, families.FUN_ASR)
    one, other = loaded(directory, max_length=6), loaded(copy, max_length=6)
    assert (one.languages, one.punctuates, one.front_end) == (other.languages, other.punctuates, other.front_end)
    utterance = Speech("u", fbank(noise(1.0), one.front_end), 1.0, Context(("hot",), "en"), one.front_end)
    assert one.recognise([utterance]) == other.recognise([utterance])


# In the system


def system_of(asr, *spans, **modules):
    return System(Modules(vad=Segments(*spans), asr=asr, **modules), SystemConfig(lid=False))


def test_silent_and_empty_segments_do_not_break_a_recording(published, monkeypatch):
    """One is silent and never sent, one gives no text; the others are as without them."""
    asr = loaded(published)
    given = watch(monkeypatch, asr)
    spoken, empty = noise(2.0), noise(1.0, 5)
    samples = np.concatenate([spoken, np.zeros(RATE, np.float32), empty, spoken]).astype(np.int16)
    search = asr._search

    def without_the_empty_one(embeds, mask, last, limits, *rest):
        found = search(embeds, mask, last, limits, *rest)
        return [[_NOTHING] if limit < 100 else own for limit, own in zip(limits, found, strict=True)]

    monkeypatch.setattr(asr, "config", FunAsrConfig(**{**asr.config.to_dict(), "max_length": 110}))
    monkeypatch.setattr(asr, "_search", without_the_empty_one)
    spans = (0.0, 2.0), (2.0, 3.0), (3.0, 4.0), (4.0, 6.0)
    transcript = system_of(asr, *spans)(samples)
    assert len(given) == 3
    assert transcript.segments == spans
    kinds = [(trouble.start_s, trouble.kind, trouble.reason.partition(":")[0]) for trouble in transcript.troubles]
    assert (2.0, "doubt", "silent") in kinds
    assert (3.0, "no text", "speech, but no text was recognised") in kinds
    starts = {sentence.start_s for sentence in transcript.sentences}
    assert {0.0, 4.0} <= starts
    assert not starts & {2.0, 3.0}


def test_the_longest_segment_that_is_sent_to_the_model(published, monkeypatch):
    """A detector may find any length; the windows of it are what the model gets."""
    asr = loaded(published, max_length=4)
    given = watch(monkeypatch, asr)
    transcript = system_of(asr, (0.0, 65.0), (65.5, 70.0))(noise(70.0).astype(np.int16))
    assert max(given) <= 30.0
    assert sum(given) == pytest.approx(65.0 + 4.5, abs=0.1)
    assert len(given) >= 4
    assert transcript.words[-1].end_s > 65.5


def test_words_lie_in_their_segments_and_subtitles_are_made_of_them(published):
    asr = loaded(published)
    spans = (0.5, 2.5), (3.0, 5.2)
    transcript = system_of(asr, *spans)(noise(6.0).astype(np.int16))
    times = [time for word in transcript.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(any(start <= word.start_s <= word.end_s <= end for start, end in spans) for word in transcript.words)
    own = [asr.recognise([speech(asr, noise(6.0)[round(RATE * a) : round(RATE * b)])])[0] for a, b in spans]
    assert len(transcript.words) == sum(len(result.words) for result in own)
    subtitles = FORMATS["srt"](transcript, SubtitleConfig())
    assert "00:00:0" in subtitles
    assert "-->" in subtitles


def test_a_truncated_text_is_seen_in_every_form_of_the_transcript(published):
    asr = loaded(published, max_length=4)
    transcript = system_of(asr, (0.0, 3.0))(noise(3.0).astype(np.int16))
    assert transcript.status == "partial"
    (trouble,) = fields_of(transcript)["troubles"]
    assert trouble["reason"].startswith("truncated: ")
    assert "truncated: " in FORMATS["textgrid"](transcript, SubtitleConfig())


def test_the_identified_language_is_told_where_the_model_knows_it(published, monkeypatch):
    asr = loaded(published, max_length=4)
    contexts = []
    prompts = asr.loaded.prompts

    def watched(encoded, lengths, own, itn):
        contexts.extend(context.language for context in own)
        return prompts(encoded, lengths, own, itn)

    def identify(batch):
        found = ["zh mandarin", "th", "en"]
        return [LidResult(one.key, lang, lang[:2], None, 0.9, 1.0, ()) for one, lang in zip(batch, found, strict=True)]

    monkeypatch.setattr(asr.loaded, "prompts", watched)
    lid = SimpleNamespace(identify=identify, config=SimpleNamespace(batch_seconds=60.0))
    spans = (0.0, 1.0), (1.0, 2.0), (2.0, 3.0)
    transcript = system_of(asr, *spans, lid=lid)(noise(3.0).astype(np.int16))
    assert contexts == ["zh", None, "en"]
    assert [sentence.lang for sentence in transcript.sentences] == ["zh mandarin", "th", "en"]


@pytest.mark.parametrize("itn", [True, False])
def test_the_punctuation_model_is_used_where_the_recogniser_writes_no_marks(published, tmp_path, itn):
    """Without ITN the model writes none: one run-on line is no subtitle."""
    (tmp_path / "FireRedPunc").mkdir()
    (tmp_path / "FireRedPunc/model.pth.tar").touch()
    (tmp_path / "Fun-ASR-Nano-2512").symlink_to(published)
    config = SystemConfig(vad=False, lid=False)
    places = model_dirs(tmp_path, config, FunAsrConfig(itn=itn))
    assert (PUNC in places) == (not itn)
    assert find_model(places["Fun-ASR-Nano-2512"]) == tmp_path / "Fun-ASR-Nano-2512"
