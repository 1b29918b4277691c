"""firered-asr, firered-align and firered-punc with Fun-ASR-Nano."""

import json
from pathlib import Path

import pytest
from support.commands import command
from support.paths import GOLDENS
from support.tiny_fun_asr import write_published_form

TINY = GOLDENS / "tiny"
FAST = ["--dtype", "float32", "--max-length", 12, "--no-split-truncated"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "Fun-ASR-Nano-2512")


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text("".join(f"u{n} {TINY}/wav/utt0{n}.wav\n" for n in range(3)))
    return folder


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def lines(path: Path) -> dict[str, dict]:
    return {line["uttid"]: line for line in map(json.loads, path.read_text(encoding="utf-8").splitlines())}


def test_any_text_is_aligned(published, data, tmp_path):
    (tmp_path / "text").write_text("u0 你好世界\nu1 今天 hello, world\nu2 x\n")
    done = command("align", data, tmp_path / "text", tmp_path / "out", "--model", published)
    assert done.returncode == 0, done.stderr
    aligned = lines(tmp_path / "out/align.jsonl")
    assert [word[0] for word in aligned["u1"]["timestamp"]] == ["今", "天", "hello,", "world"]
    ctm = [line.split() for line in (tmp_path / "out/ctm").read_text().splitlines()]
    assert len(ctm) == 4 + 4 + 1
    assert all(float(fields[3]) > 0 for fields in ctm)
    assert all(float(score) < 0 for score in table(tmp_path / "out/utt2score").values())
    assert (tmp_path / "out/ali.ark").stat().st_size


def test_without_a_ctc_head(data, tmp_path):
    """No times of an earlier run stay, the confidence is there, and both commands name the file that has a head."""
    model = write_published_form(tmp_path / "Fun-ASR-Nano-2512", ctc=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/ctm").write_text("u0 1 0.00 0.10 x\n")
    done = command("asr", data, tmp_path / "out", "--model", model, *FAST)
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stderr.splitlines() if "2,127,426,538 bytes" in line]
    assert len(told) == 1
    assert f"firered-download Fun-ASR-Nano-2512 --to {tmp_path} --hub modelscope" in told[0]
    assert not (tmp_path / "out/ctm").exists()
    assert all(float(value) > 0 for value in table(tmp_path / "out/utt2conf").values())
    assert all("timestamp" not in line for line in lines(tmp_path / "out/asr.jsonl").values())
    done = command("align", data, tmp_path / "out/text", tmp_path / "aligned", "--model", model)
    assert done.returncode == 1
    assert "2,127,426,538 bytes" in done.stderr


def test_languages_of_a_table(published, data, tmp_path):
    """They come after the data directory's own, and after the one that is given for all."""
    (data / "utt2lang").write_text("u0 en\n")
    (tmp_path / "utt2lang").write_text("u0 ja\nu1 zh mandarin\nu2 th\nother en\n")
    arguments = ["asr", data, tmp_path / "out", "--model", published, *FAST]
    done = command(*arguments, "--utt2lang", tmp_path / "utt2lang")
    assert done.returncode == 0, done.stderr
    assert "1 utterances get no language of their own (u2: " in done.stderr
    texts = {}
    for name, options in {"en": ["--language", "en"], "zh": ["--language", "zh"], "none": []}.items():
        (data / "utt2lang").unlink(missing_ok=True)
        given = ["asr", data, tmp_path / name, "--model", published, *FAST, *options]
        assert command(*given).returncode == 0
        texts[name] = table(tmp_path / name / "text")
    assert len({json.dumps(own) for own in texts.values()}) == 3
    got = table(tmp_path / "out/text")
    assert got == {"u0": texts["en"]["u0"], "u1": texts["zh"]["u1"], "u2": texts["none"]["u2"]}
    over = command(
        *arguments[:2], tmp_path / "over", *arguments[3:], "--language", "en", "--utt2lang", tmp_path / "utt2lang"
    )
    assert over.returncode == 0, over.stderr
    assert table(tmp_path / "over/text") == texts["en"]


@pytest.mark.parametrize("more", [[], ["--language", "en"]])
def test_a_table_of_languages_that_is_not_there(published, data, tmp_path, more):
    done = command("asr", data, tmp_path / "out", "--model", published, *FAST, "--utt2lang", tmp_path / "no", *more)
    assert done.returncode == 1
    assert f"{tmp_path}/no" in done.stderr


def test_text_with_its_own_marks_is_cut_into_sentences_without_a_model(tmp_path):
    (tmp_path / "text").write_text("u 你好。今天 C++ costs $10, ok? yes\nempty\n")
    words = ["你", "好。", "今", "天", "C++", "costs", "$10,", "ok?", "yes"]
    ctm = [f"u 1 {0.5 * n:.2f} 0.40 {word}\n" for n, word in enumerate(words)]
    (tmp_path / "ctm").write_text("".join(ctm))
    arguments = ["--own-marks", "--ctm", tmp_path / "ctm", "--format", "kaldi", "--model", tmp_path / "nowhere"]
    done = command("punc", tmp_path / "text", tmp_path / "out", *arguments)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/text").read_text() == "empty\nu 你好。今天 C++ costs $10, ok? yes\n"
    sentences = lines(tmp_path / "out/sentences.jsonl")["u"]["sentences"]
    assert [(part["text"], part["start"], part["end"]) for part in sentences] == [
        ("你好。", 0.0, 0.9),
        ("今天 C++ costs $10, ok?", 1.0, 3.9),
        ("yes", 4.0, 4.4),
    ]
    assert (tmp_path / "out/config.yaml").read_text().startswith("# firered-punc --own-marks")
