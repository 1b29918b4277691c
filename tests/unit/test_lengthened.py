"""Long utterances: segments put together, long ones cut in pauses, and the text that was said before each."""

import subprocess
import sys
from pathlib import Path

import pytest

from firered.corpora.made.lengthened import lengthen
from firered.data.datadir import read_table, write_table
from firered.errors import DataError

SEGMENTS = {"a1": "r 0.0 4.0", "a2": "r 4.5 9.0", "a3": "r 9.5 12.0", "a4": "r 30.0 33.0", "b1": "q 0.0 2.0"}
TEXTS = {"a1": "One.", "a2": "Two.", "a3": "三。", "a4": "四", "b1": "five"}


def make(folder, segments=SEGMENTS, texts=TEXTS, ctm="", **tables):
    write_table(folder / "wav.scp", {value.split()[0]: "x.wav" for value in segments.values()})
    write_table(folder / "segments", segments)
    write_table(folder / "text", texts)
    for name, table in tables.items():
        write_table(folder / name, table)
    if ctm:
        (folder / "ctm").write_text(ctm, encoding="utf-8")
    return folder


@pytest.fixture
def data(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_whole_recordings_and_pieces_of_longer_ones(data, tmp_path):
    make(data, utt2spk=dict.fromkeys(SEGMENTS, "s"), utt2lang={"a1": "en", "a2": "en", "a3": "zh", "b1": "en"})
    out = tmp_path / "out"
    assert lengthen(data, out) == 0
    assert read_table(out / "text") == {
        "q-0000000-0002000": "five", "r-0000000-0012000": "One. Two.三。", "r-0030000-0033000": "四"
    }  # fmt: skip
    assert read_table(out / "previous") == {"r-0030000-0033000": "One. Two.三。"}  # it is further away than the gap
    assert read_table(out / "utt2lang") == {"q-0000000-0002000": "en"}
    assert set(read_table(out / "utt2spk").values()) == {"s"}
    assert lengthen(data, out, most_s=9.5) == 0
    assert read_table(out / "segments") == {
        "q-0000000-0002000": "q 0.000 2.000", "r-0000000-0009000": "r 0.000 9.000",
        "r-0009500-0012000": "r 9.500 12.000", "r-0030000-0033000": "r 30.000 33.000",
    }  # fmt: skip
    assert read_table(out / "previous") == {"r-0009500-0012000": "One. Two.", "r-0030000-0033000": "三。"}


WORDS = [("One", 0.0), ("two", 1.0), ("three", 4.5), ("four", 5.2), ("五", 6.0), ("六", 6.5)]
LONG = {"u": "One two, three four. 五六！"}
CTM = "".join(f"r 1 {start} 0.4 {word.lower()}\n" for word, start in WORDS)


def test_an_utterance_that_is_too_long_is_cut_between_words(data, tmp_path):
    make(data, {"u": "r 0.0 7.0"}, LONG, CTM)
    out = tmp_path / "out"
    assert lengthen(data, out, most_s=5.0) == 0
    assert read_table(out / "text") == {"r-0000000-0004900": "One two, three", "r-0005200-0006900": "four. 五六！"}
    assert lengthen(data, out, most_s=1.5) == 0
    assert list(read_table(out / "text").values()) == ["One two,", "three four.", "五六！"]
    assert list(read_table(out / "previous").values()) == ["One two,", "three four."]
    assert (out / "ctm").read_text().count("\n") == 6


def test_pieces_end_in_the_longest_pause_near_their_end(data, tmp_path):
    segments = {"a": "r 0 7", "b": "r 7 8.2", "c": "r 9 9.8", "d": "r 9.9 12"}
    make(data, segments, {key: key for key in segments})
    lengthen(data, tmp_path / "out", most_s=10.0)
    assert list(read_table(tmp_path / "out/text").values()) == ["a b", "c d"]


def test_what_cannot_be_cut_is_named(data, tmp_path):
    make(data, {"u": "r 0.0 7.0", "v": "r 7 8", "w": "r 8 9"}, {**LONG, "v": "v"})
    command = [sys.executable, Path(__file__).parents[2] / "utils/lengthen_data.py", data, tmp_path / "out",
               "--seconds", "5"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "2 utterances are left out" in done.stderr
    assert (tmp_path / "out/failed").read_text() == (
        "w not in text\nu longer than 5 s, and there is no ctm to cut it by\n"
    )
    assert read_table(tmp_path / "out/text") == {"r-0007000-0008000": "v"}
    with pytest.raises(DataError, match="needs text and wav"):
        lengthen(tmp_path, tmp_path / "other")
