"""The decoding modes of an AED with a CTC head, on the bundled models: batches, options, hotwords, language model."""

import numpy as np
import pytest
import soundfile
import torch
from support.paths import EGS

from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.asr.modes import CTC, CTC_RESCORE_LOW, MODES, PREFIX_MODES, SEARCHED
from firered.audio.frontend import fbank
from firered.errors import ModelError, OptionError
from firered.hotwords.lists import HotwordList, Phrase
from firered.models.checkpoint import load_checkpoint
from firered.runtime.context import Context
from firered.runtime.speech import Speech

MODEL = EGS / "mini/models/FireRedASR2-AED"
LM = EGS / "mini/models/lm"
SEARCHES = [mode for mode in MODES if mode in SEARCHED]


@pytest.fixture(scope="module")
def recordings():
    """Some utterances, one of 20 s that has them all, and silence, as int16."""
    paths = sorted((EGS / "mini/test/wav").glob("*.flac"))[:6]
    found = [soundfile.read(path, dtype="int16")[0] for path in paths]
    whole = np.concatenate(found)
    return [*found[:3], np.tile(whole, 3)[: 20 * 16000], np.zeros(16000, np.int16), found[0][:16000]]


def recogniser(mode, **options):
    return families.AED.load(MODEL, AsrConfig(mode=mode, **options), "cpu")


def heard(asr, recordings, contexts=None):
    """What a recogniser makes of recordings in one batch."""
    contexts = contexts or [Context()] * len(recordings)
    return asr.recognise(
        [
            Speech(str(number), fbank(own.astype(np.float32), asr.front_end), len(own) / 16000, context, asr.front_end)
            for number, (own, context) in enumerate(zip(recordings, contexts, strict=True))
        ]
    )


def one_by_one(asr, recordings, contexts=None):
    contexts = contexts or [Context()] * len(recordings)
    return [heard(asr, [own], [context])[0] for own, context in zip(recordings, contexts, strict=True)]


@pytest.mark.parametrize("mode", MODES)
def test_a_batch_gives_what_its_utterances_give_alone(mode, recordings):
    asr = recogniser(mode, guard="off", timestamps="pauses")
    together, alone = heard(asr, recordings), one_by_one(asr, recordings)
    assert [own.text for own in together] == [own.text for own in alone]
    assert sum(bool(own.text) for own in together) >= 4
    for one, other in zip(together, alone, strict=True):
        assert one.confidence == pytest.approx(other.confidence, abs=1e-4)
        assert one.token_confidence == pytest.approx(other.token_confidence, abs=1e-4)
        assert all(0 <= own <= 1.0 + 1e-6 for own in one.token_confidence)
        assert [word.text for word in one.words] == [word.text for word in other.words]
        assert len(one.token_confidence) == len(one.tokens)


@pytest.mark.parametrize("mode", SEARCHES)
def test_with_language_model_and_lists_too(mode, recordings):
    asr = recogniser(mode, elm_dir=str(LM), elm_weight=0.2, hotword_score=3.0, hotword_use="graph", guard="off")
    lists = [["你好水"], [], ["诶诶"], ["apple"], ["你好"], []]
    contexts = [Context(hotwords=HotwordList(map(Phrase, own))) for own in lists]
    together, alone = heard(asr, recordings, contexts), one_by_one(asr, recordings, contexts)
    assert [own.text for own in together] == [own.text for own in alone]


@pytest.mark.parametrize("mode", SEARCHES)
def test_a_hotword_of_much_weight_changes_the_text_and_no_probability_exceeds_one(mode, recordings):
    wide = {} if mode in PREFIX_MODES else {"beam_size": 10}
    (plain,) = heard(recogniser(mode, guard="off", nbest=5, **wide), recordings[:1])
    words = [word for own in plain.nbest for word in own.text.split() if word not in plain.text]
    other = words[0]  # which the search came across
    asr = recogniser(mode, guard="off", guard_echo=False, hotword_use="graph", hotword_score=60.0, **wide)
    (found,) = heard(asr, recordings[:1], [Context(hotwords=HotwordList([Phrase(other)]))])
    assert other in found.text
    assert other not in plain.text
    assert max(found.token_confidence) <= 1.0 + 1e-6


@pytest.mark.parametrize("mode", MODES)
def test_texts_are_those_that_were_said(mode, recordings):
    texts = {}
    for line in (EGS / "mini/test/text").read_text(encoding="utf-8").splitlines():
        key, _, text = line.partition(" ")
        texts[key] = text
    keys = sorted(path.stem for path in (EGS / "mini/test/wav").glob("*.flac"))[:3]
    found = heard(recogniser(mode), recordings[:3])
    right = [
        own.text.replace(" ", "") == texts[key].lower().replace(" ", "") for key, own in zip(keys, found, strict=True)
    ]
    assert sum(right) >= 2


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        (CTC, {"beam_size": 5}),
        (CTC, {"nbest": 2, "beam_size": 3}),
        (CTC, {"elm_weight": 0.1}),
        (CTC, {"hotword_use": "graph"}),
        (CTC_RESCORE_LOW, {"hotword_use": "graph,correction"}),
        (CTC_RESCORE_LOW, {"eos_penalty": 2.0}),
        ("ctc_prefix", {"softmax_smoothing": 1.0}),
        ("ctc_prefix", {"aed_length_penalty": 0.0}),
        ("ctc_prefix", {"ctc_weight": 0.5}),
        ("ctc_prefix", {"nbest": 11}),
        ("rescore", {"beam_size": 5}),
        ("rescore", {"decode_max_len": 5}),
        ("attention", {"ctc_weight": 0.5}),
        ("attention", {"ctc_sure": 0.5}),
        ("joint", {"ctc_beam_size": 5}),
        ("joint", {"ctc_weight": 1.5}),
        ("greedy", {}),
    ],
)
def test_options_without_effect_in_a_mode_are_refused_by_name(mode, options):
    with pytest.raises(OptionError) as error:
        AsrConfig(mode=mode, **options)
    assert any(name in str(error.value) for name in (*options, "mode"))


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("mode", ["rescore", "joint"])
def test_the_ends_of_the_weight(mode, weight, recordings):
    asr = recogniser(mode, ctc_weight=weight, guard="off", nbest=3, beam_size=3)
    for result in heard(asr, recordings[:2]):
        assert result.text
        for own in result.nbest:
            assert own.score == pytest.approx(sum(own.scores.values()) / own.length, abs=1e-3)
            if not weight:
                assert own.scores["ctc"] == pytest.approx(0.0, abs=1e-6)
    if mode == "joint" and not weight:
        plain = recogniser("attention", guard="off")
        assert [own.text for own in heard(asr, recordings)] == [own.text for own in heard(plain, recordings)]


def test_what_is_surest_of_all_is_the_text_of_the_head(recordings):
    low, head = recogniser(CTC_RESCORE_LOW, ctc_sure=0.0), recogniser(CTC)
    assert [own.text for own in heard(low, recordings)] == [own.text for own in heard(head, recordings)]


def test_a_model_without_a_head_says_so(tmp_path):
    args, state = load_checkpoint(MODEL / "model.pth.tar")
    headless = {name: own.clone() for name, own in state.items() if not name.startswith("ctc")}
    for path in MODEL.iterdir():
        if path.name != "model.pth.tar":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    torch.save({"args": args, "model_state_dict": headless}, tmp_path / "model.pth.tar")
    with pytest.raises(ModelError, match="mode rescore"):
        families.AED.load(tmp_path, AsrConfig(mode="rescore"), "cpu")
