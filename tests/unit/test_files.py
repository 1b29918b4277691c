"""A path is only ever a file: nothing but a line of a wav.scp runs a command, devices are not read."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.commands import command
from support.signals import write_wav
from support.tools import needs_ffmpeg

from firered.audio.config import AudioConfig
from firered.audio.like import Rxfilename, as_frames
from firered.audio.load import read
from firered.audio.probe import probe_all
from firered.audio.source import open_source
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.data.archives import MatrixWriter, read_matrix, read_matrix_blocks
from firered.data.datadir import read_table
from firered.data.files import is_pipe, trouble_with, visible, why_no_line
from firered.errors import AudioError, DataError
from firered.output.report import report
from firered.runs.inputs import audio_files, resolve

MIX = AudioConfig()
BARS = ["touch ran |", "x;touch ran;cat x |", "|touch ran", "a.wav|", "touch ran |.wav", "touch ran|.flac"]
NAMES = [*BARS, "a.wav ", " a.wav", "a.wav:17", "a\nb.wav", "-i.wav", "concat:a.wav|b.wav", "http:a.wav", "pipe:0", "-"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory, in which no command may leave the file `ran`."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_a_file_whatever_its_name_looks_like(here, name):
    samples = read(write_wav(here / "in.wav"))
    Path("in.wav").rename(name)
    np.testing.assert_array_equal(read(Path(name)), samples)
    for path in (name, Path(name)):
        assert sum(len(block) for block in as_frames(path)) == 48
    inputs = resolve([f"./{name}"], MIX, by_segment=False, tables=False)
    (utterance,) = inputs.utterances
    assert utterance.duration_s == 0.5
    assert utterance.audio == here / name


@needs_ffmpeg
@pytest.mark.parametrize("name", NAMES)
def test_a_path_is_a_file_for_ffmpeg_as_well(here, name, tmp_path_factory):
    wav = write_wav(tmp_path_factory.mktemp("audio") / "a.wav")
    subprocess.run(["ffmpeg", "-v", "error", "-i", wav, "-f", "matroska", f"file:{name}"], check=True)
    assert 8000 <= len(read(Path(name))) < 9000


@pytest.mark.parametrize("name", NAMES)
def test_a_data_directory_holds_what_reads_back_as_the_same_file(here, name):
    write_wav(here / "in" / "good.wav")
    path = here / "in" / name
    write_wav(here / "in.wav").rename(path)
    done = command("prepare-data", here / "in/good.wav", path, here / "out")
    table = read_table(here / "out/wav.scp")
    failed = (here / "out/failed").read_text()
    assert table.pop("good") == f"{here}/in/good.wav"
    assert (done.returncode, len(failed.splitlines())) == (0, 0) if table else (1, 1)
    for line in table.values():
        assert not is_pipe(line)
        with open_source(line, pipes=False) as source:
            assert source.place == path
    if name.endswith("|"):
        assert "would be a command in a wav.scp; rename the file" in failed


def test_only_a_line_of_a_table_is_a_pipe(here):
    wav = write_wav(here / "a.wav")
    (here / "wav.scp").write_text(f"a cat {wav} |\n")
    (here / "list.scp.wav").write_text("a touch ran |\n")
    (utterance,) = resolve(["wav.scp"], MIX, by_segment=False).utterances
    assert is_pipe(utterance.audio)
    assert len(read(utterance.audio)) == 8000
    with pytest.raises(AudioError, match=r"refused \(--no-pipes\)"):
        read(utterance.audio, AudioConfig(pipes=False))
    (utterance,) = resolve(["list.scp.wav"], MIX, by_segment=False).utterances
    with pytest.raises(AudioError):
        read(utterance.audio)
    assert sum(len(block) for block in as_frames(Rxfilename(f"cat {wav} |"))) == 48
    assert not is_pipe(Path("cat |"))
    assert not is_pipe("cat |\u3000")  # white space that no field of a table ends with


def test_durations_and_pages_of_a_file_with_the_name_of_a_command(here):
    from support.transcripts import made

    path = here / "touch ran |"
    write_wav(here / "a.wav").rename(path)
    header = probe_all([path], MIX)[path]
    assert header.duration_s == 0.5
    for given in (path, str(path)):
        report(made(dur_s=0.5), given, here / "page.html")


def test_a_corpus_leaves_out_what_no_line_can_stand_for(here):
    write_wav(here / "a.wav").rename(here / "touch ran |")
    found = CorpusSet("x", here)
    found.add(Entry("u", here / "touch ran |", text="a"))
    assert not found.entries
    assert "rename the file" in found.missing[0]


def test_a_playlist_opens_no_other_file(here):
    write_wav(here / "a.wav")
    for number, content in enumerate(("#EXTM3U\na.wav\n", "ffconcat version 1.0\nfile a.wav\n")):
        path = here / f"{number}.mp3"
        path.write_text(content)
        with pytest.raises(AudioError, match="a playlist"):
            read(path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("a", ""), ("a:17", ""), ("a b", ""), ("|a", ""), ("a ", "blank"), ("a |", "command"), ("a\n", "breaks")],
)
def test_names_that_a_line_can_hold(name, reason):
    assert reason in why_no_line(Path("/x") / name)
    assert bool(reason) == bool(why_no_line(Path("/x") / name))
    assert bool(why_no_line(Path("|a"))) is True


# What is no file


def test_what_is_no_file_is_not_opened(here):
    os.mkfifo("fifo")
    (here / "empty").write_bytes(b"")
    for path, reason in {
        "fifo": "is a device, a FIFO or a socket, not a file",
        "/dev/zero": "is a device, a FIFO or a socket, not a file",
        "empty": "the file is empty",
        "/proc/self/mem": "the file is empty",  # what the system makes up has no size
        ".": "is a folder, not a file",
        "gone": "no such file",
        "x" * 300: "File name too long",
        "a\0b": "embedded null byte",
    }.items():
        assert trouble_with(Path(path)) == reason
        with pytest.raises(AudioError, match=reason):
            read(Path(path))
        for place in (path, f"{path}:0", f"{path}:0[0:3]"):
            with pytest.raises(DataError, match=reason):
                read_matrix(place)
            with pytest.raises(DataError, match=reason):
                next(read_matrix_blocks(place))


def test_a_path_that_cannot_be_is_one_problem_of_several(here):
    write_wav(here / "a.wav")
    inputs = resolve(["x" * 300, "a.wav", "/dev/null/x"], MIX, by_segment=False)
    assert [utterance.id for utterance in inputs.utterances] == ["a"]
    assert [problem.reason.rpartition(": ")[2] for problem in inputs.problems] == [
        "File name too long",
        "Not a directory",
    ]


# Hidden files


def test_hidden_files_of_a_folder_are_passed_over(here):
    for name in ("a.wav", "._a.wav", ".hidden/b.wav", "sub/c.wav", "sub/._c.wav", "__MACOSX/d.wav", "@eaDir/e.wav"):
        write_wav(here / "in" / name)
    (here / "in/Thumbs.db").write_bytes(b"x")
    assert list(audio_files(here / "in")) == [here / "in/a.wav", here / "in/sub/c.wav"]
    assert visible(here / "in", "**/*.wav") == [here / "in/a.wav", here / "in/sub/c.wav"]
    inputs = resolve([str(path) for path in sorted((here / "in").iterdir()) if path.is_file()], MIX, by_segment=False)
    assert [utterance.id for utterance in inputs.utterances] == ["._a", "a"]  # what is named is taken
    assert inputs.problems == []
    named = resolve(["in/.hidden"], MIX, by_segment=False)
    assert [utterance.id for utterance in named.utterances] == ["b"]


def test_a_matrix_of_a_file_with_an_odd_name_is_read(here):
    with MatrixWriter(here / "a |b.ark") as writer:
        place, _ = writer.write("a", [np.ones((3, 2), np.float32)])
    assert read_matrix(place).shape == (3, 2)
