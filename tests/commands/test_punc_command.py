"""firered-punc: what it reads and writes, what it says of bad input, and going on where it was killed."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.tiny_punc import punc_of, write_tiny

from firered.cli import punc as cli
from firered.data.texts import read_texts
from firered.data.validate import validate
from firered.punc.punctuate import Punc
from firered.punc.text import bare
from firered.results import Word


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("m") / "FireRedPunc")


@pytest.fixture
def command(monkeypatch, tiny):
    def call(*args: object, stdin: bytes = b"") -> int:
        monkeypatch.setattr(sys, "argv", ["firered-punc", *map(str, args), "--model", str(tiny), "--device", "cpu"])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as ended:
            cli.punc()
        return ended.value.code

    return call


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def table(path: Path) -> dict[str, str]:
    return {line.split(" ", 1)[0]: line.partition(" ")[2] for line in lines(path)}


def test_a_kaldi_text(command, tiny, tmp_path):
    (tmp_path / "text").write_bytes("\ufeffb 今天天气很好\r\na hello\tworld\r\nc\r\n".encode())
    assert command(tmp_path / "text", tmp_path / "out") == 0
    punc = punc_of(tiny)
    expected = {"a": punc("hello world").punc_text, "b": punc("今天天气很好").punc_text, "c": ""}
    assert table(tmp_path / "out/text") == expected
    assert list(table(tmp_path / "out/text")) == ["a", "b", "c"]
    assert lines(tmp_path / "out/config.yaml")[1:] == [
        "batch_size: 4096",
        "sentence_max_length: -1",
        "overlap: 0",
        "strip: false",
        "published: false",
        "dtype: float32",
    ]
    assert (tmp_path / "out/failed").read_text() == ""
    assert not (tmp_path / "out/sentences.jsonl").exists()


def test_a_plain_file_keeps_its_lines_in_order(command, tiny, tmp_path):
    (tmp_path / "my notes.txt").write_bytes("\ufeffhello world\r\n\r\n今天\n".encode())
    assert command(tmp_path / "my notes.txt", tmp_path / "out") == 0
    punc = punc_of(tiny)
    assert table(tmp_path / "out/text") == {
        "my_notes-0000001": punc("hello world").punc_text,
        "my_notes-0000002": "",
        "my_notes-0000003": punc("今天").punc_text,
    }


def test_standard_input(command, tmp_path):
    assert command("-", tmp_path / "a", stdin="今天\n".encode()) == 0
    assert list(table(tmp_path / "a/text")) == ["stdin-0000001"]
    assert command("-", tmp_path / "b", "--format", "kaldi", stdin="u1 今天\n".encode()) == 0
    assert list(table(tmp_path / "b/text")) == ["u1"]
    assert command("-", tmp_path / "c") == 0
    assert (tmp_path / "c/text").read_text() == ""


@pytest.mark.parametrize(
    ("name", "data", "kept", "problems"),
    [
        ("text", b"a ok\nb \xff\xfe\nc ok\n", ["a", "c"], ["b {}:2: not UTF-8: invalid start byte"]),
        ("text", b"a ok\n\xff ok\n", ["a"], ["text:2 {}:2: not UTF-8: invalid start byte"]),
        ("text", b"a ok\n\na ok\n", ["a"], ["a {}:3: id a is already on line 1", "text:2 {}:2: empty line"]),
        ("text", "a\u3000b ok\n".encode(), [], ["text:1 {}:1: id 'a\\u3000b' holds white space"]),
        ("x.txt", b"ok\n\xe4\xbd\nok", ["x-0000001", "x-0000003"], ["x.txt:2 {}:2: not UTF-8: unexpected end of data"]),
    ],
)
def test_bad_lines_do_not_stop_the_others(name, data, kept, problems, command, tmp_path):
    (tmp_path / name).write_bytes(data)
    assert command(tmp_path / name, tmp_path / "out") == 1
    assert list(table(tmp_path / "out/text")) == kept
    failed = lines(tmp_path / "out/failed")
    assert len(failed) == len(problems)
    for line, problem in zip(failed, problems, strict=True):
        assert line.startswith(problem.format(tmp_path / name)), line
    assert command(tmp_path / name, tmp_path / "out", "--keep-going") == 0


def test_control_characters_come_out_as_they_went_in(command, tmp_path):
    text = "今\x01天\x1b\u200d气 caf\u0065\u0301 \ufffd"
    (tmp_path / "x.txt").write_text(text)
    assert command(tmp_path / "x.txt", tmp_path / "out") == 0
    assert bare(table(tmp_path / "out/text")["x-0000001"]) == bare(text)


@pytest.fixture
def data(tmp_path):
    """A data directory of two segments and what belongs to it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "text").write_text("a-1 今天天气很好\na-2 Hello, world!\na-3\n")
    (folder / "segments").write_text("a-1 a 1.000 3.000\na-2 a 3.000 5.000\na-3 a 6.000 7.000\n")
    (folder / "wav.scp").write_text("a /nowhere/a.wav\n")
    (folder / "utt2spk").write_text("a-1 a\na-2 a\na-3 a\n")
    (folder / "spk2utt").write_text("a a-1 a-2 a-3\n")
    ctm = [f"a 1 {1 + n / 4:.3f} 0.250 {word}" for n, word in enumerate("今天天气很好")]
    (tmp_path / "ctm").write_text("\n".join([*ctm, "a 1 3.100 0.500 hello", "a 1 4.000 0.500 world"]) + "\n")
    return folder


