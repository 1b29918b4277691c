"""Post-processing as tables: decisions written as text, one character a frame."""

import numpy as np
import pytest

from firered.output.published import published
from firered.vad.config import StreamVadConfig, VadConfig
from firered.vad.detect import Vad
from firered.vad.post import (
    StreamSegmenter,
    confirm,
    cut_long,
    grow,
    join,
    runs,
    segment,
    smooth,
    to_seconds,
)


def probs_of(picture: str) -> np.ndarray:
    """'#' is speech for sure, '.' silence; digits are tenths."""
    return np.array([{"#": 0.99, ".": 0.01}.get(c) or int(c) / 10 for c in picture], dtype=np.float32)


def picture(intervals: list[tuple[int, int]], total: int) -> str:
    frames = ["."] * total
    for start, end in intervals:
        frames[start:end] = "#" * (end - start)
    return "".join(frames)


@pytest.mark.parametrize(
    ("decisions", "min_speech", "min_silence", "expected"),
    [
        # a run must last min_speech frames after its first
        ("..##..", 2, 2, "......"),
        ("..###.....", 2, 2, "..#####..."),
        # silence of exactly min_silence frames does not end a segment; one more does, and min_silence of them stay
        ("###..###", 2, 2, "########"),
        ("###...###", 2, 2, "#####.###"),
        # a short burst in a silence that is not confirmed yet belongs to the segment
        ("###..#..###", 2, 2, "###########"),
        # a short burst after confirmed silence does not
        ("###....#....", 2, 2, "#####......."),
        # open at the end
        ("....###", 2, 2, "....###"),
        ("###..", 2, 2, "#####"),
        ("", 2, 2, ""),
        ("...", 2, 2, "..."),
    ],
)
def test_confirm(decisions, min_speech, min_silence, expected):
    found = confirm(np.array([c == "#" for c in decisions], dtype=bool), min_speech, min_silence)
    assert picture(found, len(decisions)) == expected


def test_runs_cover_everything_once():
    decisions = np.array([True, True, False, True])
    assert list(runs(decisions)) == [(True, 0, 2), (False, 2, 3), (True, 3, 4)]
    assert list(runs(np.zeros(0, bool))) == []


@pytest.mark.parametrize(
    ("intervals", "gap", "expected"),
    [
        ([(0, 3), (3, 5)], 0, [(0, 5)]),
        ([(0, 3), (4, 5)], 0, [(0, 3), (4, 5)]),
        ([(0, 3), (5, 6)], 2, [(0, 6)]),
        ([(0, 9), (2, 4)], 0, [(0, 9)]),
        ([], 5, []),
    ],
)
def test_join(intervals, gap, expected):
    assert join(intervals, gap) == expected


def test_grow_stays_inside_and_joins_what_meets():
    assert grow([(1, 3), (6, 8)], 2, 2, 9) == [(0, 9)]
    assert grow([(3, 4)], 1, 0, 9) == [(2, 4)]


def test_smooth_averages_past_frames_only():
    assert smooth(np.array([1.0, 0.0, 0.5, 1.0]), 2).tolist() == [1.0, 0.5, 0.25, 0.75]
    assert smooth(np.array([0.5, 1.0]), 5).tolist() == [0.5, 0.75]
    assert smooth(np.array([0.5, 1.0]), 1).tolist() == [0.5, 1.0]
    assert len(smooth(np.zeros(0), 5)) == 0


def test_smooth_does_not_depend_on_what_lies_outside_the_window():
    rng = np.random.default_rng(0)
    probs = rng.random(1000).astype(np.float32)
    assert np.array_equal(smooth(probs, 5)[504:], smooth(probs[500:], 5)[4:])


def test_long_segments_lose_their_least_likely_frame():
    #             0123456789
    probs = probs_of("#####4###3#")
    # of at most 6: the first cut lies in [3, 6), the second (from 6 on) is not needed
    assert cut_long([(0, 11)], probs, 6) == [(0, 5), (6, 11)]
    # the first of equal minima wins, and only the second half of each stretch is looked at
    assert cut_long([(0, 8)], probs_of("1#######"), 4) == [(0, 2), (3, 5), (6, 8)]
    assert cut_long([(2, 6)], probs_of("########"), 4) == [(2, 6)]


