"""Alignment and counts: against a plain definition, jiwer, and NIST sclite."""

import random
import re
import subprocess
from functools import cache
from pathlib import Path

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein
from support.scoring_sides import write_side

from firered.errors import DataError
from firered.scoring.asr import score_texts
from firered.scoring.config import ErrorRateConfig, NormalizerConfig, SampleConfig, SourceConfig
from firered.scoring.inputs.groups import groups
from firered.scoring.inputs.pair import read_text
from firered.scoring.metrics import alignment
from firered.scoring.metrics.alignment import align
from firered.scoring.metrics.bootstrap import interval, ratio
from firered.scoring.metrics.error_rate import Counts, align_texts, by_kind, confusions, total
from firered.scoring.reports.asr import asr_report
from firered.scoring.reports.provenance import provenance
from firered.scoring.text.normalise import normalizer

SCLITE = next(filter(Path.is_file, map(Path, ("/usr/lib/sctk/bin/sclite", "/usr/local/bin/sclite"))), None)
PLAIN = normalizer(NormalizerConfig(normalizer="none"))
FIRERED = normalizer(NormalizerConfig())
SENTENCE = st.lists(st.sampled_from("abc"), max_size=7)


def aligned_of(pairs, rule=PLAIN):
    """The alignments of (reference, hypothesis) texts."""
    keys = [f"s-{number:05d}" for number in range(len(pairs))]
    reference, hypothesis = ({key: pair[side] for key, pair in zip(keys, pairs, strict=True)} for side in (0, 1))
    return align_texts(reference, hypothesis, rule)


def fewest_errors(reference, hypothesis):
    """(errors, substitutions) of the best alignment, by the definition: fewest errors, then fewest substitutions."""

    @cache
    def best(i, j):
        if i == len(reference) or j == len(hypothesis):
            return len(reference) - i + len(hypothesis) - j, 0
        unequal = int(reference[i] != hypothesis[j])
        ways = ((i + 1, j + 1, unequal, unequal), (i + 1, j, 1, 0), (i, j + 1, 1, 0))
        after = ((*best(*way[:2]), *way[2:]) for way in ways)
        return min((errors + error, substitutions + sub) for errors, substitutions, error, sub in after)

    return best(0, 0)


@given(SENTENCE, SENTENCE)
def test_fewest_errors_and_of_these_fewest_substitutions(reference, hypothesis):
    (utterance,) = aligned_of([(" ".join(reference), " ".join(hypothesis))])
    assert (utterance.counts.errors, utterance.counts.substitutions) == fewest_errors(
        tuple(reference), tuple(hypothesis)
    )


@given(SENTENCE, SENTENCE)
def test_pairs_are_both_texts_again_and_what_was_counted(reference, hypothesis):
    (utterance,) = aligned_of([(" ".join(reference), " ".join(hypothesis))])
    pairs = list(utterance.pairs())
    assert [left for left, _ in pairs if left] == reference
    assert [right for _, right in pairs if right] == hypothesis
    assert [pair for pair in pairs if pair[0] != pair[1]] == list(utterance.errors())
    kinds = ["sub" if left and right else "del" if left else "ins" for left, right in utterance.errors()]
    counts = utterance.counts
    assert [kinds.count(kind) for kind in ("sub", "del", "ins")] == [
        counts.substitutions,
        counts.deletions,
        counts.insertions,
    ]
    assert (counts.tokens, counts.errors) == (len(reference), len(kinds))


def test_a_table_too_large_keeps_the_first_alignment(monkeypatch):
    pair = [list("bc")], [list("ca")]
    assert align(*pair) == [((0, 1, 0, 0), (2, 2, 1, 2))]
    monkeypatch.setattr(alignment, "_MOST_CELLS", 3)
    assert align(*pair) == [((0, 2, 0, 2),)]


@given(SENTENCE, SENTENCE, SENTENCE)
def test_an_end_that_both_sides_share_changes_no_place_of_an_error(reference, hypothesis, end):
    sides = reference + end, hypothesis + end
    cost = len(sides[0]) + len(sides[1])
    moves = alignment._moves(*sides, cost, cost + 1, insertions_first=False)
    assert alignment._realign(*sides, cost) == alignment._hunks(*sides, alignment._way_back(moves))


# By hand

