"""The measures of live recognition, each against a count by hand or by trying everything."""

import json
import random
from itertools import combinations

import numpy as np
import pytest

from firered.data.datadir import DataDir
from firered.errors import DataError
from firered.results import Word
from firered.scoring.config import LiveScoreConfig, NormalizerConfig, SampleConfig
from firered.scoring.endpoints import endpoints, ends_of_segments, without_short_pauses
from firered.scoring.inputs.live import Event, Stream, Text, read_live
from firered.scoring.inputs.timed import reference_words, token_times
from firered.scoring.live import score_live
from firered.scoring.live_stream import score_stream, violations
from firered.scoring.metrics.live import Update, erased, follow, spread
from firered.scoring.metrics.timed_alignment import Timed, align_beginning, align_in_time
from firered.scoring.text.normalise import normalizer

RULE = normalizer(NormalizerConfig())


def timed(text: str, middles_s=None) -> Timed:
    tokens = text.split()
    return Timed(tokens, np.array(range(len(tokens)) if middles_s is None else middles_s, float))


def cost(first: Timed, second: Timed, pairs) -> tuple[int, int, float]:
    """Errors, minus the correct tokens, and how far in time the pairs are apart."""
    correct = sum(first.tokens[row] == second.tokens[column] for row, column in pairs)
    errors = len(first.tokens) + len(second.tokens) - len(pairs) - correct
    apart = sum(abs(first.middles_s[row] - second.middles_s[column]) for row, column in pairs)
    return errors, -correct, round(float(apart), 6)


def every_alignment(rows: int, columns: int):
    for count in range(min(rows, columns) + 1):
        for chosen in combinations(range(rows), count):
            for others in combinations(range(columns), count):
                yield list(zip(chosen, others, strict=True))


def made_up(seed: int) -> tuple[Timed, Timed]:
    rng = random.Random(seed)
    return tuple(
        timed(
            " ".join(rng.choice("ab" if seed % 2 else "abc") for _ in range(size)), sorted(rng.sample(range(9), size))
        )
        for size in (rng.randrange(6), rng.randrange(6))
    )


@pytest.mark.parametrize("seed", range(40))
def test_no_alignment_has_fewer_errors_more_correct_tokens_or_is_nearer_in_time(seed):
    first, second = made_up(seed)
    tried = (cost(first, second, pairs) for pairs in every_alignment(len(first.tokens), len(second.tokens)))
    assert cost(first, second, align_in_time(first, second)) == min(tried)


@pytest.mark.parametrize("seed", range(40))
def test_no_beginning_of_the_final_text_is_nearer_to_what_was_shown(seed):
    shown, final = made_up(seed)

    def best(length: int) -> tuple[int, int]:
        beginning = Timed(final.tokens[:length], final.middles_s[:length])
        tried = every_alignment(len(shown.tokens), length)
        return min(cost(shown, beginning, pairs)[:2] for pairs in tried)

    pairs = align_beginning(shown, final)
    used = max((column + 1 for _, column in pairs), default=0)
    beginning = Timed(final.tokens[:used], final.middles_s[:used])
    assert cost(shown, beginning, pairs)[:2] == min(map(best, range(len(final.tokens) + 1)))


def test_of_repeated_words_the_one_that_was_said_then_is_matched():
    assert align_in_time(timed("对 对 对 好"), timed("对", [1.9])) == [(2, 0)]
    assert align_in_time(timed("yes no yes", [1, 5, 9]), timed("yes", [8.7])) == [(2, 0)]


def test_a_long_alignment_follows_a_thousand_inserted_words():
    words = [f"w{number % 97}" for number in range(600)]
    first = Timed(words, np.arange(600.0))
    middles = np.concatenate([np.arange(300.0), np.full(1000, 300.0), np.arange(300.0, 600)])
    pairs = align_in_time(first, Timed([*words[:300], *["x"] * 1000, *words[300:]], middles))
    assert pairs == [(at, at if at < 300 else at + 1000) for at in range(600)]


