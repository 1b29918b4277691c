"""Live recognition by script: endpoints, partial text, the budget, failures and hours of stream, without a model."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from support.live import Scripted, run, scripted_system

from firered.errors import AudioError
from firered.live.config import LiveConfig
from firered.results import LidResult, Seconds
from firered.results.live import Event, Final, Partial
from firered.runtime.context import Context


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(16000 * seconds), np.int16)


def spoken(*spans: Seconds, every: float = 0.3) -> list[tuple[str, float, float]]:
    """A word every `every` seconds in spans of speech, each of them another one."""
    times = [(start_s + every * n, start_s + every * (n + 1)) for start_s, end_s in spans for n in range(999)]
    inside = [(a, b) for a, b in times if any(start_s <= a and b <= end_s + 1e-6 for start_s, end_s in spans)]
    return [(f"w{n}", a, b) for n, (a, b) in enumerate(sorted(set(inside)))]


def of(kind: type, results: list) -> list:
    return [result for result in results if isinstance(result, kind)]


def texts(results: list) -> list[str]:
    return [final.text for final in of(Final, results)]


SPANS = [(1.0, 2.6), (3.4, 5.0), (5.3, 6.0)]
CONFIG = LiveConfig(behind_s=None, lead_s=0.1)


def test_a_segment_begins_its_lead_before_the_detectors_start_and_ends_with_its_silence():
    results = run(scripted_system(SPANS[:2], config=CONFIG).session(), silence(6), 1600)
    assert [(event.kind, event.segment, event.time_s, event.known_s, event.heard_s) for event in results[:2]] == [
        # Eight frames of speech confirm a start; the detector's own start is on the first of them.
        ("speech_start", 1, 0.9, 1.105, 1.2),
        ("speech_end", 1, 2.79, 2.815, 2.9),
    ]
    assert [(final.start_s, final.end_s, final.text) for final in of(Final, results)] == [
        (0.9, 2.79, ""),
        (3.3, 5.19, ""),
    ]


def test_a_lead_never_reaches_into_the_segment_before():
    spans = [(1.0, 2.0), (2.3, 3.0)]
    first, second = of(Final, run(scripted_system(spans, config=LiveConfig(lead_s=2)).session(), silence(4), 1600))
    assert (first.start_s, first.end_s, second.start_s) == (0.0, 2.19, 2.19)


def test_one_piece_may_hold_an_end_and_the_next_start():
    script = spoken(*SPANS)
    session = scripted_system(SPANS, Scripted(script), CONFIG).session()
    session.accept(silence(4.9))
    results = session.accept(silence(0.6))  # the end of the second and the start of the third
    assert [event.kind for event in of(Event, results)] == ["speech_end", "speech_start"]
    assert texts(results) == ["w5 w6 w7 w8 w9"]
    assert texts(session.finish()) == [""]


def test_all_words_are_in_the_finals_with_times_of_the_stream():
    script = spoken(*SPANS)
    results = run(scripted_system(SPANS, Scripted(script), CONFIG).session(), silence(8), 4096)
    found = [word for final in of(Final, results) for word in final.words]
    assert [word.text for word in found] == [text for text, *_ in script]
    assert [word.start_s for word in found] == pytest.approx([start_s for _, start_s, _ in script], abs=0.002)


def test_partial_text_comes_at_its_interval_and_its_stable_part_stands():
    span = (1.0, 4.0)
    results = run(scripted_system([span], Scripted(spoken(span)), CONFIG).session(), silence(6), 160)
    shown = of(Partial, results)
    assert [partial.end_s for partial in shown] == [1.5, 2.1, 2.7, 3.3, 3.9]
    assert (shown[0].stable, shown[0].unstable) == ("", "w0")
    assert (shown[1].stable, shown[1].unstable) == ("w0", " w1 w2")
    assert all(later.stable.startswith(earlier.stable) for earlier, later in pairwise(shown))
    (final,) = of(Final, results)
    assert final.text.startswith(shown[-1].stable)
    assert final.revised is None


def test_no_pass_is_made_over_silence_that_was_heard_already():
    """Partial text has 0.2 s of silence behind it, the final has the detector's."""
    asr = Scripted(spoken((1.0, 2.0)))
    run(scripted_system([(1.0, 2.0)], asr, LiveConfig(silence_s=3.0, interval_s=0.5)).session(), silence(9), 1600)
    assert [round(speech.duration_s, 2) for speech in asr.calls] == [
        0.7,
        1.2,
        1.7,
        1.39,
    ]  # with silence behind partial text