CASES = {  # reference, hypothesis: correct, substitutions, deletions, insertions
    "equal": ("你好", "你好", (2, 0, 0, 0)),
    "substitution": ("你好", "你号", (1, 1, 0, 0)),
    "deletion": ("你好吗", "你吗", (2, 0, 1, 0)),
    "insertion": ("你吗", "你好吗", (2, 0, 0, 1)),
    "a word is one token": ("用 iphone 打", "用 iphoned 打", (2, 1, 0, 0)),
    "empty hypothesis": ("你好", "", (0, 0, 2, 0)),
    "empty reference": ("", "你好", (0, 0, 0, 2)),
    "neither": ("", "", (0, 0, 0, 0)),
    "swapped: one more is correct than with two substitutions": ("ab cd", "cd ab", (1, 0, 1, 1)),
}


@pytest.mark.parametrize(("reference", "hypothesis", "counts"), CASES.values(), ids=CASES)
def test_counts(reference, hypothesis, counts):
    (utterance,) = aligned_of([(reference, hypothesis)])
    assert (
        utterance.counts.correct,
        utterance.counts.substitutions,
        utterance.counts.deletions,
        utterance.counts.insertions,
    ) == counts
    assert utterance.counts.wrong == int(reference != hypothesis)
    assert utterance.counts.empty == int(not reference)


def test_counts_add_up_and_rates_come_after():
    counts = [Counts(correct=1, substitutions=1, utterances=1, wrong=1), Counts(correct=8, utterances=1)]
    assert total(counts).rate == 10
    assert total(counts).sentence_rate == 50
    assert counts[0] + counts[1] == total(counts)
    assert total([]) == Counts()
    assert (Counts().rate, Counts(insertions=3, utterances=1).rate) == (None, None)


def test_a_missing_hypothesis_is_all_deletions_and_an_error_even_of_an_empty_reference():
    aligned = align_texts({"a": "你好", "b": "是", "c": ""}, {"b": "是"}, FIRERED)
    assert total(utterance.counts for utterance in aligned) == Counts(
        1, 0, 2, 0, utterances=3, wrong=2, missing=2, empty=1
    )
    released = normalizer(NormalizerConfig(normalizer="firered-released"))
    (kept,) = align_texts({"a": "你好", "b": "是", "c": ""}, {"b": "是"}, released)
    assert kept.key == "b"


def test_confusions_and_kinds():
    aligned = aligned_of([("你好 ok", "你号 oh"), ("好", "号"), ("no 了", "no"), ("", "yes")], FIRERED)
    confused = confusions(aligned)
    assert confused == {("好", "号"): 2, ("OK", "OH"): 1, ("", "YES"): 1, ("了", ""): 1}
    kinds = by_kind(aligned, confused)
    assert kinds["characters"] == Counts(correct=1, substitutions=2, deletions=1)
    assert kinds["words"] == Counts(correct=1, substitutions=1, insertions=1)


# Other tools


def random_pairs(count, rate, vocabulary, seed=1):
    """Texts with substitutions, deletions and insertions, a third of `rate` each."""
    generator = random.Random(seed)
    pairs = []
    for _ in range(count):
        reference = generator.choices(vocabulary, k=generator.randrange(26))
        hypothesis = []
        for token in reference:
            kind = generator.random() / rate
            hypothesis += [generator.choice(vocabulary)] if 1 / 3 <= kind < 1 else []
            hypothesis += [token] if kind >= 2 / 3 else []
        pairs.append((" ".join(reference), " ".join(hypothesis)))
    return pairs


# With marks that mean something in a .trn file: each of them is a token there.
WORDS = [f"w{number}" for number in range(300)] + list("的一是在不了有和人这" * 10) + list("A{};@*\\()'-")
SETS = {
    "one error in ten": (0.1, WORDS),
    "three in ten": (0.3, WORDS),
    "three in ten, ten characters": (0.3, list("的一是在不了有和人这")),
    "six in ten, fifty words": (0.6, WORDS[:50]),
}


