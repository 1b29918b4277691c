"""The error rate of the dev set in the course of training: what a recogniser of the saved model makes of it."""

import pytest
from support.train_corpus import NO_MASKS, SMALL_AED, TEXTS, make_all, run, values

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.errors import OptionError
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def content(corpus, out, steps=30, **train):
    model = SMALL_AED | {"dropout": 0.0, "ctc_weight": 0.5}
    return values("aed", corpus, out, steps=steps, model=model, specaugment=NO_MASKS, train=train)


@pytest.mark.parametrize("by", ["attention", "ctc"])
def test_the_rate_is_that_of_a_recogniser(corpus, tmp_path, by):
    lines = run(content(corpus, tmp_path, error_rate_utterances=100, error_rate_by=by))
    asr = Asr.from_pretrained(
        tmp_path, AsrConfig(mode=by, timestamps="none", **({"beam_size": 1} if by == "attention" else {})), "cpu"
    )
    written = {key: asr(corpus / f"data/{key}.wav").text for key in TEXTS}
    counts = total(found.counts for found in align_texts(TEXTS, written, normalizer(NormalizerConfig())))
    dev = lines[-1]
    assert dev["error_rate"] == pytest.approx(counts.rate)
    assert (dev["substitutions"], dev["deletions"], dev["insertions"]) == (
        counts.substitutions, counts.deletions, counts.insertions,
    )  # fmt: skip
    assert counts.errors


def test_a_part_of_the_dev_set_is_the_same_each_time_and_ranks_checkpoints(corpus, tmp_path):
    train = {"error_rate_utterances": 2, "eval_steps": 5, "best_by": "error_rate", "average": "none", "keep_best": 1}
    lines = [line for line in run(content(corpus, tmp_path, 60, **train)) if line["kind"] == "dev"]
    rates = [line["error_rate"] for line in lines]
    tokens = {
        round(100 * (line["substitutions"] + line["deletions"] + line["insertions"]) / line["error_rate"], 6)
        for line in lines
        if line["error_rate"]
    }
    assert len(tokens) == 1  # of two utterances, not of all
    assert next(iter(tokens)) < len("".join(TEXTS.values()))
    best = min(range(len(rates)), key=lambda number: (rates[number], number))
    kept = {path.name for path in (tmp_path / "checkpoints").glob("step-*.pt")}
    assert f"step-{5 * (best + 1):08d}.pt" in kept
    assert min(rates) < rates[0]


def test_curves_do_not_depend_on_it(corpus, tmp_path):
    plain = run(content(corpus, tmp_path / "plain", 6, eval_steps=3))
    decoded = run(content(corpus, tmp_path / "decoded", 6, eval_steps=3, error_rate_utterances=3))
    assert [line["loss"] for line in decoded] == [line["loss"] for line in plain]


@pytest.mark.parametrize(
    ("task", "model", "train", "message"),
    [
        ("lm", {}, {"error_rate_utterances": 3}, "models of the task lm write no text"),
        ("aed", SMALL_AED, {"error_rate_utterances": 3, "error_rate_by": "ctc"}, "ctc: this model has no CTC head"),
        ("aed", SMALL_AED, {"best_by": "error_rate"}, "'error_rate' is not a figure of this task"),
    ],
)
def test_what_cannot_be(corpus, tmp_path, task, model, train, message):
    with pytest.raises(OptionError, match=message):
        run(values(task, corpus, tmp_path, steps=1, model=model, train=train))
