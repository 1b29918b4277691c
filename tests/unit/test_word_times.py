"""Words of given and recognised texts with their times: all of them, as they are spelt, within the audio."""

import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import EGS, GOLDENS

from firered.align.ctc import NotAligned, align
from firered.align.pauses import Size, one_after_the_other, with_unknown
from firered.align.words import (
    Piece,
    given_words,
    times_of,
    tokens_in_words,
    words_given,
    words_recognised,
)
from firered.data.datadir import read_table
from firered.results import TokenTime, Word
from firered.text.timed_words import words
from firered.text.tokenizer import SPECIAL, Tokenizer

SYMBOLS = [*SPECIAL, "▁", *"ABCDE'你好世"]
TOKENIZER = Tokenizer(SYMBOLS)
SPACED = Tokenizer([*SPECIAL, " ", *"ABCDE'你好世"])
BARE = Tokenizer([*SPECIAL, *"ABCDE'你好世"])


def aligned(text, seed=0, frames=200, mode="pauses", tokenizer=TOKENIZER, duration_s=None):
    """Words and tokens of a text, at random frames, and the duration."""
    given_ = given_words(text, tokenizer)
    pieces = [piece for word in given_ for piece in word.pieces]
    ids = [piece.id for piece in pieces if piece.id is not None]
    generator = torch.Generator().manual_seed(seed)
    log_probs = (4 * torch.randn(1, frames, len(tokenizer), generator=generator)).log_softmax(-1)
    (found,) = align(log_probs, [frames], [ids])
    duration_s = round(0.04 * frames + 0.015, 3) if duration_s is None else duration_s
    tokens = times_of(pieces, found, duration_s, mode)
    return words_given(given_, tokens), tokens, duration_s


TEXTS = st.lists(
    st.text(st.sampled_from("abcde你好世xyz19é@.,’'-—👍กΩßの安"), min_size=1, max_size=6)
    | st.sampled_from(["<unk>", "[noise]", "<|zh|>", "joe@test.org", "3.14", "，", "-"]),
    min_size=1,
    max_size=8,
).map(" ".join)


@settings(max_examples=60)
@given(TEXTS, st.integers(0, 10**6), st.integers(0, 120), st.sampled_from([TOKENIZER, SPACED, BARE]))
def test_every_word_of_any_text_has_a_time_in_order_inside_the_audio(text, seed, frames, tokenizer):
    found, tokens, duration_s = aligned(text, seed, frames, tokenizer=tokenizer)
    assert [word.text for word in found] == words(text)
    edges = [0.0, *(time for word in found for time in (word.start_s, word.end_s)), duration_s]
    assert edges == sorted(edges)
    assert all(token.start_s <= token.end_s for token in tokens)
    if len(tokens) <= 1000 * duration_s:
        assert all(word.end_s > word.start_s for word in found)
    if 0.04 * len(tokens) <= duration_s - 0.001:
        assert min(token.end_s - token.start_s for token in tokens) > 0.0399


@settings(max_examples=50)
@given(TEXTS, st.integers(0, 10**6))
def test_the_published_times_of_texts_with_unknown_words_are_in_order_too(text, seed):
    found, _, duration_s = aligned(text, seed, 150, mode="reference")
    assert [word.text for word in found] == words(text)
    edges = [0.0, *(time for word in found for time in (word.start_s, word.end_s)), duration_s]
    assert edges == sorted(edges)


@given(st.lists(st.text("ABCDE'", min_size=1, max_size=5) | st.sampled_from("你好世"), min_size=1, max_size=6))
def test_a_text_that_the_dictionary_knows_is_aligned_by_the_tokenizers_own_tokens(parts):
    text = " ".join(parts)
    for tokenizer in (TOKENIZER, SPACED, BARE):
        pieces = [piece for word in given_words(text, tokenizer) for piece in word.pieces]
        assert ([piece.symbol for piece in pieces], [piece.id for piece in pieces]) == tokenizer.tokenize(text)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (GOLDENS / "tiny/FireRedASR2-AED", GOLDENS / "tiny/text"),
        (EGS / "mini/models/FireRedASR2-AED", EGS / "mini/test/text"),
    ],
)
def test_with_pieces_of_words_as_well(model, text):
    tokenizer, texts = Tokenizer.from_dir(model), read_table(text).values()
    assert len(texts) > 10
    for one in texts:
        assert [p.id for word in given_words(one, tokenizer) for p in word.pieces] == tokenizer.tokenize(one).ids


@pytest.mark.parametrize(
    ("word", "pieces"),
    [
        ("cab", "▁ C A B"),
        ("c-a", "▁ C ▁ A"),  # a mark that is not in the dictionary is not spoken, and ends a word for the model
        ("c’a", "▁ C ' A"),
        ("c@a", "▁ C (@) ▁ A"),
        ("caé", "▁ C A (É)"),
        ("xyz", "(X) (Y) (Z)"),
        ("<unk>", "(<unk>)"),
        ("[abc]", "([abc])"),
        ("a<unk>b", "▁ A (<unk>) ▁ B"),
        ("—", "(—)"),
        ("《你》", "你"),
        ("安", "(安)"),
    ],
)
def test_what_a_word_is_aligned_by(word, pieces):
    (found,) = given_words(word, TOKENIZER)
    assert " ".join(p.symbol if p.id is not None else f"({p.symbol})" for p in found.pieces) == pieces


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        # from the end of what carries the one before to the start of the one after
        ([True, False, True], [(1.0, 1.2), (1.2, 1.4), (1.4, 1.6)]),
        ([True, False, False, False, True], [(1.0, 1.1), (1.1, 1.2), (1.2, 1.3), (1.3, 1.4), (1.4, 1.6)]),
        ([False, True, True], [(0.55, 1.0), (1.0, 1.4), (1.4, 1.6)]),
        ([True, True, False], [(1.0, 1.4), (1.4, 1.85), (1.85, 2.3)]),
        ([False, False], [(0.0, 1.25), (1.25, 2.5)]),
    ],
)
def test_unknown_tokens_take_their_time_from_their_neighbours(known, expected):
    times = [(1.0, 1.4), (1.4, 1.6)][: sum(known)]
    got = with_unknown(times, [1.04, 1.44][: sum(known)], [Size(1, one) for one in known], 2.5)
    assert [(round(start, 3), round(end, 3)) for start, end in got] == expected