def test_when_words_are_first_shown_settle_and_are_declared_stable():
    updates = [
        Update(timed("the"), 0),
        Update(timed("the car"), 1),
        Update(timed("the cat sat"), 1),
        Update(timed("a cat"), 0),
    ]
    found = follow(updates, timed("the cat sat down"))
    assert found.first.tolist() == [0, 2, 2, 4]  # down: in the final alone
    assert found.settled.tolist() == [4, 2, 4, 4]  # "the" and "sat" go again
    assert found.declared.tolist() == [1, 4, 4, 4]


def test_a_word_said_twice_is_shown_at_its_own_place():
    found = follow([Update(timed("对")), Update(timed("对 对")), Update(timed("对 对 对"))], timed("对 对 对 对 对"))
    assert found.first.tolist() == [0, 1, 2, 3, 3]
    found = follow([Update(timed("b"), 1)], timed("a c d b"))
    assert found.first.tolist() == [1, 1, 1, 1]  # "b" was shown in the place of "a"


def test_what_is_taken_back():
    texts = ["a", "a b", "a c d", "x", "x y", ""]
    assert erased([text.split() for text in texts]) == 0 + 1 + 3 + 0 + 2
    assert erased([]) == erased([["a"]]) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_text_that_only_grows_takes_nothing_back(seed):
    rng = random.Random(seed)
    words = [rng.choice("abc") for _ in range(30)]
    ends = sorted(rng.sample(range(31), 10))
    assert erased([words[:end] for end in ends]) == 0
    found = follow([Update(timed(" ".join(words[:end])), end) for end in ends], timed(" ".join(words)))
    assert (found.first == found.settled).all()
    assert (found.first == found.declared).all()


def test_means_and_percentiles():
    of_hundred = spread(np.arange(101.0))
    assert (of_hundred.count, of_hundred.mean, of_hundred.percentiles) == (101, 50, (50, 90, 99))
    assert spread(np.zeros(0)).to_json() == {"count": 0, "mean": None, "p50": None, "p90": None, "p99": None}


def end_at(time_s: float, heard_s: float, number: int = 1, segment: int | None = None) -> Event:
    return Event(number, heard_s, None, segment, "speech_end", time_s)


def test_ends_of_speech():
    speech = without_short_pauses([(5, 6), (1, 2), (2.3, 3), (8, 9), (20, float("inf"))], 0.5)
    assert speech == [(1, 3), (5, 6), (8, 9)]
    events = [
        end_at(0.5, 0.9, 1),  # before any speech
        Event(2, 1.2, None, None, "speech_start", 1.0),
        end_at(2.1, 2.6, 3),  # in the short pause, and speech goes on
        end_at(3.1, 3.7, 4),
        end_at(4.0, 4.5, 5),  # once more
        end_at(9.0, 9.25, 6),
    ]
    found = endpoints(Stream(events=events, given=events), speech)
    assert found.delays_s == {4: pytest.approx(0.7), 6: pytest.approx(0.25)}
    assert (found.early, found.extra, found.missed) == (1, 2, 1)


def final_of(number: int, segment: int, start_s: float, heard_s: float, text: str = "a") -> Text:
    return Text(number, heard_s, None, segment, start_s, start_s + 1, text, text, ())


def test_the_end_of_speech_that_closed_a_segment():
    stream = Stream()
    for line in (end_at(1, 2, 1), final_of(2, 0, 0, 2), final_of(3, 1, 3, 5), end_at(6, 7, 4, 2), final_of(5, 2, 5, 7)):
        stream.add(line, final=isinstance(line, Text))
    assert {number: event.number for number, event in ends_of_segments(stream).items()} == {0: 1, 2: 4}


def partial_of(number: int, stable: str, unstable: str = "") -> Text:
    return Text(number, number, None, 0, 0, number, stable + unstable, stable, ())


@pytest.mark.parametrize(
    ("stables", "language", "broken"),
    [
        (["", "the", "the cat", "the  cat sat"], "en", []),
        (["the cat", "the"], "en", [2]),  # shorter
        (["the cat", "a cat", "a cat sat"], "en", [2]),
        (["the car", "the carrying"], "en", [2]),  # a word that goes on is another word
        (["hello", "hello, world"], "en", []),
        (["今天", "今天天气"], "zh", []),
        (["今天", "明天"], "zh", [2]),
        (["สวัส", "สวัสดี"], "th", []),
    ],
)
def test_stable_parts_that_do_not_stay(stables, language, broken):
    partials = [partial_of(number, stable) for number, stable in enumerate(stables, start=1)]
    assert [found.line for found in violations(0, partials, language)] == broken


