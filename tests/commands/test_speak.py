"""firered-mixed-text and firered-speak: sentences that mix languages, and synthetic speech of a text."""

import json
import re
import shutil
import sys

import pytest
import soundfile
from support.chat_endpoint import chat_endpoint
from support.commands import command

from firered.corpora.made.mixed_config import MixedTextConfig, SpeakConfig
from firered.corpora.made.mixed_text import write_mixed_text
from firered.corpora.made.speak import speak
from firered.data.datadir import read_table, write_table
from firered.data.lines import read_lines
from firered.data.validate import validate
from firered.errors import DataError, OptionError
from firered.runs.config import RunConfig

SPEAKER = f"""{sys.executable} -c "
import sys, time
import numpy, soundfile
text, (voice, path) = sys.stdin.read().strip(), sys.argv[1:]
if 'hang' in text: time.sleep(60)
if 'fail' in text: sys.exit('no such sound')
if 'nothing' in text: sys.exit(0)
soundfile.write(path, numpy.full(100 * len(text), 0.25 if voice == 'high voice' else 0.5), 8000)
" {{voice}} {{wav}}"""


@pytest.fixture
def phrases(tmp_path):
    lines = [f"{domain}\t{domain} term {number}" for domain in ("tech", "sports") for number in range(10)]
    (tmp_path / "phrases.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "phrases.tsv"


def mixed(phrases, out, status=0, **options):
    given = {"sentences": 60, "test_sentences": 20, "test_share": 0.3, **options}
    assert write_mixed_text(phrases, out, MixedTextConfig(**given), RunConfig()) == status
    return {part: read_table(out / part / "text") for part in ("train", "test")}


def used(folder):
    return {phrase for value in read_table(folder / "keywords").values() for phrase in value.split("; ")}


def test_sentences_hold_their_phrases_and_those_of_testing_are_in_no_training(phrases, tmp_path):
    texts = mixed(phrases, tmp_path / "out")
    assert [len(texts[part]) for part in ("train", "test")] == [60, 20]
    for part, own in texts.items():
        keywords, domains = (
            read_table(tmp_path / "out" / part / "keywords"),
            read_table(tmp_path / "out" / part / "utt2domain"),
        )
        for key, text in own.items():
            assert all(phrase in text and phrase.startswith(domains[key]) for phrase in keywords[key].split("; "))
            assert any("\u4e00" <= character <= "\u9fff" for character in text)
    train, test = used(tmp_path / "out/train"), used(tmp_path / "out/test")
    assert len(test) == 6
    assert not train & test
    assert any(";" in value for value in read_table(tmp_path / "out/train/keywords").values())
    mixed(phrases, tmp_path / "again", parallel=1)
    assert (tmp_path / "again/train/text").read_bytes() == (tmp_path / "out/train/text").read_bytes()
    assert mixed(phrases, tmp_path / "other", seed=2) != texts


def test_an_endpoint_writes_and_what_lacks_a_phrase_has_failed(phrases, tmp_path):
    def answer(instruction, text):
        return "我们不说英文。" if "term 3" in text else f"我们今天讲 {text.upper().replace(';', ' 和')} 。"

    with chat_endpoint(answer) as chat:
        texts = mixed(phrases, tmp_path / "out", 1, write="endpoint", endpoint=chat.url, endpoint_model="m")
    failed = dict(line.split(" ", 1) for _, line in read_lines(tmp_path / "out/failed"))
    assert failed
    assert all("term 3" in reason and reason.endswith(": 我们不说英文。") for reason in failed.values())
    assert len(texts["train"]) + len(texts["test"]) + len(failed) == 80
    assert all("TERM" in text for own in texts.values() for text in own.values())


def test_lists_that_cannot_be_used_are_named(phrases, tmp_path):
    (tmp_path / "bad.tsv").write_text("tech\tterm\nno domain\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"bad.tsv, line 2: expected a domain"):
        mixed(tmp_path / "bad.tsv", tmp_path / "out")
    (tmp_path / "few.tsv").write_text("tech\tterm\n", encoding="utf-8")
    with pytest.raises(DataError, match="no phrases are kept for testing"):
        mixed(tmp_path / "few.tsv", tmp_path / "out")
    (tmp_path / "patterns").write_text("没有地方\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1: a pattern without a place"):
        mixed(phrases, tmp_path / "out", patterns=str(tmp_path / "patterns"))
    with pytest.raises(OptionError, match="endpoint: belongs"):
        MixedTextConfig(write="endpoint")


def spoken(data, out, status=0, **options):
    given = {"tts": SPEAKER, "voices": ("high voice", "low"), "parallel": 1, **options}
    assert speak(data, out, SpeakConfig(**given), RunConfig()) == status
    return read_table(out / "text")


@pytest.fixture
def data(tmp_path):
    write_table(tmp_path / "data/text", {"u1": "今天 hello", "u2": "other words"})
    write_table(tmp_path / "data/keywords", {"u1": "hello"})
    write_table(tmp_path / "data/utt2domain", {"u1": "tech", "u2": "sports"})
    return tmp_path / "data"


def test_marks_follow_a_phrase_without_space(phrases, tmp_path):
    (tmp_path / "patterns").write_text("where is {}?\n{}，{}！\n", encoding="utf-8")
    texts = mixed(phrases, tmp_path / "out", patterns=str(tmp_path / "patterns"))
    wanted = re.compile(r"where is \w+ term \d\?|\w+ term \d， \w+ term \d！")
    assert all(wanted.fullmatch(own) for own in texts["test"].values())


def test_a_data_directory_of_voices(data, tmp_path):
    texts = spoken(data, tmp_path / "out", each=2)
    assert validate(tmp_path / "out", feats=False) == []
    assert len(texts) == 4
    assert read_table(tmp_path / "out/utt2voice").keys() == texts.keys()
    assert set(read_table(tmp_path / "out/utt2voice").values()) == {"high voice", "low"}
    assert set(read_table(tmp_path / "out/utt2domain").values()) == {"tech", "sports"}
    assert read_table(tmp_path / "out/keywords") == {key: "hello" for key, text in texts.items() if "hello" in text}
    for key, path in read_table(tmp_path / "out/wav.scp").items():
        samples, rate = soundfile.read(path)
        assert rate == 8000
        assert samples[0] == pytest.approx(0.5 if key.startswith("low") else 0.25, abs=1e-3)
        assert float(read_table(tmp_path / "out/utt2dur")[key]) == pytest.approx(len(samples) / 8000, abs=1e-3)


def test_a_text_that_cannot_be_spoken_is_listed_and_the_rest_is_done(data, tmp_path):
    write_table(data / "text", {"u1": "please hang", "u2": "do fail", "u3": "say nothing", "u4": "good"})
    assert list(spoken(data, tmp_path / "out", 1, text_seconds=3.0, voices=("low",)).values()) == ["good"]
    failed = dict(line.split(" ", 1) for _, line in read_lines(tmp_path / "out/failed"))
    assert {key.removeprefix("low-"): reason.partition(": ")[2] for key, reason in failed.items()} == {
        "u1": "took more than 3 s",
        "u2": "ended with status 1: no such sound",
        "u3": "wrote no audio file",
    }


def test_only_what_is_missing_is_spoken_again(data, tmp_path):
    texts = spoken(data, tmp_path / "out")
    first, second = (tmp_path / "out/wav" / f"{key}.wav" for key in texts)
    before = first.stat().st_mtime_ns
    second.unlink()
    (tmp_path / "out/.journal.jsonl").write_text("", encoding="utf-8")
    spoken(data, tmp_path / "out", parallel=2)
    assert second.is_file()
    assert first.stat().st_mtime_ns >= before


def test_voices_and_commands_that_cannot_work(data, tmp_path):
    with pytest.raises(OptionError, match="tts: 'say'"):
        SpeakConfig(tts="say")
    with pytest.raises(OptionError, match="voices: needed"):
        spoken(data, tmp_path / "out", voices=())
    with pytest.raises(OptionError, match="two become one speaker"):
        spoken(data, tmp_path / "out", voices=("a b", "a_b"))
    (tmp_path / "voices").write_text("high voice\n\nlow\n", encoding="utf-8")
    with pytest.raises(OptionError, match="3 voices are to speak each text, and there are 2"):
        spoken(data, tmp_path / "out", voices=(str(tmp_path / "voices"),), each=3)
    done = command("speak", data, tmp_path / "none", "--voices", "low", "--tts", "no-such-program {wav}")
    assert done.returncode == 1
    assert "no-such-program" in (tmp_path / "none/failed").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_espeak_speaks_by_default(data, tmp_path):
    assert speak(data, tmp_path / "out", SpeakConfig(voices=("en-us+f3",)), RunConfig()) == 0
    seconds = [float(value) for value in read_table(tmp_path / "out/utt2dur").values()]
    assert min(seconds) > 0.3
    assert json.loads((tmp_path / "out/speed.json").read_text(encoding="utf-8"))
