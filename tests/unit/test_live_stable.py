"""What of a partial text is stable: words are held against each other by their times, and what stands, stands."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firered.live.config import LiveConfig
from firered.live.stable import Stable, Unit, revision, units_of
from firered.results import TRUNCATED, AsrResult, Word
from firered.text.joining import join_texts


def said(*words, text=None, timed=True, flags=()):
    """What a pass recognised: a text of words (text, start, end)."""
    joined = join_texts(word for word, *_ in words) if text is None else text
    times = [Word(*word) for word in words] if timed else None
    return AsrResult("", joined, 1.0, 9.0, [], [], words=times, flags=flags)


def heard(*words, **more):
    """The units of a text of words."""
    return units_of(said(*words, **more))


def after_passes(*passes, **config):
    """(stable, unstable) after each pass."""
    stable = Stable(LiveConfig(**config))
    shown = []
    for result in passes:
        unstable = stable.take(result)
        shown.append((stable.text, unstable))
    return shown


def test_what_two_passes_agree_on_is_stable():
    first = said(("would", 0.1, 0.3), ("you", 0.3, 0.5), ("lie", 0.5, 0.6))
    second = said(("would", 0.1, 0.3), ("you", 0.31, 0.5), ("like", 0.5, 0.8))
    assert after_passes(first, second) == [("", "would you lie"), ("would you", " like")]


def test_a_word_that_begins_like_another_is_not_put_behind_it():
    """The stable part says `car`, the next pass `carrying` in its place: no `car carrying`."""
    car = said(("my", 0.0, 0.2), ("car", 0.2, 0.5))
    carrying = said(("my", 0.0, 0.2), ("carrying", 0.2, 0.8), ("on", 0.8, 1.0))
    assert after_passes(car, car, carrying) == [("", "my car"), ("my car", ""), ("my car", " on")]


def test_the_same_word_again_is_another_word():
    """The first pass missed the first of three: the same string at another time is no agreement."""
    late = said(("对", 0.5, 0.7))
    early = said(("对", 0.1, 0.3), ("对", 0.5, 0.7), ("对", 0.9, 1.1))
    assert after_passes(late, early, early) == [("", "对"), ("", "对对对"), ("对对对", "")]


def test_a_phrase_said_five_times_stands_five_times():
    words = [(word, 0.2 * n, 0.2 * n + 0.2) for n, word in enumerate(["thank", "you"] * 5)]
    passes = [said(*words[: 2 * n]) for n in range(1, 6)]
    *_, last = after_passes(*passes, passes[-1])
    assert last == (" ".join(["thank you"] * 5), "")


def test_times_that_shift_a_little_neither_double_nor_lose_a_word():
    first = said(("a", 0.0, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.6))
    shifted = said(("a", 0.03, 0.22), ("b", 0.24, 0.44), ("c", 0.43, 0.65), ("d", 0.62, 0.8))
    back = said(("a", 0.0, 0.2), ("b", 0.2, 0.4), ("c", 0.38, 0.6), ("d", 0.58, 0.8))
    assert after_passes(first, shifted, back)[-1] == ("a b c d", "")


def test_without_word_times_the_number_of_a_word_is_its_time():
    first, second = said(("a", 0, 0), ("b", 0, 0), timed=False), said(("a", 0, 0), ("x", 0, 0), timed=False)
    assert after_passes(first, second) == [("", "a b"), ("a", " x")]


def test_held_words_are_the_last_of_each_pass():
    words = [(text, 0.1 * n, 0.1 * n + 0.1) for n, text in enumerate("一二三四五六七八")]
    passes = [said(*words[:n]) for n in (4, 7, 6, 8)]
    assert after_passes(*passes, stable="hold", hold_tokens=5) == [
        ("", "一二三四"),
        ("一二", "三四五六七"),
        ("一二", "三四五六"),
        ("一二三", "四五六七八"),
    ]


WORDS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "好", "对", "car", "carrying"]), st.floats(0.05, 0.6)), max_size=8
)


@pytest.mark.parametrize("way", ["hold", "agreement"])
def test_a_text_that_goes_round_in_circles_makes_nothing_certain(way):
    words = [("a", 0.0, 0.2), ("b", 0.2, 0.4), ("c", 0.4, 0.6)]
    round_and_round = said(*[("x", 0.1 * n, 0.1 * n + 0.1) for n in range(30)], flags=[TRUNCATED])
    first, second, third = after_passes(round_and_round, round_and_round, said(*words), stable=way, hold_tokens=1)
    assert first == second == ("", " ".join(["x"] * 30))
    assert third == (("a b", " c") if way == "hold" else ("", "a b c"))


@pytest.mark.parametrize("how", ["agreement", "hold"])
@given(passes=st.lists(WORDS, max_size=8), timed=st.booleans())
def test_the_stable_text_only_grows_whatever_the_passes_say(how, passes, timed):
    stable = Stable(LiveConfig(stable=how, hold_tokens=2))
    before = ""
    for words in passes:
        at, laid = 0.0, []
        for text, length in words:
            laid.append((text, at, at + length))
            at += length
        shown = stable.take(said(*laid, timed=timed))
        assert stable.text.startswith(before)
        assert "".join(unit.text for unit in stable.units) == stable.text.replace(" ", "")
        assert "  " not in stable.text + shown
        before = stable.text


def test_spaces_are_those_of_the_recogniser():
    mixed = said(("你", 0.0, 0.2), ("OK,", 0.2, 0.5), ("好", 0.5, 0.7), text="你 OK,好")
    assert after_passes(mixed, mixed) == [("", "你 OK,好"), ("你 OK,好", "")]


def revised(stable, final):
    return revision(heard(*stable), heard(*final), str.casefold)


def test_the_final_says_what_it_changed():
    stable = [("my", 0.0, 0.2), ("car", 0.2, 0.5), ("on", 0.5, 0.7)]
    rest = [("monday", 0.7, 1.0)]
    assert revised(stable, [*stable, *rest]) is None
    assert revised(stable, [("My", 0.0, 0.2), *stable[1:]]) is None
    assert revised(stable, [stable[0], ("carrying", 0.2, 0.52), stable[2], *rest]) == ("car", "carrying")
    assert revised(stable, [stable[0], stable[2], *rest]) == ("car", "")
    assert revised(stable, [stable[0], ("red", 0.18, 0.2), *stable[1:], *rest]) == ("", "red")
    assert revised(stable, []) == ("my car on", "")
    assert revised([], [*stable]) is None


def test_units_keep_their_text():
    assert heard(("a", 0.0, 0.1), ("b", 0.1, 0.2), text="a  b ") == [Unit("a", 0.0, 0.1), Unit("b", 0.1, 0.2, "  ")]