def rules(**options: object):
    return Vad(None, VadConfig(**options)).rules()  # the rules need no network


def test_segment_moves_starts_back_by_the_window():
    probs = probs_of("." * 30 + "#" * 40 + "." * 60)
    # smoothed over 5 frames at 0.4 the run is frames 32 (2.96/5 above) to 71; it starts 5 earlier, ends 20 later
    (found,) = segment(probs, rules())
    smoothed = smooth(probs, 5) >= 0.4
    first = int(np.argmax(smoothed))
    after = len(smoothed) - int(np.argmax(smoothed[::-1]))
    assert found == (first - 5, after + 20)


@pytest.mark.parametrize(("merge", "count"), [(0, 2), (28, 2), (29, 1)])
def test_gaps_shorter_than_merge_are_filled(merge, count):
    probs = probs_of("." * 20 + "#" * 40 + "." * 49 + "#" * 40 + "." * 60)
    plain = segment(probs, rules(smooth_window_size=1))
    gap = plain[1][0] - plain[0][1]
    assert gap == 28  # 49 silent frames, 20 kept as speech, the next start one earlier
    found = segment(probs, rules(smooth_window_size=1, merge_silence_frame=merge))
    assert len(found) == count


def test_extend_adds_on_both_sides():
    probs = probs_of("." * 50 + "#" * 40 + "." * 90)
    (plain,) = segment(probs, rules())
    (wider,) = segment(probs, rules(extend_speech_frame=7))
    assert wider == (plain[0] - 7, plain[1] + 7)


def test_seconds_end_with_the_audio():
    # 100 frames: 1.015 s of whole windows; the last frame stands for 25 ms after its shift, but not beyond the audio
    assert to_seconds([(3, 50), (60, 100)], 100, 1.02) == [(0.03, 0.5), (0.6, 1.02)]
    assert to_seconds([(60, 100)], 100, 1.5) == [(0.6, 1.025)]
    assert to_seconds([(0, 1)], 100, 1.5) == [(0.0, 0.01)]


def events_of(picture: str, **options: object) -> list[tuple]:
    segmenter = StreamSegmenter(StreamVadConfig(smooth_window_size=1, **options))
    found = [e for prob in probs_of(picture).tolist() for e in segmenter.accept(prob)]
    return [(e.kind, e.frame, e.start_frame, e.end_frame) for e in found], segmenter.timestamps()


def test_stream_start_and_end():
    #        frame 1..5 silence, 6..17 speech, then silence
    events, stamps = events_of(
        "....." + "#" * 12 + "." * 10, min_speech_frame=8, min_silence_frame=5, pad_start_frame=2
    )
    assert events == [("start", 13, 4, -1), ("end", 22, 4, 22)]
    assert stamps == [(0.03, 0.21)]


def test_stream_start_never_overlaps_the_segment_before():
    events, _ = events_of("#" * 10 + "." * 5 + "#" * 10, min_speech_frame=4, min_silence_frame=5, pad_start_frame=9)
    assert events == [("start", 4, 1, -1), ("end", 15, 1, 15), ("start", 19, 16, -1)]


def test_stream_forces_an_end_and_starts_again_immediately():
    events, stamps = events_of("#" * 25, min_speech_frame=4, max_speech_frame=10, pad_start_frame=3)
    assert events == [
        ("start", 4, 1, -1),
        ("end", 10, 1, 10),
        ("start", 11, 11, -1),
        ("end", 20, 11, 20),
        ("start", 21, 21, -1),
    ]
    assert stamps == [(0.0, 0.09), (0.1, 0.19), (0.2, 0.24)]  # the open one ends at the last frame


