"""Language identification: the published cases, restricted decoding, long recordings and the command."""

import json
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import write_tiny_model

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.errors import ModelError, OptionError
from firered.lid import identify as lid_module
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.lid.labels import Grammar, dialects, labels, split_label
from firered.models.aed import AedConfig
from firered.models.aed import Lid as LidModel
from firered.output.published import published
from firered.pretrained import CHECKPOINT
from firered.runtime.loaded import Loaded
from firered.runtime.speech import Speech
from firered.text.tokenizer import SPECIAL

BIN = Path(sys.executable).parent
LABELS = ("zh", "en", "ja", "mandarin", "yue", "wu")
SYMBOLS = (*SPECIAL, *LABELS)
ZH, EN, JA, MANDARIN, YUE, WU = range(5, 11)
EOS = 4


def command(*args: object) -> subprocess.CompletedProcess:
    return subprocess.run([BIN / "firered-lid", *map(str, args)], capture_output=True, text=True)


def table(path: Path) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in path.read_text().splitlines())


@pytest.fixture(scope="module")
def golden(shared):
    """The published cases, and their utterances."""
    top = shared("goldens/tiny")
    cases = json.loads((top / "lid_expected.json").read_text())
    audio = AudioConfig()
    speech = [Speech.of(of_samples(one["uttid"], read_blocks(str(top / one["wav"]), audio))) for one in cases["b1"]]
    return top / "FireRedLID", cases, speech


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A model directory of random weights, for what depends on no golden."""
    top = tmp_path_factory.mktemp("lid") / "FireRedLID"
    write_tiny_model(top, 1, 0)  # for its cmvn.ark
    config = AedConfig(odim=len(SYMBOLS), lid_odim=len(SYMBOLS), d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(LidModel(config).checkpoint(), top / CHECKPOINT)
    (top / "dict.txt").write_text("".join(f"{symbol} {n}\n" for n, symbol in enumerate(SYMBOLS)))
    return top


def speech_of_seconds(seconds: float, seed: int = 0) -> Speech:
    feats = torch.from_numpy(np.random.default_rng(seed).normal(10, 3, (round(seconds * 100), 80)).astype(np.float32))
    return Speech(f"u{seed}", feats, seconds)


@pytest.mark.parametrize(("case", "size"), [("b1", 1), ("b5", 5)])
def test_every_published_case(case, size, golden):
    directory, cases, speech = golden
    lid = Lid.from_pretrained(directory, device="cpu")
    got = [one for n in range(0, len(speech), size) for one in lid.identify(speech[n : n + size])]
    assert len(got) == len(cases[case]) == 18
    for result, expected in zip(got, cases[case], strict=True):
        fields = published(result)
        assert {name: fields[name] for name in ("uttid", "lang", "dur_s")} == {
            name: expected[name] for name in ("uttid", "lang", "dur_s")
        }
        assert fields["confidence"] == pytest.approx(expected["confidence"], abs=2e-3), expected["uttid"]


def test_the_likeliest_have_probabilities_of_both_levels(golden):
    directory, _, speech = golden
    lid = Lid.from_pretrained(directory, device="cpu")
    result = lid.identify(speech[:1])[0]
    assert (result.lang, result.language, result.dialect) == ("zh mandarin", "zh", "mandarin")
    assert [guess.language for guess in result.top] == ["zh", "en", "ja"]
    chinese = result.top[0]
    assert list(chinese.dialects) == ["mandarin", "yue", "wu"]
    assert all(guess.dialects == {} for guess in result.top[1:])
    # The published confidence is the mean of the two.
    assert result.confidence == pytest.approx((chinese.probability + chinese.dialects["mandarin"]) / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("languages", "constrain", "first", "after_zh", "after_en"),
    [
        ("", False, list(range(11)), [MANDARIN, YUE, WU, EOS], list(range(11))),
        ("", True, [ZH, EN, JA], [MANDARIN, YUE, WU], [EOS]),
        ("en", False, [EN], [MANDARIN, YUE, WU, EOS], [EOS]),
        ("zh,en", False, [ZH, EN], [MANDARIN, YUE, WU, EOS], [EOS]),
        ("zh,en", True, [ZH, EN], [MANDARIN, YUE, WU], [EOS]),
        ("en,yue", False, [ZH, EN], [YUE], [EOS]),
        ("mandarin,yue", False, [ZH], [MANDARIN, YUE], [EOS]),
        ("zh,en,yue", True, [ZH, EN], [MANDARIN, YUE, WU], [EOS]),
    ],
)
def test_what_may_follow_what(languages, constrain, first, after_zh, after_en):
    grammar = Grammar(SYMBOLS, constrain=constrain, languages=[code for code in languages.split(",") if code])
    assert grammar.first() == first
    assert grammar.second(EN) == after_en
    assert grammar.second(ZH) == after_zh
    assert grammar.free is (not languages and not constrain)


def test_without_restrictions_the_table_of_what_may_follow_holds_nothing_back(random_model):
    lid = Lid.from_pretrained(random_model, device="cpu")
    assert lid._masks == []


@pytest.mark.parametrize(
    ("options", "possible"),
    [
        ({"constrain": True}, {"zh mandarin", "zh yue", "zh wu", "en", "ja"}),
        ({"languages": "en, yue"}, {"zh yue", "en"}),
        ({"languages": "ja"}, {"ja"}),
        ({"languages": "wu,mandarin", "constrain": True}, {"zh wu", "zh mandarin"}),
    ],
)
def test_only_these_may_win(options, possible, golden, random_model):
    directory, _, speech = golden
    for model in (directory, random_model):
        results = Lid.from_pretrained(model, LidConfig(**options), "cpu").identify(speech)
        assert {result.lang for result in results} <= possible
        for result in results:
            assert sum(guess.probability for guess in result.top) == pytest.approx(1, abs=1e-5)
            spoken = next((guess.dialects for guess in result.top if guess.language == "zh"), None)
            if spoken is not None and "zh" not in possible and options.get("constrain"):
                assert sum(spoken.values()) == pytest.approx(1, abs=1e-5)


def test_a_language_the_model_does_not_know(random_model):
    with pytest.raises(OptionError, match=r"languages: xx unknown to this model; it knows zh, en"):
        Lid.from_pretrained(random_model, LidConfig(languages="en,xx"), "cpu")
    with pytest.raises(OptionError, match="<eos> unknown"):
        Lid.from_pretrained(random_model, LidConfig(languages="<eos>"), "cpu")


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_company_changes_nothing(dtype, random_model):
    lid = Lid.from_pretrained(random_model, LidConfig(dtype=dtype, batch_seconds=20), "cpu")
    speech = [speech_of_seconds(seconds, n) for n, seconds in enumerate((1, 3.3, 0.5, 7, 2, 2, 12))]
    together = lid.identify(speech)
    for one, result in zip(speech, together, strict=True):
        (alone,) = lid.identify([one])
        assert alone.lang == result.lang
        assert alone.confidence == pytest.approx(result.confidence, abs=1e-5)


def test_long_utterances_are_heard_in_stretches(random_model, monkeypatch):
    """An hour: its first and its loudest half minute, in that order, and never more."""
    one = speech_of_seconds(3600)
    one.feats[200_000:203_000] += 5
    heard = []
    encode = Loaded.encode
    monkeypatch.setattr(Loaded, "encode", lambda self, batch: heard.extend(batch) or encode(self, batch))
    (result,) = Lid.from_pretrained(random_model, device="cpu").identify([one])
    assert [len(part.feats) for part in heard] == [3000, 3000]
    assert torch.equal(heard[0].feats, one.feats[:3000])
    assert torch.equal(heard[1].feats, one.feats[200_000:203_000])
    assert result.dur_s == 3600
    answers = Lid.from_pretrained(random_model, device="cpu").identify(heard[:2])
    assert result.confidence == max(answer.confidence for answer in answers)
    for stretch, start in (("first", 0), ("best", 200_000)):
        heard.clear()
        Lid.from_pretrained(random_model, LidConfig(stretch=stretch, max_seconds=10), "cpu").identify([one])
        assert [len(part.feats) for part in heard] == [1000]
        assert stretch == "best" or torch.equal(heard[0].feats, one.feats[start : start + 1000])


def test_the_loudest_stretch_is_the_first_of_equals():
    feats = torch.zeros(100, 2)
    assert lid_module._loudest(feats, 10) == 0
    feats[50:60] = 1
    assert lid_module._loudest(feats, 10) == 50
    assert lid_module._loudest(feats, 100) == 0


def test_call_with_samples(golden):
    directory, cases, _ = golden
    path = directory.parent / cases["b1"][4]["wav"]
    samples, _ = soundfile.read(path, dtype="int16")
    lid = Lid.from_pretrained(directory, device="cpu")
    assert lid(path).lang == lid(samples, "x").lang == "en"


def test_a_recognition_model_is_refused(random_model, tmp_path):
    wrong = tmp_path / "model"
    wrong.mkdir()
    for name in ("cmvn.ark", "dict.txt"):
        (wrong / name).write_bytes((random_model / name).read_bytes())
    args = Namespace(odim=11, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    torch.save({"args": args, "model_state_dict": {}}, wrong / CHECKPOINT)
    with pytest.raises(ModelError, match="lid_odim not given"):
        Lid.from_pretrained(wrong)


def test_labels_have_names():
    known = {(label.level, label.code): label for label in labels()}
    assert len(known) == len(labels()) == 114
    assert known["language", "zh"].english == "Chinese"
    assert known["dialect", "yue"].chinese.startswith("中文 (粤语")
    assert len(dialects()) == 8
    assert all(label.english and label.chinese for label in labels())
    assert split_label("zh mandarin") == ("zh", "mandarin")
    assert split_label("en") == ("en", None)


def test_the_list_needs_no_model():
    done = command("--list")
    assert done.returncode == 0, done.stderr
    assert "dialect\tyue\t" in done.stdout
    assert done.stdout.count("\n") == 114


def test_command_on_segments_and_on_features(golden, tmp_path):
    directory = golden[0]
    data = tmp_path / "data"
    data.mkdir()
    (data / "wav.scp").write_text(f"long {directory.parent}/wav/long.wav\n")
    (data / "segments").write_bytes((directory.parent / "long.segments").read_bytes())
    flags = ["--model", directory, "--constrain"]
    done = command(data, tmp_path / "a", *flags)
    assert done.returncode == 0, done.stderr
    langs, confidences = table(tmp_path / "a/utt2lang"), table(tmp_path / "a/utt2lang_conf")
    results = [json.loads(line) for line in (tmp_path / "a/lid.jsonl").read_text().splitlines()]
    assert len(langs) == 12
    assert list(langs) == list(confidences) == [one["uttid"] for one in results]
    for one in results:
        assert list(one) == ["uttid", "lang", "language", "dialect", "confidence", "dur_s", "top"]
        assert (
            langs[one["uttid"]]
            == one["lang"].replace(" ", "-")
            == "-".join(filter(None, (one["language"], one["dialect"])))
        )
        assert confidences[one["uttid"]] == f"{one['confidence']:.3f}"
    assert {"zh-mandarin", "en"} <= set(langs.values())
    assert (tmp_path / "a/segments").read_text() == (data / "segments").read_text()
    assert "constrain: true" in (tmp_path / "a/config.yaml").read_text()
    assert (tmp_path / "a/failed").read_text() == ""
    assert subprocess.run([BIN / "firered-fbank", data, tmp_path / "f"]).returncode == 0
    assert command(tmp_path / "f", tmp_path / "b", *flags).returncode == 0
    assert (tmp_path / "a/lid.jsonl").read_text() == (tmp_path / "b/lid.jsonl").read_text()


def test_bad_recordings_harm_nobody_and_are_done_again(random_model, tmp_path):
    rng = np.random.default_rng(0)
    for name, length in (("good", 16000), ("tooshort", 200)):
        soundfile.write(tmp_path / f"{name}.wav", (rng.standard_normal(length) * 900).astype(np.int16), 16000)
    (tmp_path / "broken.wav").write_text("not audio")
    done = command(
        *(tmp_path / f"{name}.wav" for name in ("good", "tooshort", "broken")),
        tmp_path / "out",
        "--model",
        random_model,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert table(tmp_path / "out/utt2lang").keys() == {"good"}
    assert table(tmp_path / "out/failed").keys() == {"tooshort", "broken"}
    soundfile.write(tmp_path / "broken.wav", (rng.standard_normal(16000) * 900).astype(np.int16), 16000)
    done = command(
        *(tmp_path / f"{name}.wav" for name in ("good", "broken")), tmp_path / "out", "--model", random_model
    )
    assert done.returncode == 0, done.stderr
    assert table(tmp_path / "out/utt2lang").keys() == {"good", "broken"}
