"""Utterances with nothing to learn from: left out and listed, or trained on as speech without words."""

import logging
import math

import pytest
import torch
from support.tiny_llm import write_tiny_llm
from support.train_corpus import NO_MASKS, SMALL_AED, TEXTS, losses, make_all, make_corpus, run, values

from firered.errors import Problem
from firered.train.logs import report_left_out
from firered.train.settings import settings_of
from firered.train.tasks import TASKS

WHY = "(data.empty: non_speech trains on it)"
LISTED = {"a2": f"a2 an empty transcript {WHY}", "b1": f"b1 nothing to say in '，。' {WHY}"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The corpus, a2 without a text, b1 with no more than marks."""
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    lines = [f"{key} {text}" for key, text in (TEXTS | {"a2": "", "b1": "，。"}).items()]
    (folder / "data/text").write_text("\n".join(lines) + "\n")
    write_tiny_llm(folder / "llm")
    return folder


def content(task, corpus, out, *, steps=1, data=None, **sections):
    models = {"aed": SMALL_AED, "llm": {"init": str(corpus / "llm"), "trains": "adapter"}}
    return values(task, corpus, out, steps=steps, model=models.get(task), data=data, **sections)


def build(settings):
    settings = settings_of(settings, "test")
    return TASKS[settings.task].build(settings)


@pytest.mark.parametrize("task", ["aed", "lm", "llm"])
def test_an_empty_transcript_is_left_out_and_listed(corpus, tmp_path, task):
    built = build(content(task, corpus, tmp_path, data={}))
    assert sorted(built.train.keys) == ["a1", "a3", "b2", "b3"]
    assert sorted(map(str, built.left_out)) == sorted([*LISTED.values()] * 2)  # of training and dev set


@pytest.mark.parametrize("task", ["aed", "lm", "llm"])
def test_an_empty_transcript_can_be_trained_on_as_speech_without_words(corpus, tmp_path, task):
    built = build(content(task, corpus, tmp_path, data={"empty": "non_speech"}))
    assert sorted(built.train.keys) == sorted(TEXTS)
    assert built.left_out == []
    item = built.train.item(built.train.keys.index("a2"), None)
    ids = item[-1][0] if task == "aed" else item[-1]  # recognition also knows where the speech is
    assert ids == []
    batch = built.train.collate([item])
    assert batch.weight == 1  # the end
    built.objective.eval()
    with torch.no_grad():
        assert math.isfinite(float(built.objective(batch.tensors).loss))


def test_ctc_trains_on_speech_without_words(corpus, tmp_path):
    settings = content("aed", corpus, tmp_path, data={"empty": "non_speech"}, specaugment=NO_MASKS)
    settings["model"] = SMALL_AED | {"ctc_weight": 0.5}
    assert all(map(math.isfinite, losses(run(settings))))
    assert (tmp_path / "left_out").read_text() == ""


def test_utterances_without_a_usable_language_are_listed_and_the_others_trained_on(tmp_path):
    data = make_corpus(tmp_path / "data")
    lines = ["a1 zh mandarin", "a2", "a3 en us west", "b1 en", "b2 <unk>"]  # b3 has no line
    (data / "utt2lang").write_text("\n".join(lines) + "\n")
    run(values("lid", tmp_path, tmp_path / "exp", steps=1, model=SMALL_AED))
    listed = dict(line.split(" ", 1) for line in (tmp_path / "exp/left_out").read_text().splitlines())
    assert listed.keys() == {"a2", "a3", "b2", "b3"}
    assert "nothing after id a2" in listed["a2"]
    assert listed["a3"] == "utt2lang: 'en us west', expected a language, or a language and a dialect"
    assert listed["b2"] == "utt2lang: <unk> not in the dictionary"
    assert listed["b3"] == "not in utt2lang"


def test_texts_without_words_are_listed_by_punctuation(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/text").write_text("a 你好，天气。\nb\nc ，。\n")
    settings = values("punc", tmp_path, tmp_path / "exp", steps=1, model={"pieces": 20, "num_hidden_layers": 1})
    built = build(settings)
    assert built.train.keys == ["a"]
    assert sorted(set(map(str, built.left_out))) == ["b an empty text", "c no text but punctuation"]


def test_the_log_counts_what_is_left_out_and_names_the_first(tmp_path, caplog):
    problems = [Problem(f"u{number:02d}", "an empty transcript") for number in range(12)]
    with caplog.at_level(logging.WARNING):
        report_left_out(tmp_path, [*problems, Problem("u03", "not in text")])
    first = " ".join(f"u{number:02d}" for number in range(10))
    assert f"12 utterances skipped, listed in {tmp_path}/left_out: {first} ..." in caplog.text
    assert (tmp_path / "left_out").read_text().splitlines() == [str(problem) for problem in problems]
