import math
import re
from itertools import pairwise

import numpy as np
import pytest

from firered.data.write import rttm, seconds, segment_id, textgrid


@pytest.mark.parametrize(
    ("start_s", "end_s", "expected"),
    [
        (0.0, 1.5, "rec-0000000-0001500"),
        (0.29, 0.57, "rec-0000290-0000570"),  # 1000 * 0.57 is 569.99...
        (1.0004, 1.0006, "rec-0001000-0001001"),
        (3600.0, 9999.999, "rec-3600000-9999999"),
        (9999.0, 10000.5, "rec-9999000-10000500"),  # beyond 7 digits nothing is cut off
    ],
)
def test_segment_ids(start_s, end_s, expected):
    assert segment_id("rec", start_s, end_s) == expected


def test_segment_ids_sort_by_time():
    times = [(0.0, 0.5), (0.5, 9.99), (10.0, 10.2), (10.0, 10.25), (99.9, 100.0), (1000.0, 1001.0), (9000.0, 9001.0)]
    ids = [segment_id("录音", start, end) for start, end in times]
    assert sorted(ids) == ids


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.0, "0"),
        (1.0, "1"),
        (10.0, "10"),
        (100.5, "100.5"),
        (2.3215, "2.3215"),
        (37142 / 16000, "2.321375"),
        (1 / 16000, "0.0000625"),
        (0.1 + 0.2, "0.3"),
        (86400.0, "86400"),
        (12345678 / 16000, "771.604875"),
    ],
)
def test_seconds(value, expected):
    assert seconds(value) == expected


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_seconds_are_exact_to_a_sample(rate):
    for samples in np.random.default_rng(0).integers(1, 10**9, 200).tolist():
        assert round(float(seconds(samples / rate)) * rate) == samples


def test_rttm():
    segments = [(0.44, 1.82, "speech"), (2.0, 10.005, "music")]
    assert rttm("录音-1", segments) == (
        "SPEAKER 录音-1 1 0.440 1.380 <NA> <NA> speech <NA> <NA>\n"
        "SPEAKER 录音-1 1 2.000 8.005 <NA> <NA> music <NA> <NA>\n"
    )
    assert rttm("a", []) == ""


def test_a_whole_textgrid():
    segments = [(0.44, 1.0, "speech"), (0.9, 2.3215, "music"), (1.0, 1.82, "speech")]
    assert textgrid(2.3215, segments, ["speech", "music", 'so "called"']) == (
        """\
File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3215
tiers? <exists>
size = 3
item []:
    item [1]:
        class = "IntervalTier"
        name = "speech"
        xmin = 0
        xmax = 2.3215
        intervals: size = 4
        intervals [1]:
            xmin = 0
            xmax = 0.44
            text = ""
        intervals [2]:
            xmin = 0.44
            xmax = 1
            text = "speech"
        intervals [3]:
            xmin = 1
            xmax = 1.82
            text = "speech"
        intervals [4]:
            xmin = 1.82
            xmax = 2.3215
            text = ""
    item [2]:
        class = "IntervalTier"
        name = "music"
        xmin = 0
        xmax = 2.3215
        intervals: size = 2
        intervals [1]:
            xmin = 0
            xmax = 0.9
            text = ""
        intervals [2]:
            xmin = 0.9
            xmax = 2.3215
            text = "music"
    item [3]:
        class = "IntervalTier"
        name = "so ""called"\""
        xmin = 0
        xmax = 2.3215
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.3215
            text = ""
"""
    )


def intervals(text):
    """(start, end, text) of every interval of the first tier, as written."""
    found = re.findall(r"intervals \[\d+\]:\n +xmin = (\S+)\n +xmax = (\S+)\n +text = \"(.*)\"\n", text)
    assert f"intervals: size = {len(found)}\n" in text
    return found


@pytest.mark.parametrize("seed", range(20))
def test_intervals_cover_everything_without_gap_or_overlap(seed):
    rng = np.random.default_rng(seed)
    samples = int(rng.integers(16000, 400000))
    duration_s = samples / 16000
    # Segments end at frames, or at the end of the recording rounded to milliseconds, as the detectors give them.
    edges = np.unique(rng.integers(0, int(duration_s * 100), 2 * rng.integers(1, 8))) / 100
    spans = [(start, end, "x") for start, end in pairwise(edges.tolist())][:: rng.integers(1, 3)]
    if seed % 2:
        spans.append((edges[-1], round(duration_s, 3), "x"))
    found = intervals(textgrid(duration_s, spans, ["x"]))
    assert (found[0][0], found[-1][1]) == ("0", seconds(duration_s))
    assert all(end == start for (_, end, _), (start, _, _) in pairwise(found))
    assert all(float(start) < float(end) for start, end, _ in found)
    assert [(float(start), float(end)) for start, end, text in found if text] == [
        pytest.approx((start, min(end, duration_s))) for start, end, _ in spans
    ]


def test_a_segment_that_ends_a_rounding_beyond_the_recording():
    # 44567 samples are 2.7854375 s, and rounded 2.785; 44571 are 2.7856875 s, and rounded 2.786.
    for samples in (44567, 44571):
        duration_s = samples / 16000
        found = intervals(textgrid(duration_s, [(1.0, round(duration_s, 3), "x")], ["x"]))
        assert found[-1][1] == seconds(duration_s)
        assert math.isclose(sum(float(end) - float(start) for start, end, _ in found), duration_s)
