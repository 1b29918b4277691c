"""`draft` of the recognisers: nothing in a result depends on it, and what it cannot do is refused."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from support.close import assert_same
from support.paths import EGS
from support.tiny_fun_asr import write_published_form
from support.tiny_llm import write_tiny_llm

from firered.asr import drafting, families
from firered.asr.aed_config import AsrConfig
from firered.asr.drafting import Drafting, Read
from firered.asr.families.aed import Asr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.audio.frontend import fbank
from firered.errors import ModelError, OptionError
from firered.hotwords.lists import HotwordList, Phrase
from firered.models.aed import Aed, AedConfig
from firered.output.published import published as as_published
from firered.runtime.context import Context
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.search.drafts import DraftCounts

MODELS = EGS / "mini/models"
LISTS = [["你好水"], [], ["诶诶"], ["apple"], ["你好"], []]
SETTINGS = {
    "greedy": {"beam_size": 1},
    "times": {"timestamps": "pauses", "beam_size": 2},
    "n-best": {"nbest": 3, "confidence": "geometric", "softmax_smoothing": 1.0, "eos_penalty": 1.3},
    "short": {"decode_max_len": 5, "beam_size": 2},
    "language model": {"elm_dir": str(MODELS / "lm"), "elm_weight": 0.2, "beam_size": 2},
    "hotwords": {"hotword_use": "graph", "hotword_score": 3.0, "guard": "flag", "beam_size": 2},
}


@pytest.fixture(scope="module")
def recordings():
    """Some utterances, one of several after another, silence, and a third of a second, as int16."""
    paths = sorted((EGS / "mini/test/wav").glob("f*.flac"))[:4]
    found = [soundfile.read(path, dtype="int16")[0] for path in paths]
    return [*found[:2], np.concatenate(found), np.zeros(8000, np.int16), found[3], found[0][6000:11000]]


def heard(asr, recordings, lists=LISTS, drafts=()):
    drafts = [*drafts, *[""] * (len(lists) - len(drafts))]
    contexts = [
        Context(hotwords=HotwordList(map(Phrase, own)), draft=draft) for own, draft in zip(lists, drafts, strict=True)
    ]
    return asr.recognise(
        [
            Speech(str(number), fbank(own.astype(np.float32), asr.front_end), len(own) / 16000, context, asr.front_end)
            for number, (own, context) in enumerate(zip(recordings, contexts, strict=True))
        ]
    )


def same(plain, drafted, places=1e-4):
    for one, other in zip(plain, drafted, strict=True):
        assert one.tokens == other.tokens
        assert_same(as_published(other), as_published(one), places)


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_result_of_the_aed_is_the_same(setting, recordings):
    options = SETTINGS[setting]
    plain, drafted = (
        families.AED.load(MODELS / "FireRedASR2-AED", AsrConfig(draft=draft, **options), "cpu")
        for draft in ("none", "ctc")
    )
    lists = LISTS if setting == "hotwords" else [[]] * len(recordings)
    results = heard(plain, recordings, lists)
    same(results, heard(drafted, recordings, lists))
    assert sum(bool(result.text) for result in results) >= 4
    assert drafted.drafting.counts.utterances >= len(recordings)
    assert plain.drafting.counts == DraftCounts()


@pytest.mark.parametrize("dtype", ["int8", "bfloat16"])
def test_a_reduced_format_has_drafts_too(dtype, recordings):
    asr = families.AED.load(MODELS / "FireRedASR2-AED", AsrConfig(draft="auto", beam_size=1, dtype=dtype), "cpu")
    heard(asr, recordings)
    assert asr.drafting.counts.passes


def test_modes_without_the_decoders_own_search_refuse_a_draft():
    for mode in ("joint", "ctc", "ctc_prefix", "rescore", "ctc_rescore_low"):
        with pytest.raises(OptionError, match="draft: has no effect with mode"):
            AsrConfig(mode=mode, draft="ctc")


def test_a_model_without_the_head_refuses_or_does_without():
    whole = Loaded.load(Aed, MODELS / "FireRedASR2-AED", "float32", "cpu")
    config = AedConfig(idim=80, odim=len(whole.tokenizer), d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    loaded = Loaded(Aed(config, ctc=False), whole.cmvn, whole.tokenizer, torch.device("cpu"), whole.directory)
    with pytest.raises(ModelError, match="no drafts from this model"):
        Asr(loaded, AsrConfig(draft="ctc"))
    assert not Asr(loaded, AsrConfig(draft="auto")).drafting.on


@pytest.mark.parametrize("options", [{"beam_size": 1}, {"beam_size": 3, "nbest": 2}, {"repetition_penalty": 1.5}])
def test_every_result_of_the_llm_variant_is_the_same(options, recordings):
    options = {"dtype": "float32", "guard": "off", "hotword_use": "graph", **options}
    plain, drafted = (
        families.SPEECH_LLM.load(MODELS / "FireRedASR2-LLM", LlmConfig(draft_model=draft, **options), "cpu")
        for draft in (None, str(MODELS / "FireRedASR2-AED"))
    )
    same(heard(plain, recordings), heard(drafted, recordings))
    assert drafted.drafting.counts.accepted
    assert {path.name for path in drafted.sources} > {path.name for path in plain.sources}


def test_a_draft_model_without_the_head_is_refused(tmp_path):
    with pytest.raises(ModelError):
        families.SPEECH_LLM.load(MODELS / "FireRedASR2-LLM", LlmConfig(draft_model=str(tmp_path)), "cpu")


def test_a_draft_in_tokens_that_the_language_model_lacks(tmp_path, recordings):
    directory = write_tiny_llm(tmp_path / "llm", vocabulary=260)
    options = {"dtype": "float32", "beam_size": 1}
    plain, drafted = (
        families.SPEECH_LLM.load(directory, LlmConfig(draft_model=draft, **options), "cpu")
        for draft in (None, str(MODELS / "FireRedASR2-AED"))
    )
    texts = ["<|im_end|> \U0001f600", "", "一" * 900, "<|im_start|>", "a", "你好"]
    drafted._drafts.read = lambda batch, _: [Read(text) for text in texts[: len(batch)]]
    same(heard(plain, recordings), heard(drafted, recordings))


def test_every_result_of_fun_asr_is_the_same(tmp_path, recordings, monkeypatch):
    directory = write_published_form(tmp_path / "fun")
    options = {"dtype": "float32", "max_length": 24, "split_truncated": False, "hotword_use": "prompt,correction"}
    plain, drafted = (
        families.FUN_ASR.load(directory, FunAsrConfig(draft=draft, **options), "cpu") for draft in ("none", "ctc")
    )
    results = heard(plain, recordings)
    same(results, heard(drafted, recordings))
    assert drafted.drafting.counts.utterances
    # Random weights: its head reads nothing of what its language model writes. The right draft is taken, too.
    answers = iter([result.text for result in results if result.text] * 2)
    monkeypatch.setattr(type(drafted), "_read", lambda self, log_probs: next(answers, ""))
    drafted.drafting.on, drafted.drafting.counts = True, DraftCounts()
    again = heard(drafted, recordings, [[]] * len(recordings))
    assert [own.tokens for own in again] == [own.tokens for own in heard(plain, recordings, [[]] * len(recordings))]


def test_fun_asr_without_the_head_refuses(tmp_path):
    directory = write_published_form(tmp_path / "fun", ctc=False)
    with pytest.raises(ModelError, match="no drafts from this model"):
        families.FUN_ASR.load(directory, FunAsrConfig(draft="ctc"), "cpu")
    assert not families.FUN_ASR.load(directory, FunAsrConfig(draft="auto"), "cpu").drafting.on


@pytest.mark.parametrize("kind", ["aed", "llm", "fun_asr"])
def test_a_caller_may_have_drafts_and_nothing_but_the_passes_changes(kind, recordings, tmp_path):
    family, model, config = {
        "aed": lambda: (families.AED, MODELS / "FireRedASR2-AED", AsrConfig(beam_size=3)),
        "llm": lambda: (families.SPEECH_LLM, MODELS / "FireRedASR2-LLM", LlmConfig(beam_size=1, dtype="float32")),
        "fun_asr": lambda: (
            families.FUN_ASR,
            write_published_form(tmp_path / "fun"),
            FunAsrConfig(dtype="float32", max_length=24, split_truncated=False),
        ),
    }[kind]()
    asr = family.load(model, config, "cpu")
    nothing = [[]] * len(recordings)
    plain = heard(asr, recordings, nothing)
    assert asr.drafting.counts == DraftCounts()
    texts = [result.text for result in plain]
    drafts = [texts[0], "", texts[2][: len(texts[2]) // 2], "nothing of the kind", texts[4] + "一", ""]
    same(plain, heard(asr, recordings, nothing, drafts))
    heard_of = [draft for place, draft in enumerate(drafts) if place != 3 or kind != "fun_asr"]  # it skips silence
    assert asr.drafting.counts.utterances == sum(map(bool, heard_of))
    if kind != "fun_asr":  # its random weights write no text that tokens could be made of again
        assert asr.drafting.counts.passes < asr.drafting.counts.steps


def test_a_callers_draft_is_of_a_whole_utterance_and_of_the_decoders_own_search(recordings):
    for options in ({"mode": "ctc"}, {"mode": "joint"}, {"window_seconds": 2.0}):
        asr = families.AED.load(MODELS / "FireRedASR2-AED", AsrConfig(**options), "cpu")
        long = recordings[2:3]
        plain = heard(asr, long, [[]])
        same(plain, heard(asr, long, [[]], [plain[0].text]))
        assert asr.drafting.counts == DraftCounts()


def test_a_recogniser_with_drafts_of_its_own_takes_those(recordings):
    asr = families.AED.load(MODELS / "FireRedASR2-AED", AsrConfig(draft="ctc"), "cpu")
    heard(asr, recordings, [[]] * len(recordings), ["nothing of the kind"] * len(recordings))
    assert asr.drafting.counts.given_up == 0
    assert asr.drafting.counts.share > 0.5


def test_bad_drafts_are_switched_off_and_it_is_said_once(caplog):
    caplog.set_level(logging.INFO)
    drafts = Drafting(on=True)
    drafts._judge(DraftCounts(9, 0, drafting._ENOUGH - 1, 0, 100, 99, 5))
    assert drafts.on  # too few to tell
    drafts._judge(DraftCounts(1, 0, 1, 0, 1, 1, 1))
    drafts._judge(DraftCounts(1, 0, 1, 0, 1, 1, 1))
    assert not drafts.on
    assert [record.message for record in caplog.records if "drafts are off" in record.message] == [
        "drafts are off from here on, they are not good enough: 10 utterances, 0.0% of 200 tokens accepted, "
        "1.0% of 101 steps saved, 0 drafts given up"
    ]
    given = [drafting.Draft([1]), None]
    assert drafts._drafts(list, given) == {}
    assert Drafting(on=False)._drafts(list, given) == {0: given[0]}
    good = Drafting(on=True)
    good._judge(DraftCounts(9, 0, 1000, 900, 1000, 200, 5))
    assert good.on


def approximate(family, model, config, recordings, **changes):
    """Results and counts of a greedy recogniser that believes its drafts."""
    asr = family.load(model, replace(config, **changes), "cpu")
    return heard(asr, recordings, [[]] * len(recordings)), asr.drafting.counts


@pytest.mark.parametrize("kind", ["aed", "llm"])
def test_how_far_a_draft_is_believed_is_between_the_models_text_and_the_heads(kind, recordings):
    if kind == "aed":
        family, model, config = families.AED, MODELS / "FireRedASR2-AED", AsrConfig(draft="ctc", beam_size=1)
    else:
        family, model = families.SPEECH_LLM, MODELS / "FireRedASR2-LLM"
        config = LlmConfig(draft_model=str(MODELS / "FireRedASR2-AED"), beam_size=1, dtype="float32")
    exact, _ = approximate(family, model, config, recordings)
    never, _ = approximate(family, model, config, recordings, draft_probability=1.0)
    same(exact, never)
    some, counts = approximate(family, model, config, recordings, draft_probability=0.05)
    assert counts.passes < counts.steps
    assert all(0 <= prob <= 1 for result in some for prob in result.token_confidence)
    final, counts = approximate(family, model, config, recordings, draft_entropy=100.0)
    head = families.AED.load(MODELS / "FireRedASR2-AED", AsrConfig(mode="ctc"), "cpu")
    read = heard(head, recordings, [[]] * len(recordings))
    if kind == "aed":
        same(read, final)
        assert counts.final == counts.utterances == len(recordings)
    else:
        spoken = [(one.text, own.text.lower()) for one, own in zip(read, final, strict=True) if own.text]
        assert len(spoken) >= 4
        assert all(one.lower().replace(" ", "") == own.replace(" ", "") for one, own in spoken)
    assert counts.passes == 0


@pytest.mark.parametrize("name", ["draft_probability", "draft_entropy"])
def test_drafts_are_believed_in_greedy_searches_that_have_them(name):
    for kind in (AsrConfig, FunAsrConfig, LlmConfig):
        with pytest.raises(OptionError, match=f"{name}: has no effect without a draft"):
            kind(**{name: 0.5, "beam_size": 1})
    with pytest.raises(OptionError, match=f"{name}: works with greedy search"):
        AsrConfig(draft="ctc", beam_size=3, **{name: 0.5})
    with pytest.raises(OptionError, match=f"{name}: works with greedy search"):
        LlmConfig(draft_model="x", beam_size=3, **{name: 0.5})