def sclite_counts(folder):
    """(correct, substitutions, deletions, insertions) of each utterance by sclite, called as score.txt says."""
    arguments = ["-r", "ref.trn", "trn", "-h", "hyp.trn", "trn", "-i", "rm", "-s", "-e", "utf-8", "-o", "pra", "stdout"]
    done = subprocess.run([SCLITE, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    found = re.findall(r"^id: \((.*)\)\nScores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)", done.stdout, re.MULTILINE)
    return {key: tuple(map(int, counts)) for key, *counts in found}


def scored_by_both(pairs, folder):
    """The counts of each utterance by firered-score, which writes the .trn files, and by sclite, which reads them."""
    keys = [f"s-{number:05d}" for number in range(len(pairs))]
    for side, name in enumerate(("ref", "hyp")):
        write_side(folder / name, text={key: pair[side] for key, pair in zip(keys, pairs, strict=True)})
    reference, hypothesis = (read_text(folder / name, False) for name in ("ref", "hyp"))
    score = score_texts(reference, hypothesis, PLAIN, SampleConfig(bootstrap=0))
    source = SourceConfig()
    made_by = provenance(folder / "ref", folder / "hyp", source)
    asr_report(score, reference, source, ErrorRateConfig()).write(folder / "out", made_by, source)
    ours = {
        utterance.key: (
            utterance.counts.correct,
            utterance.counts.substitutions,
            utterance.counts.deletions,
            utterance.counts.insertions,
        )
        for utterance in score.aligned
    }
    return ours, sclite_counts(folder / "out")


needs_sclite = pytest.mark.skipif(SCLITE is None, reason="NIST sclite (Debian package sctk) is not installed here")


@needs_sclite
@pytest.mark.parametrize(("rate", "words"), SETS.values(), ids=SETS)
def test_every_count_of_2000_utterances_is_that_of_sclite(rate, words, tmp_path):
    ours, theirs = scored_by_both(random_pairs(2000, rate, words), tmp_path)
    assert len(theirs) == 2000
    assert ours == theirs


@needs_sclite
def test_where_sclite_differs_it_has_more_errors(tmp_path):
    """sclite weighs a substitution 4 and the others 3: in text that is nearly all wrong it takes one error more to
    have four substitutions fewer (or three, which weigh the same)."""
    pairs = random_pairs(2000, 0.9, list("abcde"))
    ours, theirs = scored_by_both(pairs, tmp_path)
    differing = [key for key in ours if ours[key] != theirs[key]]
    assert 0 < len(differing) < 40
    for (reference, hypothesis), key in zip(pairs, ours, strict=True):
        _, substitutions, deletions, insertions = theirs[key]
        weighed = 4 * substitutions + 3 * (deletions + insertions)
        assert weighed == Levenshtein.distance(reference.split(), hypothesis.split(), weights=(3, 3, 4))
    for key in differing:
        assert sum(theirs[key][1:]) > sum(ours[key][1:])
        assert theirs[key][1] <= ours[key][1] - 3


@pytest.mark.parametrize(("rate", "words"), SETS.values(), ids=SETS)
def test_the_errors_of_2000_utterances_are_those_of_jiwer(rate, words):
    pairs = random_pairs(2000, rate, words)
    aligned = aligned_of(pairs)
    words_of = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
    for utterance, (reference, hypothesis) in zip(aligned, pairs, strict=True):
        output = jiwer.process_words([reference], [hypothesis], words_of, words_of)
        assert utterance.counts.errors == output.substitutions + output.deletions + output.insertions
        assert utterance.counts.correct >= output.hits
        assert utterance.counts.deletions - utterance.counts.insertions == output.deletions - output.insertions
    whole = jiwer.process_words(
        [reference for reference, _ in pairs], [hypothesis for _, hypothesis in pairs], words_of, words_of
    )
    assert total(utterance.counts for utterance in aligned).rate == pytest.approx(100 * whole.wer)


# Intervals and groups


def test_the_interval_covers_the_rate_as_often_as_it_says():
    """Of samples of 200 utterances with a true rate of 10%, about 95% have it in their interval."""
    generator = np.random.default_rng(1)
    config = SampleConfig(bootstrap=200)
    covered = 0
    for _ in range(200):
        tokens = generator.integers(5, 30, 200)
        counts = np.stack([generator.binomial(tokens, 0.1), tokens], axis=1)
        low, high = interval(counts, ratio, config)
        assert low < 100 * counts[:, 0].sum() / counts[:, 1].sum() < high
        covered += low <= 10 <= high
    assert 180 <= covered <= 199


def test_the_interval_is_that_of_drawing_utterances_one_by_one():
    generator = np.random.default_rng(2)
    counts = np.stack([generator.integers(0, 4, 300), generator.integers(5, 9, 300)], axis=1)
    drawn = counts[generator.integers(0, 300, (4000, 300))].sum(axis=1)
    expected = np.percentile(100 * drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    assert interval(counts, ratio, SampleConfig(bootstrap=4000)) == pytest.approx(expected, rel=0.01)


def test_the_interval_depends_on_the_seed_alone():
    counts = np.stack([np.arange(100) % 7, np.full(100, 10)], axis=1)
    first = interval(counts, ratio, SampleConfig(seed=1))
    assert first == interval(counts, ratio, SampleConfig(seed=1))
    assert first != interval(counts, ratio, SampleConfig(seed=2))


@pytest.mark.parametrize(
    ("counts", "bootstrap"), [([(1, 2)], 100), ([(1, 2), (0, 2)], 0), ([(1, 0), (2, 0)], 100)], ids=str
)
def test_no_interval_of_one_utterance_of_no_tokens_or_where_none_is_wanted(counts, bootstrap):
    assert interval(np.array(counts), ratio, SampleConfig(bootstrap=bootstrap)) is None


def test_groups_by_what_is_known(tmp_path):
    side = write_side(
        tmp_path / "ref",
        text={"a-1": "你", "a-2": "你好" * 3, "b-1": "你" * 60, "b-2": ""},
        utt2spk={"a-1": "a", "a-2": "a", "b-1": "b", "b-2": "b"},
        utt2subdialect={"a-1": "Ji-Lu", "b-1": "Beijing"},
        utt2dur={"a-1": 1.5, "a-2": 2, "b-1": 61},
    )
    reference = read_text(side, False)
    aligned = align_texts(reference.table, reference.table, FIRERED)
    found = groups(aligned, reference, {"a-1": 0.95, "a-2": 1.0, "b-1": 0.3})
    sizes = {
        name: {row: (score.utterances, score.tokens) for row, score in rows.items()} for name, rows in found.items()
    }
    assert sizes == {
        "speaker": {"a": (2, 7), "b": (2, 60)},
        "dialect": {"-": (2, 6), "Beijing": (1, 60), "Ji-Lu": (1, 1)},
        "length": {"0": (1, 0), "1 to 5": (1, 1), "6 to 10": (1, 6), "51 or more": (1, 60)},
        "duration": {"0 to 2": (1, 1), "2 to 5": (1, 6), "60 or more": (1, 60), "-": (1, 0)},
        "confidence": {"0.3 to 0.4": (1, 60), "0.9 or more": (2, 7), "-": (1, 0)},
    }


def test_utterances_that_are_their_own_speakers_are_no_groups(tmp_path):
    side = read_text(write_side(tmp_path, text={"a": "你", "b": "好"}, utt2spk={"a": "a", "b": "b"}), False)
    assert groups(align_texts(side.table, side.table, FIRERED), side, {}).keys() == {"length"}


ROOMS = {
    "text": {f"u{number:02d}": "你好" for number in range(30)},
    "utt2env": {f"u{number:02d}": ("canteen", "subway")[number % 2] for number in range(30)},
    "utt2snr": {f"u{number:02d}": number % 2 * 5 for number in range(30)},
    "utt2file": {f"u{number:02d}": f"{number}.wav" for number in range(30)},
    "utt2lang": {f"u{number:02d}": "zh" for number in range(30)},
    "utt2env~": {"u00": "an editor's copy"},
}


def groups_of(folder, *by):
    side = read_text(write_side(folder, **ROOMS), False)
    return groups(align_texts(side.table, side.table, FIRERED), side, {}, by)


def test_groups_by_any_table_of_the_directory(tmp_path):
    found = groups_of(tmp_path)
    assert list(found) == ["language", "env", "length"]  # numbers and labels of each one's own tell no groups
    assert {label: counts.utterances for label, counts in found["env"].items()} == {"canteen": 15, "subway": 15}


@pytest.mark.parametrize(
    ("by", "names"), [(["env"], ["env"]), (["utt2snr", "lang"], ["snr", "language"]), (["language"], ["language"])]
)
def test_groups_by_the_tables_that_are_wanted(tmp_path, by, names):
    assert list(groups_of(tmp_path, *by)) == [*names, "length"]


def test_a_table_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match=r"no utt2place to group by; there are language, env, file, snr$"):
        groups_of(tmp_path, "place")
