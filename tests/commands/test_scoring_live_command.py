"""firered-score live: its files, what it says of bad input, its exit status; every figure counted by hand."""

import json

import pytest
from support.scoring_sides import call, rows_of, score_of

CTM = """\
r 1 0.5 0.5 hello
r 1 1.0 0.5 big
r 1 1.5 0.5 world
r 1 4.0 0.4 bye
r 1 4.4 0.4 bye
"""


def event(name: str, heard_s: float, time_s: float, **fields) -> dict:
    return {"reco": "r", "kind": "event", "event": name, "heard_s": heard_s, "time_s": time_s, **fields}


def partial(heard_s: float, stable: str, unstable: str, **fields) -> dict:
    of_all = {"reco": "r", "kind": "partial", "segment": 0, "start_s": 0.5, "end_s": heard_s}
    return of_all | {"heard_s": heard_s, "stable": stable, "unstable": unstable} | fields


def final(heard_s: float, segment: int, start_s: float, end_s: float, text: str, **fields) -> dict:
    of_all = {"reco": "r", "kind": "final", "segment": segment, "start_s": start_s, "end_s": end_s}
    return of_all | {"heard_s": heard_s, "text": text} | fields


# The last three come 0.1, 0.05 and 0.3 s after they could by what had been heard; the second "bye" is not recognised.
LINES = [
    event("speech_start", 0.8, 0.5, segment=0, clock_s=0.85),
    partial(1.2, "", "hello bit", clock_s=1.3),
    partial(1.8, "hello", "big", clock_s=1.9),
    partial(2.4, "hello big", "word", clock_s=2.5),
    event("speech_end", 2.8, 2.1, segment=0, clock_s=2.85),
    final(2.8, 0, 0.5, 2.1, "Hello big world.", clock_s=3.1),
    final(5.8, 1, 4.0, 5.0, "bye", clock_s=6.1, words=[{"text": "bye", "start_s": 4.45, "end_s": 4.8}]),
]


@pytest.fixture
def sides(tmp_path):
    """REF with the times of five words, HYP with a live.jsonl of two segments, and the folder for the report."""
    (tmp_path / "ref").mkdir()
    (tmp_path / "ref" / "ctm").write_text(CTM)
    write(tmp_path / "live.jsonl", LINES)
    return tmp_path / "ref", tmp_path / "live.jsonl", tmp_path / "out"


def write(path, lines) -> None:
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