def test_what_the_final_changes_of_the_stable_text_it_says():
    script = [("car", 1.0, 1.2), ("on", 1.2, 1.4), ("monday", 1.4, 1.9)]
    asr = Scripted(script)
    session = scripted_system([(1.0, 2.4)], asr, LiveConfig(behind_s=None, interval_s=0.3)).session()
    session.accept(silence(2.3))
    asr.script = [("carry", 1.0, 1.2), *script[1:]]
    (final,) = of(Final, [*session.accept(silence(1)), *session.finish()])
    assert (final.text, final.revised) == ("carry on monday", ("car", "carry"))


def test_forty_seconds_without_a_pause_lose_nothing():
    span = (1.0, 41.0)
    script = [(text, start_s, end_s - 0.1) for text, start_s, end_s in spoken(span)]
    between = [(end_s, end_s + 0.1) for _, _, end_s in script]  # quieter, yet no pause to the detector
    system = scripted_system([span], Scripted(script), LiveConfig(behind_s=None), dips=between)
    results = run(system.session(), silence(43), 1600)
    finals = of(Final, results)
    assert " ".join(texts(results)).split() == [text for text, *_ in script]
    assert all(earlier.end_s == later.start_s for earlier, later in pairwise(finals))
    assert [final.cut for final in finals] == [True] * (len(finals) - 1) + [False]
    assert max(final.end_s - final.start_s for final in finals) <= 15
    assert [event.kind for event in of(Event, results)] == ["speech_start", "speech_end"]
    by_segment = {final.segment: final.text for final in finals}
    for partial in of(Partial, results):  # the opening is in each of them
        assert partial.text.split()[0] == by_segment[partial.segment].split()[0]
    said = ""  # what is final, and what is stable beyond
    for result in results:
        if isinstance(result, Partial | Final):
            finals_so_far = [by_segment[number] for number in range(1, result.segment)]
            own = result.text if isinstance(result, Final) else result.stable
            now = " ".join([*finals_so_far, own]).strip()
            assert now.startswith(said) or (said.startswith(now) and isinstance(result, Final))
            said = max(said, now, key=len)
    assert all(final.revised is None for final in finals)


def test_a_long_segment_is_cut_in_a_pause_that_does_not_end_it():
    spans = [(1.0, 12.5), (12.65, 20.0)]  # the pause is too short for the detector
    results = run(scripted_system(spans, Scripted([]), LiveConfig()).session(), silence(21), 1600)
    first, second = of(Final, results)
    assert 12.5 < first.end_s < 12.65
    assert second.start_s == first.end_s


def test_silence_that_ends_a_segment_falls_with_its_length():
    spans = [(1.0, 2.0), (3.5, 9.0), (11.0, 12.0)]
    config = LiveConfig(behind_s=None, lead_s=0.0, falling_silence=True, max_segment_s=60)
    results = run(scripted_system(spans, config=config).session(), silence(16), 1600)
    # 1.5 s of silence are not yet 2 s; after 8 s of speech they are enough.
    assert [(final.start_s, final.end_s) for final in of(Final, results)] == [(1.0, 9.19), (11.0, 12.19)]
    assert [event.known_s for event in of(Event, results) if event.kind == "speech_end"] == [10.515, 14.015]
    config = LiveConfig(behind_s=None, lead_s=0.0, falling_silence=True, silence_s=1.6, max_segment_s=60)
    results = run(scripted_system(spans, config=config).session(), silence(16), 1600)
    assert [event.known_s for event in of(Event, results) if event.kind == "speech_end"] == [10.615, 14.015]


def test_the_end_of_the_stream_ends_a_segment_with_the_audio():
    script = spoken((1.0, 2.2))
    session = scripted_system([(1.0, 9.0)], Scripted(script), CONFIG).session("x")
    results = run(session, silence(2.2055), 700)
    (final,) = of(Final, results)
    assert (final.text, final.end_s, final.heard_s) == ("w0 w1 w2 w3", 2.205, pytest.approx(2.2055, abs=6e-4))
    assert session.finish() == []
    with pytest.raises(AudioError, match="finished"):
        session.accept(silence(1))


def test_a_stream_of_nothing_gives_nothing():
    assert scripted_system([]).session().finish() == []
    assert run(scripted_system([], Scripted([])).session(), silence(0.01), 7) == []


@pytest.mark.parametrize("size", [1, 7, 160, 4096, 48000])
def test_pieces_of_any_size_give_the_same(size):
    spans, script = [(0.2, 1.2), (1.5, 2.3), (2.6, 4.0)], spoken((0.2, 4.0))
    config = LiveConfig(behind_s=None, max_segment_s=2.0, cut_s=1.0, interval_s=0.2)
    seconds = 0.9 if size == 1 else 4.0

    def results(size: int) -> list:
        return run(scripted_system(spans, Scripted(script), config).session(), silence(seconds), size)

    assert results(size) == results(64000)
    assert any(isinstance(result, Partial) for result in results(size))


