"""What a run depends on: a change in it is noticed and named, at the cost of a look at each file."""

import os
from dataclasses import dataclass

import pytest

from firered.asr.aed_config import AsrConfig
from firered.audio.config import AudioConfig
from firered.data.utterance import Utterance
from firered.options import Options, option
from firered.runs.depends import changed_names, fingerprint, models_of, sources_of
from firered.runtime.config import ContextConfig

SMALL, LARGE = b"small", bytes((1 << 20) + 1)


@pytest.fixture
def model(tmp_path):
    """A model directory with a base language model inside, by a link, and things that no model is loaded from."""
    directory, base = tmp_path / "model", tmp_path / "Qwen"
    for path in ("model.pth.tar", "dict.txt", "checkpoints/state.pt", ".cache"):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(LARGE if path == "model.pth.tar" else SMALL)
    base.mkdir()
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (base / name).write_bytes(SMALL)
    (directory / "Qwen").symlink_to(base)
    return directory


def change(path, how):
    """Change a file: its time, or its content where size and time stay the same."""
    state = path.stat()
    if how == "content":
        path.write_bytes(bytes(state.st_size))
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    else:
        os.utime(path, (1, 1))


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("model.pth.tar", "time"),
        ("dict.txt", "time"),
        ("dict.txt", "content"),
        ("Qwen/config.json", "content"),
        ("Qwen/model.safetensors", "time"),
        ("Qwen/tokenizer.json", "time"),
    ],
)
def test_a_changed_file_of_a_model_is_named(model, name, how):
    before = fingerprint("asr", AudioConfig(), model).to_dict()
    assert fingerprint("asr", AudioConfig(), model).changed(before) == []
    change(model / name, how)
    assert fingerprint("asr", AudioConfig(), model).changed(before) == [str((model / name).resolve())]
    assert fingerprint("asr", AudioConfig(channel="1"), model).changed(before) == ["other settings"]


def test_files_that_come_go_or_are_linked_elsewhere(model, tmp_path):
    before = fingerprint("asr", model).to_dict()
    (model / "train_bpe1000.model").write_bytes(SMALL)
    assert fingerprint("asr", model).changed(before) == [str(model / "train_bpe1000.model")]
    (model / "train_bpe1000.model").unlink()
    (model / "dict.txt").unlink()
    assert fingerprint("asr", model).changed(before) == [str(model / "dict.txt")]
    (model / "Qwen").unlink()
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_bytes(SMALL)
    (model / "Qwen").symlink_to(tmp_path / "other")
    assert str(tmp_path / "other/config.json") in fingerprint("asr", model).changed(before)


def test_what_no_model_is_loaded_from_may_change(model):
    before = fingerprint("asr", model).to_dict()
    change(model / "checkpoints/state.pt", "time")
    change(model / ".cache", "time")
    assert fingerprint("asr", model).changed(before) == []


@dataclass(frozen=True)
class _Reading(Options):
    words: str | None = option(None, "a file", model="")
    other: str | None = option(None, "a name")


def test_files_and_models_that_options_name_count(model, tmp_path):
    asr = AsrConfig(elm_dir=str(model), elm_weight=0.3)
    assert list(models_of(asr)) == [model]
    assert list(models_of(AsrConfig(elm_dir=str(tmp_path / "nowhere")))) == []
    before = fingerprint("asr", asr).to_dict()
    change(model / "dict.txt", "time")
    assert fingerprint("asr", asr).changed(before) == [str(model / "dict.txt")]
    (tmp_path / "words").write_bytes(SMALL)
    reading = _Reading(words=str(tmp_path / "words"), other=str(model))
    before = fingerprint("asr", reading).to_dict()
    change(tmp_path / "words", "content")
    change(model / "model.pth.tar", "time")
    assert fingerprint("asr", reading).changed(before) == [str(tmp_path / "words")]


@pytest.mark.parametrize(
    ("utterance", "files"),
    [
        (Utterance("a", "a", "AT/a.wav"), ["AT/a.wav"]),
        (Utterance("a", "a", "AT/a.ark:17"), ["AT/a.ark"]),
        (Utterance("a", "a", "cat 'AT/a b.sph' | sox - -t wav - |"), ["AT/a b.sph"]),
        (Utterance("a", "a", "cat 'AT/a.wav |"), []),  # quotes that do not match are the command's own trouble
        (Utterance("a", "a", feats="AT/a.ark:17[3:9]"), ["AT/a.ark"]),
        (Utterance("a", "a", "AT/a.wav", feats="AT/x y/a:1.ark:17"), ["AT/a.wav", "AT/x y/a:1.ark"]),
    ],
)
def test_what_an_utterance_is_made_of(utterance, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / file.removeprefix("AT/") for file in files]
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(SMALL)
    placed = Utterance("a", "a", utterance.rxfilename.replace("AT", str(tmp_path)), feats=utterance.feats.replace(
        "AT", str(tmp_path)
    ))  # fmt: skip
    before = sources_of([placed])["a"]
    (tmp_path / "new").mkdir()  # the working directory is no part of it
    assert changed_names(before, sources_of([placed])["a"]) == []
    for path in paths:
        change(path, "time")
        assert changed_names(before, sources_of([placed])["a"]) == [str(path)]
        before = sources_of([placed])["a"]


def test_the_place_of_an_utterance_and_what_else_is_known_of_it():
    one = Utterance("a", "r", "x.wav", start_s=1.0, end_s=2.0)
    before = sources_of([one], {"a": "text"}.__getitem__)["a"]
    for other, also in ((Utterance("a", "r", "x.wav", start_s=1.0, end_s=2.5), "text"), (one, "another text")):
        assert changed_names(before, sources_of([other], {"a": also}.__getitem__)["a"]) == [""]


def test_each_file_is_looked_at_once(tmp_path, monkeypatch):
    looked = []
    real = os.stat
    monkeypatch.setattr(os, "stat", lambda path, **how: (looked.append(str(path)), real(path, **how))[1])
    (tmp_path / "feats.ark").write_bytes(SMALL)
    (tmp_path / "r.wav").write_bytes(SMALL)
    cuts = [
        Utterance(f"u{n}", "r", f"{tmp_path}/r.wav", start_s=n, end_s=n + 1, feats=f"{tmp_path}/feats.ark:{n}")
        for n in range(1000)
    ]
    sources_of(cuts)
    assert sorted(path for path in looked if path.startswith(str(tmp_path))) == [
        f"{tmp_path}/feats.ark",
        f"{tmp_path}/r.wav",
    ]


def test_a_changed_list_of_hotwords_is_noticed(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("one\n")
    before = fingerprint("transcribe", ContextConfig(hotwords=str(path))).to_dict()
    path.write_text("two\n")
    assert fingerprint("transcribe", ContextConfig(hotwords=str(path))).changed(before) == [str(path)]
