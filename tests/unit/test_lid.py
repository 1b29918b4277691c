"""Language identification: the published cases, restricted decoding, long recordings and the command."""

from argparse import Namespace

import numpy as np
import pytest
import torch
from support.tiny_vad import write_tiny_model

from firered.errors import ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.lid import identify as lid_module
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.lid.labels import Grammar, dialects, labels, split_label
from firered.models.aed import AedConfig
from firered.models.aed import Lid as LidModel
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.text.tokenizer import SPECIAL

LABELS = ("zh", "en", "ja", "mandarin", "yue", "wu")
SYMBOLS = (*SPECIAL, *LABELS)
ZH, EN, JA, MANDARIN, YUE, WU = range(5, 11)
EOS = 4


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A model directory of random weights, for what depends on no golden."""
    top = tmp_path_factory.mktemp("lid") / "FireRedLID"
    write_tiny_model(top, 1, 0)  # for its cmvn.ark
    config = AedConfig(odim=len(SYMBOLS), lid_odim=len(SYMBOLS), d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(LidModel(config).checkpoint(), top / CHECKPOINT)
    (top / "dict.txt").write_text("".join(f"{symbol} {n}\n" for n, symbol in enumerate(SYMBOLS)))
    return top


def speech_of_seconds(seconds: float, seed: int = 0) -> Speech:
    feats = torch.from_numpy(np.random.default_rng(seed).normal(10, 3, (round(seconds * 100), 80)).astype(np.float32))
    return Speech(f"u{seed}", feats, seconds)


@pytest.mark.parametrize(
    ("languages", "constrain", "first", "after_zh", "after_en"),
    [
        ("", False, list(range(11)), [MANDARIN, YUE, WU, EOS], list(range(11))),
        ("", True, [ZH, EN, JA], [MANDARIN, YUE, WU], [EOS]),
        ("en", False, [EN], [MANDARIN, YUE, WU, EOS], [EOS]),
        ("zh,en", False, [ZH, EN], [MANDARIN, YUE, WU, EOS], [EOS]),
        ("zh,en", True, [ZH, EN], [MANDARIN, YUE, WU], [EOS]),
        ("en,yue", False, [ZH, EN], [YUE], [EOS]),
        ("mandarin,yue", False, [ZH], [MANDARIN, YUE], [EOS]),
        ("zh,en,yue", True, [ZH, EN], [MANDARIN, YUE, WU], [EOS]),
    ],
)
def test_what_may_follow_what(languages, constrain, first, after_zh, after_en):
    grammar = Grammar(SYMBOLS, constrain=constrain, languages=[code for code in languages.split(",") if code])
    assert grammar.first() == first
    assert grammar.second(EN) == after_en
    assert grammar.second(ZH) == after_zh
    assert grammar.free is (not languages and not constrain)


def test_without_restrictions_the_table_of_what_may_follow_holds_nothing_back(random_model):
    lid = Lid.from_pretrained(random_model, device="cpu")
    assert lid._masks == []


def test_a_language_the_model_does_not_know(random_model):
    with pytest.raises(OptionError, match=r"languages: xx unknown to this model; it knows zh, en"):
        Lid.from_pretrained(random_model, LidConfig(languages="en,xx"), "cpu")
    with pytest.raises(OptionError, match="<eos> unknown"):
        Lid.from_pretrained(random_model, LidConfig(languages="<eos>"), "cpu")


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_results_are_batch_invariant(dtype, random_model):
    lid = Lid.from_pretrained(random_model, LidConfig(dtype=dtype, batch_seconds=20), "cpu")
    speech = [speech_of_seconds(seconds, n) for n, seconds in enumerate((1, 3.3, 0.5, 7, 2, 2, 12))]
    batched = lid.identify(speech)
    for utterance, result in zip(speech, batched, strict=True):
        (single,) = lid.identify([utterance])
        assert single.lang == result.lang
        assert single.confidence == pytest.approx(result.confidence, abs=1e-5)


def test_long_utterances_are_identified_from_stretches(random_model, monkeypatch):
    """An hour: its first and its loudest half minute, in that order, and never more."""
    long = speech_of_seconds(3600)
    long.feats[200_000:203_000] += 5
    encoded = []
    encode = Loaded.encode
    monkeypatch.setattr(Loaded, "encode", lambda self, batch: encoded.extend(batch) or encode(self, batch))
    (result,) = Lid.from_pretrained(random_model, device="cpu").identify([long])
    assert [len(part.feats) for part in encoded] == [3000, 3000]
    assert torch.equal(encoded[0].feats, long.feats[:3000])
    assert torch.equal(encoded[1].feats, long.feats[200_000:203_000])
    assert result.dur_s == 3600
    answers = Lid.from_pretrained(random_model, device="cpu").identify(encoded[:2])
    assert result.confidence == max(answer.confidence for answer in answers)
    for stretch, start in (("first", 0), ("best", 200_000)):
        encoded.clear()
        Lid.from_pretrained(random_model, LidConfig(stretch=stretch, max_seconds=10), "cpu").identify([long])
        assert [len(part.feats) for part in encoded] == [1000]
        assert stretch == "best" or torch.equal(encoded[0].feats, long.feats[start : start + 1000])


def test_the_loudest_stretch_is_the_first_of_equals():
    feats = torch.zeros(100, 2)
    assert lid_module._loudest(feats, 10) == 0
    feats[50:60] = 1
    assert lid_module._loudest(feats, 10) == 50
    assert lid_module._loudest(feats, 100) == 0


def test_a_recognition_model_is_refused(random_model, tmp_path):
    wrong = tmp_path / "model"
    wrong.mkdir()
    for name in ("cmvn.ark", "dict.txt"):
        (wrong / name).write_bytes((random_model / name).read_bytes())
    args = Namespace(odim=11, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    torch.save({"args": args, "model_state_dict": {"encoder.weight": torch.zeros(1)}}, wrong / CHECKPOINT)
    with pytest.raises(ModelError, match="lid_odim not given"):
        Lid.from_pretrained(wrong)


def test_labels_have_names():
    known = {(label.level, label.code): label for label in labels()}
    assert len(known) == len(labels()) == 114
    assert known["language", "zh"].english == "Chinese"
    assert known["dialect", "yue"].chinese.startswith("中文 (粤语")
    assert len(dialects()) == 8
    assert all(label.english and label.chinese for label in labels())
    assert split_label("zh mandarin") == ("zh", "mandarin")
    assert split_label("en") == ("en", None)