def test_other_rates_and_types_have_the_same_times():
    for samples, rate in (
        (np.zeros(44100 * 4, np.float32), 44100),
        (np.zeros(8000 * 4, np.int32), 8000),
        (np.zeros((16000 * 4, 2), np.float64), 16000),
    ):
        results = run(scripted_system([(1.0, 2.0)], config=CONFIG).session(), samples, rate // 7, rate)
        assert [(event.kind, event.time_s) for event in of(Event, results)] == [
            ("speech_start", 0.9),
            ("speech_end", 2.19),
        ]


def test_bad_pieces_leave_the_stream_as_it_was():
    session = scripted_system([(1.0, 2.0)], Scripted(spoken((1.0, 2.0))), CONFIG).session()
    session.accept(silence(1.5))
    for bad in (np.full(100, np.nan, np.float32), [0.0], np.zeros(9, np.uint16)):
        with pytest.raises(AudioError):
            session.accept(bad)
    with pytest.raises(AudioError, match="16000 Hz"):
        session.accept(silence(1), 8000)
    assert texts([*session.accept(silence(2)), *session.finish()]) == ["w0 w1 w2"]


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("size", [1600, 200000])
def test_partial_text_is_skipped_while_computing_is_behind_and_nothing_else(size):
    spans = [(1.0, 8.0), (8.5, 12.0)]
    script = spoken(*spans)

    def results(cost_s: float, behind_s: float | None) -> tuple[list, int]:
        clock = Clock()

        def work(_: object) -> None:
            clock.now += cost_s

        asr = Scripted(script, on_call=work)
        session = scripted_system(spans, asr, LiveConfig(behind_s=behind_s)).session(clock=clock)
        return run(session, silence(13), size), session.skipped

    whole, none = results(0.1, 1.0)
    behind, skipped = results(2.0, 1.0)
    assert none == 0
    assert skipped > 0
    assert [one for one in behind if not isinstance(one, Partial)] == [
        one for one in whole if not isinstance(one, Partial)
    ]
    assert len(of(Partial, whole)) == len(of(Partial, behind)) + skipped
    assert results(2.0, None)[1] == 0


def test_a_pass_that_fails_is_named_and_the_stream_goes_on():
    spans = [(1.0, 3.0), (4.0, 5.0)]
    script = spoken(*spans)
    asr = Scripted(script, fails=lambda call: call == 2)
    results = run(scripted_system(spans, asr, CONFIG).session(), silence(6), 1600)
    (trouble,) = [event for event in of(Event, results) if event.kind == "trouble"]
    assert (trouble.segment, trouble.time_s, trouble.reason) == (1, 2.1, "recognition failed: no luck")
    assert " ".join(texts(results)).split() == [text for text, *_ in script]


def test_where_the_final_pass_fails_the_last_partial_text_stands():
    spans = [(1.0, 2.6), (4.0, 5.0)]
    asr = Scripted(spoken(*spans), fails=lambda call: call == 4)
    results = run(scripted_system(spans, asr, CONFIG).session(), silence(6), 1600)
    first, second = of(Final, results)
    last = [partial.text for partial in of(Partial, results) if partial.segment == 1][-1]
    assert first.text == last
    assert [(trouble.kind, trouble.reason) for trouble in first.troubles] == [("failed", "recognition failed: no luck")]
    assert [event.reason for event in of(Event, results) if event.kind == "trouble"] == ["recognition failed: no luck"]
    assert (second.text, second.troubles) == ("w5 w6 w7", ())


class Lid:
    """Says what it is told to, and how long what it heard was."""

    config = SimpleNamespace(batch_seconds=60.0)

    def __init__(self, lang: str = "en", fails: bool = False) -> None:
        self.lang, self.fails, self.heard = lang, fails, []

    def identify(self, utterances: list) -> list:
        self.heard += [round(speech.duration_s, 2) for speech in utterances]
        if self.fails:
            return [ValueError("no language") for _ in utterances]
        return [LidResult(one.key, self.lang, self.lang, None, 0.9, one.duration_s, ()) for one in utterances]


def test_the_language_is_found_in_the_first_second_and_told_to_the_recogniser():
    asr, lid = Scripted(spoken((1.0, 4.0))), Lid()
    results = run(scripted_system([(1.0, 4.0)], asr, CONFIG, lid).session(), silence(6), 1600)
    assert lid.heard == [1.0, 3.29]
    assert [partial.lang for partial in of(Partial, results)] == [None] + ["en"] * 4
    assert [speech.context.language for speech in asr.calls] == [None] + ["en"] * 5
    assert of(Final, results)[0].lang == "en"


def test_the_language_of_the_first_second_may_be_that_of_the_final():
    lid = Lid()
    config = LiveConfig(behind_s=None, lead_s=0.1, final_lid=False)
    results = run(scripted_system([(1.0, 4.0), (5.0, 5.5)], config=config, lid=lid).session(), silence(8), 1600)
    assert lid.heard == [1.0, 0.79]  # the second is shorter than that and is looked at as a whole
    assert [final.lang for final in of(Final, results)] == ["en", "en"]


def test_a_language_that_is_not_found_is_a_trouble():
    results = run(
        scripted_system([(1.0, 4.0)], Scripted(spoken((1.0, 4.0))), CONFIG, Lid(fails=True)).session(),
        *(silence(6), 1600),
    )
    troubles = [(event.segment, event.reason) for event in of(Event, results) if event.kind == "trouble"]
    assert troubles == [(1, "language failed: no language")] * 2
    assert texts(results) == [" ".join(f"w{n}" for n in range(10))]


def test_held_back_words_are_not_forced_the_others_are():
    asr = Scripted(spoken((1.0, 5.0)))
    config = LiveConfig(behind_s=None, stable="hold", hold_tokens=2)
    results = run(scripted_system([(1.0, 5.0)], asr, config).session(context=Context(["x"])), silence(7), 1600)
    stable = [partial.stable for partial in of(Partial, results)]
    *partial_passes, last = [speech.context for speech in asr.calls]
    assert [context.prefix for context in partial_passes][1:] == stable[:-1]
    assert last.prefix == ""
    assert all(context.hotwords for context in [*partial_passes, last])


def test_the_text_of_the_pass_before_is_the_draft_of_the_next_but_not_of_the_final():
    for drafts in (True, False):
        asr = Scripted(spoken((1.0, 5.0)))
        config = LiveConfig(behind_s=None, drafts=drafts)
        results = run(scripted_system([(1.0, 5.0)], asr, config).session(), silence(7), 1600)
        shown = [partial.stable + partial.unstable for partial in of(Partial, results)]
        first, *others, last = [speech.context.draft for speech in asr.calls]
        assert (first, last) == ("", "")
        assert others == (shown[:-1] if drafts else [""] * len(others))


def test_sessions_know_nothing_of_each_other():
    system = scripted_system([(1.0, 2.0)], Scripted(spoken((1.0, 2.0))), CONFIG)
    one, other = system.session("one"), system.session("other")
    found = {"one": [], "other": []}
    for number in range(300):
        found["one"] += one.accept(silence(0.01))
        if number % 2:
            found["other"] += other.accept(silence(0.02))
    assert [*found["one"], *one.finish()] == [*found["other"], *other.finish()]


def test_three_hours_of_speech_and_silence_cost_and_keep_no_more_than_minutes():
    """Speech for ten seconds of each twenty in the first and the last hour, none in the second."""
    hours, every = 3, 20.0
    starts = [at for at in np.arange(5.0, 3600 * hours, every) if not 3600 <= at < 7200]
    spans = [(at, at + 10) for at in starts]
    asr = Scripted([("w", at + 1, at + 2) for at in starts])
    system = scripted_system([], asr, LiveConfig(behind_s=None, lead_s=0.0, interval_s=5.0))
    session = system.session("long")
    minute, found, kept = silence(60), [], []
    for number in range(60 * hours):
        # The script of one minute at a time, so that looking things up costs no more than what is looked up.
        session._vad._speech = [span for span in spans if 60 * number - 30 < span[0] < 60 * number + 90]
        asr.script = [word for word in asr.script if word[1] > 60 * number - 60]
        found += session.accept(minute)
        kept.append(session._heard.kept_s)
    found += session.finish()
    finals = of(Final, found)
    assert len(finals) == len(spans) == len([final for final in finals if final.text == "w"])
    for final, (start_s, end_s) in zip(finals, spans, strict=True):
        assert final.start_s == pytest.approx(start_s, abs=0.01)
        assert final.end_s == pytest.approx(end_s + 0.19, abs=0.01)
        assert final.words[0].start_s == pytest.approx(start_s + 1, abs=0.01)
    assert session.heard_s == 3600 * hours
    assert max(kept[120:]) <= max(kept[:60])
    assert max(kept[60:119]) < 1
    first, last = (sum(speech.duration_s for speech in asr.calls if _hour(speech.key) == hour) for hour in (0, 2))
    assert math.isclose(first, last, rel_tol=0.01)


def _hour(key: str) -> int:
    return int(key.split("-")[-2]) // 3600000


def test_an_end_of_speech_is_given_before_its_final_is_computed():
    asr = Scripted(spoken(SPANS[0]))
    session = scripted_system(SPANS[:1], asr, LiveConfig(behind_s=None, interval_s=9)).session()
    seen = [(type(result).__name__, len(asr.calls)) for result in session.accepting(silence(4))]
    assert seen == [("Event", 0), ("Event", 0), ("Final", 1)]
    assert list(session.finishing()) == []
    with pytest.raises(AudioError, match="the stream is finished"):
        session.accepting(silence(1))