def test_a_final_may_correct_the_stable_part():
    stream = Stream()
    stream.add(partial_of(1, "the car", " drove"), final=False)
    stream.add(final_of(2, 0, 0, 2, "The cat drove."), final=True)
    score = score_stream(stream, RULE, "en", {})
    assert (score.violations, score.corrected, score.erased, score.erased_by_finals) == ([], 1, 2, 2)


def test_words_shown_before_a_cut_count_for_the_segment_after_it():
    stream = Stream()
    shown = [(1.0, "so we"), (2.0, "so we go now")]
    for number, (heard_s, text) in enumerate(shown, start=1):
        stream.add(Text(number, heard_s, None, 0, 0, heard_s, text, "", ()), final=False)
    stream.add(final_of(3, 0, 0, 2.5, "so we"), final=True)
    goes_on = Text(4, 2.5, None, 1, 1, 2.5, "go now then", "", ())
    stream.add(goes_on, final=False)
    stream.add(final_of(5, 1, 1, 4, "go now then"), final=True)
    score = score_stream(stream, RULE, "en", {})
    assert [one.first.heard_s for one in score.emitted] == [1, 1, 2, 2, 2.5]
    assert [one.final.heard_s for one in score.emitted] == [2.5, 2.5, 4, 4, 4]
    assert (score.erased, score.without_endpoint) == (0, 2)
    stream.add(end_at(2, 4, 6, 0), final=False)  # closed by an end of speech after all: two texts of their own
    score = score_stream(stream, RULE, "en", {})
    assert [one.first.heard_s for one in score.emitted] == [1, 1, 2.5, 2.5, 2.5]
    assert (score.erased, score.without_endpoint) == (2, 1)


def test_times_of_the_tokens_of_words():
    words = [Word("你好", 1.0, 1.4), Word("A", 2.0, 2.2), Word("I", 2.2, 2.4), Word("don't,", 3.0, 3.5)]
    tokens = RULE("你好 A I don't,")
    assert tokens == ["你", "好", "AI", "DON'T"]
    times = token_times(tokens, words, RULE, "zh")
    assert times == pytest.approx(np.array([[1, 1.2], [1.2, 1.4], [2, 2.4], [3, 3.5]]))
    assert token_times([], words, RULE, "zh").shape == (0, 2)
    assert token_times(["X"], [Word("...", 4, 5)], RULE, "en").tolist() == [[4, 4]]


def test_the_words_of_recordings_by_segments_and_channels(tmp_path):
    (tmp_path / "segments").write_text("u1 reco 10 20\nu2 reco 30 40\n")
    (tmp_path / "reco2file_and_channel").write_text("other file A\n")
    (tmp_path / "ctm").write_text("u2 1 1.0 0.5 late\nu1 1 2.0 0.5 early\nfile A 3 1 there\nreco 1 50 1 last\n")
    found = reference_words(DataDir(tmp_path))
    assert [(word.text, word.start_s, word.end_s) for word in found["reco"]] == [
        ("early", 12, 12.5), ("late", 31, 31.5), ("last", 50, 51),
    ]  # fmt: skip
    assert found["other"] == [Word("there", 3, 4)]