@pytest.mark.parametrize(
    ("picture", "events"),
    [
        # the longest segment is reached in a pause: the cut waits for speech, and is made at its first frame
        ("########..###", [("start", 3, 1, -1), ("end", 11, 1, 11), ("start", 12, 12, -1)]),
        # or the pause gets long enough first, and ends the segment without a cut
        ("########....###", [("start", 3, 1, -1), ("end", 11, 1, 11), ("start", 15, 12, -1)]),
        # reached on the frame of speech before a pause: the next segment starts in the pause, and ends with it
        ("#########...###", [("start", 3, 1, -1), ("end", 9, 1, 9), ("start", 10, 10, -1), ("end", 12, 10, 12)]),
    ],
)
def test_stream_forces_an_end_on_a_frame_of_speech_only(picture, events):
    options = {"min_speech_frame": 3, "min_silence_frame": 3, "max_speech_frame": 9, "pad_start_frame": 1}
    found, _ = events_of(picture, **options)
    assert found[: len(events)] == events


def test_stream_never_ends_a_segment_on_the_frame_that_confirms_it():
    found, _ = events_of("#######", min_speech_frame=4, max_speech_frame=2, pad_start_frame=1)
    assert found == [("start", 4, 1, -1), ("end", 5, 1, 5), ("start", 6, 6, -1), ("end", 7, 6, 7)]


def rules_of_the_stream(speech: list[bool], config: StreamVadConfig) -> list[tuple]:
    """Events of decisions frame by frame, with every number found by looking back instead of counting."""
    events: list[tuple] = []
    begin = counts_from = None  # of the open segment: its start, and the first frame of its length
    last_end, forced = 0, False
    for frame in range(1, len(speech) + 1):
        now = speech[frame - 1]
        silent = next((n for n in range(frame) if speech[frame - 1 - n]), frame)
        if forced:
            begin = counts_from = frame
            events.append(("start", frame, begin, -1))
            forced = False
        elif begin is None:
            run = next((n for n in range(frame - last_end) if not speech[frame - 1 - n]), frame - last_end)
            if run >= config.min_speech_frame:
                counts_from = frame - run + 1
                padding = max(config.smooth_window_size, config.pad_start_frame)
                begin = max(1, counts_from - padding, last_end + 1)
                events.append(("start", frame, begin, -1))
        else:
            forced = now and frame - counts_from + 1 >= config.max_speech_frame
            if forced or silent >= config.min_silence_frame:
                events.append(("end", frame, begin, frame))
                begin, last_end = None, frame
    return events


@pytest.mark.parametrize("seed", range(40))
def test_stream_follows_the_published_rules(seed):
    """Against a slow reading of the rules, on made-up speech whose pauses are about as long as those that count."""
    random = np.random.default_rng(seed)
    longest = int(random.integers(7, 30))
    config = StreamVadConfig(
        smooth_window_size=int(random.integers(1, 4)),
        pad_start_frame=int(random.integers(0, 7)),
        min_speech_frame=int(random.integers(2, 7)),
        min_silence_frame=int(random.integers(2, 9)),
        max_speech_frame=longest,
    )
    lengths = np.stack([random.integers(1, 2 * longest, 60), random.integers(1, 12, 60)], 1).ravel()
    probs = np.repeat(np.tile([0.9, 0.1], 60), lengths)
    probs[random.random(len(probs)) < 0.03] = 0.5
    speech = (smooth(probs, config.smooth_window_size) >= config.speech_threshold).tolist()
    segmenter = StreamSegmenter(config)
    found = [event for prob in probs.tolist() for event in segmenter.accept(prob)]
    expected = rules_of_the_stream(speech, config)
    assert [(event.kind, event.frame, event.start_frame, event.end_frame) for event in found] == expected
    assert len(expected) > 10


def test_stream_event_times():
    segmenter = StreamSegmenter(StreamVadConfig(smooth_window_size=1, pad_start_frame=1, min_speech_frame=3))
    (event,) = [e for prob in probs_of("..#####").tolist() for e in segmenter.accept(prob)]
    assert published(event) == {
        "event": "speech_start",
        "time": 0.01,
        "known_at": 0.065,
        "frame": 5,
        "start_frame": 2,
        "end_frame": -1,
    }