def test_unknown_tokens_have_no_score_and_others_have():
    found, tokens, _ = aligned("ab xyz aé <unk>")
    assert [word.score is None for word in found] == [False, True, False, True]
    assert [token.token for token in tokens if token.score is None] == [*"XYZÉ", "<unk>"]
    alone, _, duration_s = aligned("xyz <unk> 👍")
    assert [word.score for word in alone] == [None] * 3
    assert (alone[0].start_s, alone[-1].end_s) == (0.0, pytest.approx(duration_s, abs=1e-3))


def test_a_word_runs_from_its_first_token_to_its_last_and_a_space_is_none_of_it():
    found, tokens, _ = aligned("ab c", tokenizer=SPACED)
    assert [token.token for token in tokens] == ["A", "B", " ", "C"]
    assert [(word.start_s, word.end_s) for word in found] == [
        (tokens[0].start_s, tokens[1].end_s),
        (tokens[3].start_s, tokens[3].end_s),
    ]


def timed(symbols):
    return [TokenTime(symbol, n / 10, (n + 1) / 10, -float(n)) for n, symbol in enumerate(symbols)]


@pytest.mark.parametrize(
    ("symbols", "expected"),
    [
        ("▁HEL LO 你 好", [("hello", 0.0, 0.2), ("你", 0.2, 0.3), ("好", 0.3, 0.4)]),
        ("▁ 2 0 ▁A", [("20", 0.0, 0.3), ("a", 0.3, 0.4)]),
        ("▁A - B <sil> <unk>", [("a-b<unk>", 0.0, 0.5)]),
        ("▁A ▁", [("a", 0.0, 0.1)]),
        ("你好 吗", [("你", 0.0, 0.05), ("好", 0.05, 0.1), ("吗", 0.1, 0.2)]),
    ],
)
def test_words_of_a_recognised_text_are_those_of_the_text(symbols, expected):
    tokenizer = Tokenizer([*SPECIAL, *dict.fromkeys(symbols.replace("<unk>", "").split())])
    text = tokenizer.text_of(symbols.split())
    found = words_recognised(text, timed(symbols.split()), "pauses")
    assert [word.text for word in found] == words(text)
    assert [(word.text, word.start_s, word.end_s) for word in found] == expected


def test_random_hypotheses_have_the_words_of_their_text():
    chooser = random.Random(5)
    symbols = ["▁", "▁A", "▁B", "C", "'", "1", "-", "é", "İ", "Σ", "你", "，", " ", "<unk>", "<sil>", "\u200b"]
    for _ in range(500):
        chosen = chooser.choices(symbols, k=chooser.randint(0, 9))
        text = TOKENIZER.text_of(chosen) if chosen else ""
        found = words_recognised(text, timed(chosen), "pauses")
        assert [word.text for word in found] == words(text), chosen
        assert all(word.start_s < word.end_s for word in found)
        assert all(before.end_s <= after.start_s for before, after in pairwise(found))


def test_without_an_alignment_times_are_spread_evenly():
    pieces = [Piece(symbol, None) for symbol in "XYZ"]
    tokens = times_of(pieces, NotAligned("no reason"), 1.5, "pauses")
    assert [(token.start_s, token.end_s, token.score) for token in tokens] == [
        (0.0, 0.5, None),
        (0.5, 1.0, None),
        (1.0, 1.5, None),
    ]


def test_tokens_of_an_llm_take_their_times_from_the_words():
    found = [Word("ab", 0.2, 0.4), Word("你", 0.5, 0.8), Word("好", 0.8, 0.9)]
    got = tokens_in_words(["▁a", "b", "<0xE4>", "<0xBD><0xA0>", "好", ""], found)
    assert [(token.token, token.start_s, token.end_s) for token in got] == [
        ("▁a", 0.2, 0.3),
        ("b", 0.3, 0.4),
        ("<0xE4>", 0.5, 0.6),
        ("<0xBD><0xA0>", 0.6, 0.8),
        ("好", 0.8, 0.9),
        ("", 0.9, 0.9),
    ]
    assert tokens_in_words(["a"], []) == []


@given(st.lists(st.tuples(st.floats(-0.1, 2), st.floats(0, 0.3)), max_size=30), st.integers(0, 32000))
def test_tokens_last_a_frame_or_their_share(spans, samples):
    duration_s = samples / 16000
    spans = sorted((start, start + length) for start, length in spans)
    got = one_after_the_other(spans, duration_s)
    least = min(0.04, int(1000 * duration_s) // max(1, len(spans)) / 1000)
    assert all(end - start > least - 1e-6 for start, end in got)