GOOD = {
    "reco": "r",
    "kind": "final",
    "heard_s": 2,
    "clock_s": None,
    "segment": 0,
    "start_s": 0,
    "end_s": 1,
    "text": "a",
}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("{", "no JSON"),
        ("[]", "not a JSON object"),
        (GOOD | {"reco": None}, "reco is None"),
        (GOOD | {"kind": "guess"}, "kind 'guess' is not one of partial, final, event"),
        (GOOD | {"heard_s": float("nan")}, "heard_s is nan"),
        (GOOD | {"heard_s": True}, "heard_s is True"),
        (GOOD | {"segment": "1", "heard_s": 3}, "segment is '1'"),
        (GOOD | {"segment": 1, "start_s": 2}, "end_s 1 is before start_s 2"),
        (GOOD | {"segment": 1, "text": None}, "text is None"),
        (GOOD | {"segment": 1, "words": [{"text": "a", "start_s": 0}]}, "end_s is None"),
        (GOOD | {"segment": 1, "words": "a"}, "words is not a list"),
        (GOOD | {"segment": 1, "kind": "partial", "stable": "a"}, "unstable is None"),
        (GOOD | {"segment": 1, "kind": "partial", "stable": "b", "unstable": ""}, "text does not begin with stable"),
        (GOOD | {"kind": "event", "event": "end"}, "event 'end' is not one of"),
        (GOOD | {"kind": "event", "event": "speech_end"}, "time_s is None"),
        (GOOD, "segment 0 had its final on line 1"),
        (GOOD | {"segment": 1, "heard_s": 1}, "heard_s 1 is before 2 of line 1"),
    ],
)
def test_a_bad_line_is_named_and_the_others_are_read(tmp_path, bad, reason):
    lines = [json.dumps(GOOD), bad if isinstance(bad, str) else json.dumps(bad), json.dumps(GOOD | {"segment": 9})]
    (tmp_path / "live.jsonl").write_text("\n".join(lines) + "\n")
    streams, problems = read_live(tmp_path)
    assert list(streams["r"].segments) == [0, 9]
    (problem,) = problems
    assert problem.reason.startswith(f"{tmp_path / 'live.jsonl'}:2: {reason}")


def test_a_file_without_a_usable_line(tmp_path):
    (tmp_path / "live.jsonl").write_text("no\n")
    with pytest.raises(DataError, match=r"no line of a live recogniser; .*:1: no JSON"):
        read_live(tmp_path)


def written(folder, words, partials, text) -> tuple:
    """REF and HYP of one segment: words (text, start, end), partials (heard_s, text), and the final."""
    (folder / "ref").mkdir()
    (folder / "ref" / "ctm").write_text("".join(f"r 1 {start} {end - start} {word}\n" for word, start, end in words))
    end_s = words[-1][2]
    of_all = {"reco": "r", "segment": 0, "start_s": words[0][1]}
    lines = [
        of_all | {"kind": "partial", "heard_s": heard_s, "end_s": heard_s, "stable": "", "unstable": shown}
        for heard_s, shown in partials
    ]
    lines.append(of_all | {"kind": "final", "heard_s": end_s + 0.5, "end_s": end_s, "text": text})
    (folder / "live.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "ref", folder / "live.jsonl", RULE, LiveScoreConfig(), SampleConfig(bootstrap=0)


@pytest.mark.parametrize("seed", range(5))
def test_what_shows_words_after_they_end_has_no_negative_delays(tmp_path, seed):
    rng = random.Random(seed)
    ends = np.cumsum([rng.uniform(0.1, 0.5) for _ in range(40)]).round(3).tolist()
    words = [(rng.choice(("no", "yes", "well")), round(end - 0.1, 3), end) for end in ends]
    partials = [
        (heard, " ".join(word for word, _, end in words if end <= heard)) for heard in np.arange(0.64, ends[-1], 0.32)
    ]
    score = score_live(*written(tmp_path, words, partials, " ".join(word for word, _, _ in words)))
    for what in ("first", "settled", "declared", "final"):
        assert len(delays := score.delays(what, clock=False)) == 40
        assert delays.min() >= -1e-9
    assert score.delays("first", clock=False).max() <= 0.5 + 0.32  # the final's wait, and a step between partials
    assert score.streams[0].erased == 0


def test_a_word_that_was_guessed_early_has_a_negative_delay(tmp_path):
    words = [("see", 0.0, 0.4), ("you", 0.5, 0.8), ("later", 0.9, 1.3)]
    score = score_live(*written(tmp_path, words, [(0.6, "see you later")], "see you later"))
    assert score.delays("first", clock=False).tolist() == pytest.approx([0.2, -0.2, -0.7])
    assert score.delays("first", clock=True).tolist() == []