def test_sentences_of_a_data_directory(command, data, tiny, tmp_path):
    assert command(data / "text", tmp_path / "out", "--ctm", tmp_path / "ctm", "--sentence-max-length", 2) == 0
    found = [json.loads(line) for line in lines(tmp_path / "out/sentences.jsonl")]
    assert [line["uttid"] for line in found] == ["a-1", "a-2", "a-3"]
    assert found[2]["sentences"] == []
    words = [Word(word, 1 + n / 4, 1.25 + n / 4) for n, word in enumerate("今天天气很好")]
    (expected,) = punc_of(tiny, sentence_max_length=2).sentences([words])
    assert found[0]["sentences"] == [{"text": s.text, "start": s.start_s, "end": s.end_s} for s in expected.sentences]
    assert (found[1]["sentences"][0]["start"], found[1]["sentences"][-1]["end"]) == (3.1, 4.5)
    text = table(tmp_path / "out/text")
    assert text["a-1"] == expected.punc_text
    assert bare(text["a-2"]) == "helloworld"
    assert text["a-3"] == ""
    for name in ("segments", "wav.scp", "utt2spk", "spk2utt"):
        assert (tmp_path / "out" / name).read_text() == (data / name).read_text()
    assert validate(tmp_path / "out", feats=False) == []


def test_sentences_keep_spaces_and_words_of_every_script(command, tmp_path):
    (tmp_path / "text").write_text("a привет, как дела 3.14 don't\n")
    words = ["привет", "как", "дела", "3.14", "don't"]
    (tmp_path / "ctm").write_text("".join(f"a 1 {n}.0 0.5 {word}\n" for n, word in enumerate(words)))
    assert command(tmp_path / "text", tmp_path / "out", "--ctm", tmp_path / "ctm") == 0
    written = table(tmp_path / "out/text")["a"]
    assert [word.rstrip(",.?!，。？！").lower() for word in written.split()] == words
    assert written.startswith("привет, ")
    (line,) = [json.loads(line) for line in lines(tmp_path / "out/sentences.jsonl")]
    assert " ".join(sentence["text"] for sentence in line["sentences"]) == written
    first = line["sentences"][0]
    assert (first["text"], first["start"], first["end"]) == ("привет,", 0.0, 0.5)


def test_published_rules_on_request(command, tmp_path):
    (tmp_path / "x.txt").write_text("Привет Как\n")
    (tmp_path / "x.yaml").write_text("published: true\n")
    for number, flags in enumerate((["--published"], ["--config", tmp_path / "x.yaml"])):
        assert command(tmp_path / "x.txt", tmp_path / f"{number}", *flags) == 0
        assert bare(table(tmp_path / f"{number}/text")["x-0000001"]) == "приветкак"
        assert " " not in table(tmp_path / f"{number}/text")["x-0000001"]
        assert "published: true" in lines(tmp_path / f"{number}/config.yaml")