def test_everything_is_measured_and_written(sides, monkeypatch):
    assert call(monkeypatch, "live", *sides) == 0
    out = sides[2]
    assert {path.name for path in out.iterdir()} == {
        *("score.json", "score.txt", "config.yaml", "counts.tsv", "words.tsv", "by_recording.tsv", "violations.tsv"),
        *("live.png", "missing", "extra"),
    }
    score = score_of(out)
    assert score["task"] == "live"
    assert [score[name] for name in ("tokens", "errors", "substitutions", "deletions", "insertions")] == [5, 1, 0, 1, 0]
    assert score["metrics"]["WER%"]["value"] == 20
    # hello after 0.2 s, big 0.3, world 0.8 (in the final), bye 1.0 (likewise)
    first = score["delays_s"]["first, heard"]
    assert first == pytest.approx({"count": 4, "mean": 0.575, "p50": 0.55, "p90": 0.94, "p99": 0.994})
    means = {
        "first, heard, without the wait": (0.2 + 0.3 + 0.0 + 1.0) / 4,  # the first final waited 0.8 s
        "first, clock": (0.3 + 0.4 + 1.1 + 1.3) / 4,
        "first, clock, without the wait": (0.3 + 0.4 + 0.3 + 1.3) / 4,
        "final, heard": (1.8 + 1.3 + 0.8 + 1.0) / 4,
        "final, heard, without the wait": (1.0 + 0.5 + 0.0 + 1.0) / 4,
        "final, clock": (2.1 + 1.6 + 1.1 + 1.3) / 4,
        "final, clock, without the wait": (1.3 + 0.8 + 0.3 + 1.3) / 4,
        "endpoint to final, heard": 0,
        "endpoint to final, clock": 0.25,
        "end of speech to endpoint, heard": 0.8,
        "end of speech to endpoint, clock": 0.85,
    }
    assert {name: score["delays_s"][name]["mean"] for name in means} == pytest.approx(means)
    assert score["stable_percent"] == {
        "not revised any more, heard": {"0.5": 50, "1.0": 100, "2.0": 100},
        "not revised any more, clock": {"0.5": 50, "1.0": 50, "2.0": 100},
        "in the stable part, heard": {"0.5": 0, "1.0": 100, "2.0": 100},
        "in the stable part, clock": {"0.5": 0, "1.0": 50, "2.0": 100},
    }
    # "bit" goes, and "word" with the final
    erasure = {"normalised_erasure": 0.5, "erased": 2, "erased_by_finals": 1, "final_tokens": 4}
    assert score["flicker"] == erasure
    assert score["metrics"]["flicker"]["value"] == 0.5
    assert score["stable_part"] == {"violations": 0, "corrected_by_finals": 0}
    ends = {"by": "ctm", "pause_s": 0.5, "found": 1, "early": 0, "extra": 0, "missed": 1, "finals_without": 1}
    assert score["endpoints"] == ends
    assert (score["clock"]["in_real_time"], score["clock"]["real_time_factor"]) == (1, None)
    assert score["clock"]["lag_s"]["max"] == pytest.approx(0.3)
    assert (out / "live.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "counts.tsv").read_text().splitlines()[1] == "r\t1\t5\t2\t4\t4\t0"
    heading, *words = [line.split("\t") for line in (out / "words.tsv").read_text().splitlines()]
    assert [dict(zip(heading, word, strict=True))["first_heard_s"] for word in words] == [
        *("0.200", "0.300", "0.800", "-", "1.000"),  # "bye" is the second one, by its time
    ]
    assert rows_of(out / "by_recording.tsv")["r"]["final_p50_s"] == "1.15"


def test_score_txt_says_it_in_words(sides, monkeypatch):
    call(monkeypatch, "live", *sides, "--test-set", "mini")
    text = (sides[2] / "score.txt").read_text()
    assert "WER of the finals 20.00 %" in text
    assert "1 errors of 5 tokens: 0 substitutions, 1 deletions, 0 insertions" in text
    assert "first, heard                          4  0.575  0.550  0.940  0.994" in text
    assert "ends of speech by ctm, pauses of 0.5 s and more: 1 found, 0 early, 0 extra, 1 missed" in text
    assert "flicker 0.500" in text


def test_bad_lines_are_named_and_the_exit_status_says_so(sides, monkeypatch, caplog):
    write(sides[1], [*LINES[:2], "{", *LINES[2:], '{"reco": "r", "kind'])
    assert call(monkeypatch, "live", *sides) == 1
    assert f"{sides[1]}:3: no JSON" in caplog.text
    assert f"{sides[1]}:9: no JSON" in caplog.text
    assert f"{sides[1]}:3: no JSON" in (sides[2] / "score.txt").read_text()
    score = score_of(sides[2])
    assert (score["bad_lines"], score["delays_s"]["first, heard"]["mean"]) == (2, pytest.approx(0.575))


def test_recordings_that_a_side_lacks_are_named(sides, monkeypatch, caplog):
    (sides[0] / "ctm").write_text(CTM + "silent 1 0 1 word\n")
    write(sides[1], [*LINES, final(1, 0, 0, 1, "what") | {"reco": "stranger"}])
    assert call(monkeypatch, "live", *sides) == 1
    assert "1 references have no hypothesis: silent" in caplog.text
    assert "1 hypotheses have no reference and are not scored: stranger" in caplog.text
    score = score_of(sides[2])
    assert [score[name] for name in ("missing", "extra", "deletions", "words")] == [1, 1, 2, 6]
    assert call(monkeypatch, "live", *sides, "--allow-extra") == 0


def test_a_stable_part_that_changes_is_named(sides, monkeypatch, caplog):
    write(sides[1], [*LINES[:4], partial(2.5, "hello bag", "", clock_s=2.6), *LINES[4:]])
    assert call(monkeypatch, "live", *sides) == 0
    assert "1 stable parts did not stay as they were (violations.tsv): r, segment 0, line 5" in caplog.text
    assert score_of(sides[2])["stable_part"] == {"violations": 1, "corrected_by_finals": 1}
    assert (sides[2] / "violations.tsv").read_text().splitlines()[1] == "r\t0\t5\thello big\thello bag"


def test_a_stream_faster_than_real_time_has_a_factor_and_no_delays_by_the_clock(sides, monkeypatch, caplog):
    write(sides[1], [line | {"clock_s": line["heard_s"] / 4} for line in LINES])
    assert call(monkeypatch, "live", *sides) == 0
    score = score_of(sides[2])
    assert "first, clock" not in score["delays_s"]
    assert score["clock"]["real_time_factor"] == pytest.approx(0.25)
    assert "given faster than in real time" in caplog.text


def test_without_a_clock_on_every_line_there_are_delays_by_what_was_heard(sides, monkeypatch, caplog):
    write(sides[1], [*LINES[:3], LINES[3] | {"clock_s": None}, *LINES[4:]])
    assert call(monkeypatch, "live", *sides) == 0
    score = score_of(sides[2])
    assert (score["clock"]["recordings"], score["delays_s"]["first, heard"]["count"]) == (0, 4)
    assert "first, clock" not in score["delays_s"]
    assert "in real time" not in caplog.text


def test_without_word_times_there_are_errors_and_flicker_but_no_delays(sides, monkeypatch, caplog):
    (sides[0] / "ctm").unlink()
    (sides[0] / "text").write_text("r hello big world bye bye\n")
    (sides[0] / "rttm").write_text("SPEAKER r 1 0.5 1.4 <NA> <NA> speech <NA> <NA>\n")
    assert call(monkeypatch, "live", *sides) == 0
    assert "1 recordings have no word times in the reference: r" in caplog.text
    score = score_of(sides[2])
    assert (score["errors"], score["flicker"]["erased"], score["delays_s"]["first, heard"]["count"]) == (1, 2, 0)
    assert score["delays_s"]["end of speech to endpoint, heard"]["mean"] == pytest.approx(0.9)


def test_a_recording_that_the_rttm_lacks_has_the_speech_of_its_words(sides, monkeypatch):
    (sides[0] / "rttm").write_text("SPEAKER other 1 0.5 1.4 <NA> <NA> speech <NA> <NA>\n")
    call(monkeypatch, "live", *sides)
    ends = score_of(sides[2])["endpoints"]
    assert [ends[name] for name in ("by", "found", "extra", "missed")] == ["rttm", 1, 0, 1]


def test_a_segment_without_a_final_is_named(sides, monkeypatch, caplog):
    write(sides[1], LINES[:5] + LINES[6:])
    assert call(monkeypatch, "live", *sides) == 0
    assert "1 segments have partials but no final: r 0" in caplog.text
    assert [score_of(sides[2])[name] for name in ("open_segments", "deletions")] == [1, 4]


@pytest.mark.parametrize(
    ("reference", "said"), [("nowhere", "nowhere: no such directory"), (".", "neither a ctm with words nor text here")]
)
def test_references_that_cannot_be_used(sides, tmp_path, monkeypatch, caplog, reference, said):
    assert call(monkeypatch, "live", tmp_path / reference, *sides[1:]) == 1
    assert said in caplog.text


def test_chinese_is_measured_by_the_character(sides, monkeypatch):
    (sides[0] / "ctm").write_text("r 1 1.0 0.4 你好\nr 1 1.4 0.2 吗\n")
    write(sides[1], [partial(1.5, "", "你号"), partial(1.9, "你好", "吗"), final(2.5, 0, 1, 1.6, "你好吗？")])
    assert call(monkeypatch, "live", *sides) == 0
    score = score_of(sides[2])
    assert score["metrics"]["CER%"]["value"] == 0
    assert score["flicker"]["normalised_erasure"] == pytest.approx(1 / 3)
    assert score["delays_s"]["first, heard"]["mean"] == pytest.approx((0.3 + 0.5 + 0.3) / 3)
