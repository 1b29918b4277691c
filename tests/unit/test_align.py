"""Alignment against brute force, and times against the published cases and their own rules."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.align.ctc import (
    Alignment,
    NotAligned,
    align,
    frame_times,
    merge_words,
    spans_of,
    token_times,
    why_not,
)
from firered.align.words import Piece, times_of, words_recognised
from firered.results import Word

PATHS = {".": 0, "a": 1, "b": 2, "c": 3}


def labels_of(drawing):
    """Labels (T,) of a path drawn with one letter a frame, a dot for the blank."""
    return [PATHS[letter] for letter in drawing]


def drawing_of(alignment):
    return "".join(".abc"[label] for label in alignment.labels)


def random_log_probs(seed, utterances, frames, labels=4):
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(utterances, frames, labels, generator=generator, dtype=torch.float64)).log_softmax(-1)


def word_times(symbols, alignment, duration_s, mode="reference", **lead):
    """The words of recognised tokens, all of which the dictionary has."""
    tokens = times_of([Piece(symbol, 1) for symbol in symbols], alignment, duration_s, mode, **lead)
    return words_recognised("".join(symbols).replace("▁", " ").lower(), tokens, mode)


def said_by(path, blank=0):
    return [label for label, _ in itertools.groupby(path) if label != blank]


def brute_force(log_probs, tokens, blank=0):
    """Score and path of the best of all V^T paths that say the tokens; None if none does with any probability."""
    scored = [
        (sum(float(log_probs[t, label]) for t, label in enumerate(path)), path)
        for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs))
        if said_by(path, blank) == tokens
    ]
    best = max(scored, default=(-math.inf, ()))
    return None if best[0] == -math.inf else best


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=4), st.booleans())
def test_the_best_path_is_that_of_brute_force(seed, frames, tokens, with_zeros):
    (log_probs,) = random_log_probs(seed, 1, frames)
    if with_zeros:
        log_probs[torch.rand(log_probs.shape, generator=torch.Generator().manual_seed(seed)) < 0.4] = -math.inf
    (got,) = align(log_probs[None], [frames], [tokens])
    expected = brute_force(log_probs, tokens)
    if expected is None or not tokens:  # of silence alone there is a path, but nothing to align
        assert isinstance(got, NotAligned)
        assert got.reason
        return
    score, path = expected
    assert isinstance(got, Alignment)
    assert got.labels == path
    assert got.score == pytest.approx(score)
    assert got.mean_log_prob == pytest.approx(score / frames)


@pytest.mark.parametrize("drawing", ["aa.a.bb.c", "a.a.a", "abc", "...a", "c..", ".a.bb.b.a."])
def test_a_clear_path_is_found_with_its_spans(drawing):
    labels = labels_of(drawing)
    log_probs = torch.full((1, len(labels), 4), -10.0)
    log_probs[0, range(len(labels)), labels] = -0.5
    (got,) = align(log_probs, [len(labels)], [said_by(labels)])
    assert drawing_of(got) == drawing
    assert got.to_kaldi() == labels
    assert [(span.token, span.first_frame, span.end_frame) for span in got.spans] == [
        (labels[first], first, end) for first, end in spans_of(labels)
    ]
    assert [span.log_prob for span in got.spans] == [-0.5] * len(got.spans)
    assert got.mean_log_prob == -0.5


def test_a_batch_is_its_utterances_one_by_one():
    lengths, texts = [9, 5, 3, 7], [[1, 1, 2], [3], [1, 2, 3, 1], [2, 3, 2, 3]]
    log_probs = random_log_probs(3, 4, 9).float()
    for n, length in enumerate(lengths):
        log_probs[n, length:] = math.nan  # what lies beyond an utterance's frames is not looked at
    batched = align(log_probs, torch.tensor(lengths), texts)
    assert [type(alignment) for alignment in batched] == [Alignment, Alignment, NotAligned, Alignment]
    for n, (length, text) in enumerate(zip(lengths, texts, strict=True)):
        assert align(log_probs[n : n + 1, :length], [length], [text]) == [batched[n]]
    assert align(log_probs[:0], [], []) == []


def test_labels_that_do_not_occur_change_nothing():
    log_probs = random_log_probs(5, 1, 8, labels=50)
    (wide,) = align(log_probs, [8], [[30, 7, 7, 30]])
    (narrow,) = align(log_probs[:, :, [0, 7, 30]], [8], [[2, 1, 1, 2]])
    assert wide.labels == tuple([0, 7, 30][label] for label in narrow.labels)
    assert wide.score == narrow.score


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_floating_type_does(dtype):
    log_probs = random_log_probs(1, 2, 12).to(dtype).requires_grad_()
    for n, alignment in enumerate(align(log_probs, [12, 12], [[1, 2], [3, 3, 1]])):
        path = log_probs[n].double()[range(12), list(alignment.labels)]
        assert alignment.score == pytest.approx(float(path.detach().sum()), abs=1e-4)


def test_another_blank():
    log_probs = random_log_probs(2, 1, 6)
    (last,) = align(log_probs[:, :, [1, 2, 3, 0]], [6], [[0, 0, 2]], blank=3)
    (first,) = align(log_probs, [6], [[1, 1, 3]])
    assert [(label + 1) % 4 for label in last.labels] == list(first.labels)
    assert word_times("xyz", last, 0.24) == word_times("xyz", first, 0.24)


@pytest.mark.parametrize(
    ("tokens", "frames", "reason"),
    [
        ([], 5, "no tokens to align"),
        ([1], 0, "1 tokens do not fit into 0 encoder frames"),
        ([1, 2, 3], 2, "3 tokens do not fit into 2 encoder frames"),
        ([1, 1, 2, 2], 5, "4 tokens and 2 blanks between equal ones do not fit into 5 encoder frames"),
        ([1, 0], 5, "token id 0 is the blank"),
        ([1, 4], 5, "token id 4 is not among the 4 CTC labels"),
        ([-1], 5, "token id -1 is not among the 4 CTC labels"),
    ],
)
def test_what_cannot_be_aligned_says_why_and_leaves_the_others_alone(tokens, frames, reason):
    log_probs = random_log_probs(0, 2, 6)
    bad, good = align(log_probs, [frames, 6], [tokens, [1, 2]])
    assert bad == NotAligned(reason)
    assert isinstance(good, Alignment)
    assert why_not([1, 1, 2, 2], 6, 4) == ""


def test_impossible_and_broken_probabilities_are_reasons_too():
    log_probs = random_log_probs(0, 5, 6)
    log_probs[0, :, 2] = -math.inf
    log_probs[1, 3] = -math.inf
    log_probs[2, 3] = math.nan
    log_probs[3, 3] = math.inf
    got = align(log_probs, [6] * 5, [[1, 2]] * 5)
    assert got[:2] == [NotAligned("every path through the CTC labels has probability zero")] * 2
    assert got[2:4] == [NotAligned("the CTC log-probabilities are not numbers (NaN or infinite)")] * 2
    assert isinstance(got[4], Alignment)


@pytest.mark.parametrize(
    ("shape", "lengths", "tokens"),
    [((2, 6, 4), [6], [[1], [2]]), ((2, 6, 4), [6, 6], [[1]]), ((6, 4), [6], [[1]]), ((1, 6, 4), [7], [[1]])],
)
def test_arguments_that_do_not_fit_are_a_mistake(shape, lengths, tokens):
    with pytest.raises(ValueError):
        align(torch.zeros(shape), lengths, tokens)


@pytest.mark.parametrize(
    ("drawing", "duration_s", "raw", "reference", "pauses"),
    [
        # the way from b to c is more than twice the mean, so b is cut to 1.5 times that, 0.249 s, and a pause is left
        (
            "a.b..........c.a.",
            0.71,
            [(0.04, 0.12), (0.12, 0.369), (0.56, 0.64), (0.64, 0.705)],
            [(0.0, 0.06), (0.06, 0.309), (0.309, 0.58), (0.58, 0.645)],
            [(0.0, 0.06), (0.06, 0.309), (0.5, 0.58), (0.58, 0.645)],
        ),
        # more frames than audio: the last tokens get a millisecond each, or all get their share
        (
            "abca",
            0.08,
            [(0.04, 0.08), (0.08, 0.12), (0.12, 0.16), (0.16, 0.185)],
            [(0.0, 0.02), (0.02, 0.06), (0.06, 0.079), (0.079, 0.08)],
            [(0.0, 0.02), (0.02, 0.04), (0.04, 0.06), (0.06, 0.08)],
        ),
        ("a", 0.05, [(0.04, 0.065)], [(0.0, 0.005)], [(0.0, 0.04)]),
        ("....a", 0.17, [(0.2, 0.225)], [(0.14, 0.165)], [(0.0, 0.17)]),
        # behind a pause the last token is on the last frame: it is put where it would be without the pause
        (
            "a.b.c......a",
            0.47,
            [(0.04, 0.12), (0.12, 0.2), (0.2, 0.374), (0.48, 0.505)],
            [(0.0, 0.06), (0.06, 0.14), (0.14, 0.314), (0.314, 0.445)],
            [(0.0, 0.06), (0.06, 0.14), (0.14, 0.22), (0.22, 0.3)],
        ),
        # an own length beyond 1.5 times the mean is kept
        (
            "a.b.cccccccccccccccc",
            0.9,
            [(0.04, 0.12), (0.12, 0.2), (0.2, 0.84)],
            [(0.0, 0.06), (0.06, 0.14), (0.14, 0.78)],
            [(0.0, 0.06), (0.06, 0.14), (0.14, 0.78)],
        ),
    ],
)
def test_times_of_drawn_paths(drawing, duration_s, raw, reference, pauses):
    labels = labels_of(drawing)
    assert frame_times(labels) == raw
    got = [token_times(labels, len(raw), duration_s, mode) for mode in ("reference", "pauses")]
    assert [[(round(s, 6), round(e, 6)) for s, e in times] for times in got] == [reference, pauses]


def test_without_an_alignment_times_are_spread_evenly():
    symbols = ["▁HEL", "LO", "你", "好"]
    expected = [Word("hello", 0.0, 1.0), Word("你", 1.0, 1.5), Word("好", 1.5, 2.0)]
    for mode in ("reference", "pauses"):
        for alignment in (None, NotAligned("no reason")):
            assert word_times(symbols, alignment, 2.0, mode) == expected
        assert word_times([], None, 2.0, mode) == []
        assert token_times([0, 0], 0, 2.0, mode) == []


def test_words_of_an_alignment():
    log_probs = torch.full((1, 8, 4), -9.0)
    log_probs[0, range(8), labels_of(".aa.b..c")] = -0.1
    (alignment,) = align(log_probs, [8], [[1, 2, 3]])
    assert word_times(["▁IT", "'S", "好"], alignment, 0.4) == [Word("it's", 0.02, 0.26), Word("好", 0.26, 0.285)]
    late = word_times(["▁IT", "'S", "好"], alignment, 0.4, lead_s=0.0)  # of a model whose frames do not lag
    assert late == [Word("it's", 0.08, 0.32), Word("好", 0.32, 0.345)]


@pytest.mark.parametrize(
    ("symbols", "words"),
    [
        ("▁hel lo", "hello"),
        ("lo ▁a", "lo a"),
        ("你 lo", "你 lo"),
        ("▁a 好 b", "a 好 b"),
        ("▁ A b", "ab"),
        ("▁I 'M 2 x", "i'm 2 x"),
        ("▁a <unk> b", "a <unk> b"),
    ],
)
def test_words_of_tokens(symbols, words):
    symbols = symbols.split()
    times = [(0.1 * n, 0.1 * n + 0.05) for n in range(len(symbols))]
    merged = merge_words(symbols, times)
    assert [word.text for word in merged] == words.split()
    assert (merged[0].start_s, merged[-1].end_s) == (times[0][0], times[-1][1])


def test_a_bare_mark_stays_a_word():
    assert merge_words(["▁", "▁a"], [(0.0, 0.1), (0.1, 0.2)]) == [Word("", 0.0, 0.1), Word("a", 0.1, 0.2)]


paths = st.lists(st.integers(0, 3), min_size=1, max_size=80)
durations = st.integers(0, 64000).map(lambda samples: samples / 16000)


@given(paths, durations, st.booleans())
def test_pauses_mode_is_in_order_and_loses_nothing(labels, duration_s, aligned):
    count = len(spans_of(labels))
    times = token_times(labels if aligned else None, count, duration_s, "pauses")
    assert len(times) == count
    edges = [0.0, *itertools.chain(*times), duration_s]
    assert edges == sorted(edges)
    if count <= 1000 * duration_s:
        assert all(end > start for start, end in times)
    assert all(time == round(time, 3) for time in edges[1:-1])
    assert len(merge_words(["▁"] * count, times)) == count


@given(paths)
def test_pauses_mode_keeps_the_pauses_of_the_alignment(labels):
    duration_s = 0.04 * len(labels) + 0.2
    # So that no start is before that of the recording, or so near its end that it would be moved.
    labels = [0, 0, *labels, 0, 0, 0, 0]
    raw = frame_times(labels)
    times = token_times(labels, len(raw), duration_s, "pauses")
    for (_, end), (start, _), left, right in zip(times, times[1:], raw, raw[1:], strict=False):
        assert start - end == pytest.approx(right[0] - left[1], abs=1e-6)


@given(paths, durations)
def test_reference_mode_glues_every_token_to_the_one_before(labels, duration_s):
    times = token_times(labels, len(spans_of(labels)), duration_s)
    for (_, end), (start, _) in itertools.pairwise(times):
        assert start == pytest.approx(end, abs=1e-9)


@given(paths)
def test_a_token_lasts_until_the_next_or_as_long_as_the_rule_says(labels):
    raw, spans = frame_times(labels), spans_of(labels)
    assert [start for start, _ in raw] == [round(0.04 * (first + 1), 3) for first, _ in spans]
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(raw))
    assert all(end > start for start, end in raw)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2], 3, 1.0), "the alignment is of 2 tokens, not 3"),
        (([1], 1, -1.0), "-1.0 is no duration in seconds"),
        (([1], 1, math.nan), "nan is no duration in seconds"),
        (([1], 1, 1.0, "pause"), "no timestamp mode 'pause', only reference and pauses"),
    ],
)
def test_times_of_nonsense_are_a_mistake(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        token_times(*arguments)
