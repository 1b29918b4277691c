"""One input that cannot be used among others that can: it is named, the others are done, and nothing ends the run."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.commands import command
from support.signals import noise, write_wav

from firered.data.archives import MatrixWriter, read_matrix
from firered.data.datadir import read_table
from firered.data.names import FILE_NAMES, id_of
from firered.data.partition import combine, split
from firered.data.validate import validate
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import read_labels

LONG = "u" * 300
IDS = ("a", "a/b", "a_b", LONG)


def lines_of(path: Path) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


@pytest.fixture
def recordings(tmp_path):
    """A wav.scp whose ids are all legal and not all names of files."""
    wav = write_wav(tmp_path / "x.wav", noise(32000))
    (tmp_path / "wav.scp").write_text("".join(f"{key} {wav}\n" for key in IDS))
    return tmp_path / "wav.scp"


@pytest.mark.parametrize("extra", ["textgrid", "save-segments", "plot"])
def test_files_of_every_id(recordings, tiny_vad_models, tmp_path, extra):
    out = tmp_path / "out"
    folder = out / "textgrid" if extra == "textgrid" else tmp_path / extra
    words = ["--textgrid"] if extra == "textgrid" else [f"--{extra}", folder]
    done = command("vad", recordings, out, "--model", tiny_vad_models, "--speech-threshold", "0.01", *words)
    assert done.returncode == 0, done.stderr
    files = [path for path in folder.iterdir() if path.name != FILE_NAMES]
    expected = set(read_table(out / "segments")) if extra == "save-segments" else set(IDS)
    assert {id_of(path) for path in files} == expected
    assert len(files) == len(expected)
    if extra == "textgrid":
        assert set(read_labels(folder, VadScoreConfig()).durations) == set(IDS)


@pytest.mark.parametrize("extra", ["textgrid", "save-segments"])
def test_a_file_that_cannot_be_written_is_the_failure_of_its_recording(recordings, tiny_vad_models, tmp_path, extra):
    out = tmp_path / "out"
    folder = out / "textgrid" if extra == "textgrid" else tmp_path / extra
    words = ["--textgrid"] if extra == "textgrid" else [f"--{extra}", folder]
    words += ["--speech-threshold", "0.01", "--model", tiny_vad_models]
    assert command("vad", recordings, out, *words).returncode == 0
    taken = next(path for path in sorted(folder.iterdir()) if path.stem == "a" or path.stem.startswith("a-"))
    taken.unlink()
    taken.mkdir()  # where the file should go
    done = command("vad", recordings, out, *words)
    assert done.returncode == 1
    assert list(lines_of(out / "failed")) == ["a"]
    assert "cannot be written" in lines_of(out / "failed")["a"]
    assert set(read_table(out / "reco2dur")) == set(IDS)


def test_arguments_that_are_not_utf_8_are_named(tmp_path):
    write_wav(tmp_path / "a.wav")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    for words in (
        ["prepare-data", tmp_path / "a.wav", odd],
        ["vad", tmp_path / "a.wav", tmp_path / "out", "--model", odd],
        ["vad", tmp_path / "a.wav", tmp_path / "out", "--config", odd],
        ["vad", tmp_path / "a.wav", tmp_path / "out", "--plot", odd],
        ["cmvn", tmp_path, odd],
    ):
        done = command(*words)
        assert done.returncode == 1, words
        assert "is not UTF-8; rename it" in done.stderr


def test_an_input_that_is_not_utf_8_is_one_of_several(tmp_path):
    write_wav(tmp_path / "a.wav")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.wav")
    done = command("prepare-data", tmp_path / "a.wav", odd, tmp_path / "o")
    assert done.returncode == 1
    assert set(read_table(tmp_path / "o/wav.scp")) == {"a"}
    assert "no such file" in (tmp_path / "o/failed").read_text()


# Durations


@pytest.mark.parametrize("channel", ["mix", "each"])
def test_reco2dur_is_of_all_recordings_or_not_there(tmp_path, channel):
    wav = write_wav(tmp_path / "x.wav", noise((8000, 2)))
    data = tmp_path / "in"
    data.mkdir()
    (data / "wav.scp").write_text(f"p cat {wav} |\nq {wav}\n")
    done = command("prepare-data", data, tmp_path / "out", "--channel", channel)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "out/reco2dur").exists()
    assert validate(tmp_path / "out", text=False, feats=False) == []
    (data / "reco2dur").write_text("p 0.5\nq 7\n")  # what the data directory says is known
    if channel == "mix":
        command("prepare-data", data, tmp_path / "out", "--channel", channel)
        assert read_table(tmp_path / "out/reco2dur") == {"p": "0.5", "q": "0.5"}
        assert validate(tmp_path / "out", text=False, feats=False) == []


def test_durations_of_some_parts_are_not_those_of_all(tmp_path):
    wav = write_wav(tmp_path / "x.wav", noise(8000))
    for part, key in (("1", "a"), ("2", "b")):
        command("prepare-data", write_wav(tmp_path / f"{key}.wav", noise(8000)), tmp_path / part)
    (tmp_path / "2/reco2dur").unlink()
    combine([tmp_path / "1", tmp_path / "2"], tmp_path / "out")
    assert validate(tmp_path / "out", text=False, feats=False) == []
    assert not (tmp_path / "out/reco2dur").exists()
    assert wav.is_file()


def test_segments_that_end_after_their_recording(tmp_path):
    data, wav = tmp_path / "in", write_wav(tmp_path / "x.wav", noise(16000))
    data.mkdir()
    (data / "wav.scp").write_text(f"r {wav}\n")
    (data / "segments").write_text("a r 0 0.5\nb r 0.5 1.4\nc r 0.5 1.6\nd r 1.2 1.4\ne r 0.5 -1\n")
    done = command("prepare-data", data, tmp_path / "out")
    assert done.returncode == 1
    assert set(lines_of(tmp_path / "out/failed")) == {"c", "d"}
    assert validate(tmp_path / "out", text=False, feats=False) == []  # run.sh goes on
    done = command("fbank", tmp_path / "out", tmp_path / "fbank")
    assert done.returncode == 0
    assert "b: the segment ends at 1.400 s, the recording r at 1.000 s; cut there" in done.stderr
    assert read_table(tmp_path / "fbank/utt2dur") == {"a": "0.5", "b": "0.5", "e": "0.5"}
    done = command("prepare-data", data, tmp_path / "all", "--allow-truncated")
    assert set(lines_of(tmp_path / "all/failed")) == {"d"}


# Features


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (np.full((30, 80), np.nan, np.float32), "holds NaN or infinite values"),
        (np.where(np.arange(80) == 3, np.inf, np.ones((30, 80))).astype(np.float32), "holds NaN or infinite values"),
        (np.ones((30, 40), np.float32), "40 columns, filterbanks here have 80"),
        (np.ones((30, 81), np.float32), "81 columns, filterbanks here have 80"),
    ],
    ids=["nan", "inf", "narrow", "wide"],
)
@pytest.mark.parametrize("name", ["cmvn", "vad"])
def test_features_that_cannot_be_used_are_named(tiny_vad_models, tmp_path, name, bad, reason):
    data, good = tmp_path / "in", noise((200, 80), 10.0)
    data.mkdir()
    with MatrixWriter(data / "feats.ark") as writer:
        places = {key: writer.write(key, [matrix])[0] for key, matrix in (("a", good), ("b", bad), ("c", good))}
    (data / "feats.scp").write_text("".join(f"{key} {place}\n" for key, place in places.items()))
    words = ["--model", tiny_vad_models] if name == "vad" else []
    done = command(name, data, tmp_path / "out", *words)
    assert done.returncode == 1
    assert f"b {places['b']}: {reason}" in done.stderr
    if name == "cmvn":
        stats = read_matrix(f"{tmp_path}/out/cmvn.ark")
        np.testing.assert_allclose(stats[0, :-1], 2 * good.sum(0), rtol=1e-4)
        assert stats[0, -1] == 400
    else:
        assert set(read_table(tmp_path / "out/probs.scp")) == {"a", "c"}


def test_features_that_are_no_file_are_named(tiny_vad_models, tmp_path):
    data = tmp_path / "in"
    data.mkdir()
    os.mkfifo(data / "fifo")
    with MatrixWriter(data / "feats.ark") as writer:
        place, _ = writer.write("a", [noise((200, 80), 10.0)])
    (data / "feats.scp").write_text(f"a {place}\nb /dev/zero\nc {data}/fifo\nd {data}/fifo:17[0:3]\ne /proc/self/mem\n")
    done = command("vad", data, tmp_path / "out", "--model", tiny_vad_models)
    assert done.returncode == 1
    assert set(read_table(tmp_path / "out/probs.scp")) == {"a"}
    assert set(lines_of(tmp_path / "out/failed")) == {"b", "c", "d", "e"}


def test_parts_keep_out_what_is_hidden(tmp_path):
    command("prepare-data", write_wav(tmp_path / "a.wav", noise(8000)), tmp_path / "data")
    (tmp_path / "data/.journal.jsonl").write_text('{"identity": "of a run that was killed"}\n')
    assert [path.name for path in split_into_one(tmp_path / "data")] == ["1"]
    assert not (tmp_path / "data/split1utt/1/.journal.jsonl").exists()
    assert soundfile.info(read_table(tmp_path / "data/wav.scp")["a"]).frames == 8000


def split_into_one(path: Path) -> list[Path]:
    from firered.data.datadir import DataDir

    return split(DataDir(path), 1)
