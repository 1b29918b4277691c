"""speed.json: what a run took, and of jobs over parts of the same data."""

import json
from types import SimpleNamespace

import pytest

from firered.data.partition import combine
from firered.data.speed import SPEED, Speed, read_speed, together
from firered.data.utterance import Utterance
from firered.errors import DataError
from firered.runs import journal
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run

PARTS = Speed(2, 10.0, 5.0, 100.0, None, "a", 1), Speed(1, 20.0, 2.5, 300.0, 7.0, "a", 1)


def write(folder, speed):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SPEED).write_text("\n".join(speed.lines()))


def test_the_speed_of_parts_is_that_of_one_job(tmp_path):
    assert together(PARTS) == Speed(3, 30.0, 7.5, 300.0, 7.0, "a", 1)
    assert together(PARTS).rtf == 0.25
    assert together([PARTS[0], Speed(1, 1.0, 1.0, 1.0, None, "b", 2)]).device == "a, b"
    write(tmp_path, PARTS[1])
    assert read_speed(tmp_path) == PARTS[1]
    assert json.loads((tmp_path / SPEED).read_text())["rtf"] == 0.125


def test_combined_directories_have_the_speed_of_all_or_none(tmp_path):
    for number, speed in enumerate(PARTS):
        write(tmp_path / f"{number}", speed)
        (tmp_path / f"{number}/text").write_text(f"u{number} a\n")
    parts = [tmp_path / "0", tmp_path / "1"]
    combine(parts, tmp_path / "out")
    assert read_speed(tmp_path / "out") == together(PARTS)
    (parts[0] / SPEED).unlink()
    combine(parts, tmp_path / "out")
    assert read_speed(tmp_path / "out") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"done": 1}', "3"])
def test_another_file_of_the_name_is_an_error(tmp_path, content):
    (tmp_path / SPEED).write_text(content)
    with pytest.raises(DataError, match=r"speed.json: not what a run writes"):
        read_speed(tmp_path)


def test_a_run_says_what_it_took_itself(tmp_path, monkeypatch):
    clock = iter([100.0, *[104.0] * 9, 200.0, *[201.0] * 9])
    monkeypatch.setattr(journal, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    utterances = [Utterance(key, key) for key in ("a", "b", "c")]

    def run(keys, config=RunConfig()):  # noqa: B008 - frozen
        with Run(tmp_path, fingerprint("test"), config) as own:
            own.take(Inputs(utterances))
            for key in keys:
                own.done(key, key, 10.0)
            own.finish(keep_journal=True)
        return read_speed(tmp_path)

    first = run(["a", "b"])
    assert (first.done, first.audio_s, first.seconds, first.rtf) == (2, 20.0, 4.0, 0.2)
    assert first.peak_memory_mb > 1
    assert first.device
    clock = iter([200.0, *[201.0] * 9])
    second = run(["c"])
    assert (second.done, second.audio_s, second.seconds) == (1, 10.0, 1.0)
    clock = iter([300.0, *[350.0] * 9])
    assert run([]) == second  # nothing was left to do