def test_words_of_another_text_leave_the_text_without_times(command, data, tiny, tmp_path):
    ctm = (tmp_path / "ctm").read_text().replace("world", "word")
    (tmp_path / "ctm").write_text(ctm)
    assert command(data / "text", tmp_path / "out", "--ctm", tmp_path / "ctm") == 1
    assert lines(tmp_path / "out/failed") == [
        f"a-2 {tmp_path}/ctm: the word 'word' where the text continues with 'world'; punctuated without times"
    ]
    assert table(tmp_path / "out/text")["a-2"] == punc_of(tiny)("Hello, world!").punc_text
    found = [json.loads(line)["uttid"] for line in lines(tmp_path / "out/sentences.jsonl")]
    assert found == ["a-1", "a-3"]


def test_bad_lines_of_the_other_tables_are_reported_once(command, data, tmp_path):
    (data / "utt2spk").write_text("a-1 a\na-2\na-3 a\n")
    (data / "text").write_bytes((data / "text").read_bytes() + b"a-4 \xff\n")
    assert command(data / "text", tmp_path / "out") == 1
    assert lines(tmp_path / "out/failed") == [
        f"a-2 {data}/utt2spk:2: nothing after id a-2",
        f"a-4 {data}/text:4: not UTF-8: invalid start byte at byte 5",
    ]
    assert list(table(tmp_path / "out/text")) == ["a-1", "a-2", "a-3"]


def test_a_killed_run_resumes(command, data, tmp_path, monkeypatch):
    (data / "text").write_text("".join(f"a-{n} {'今天天气很好' * n}\n" for n in (1, 2, 3)))
    done = []
    original = Punc.punctuate

    def counted(self: Punc, texts: list[str], ids: list[str]) -> list:
        if len(done) == 1:
            done.append("killed")
            raise KeyboardInterrupt
        done.append(list(ids))
        return original(self, texts, ids)

    monkeypatch.setattr(Punc, "punctuate", counted)
    flags = (data / "text", tmp_path / "out", "--batch-size", 1)  # 16 characters at a time
    assert command(*flags) == 130
    assert not (tmp_path / "out/text").exists()
    assert command(*flags) == 0
    assert done == [["a-3"], "killed", ["a-2"], ["a-1"]]
    resumed = (tmp_path / "out/text").read_text()
    assert command(*flags, "--no-resume") == 0
    assert (tmp_path / "out/text").read_text() == resumed
    assert not list((tmp_path / "out").glob(".journal*"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["{t}/nope", "{t}/out"], "{t}/nope: cannot be read: No such file or directory"),
        (["{t}/data/text", "{t}/data"], "{t}/data: the folder of {t}/data/text, whose text would be lost"),
        (["{t}/data/text", "{t}/out", "--ctm", "{t}/none"], "{t}/none: no such file"),
        (["{t}/data/text", "{t}/out", "--format", "plain", "--ctm", "{t}/ctm"], "the text must have ids"),
        (["{t}/data/text", "{t}/out", "--format", "csv"], "format: 'csv' is not one of auto, kaldi, plain"),
        (["{t}/data/text", "{t}/out", "--overlap", "99"], "overlap: 99 tokens, a window of this model has 23"),
    ],
)
def test_mistakes_are_named(args, message, command, data, tmp_path, caplog):
    assert command(*(arg.format(t=tmp_path) for arg in args)) == 1
    assert message.format(t=tmp_path) in caplog.text


def test_formats_are_told_by_the_files_name(tmp_path):
    for name, kind, kaldi in [("text", "auto", True), ("a.txt", "auto", False), ("a.txt", "kaldi", True)]:
        (tmp_path / name).write_text("u1 ok\n")
        found = read_texts(str(tmp_path / name), kind)
        assert (found.kaldi, found.by_id) == (kaldi, {"u1": "ok"} if kaldi else {"a-0000001": "u1 ok"})


def test_help_does_not_wait_for_torch():
    script = "import sys; from firered.cli.punc import punc\ntry: punc()\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True)
    assert done.returncode == 0
    assert "sentences.jsonl" in done.stdout
    assert done.stdout.rstrip().endswith("False")
