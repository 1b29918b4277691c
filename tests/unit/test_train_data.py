"""Training data: what is read, left out and reported, noise and labels, dictionaries, and the sample settings."""

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from support.signals import noise, sine, write_wav
from support.train_corpus import NO_MASKS, SMALL_AED, SMALL_VAD, TEXTS, make_all, run, values

from firered.audio.framing import num_frames
from firered.audio.frontend import Cmvn, fbank
from firered.audio.load import read
from firered.data.archives import write_matrix
from firered.data.datadir import read_table, write_table
from firered.errors import DataError, FireRedError, ModelError, OptionError
from firered.text.tokenizer import Tokenizer
from firered.train.data.augment import AS_IT_IS, Draw, WaveAugment, change_speed
from firered.train.data.config import AugmentConfig, TokensConfig
from firered.train.data.labels import read_spans
from firered.train.data.tokens import make_tokens
from firered.train.data.transcribed import frames_at
from firered.train.settings import load_settings, settings_of
from firered.train.tasks import TASKS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def build(content):
    settings = settings_of(content, "test")
    return TASKS[settings.task].build(settings)


def left_out(task):
    return sorted(str(problem) for problem in task.left_out)


def test_an_example_is_the_normalised_features_and_the_transcript(corpus, tmp_path):
    task = build(values("aed", corpus, tmp_path, steps=1, model=SMALL_AED))
    key, feats, (ids, labelled) = task.train.item(task.train.keys.index("a2"), 0)
    cmvn = Cmvn.read(tmp_path / "cmvn.ark")
    torch.testing.assert_close(feats, cmvn(fbank(read(corpus / "data/a2.wav"))))
    assert (key, ids) == ("a2", Tokenizer.from_dir(corpus / "tokens").tokenize("好天气").ids)
    assert labelled == (0, -(-len(feats) // 4))
    every = torch.cat([task.train.item(index, None)[1] for index in range(6)])
    assert every.mean(0).abs().max() < 1e-4
    assert every.std(0, unbiased=False) == pytest.approx(1.0, abs=1e-3)


def test_stored_features_are_used_unless_audio_is_changed(corpus, tmp_path):
    folder = tmp_path / "data"
    feats = np.random.default_rng(0).normal(0, 1, (60, 80)).astype(np.float32)
    folder.mkdir()
    write_matrix(folder / "a1.ark", feats)
    write_table(folder / "feats.scp", {"a1": str(folder / "a1.ark")})
    write_table(folder / "text", {"a1": "你好"})
    content = values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED, data={"train": str(folder)})
    found = build(content).train.item(0, 0)[1]
    torch.testing.assert_close(found, Cmvn.read(tmp_path / "exp/cmvn.ark")(torch.from_numpy(feats)))
    with pytest.raises(DataError, match=r"1 utterances have stored features only \(a1, ...\): speeds, noise"):
        build(content | {"augment": {"speeds": "0.9 1.1"}})


def test_pure_noise_has_no_text_and_no_voice(corpus, tmp_path):
    write_wav(tmp_path / "noise/hum.wav", noise(8000, amplitude=0.1))
    augment = {"noise": str(tmp_path / "noise"), "pure_noise_prob": 1.0}
    for task, model in (("aed", SMALL_AED), ("mvad", SMALL_VAD)):
        task_data = build(values(task, corpus, tmp_path / task, steps=1, model=model, augment=augment))
        items = [task_data.train.item(index, 0) for index in range(6)]
        assert all(len(item[2][0]) == 0 if task == "aed" else not item[2].any() for item in items)
        # the noise of half a second repeats
        assert all(torch.isfinite(item[1]).all() for item in items)
        assert len(task_data.dev.item(0, None)[2]) > 0


@pytest.fixture(scope="module")
def noises(tmp_path_factory):
    folder = tmp_path_factory.mktemp("noise")
    write_wav(folder / "hum.wav", sine(2.0, hertz=100.0))
    return folder


@pytest.mark.parametrize("snr_db", [-5.0, 10.0, 20.0])
def test_noise_is_added_at_the_ratio_of_the_speech_alone(noises, snr_db):
    augment = WaveAugment(AugmentConfig(noise=str(noises)), seed=0)
    speech = noise(16000, amplitude=0.2).astype(np.float32) * 32768
    draw = Draw(before=4000, after=2000, snr_db=snr_db)
    added = augment.apply(speech, draw, np.random.default_rng(0)) - np.pad(speech, (4000, 2000))
    ratio = 10 * np.log10(np.mean(speech**2) / np.mean(added**2))
    assert ratio == pytest.approx(snr_db, abs=0.01)
    assert np.abs(np.fft.rfft(added)).argmax() * 16000 / len(added) == pytest.approx(100, abs=1)
    assert (augment.apply(speech, AS_IT_IS, np.random.default_rng(0)) == speech).all()


def test_noise_that_is_not_there(tmp_path):
    with pytest.raises(FireRedError, match="nowhere"):
        WaveAugment(AugmentConfig(noise=str(tmp_path / "nowhere")), seed=0)
    with pytest.raises(DataError, match="nor a folder with audio files"):
        WaveAugment(AugmentConfig(noise=str(tmp_path)), seed=0)


RTTM = """SPKR-INFO r1 1 <NA> <NA> <NA> unknown anna <NA>
SPEAKER r1 1 0.50 1.00 <NA> <NA> speech <NA> <NA>
SPEAKER r1 1 1.20 0.50 <NA> <NA> music <NA> <NA>
SPEAKER r1 1 2.00 0.50 <NA> <NA> anna <NA> <NA>
SPEAKER r1 1 3.00 0.50 <NA> <NA> noise <NA> <NA>
"""
GRID = """File type = "ooTextFile"
Object class = "TextGrid"

0
4
<exists>
2
"IntervalTier"
"music"
0
4
3
0
1
""
1
2
"piano"
2
4
""
"IntervalTier"
"words"
0
4
2
0
1.5
"hello"
1.5
4
"sil"
"""


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("rttm", RTTM, [(0.5, 1.5, "speech"), (1.2, 1.7, "music"), (2.0, 2.5, "speech")]),
        ("segments", "u1 r1 0.5 1.5\nu2 r1 2.0 2.5\n", [(0.5, 1.5, "speech"), (2.0, 2.5, "speech")]),
        ("textgrid/r1.TextGrid", GRID, [(1.0, 2.0, "music"), (0.0, 1.5, "speech")]),
    ],
)
def test_labels_are_read(tmp_path, name, content, expected):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(content)
    problems = []
    spans = read_spans(tmp_path, "auto", ["r1"], problems)
    assert [(pytest.approx(start), pytest.approx(end), event) for start, end, event in spans["r1"]] == expected
    assert problems == []


def test_labels_that_are_missing_or_damaged(tmp_path):
    with pytest.raises(DataError, match=r"no labels here \(rttm, textgrid/ID.TextGrid or segments\)"):
        read_spans(tmp_path, "auto", ["r1"], [])
    (tmp_path / "rttm").write_text("SPEAKER r1 1 zero 1.00 <NA> <NA> speech <NA> <NA>\n")
    with pytest.raises(DataError, match="rttm:1: time 'zero' is not a number"):
        read_spans(tmp_path, "rttm", ["r1"], [])
    (tmp_path / "rttm").write_text("SPEAKER r1 1 0.5 1.00\n")
    with pytest.raises(DataError, match="rttm: 5 fields where 8 are needed"):
        read_spans(tmp_path, "rttm", ["r1"], [])
    (tmp_path / "textgrid").mkdir()
    (tmp_path / "textgrid/r2.TextGrid").write_text("no grid")
    problems = []
    assert read_spans(tmp_path, "textgrid", ["r1", "r2"], problems) == {}
    assert [problem.key for problem in problems] == ["r1", "r2"]


def test_long_recordings_are_cut_with_their_labels(corpus, tmp_path):
    data = {"max_frames": 40, "min_frames": 10}
    whole = build(values("vad", corpus, tmp_path / "whole", steps=1, model=SMALL_VAD)).train
    cut = build(values("vad", corpus, tmp_path / "cut", steps=1, model=SMALL_VAD, data=data)).train
    index = whole.keys.index("b3")
    parts = [cut.item(number, None) for number, key in enumerate(cut.keys) if key.startswith("b3-")]
    assert [key for key, _, _ in parts] == ["b3-0000000", "b3-0000040", "b3-0000080", "b3-0000120"][: len(parts)]
    labels = np.concatenate([labels for _, _, labels in parts])
    assert (labels == whole.item(index, None)[2][: len(labels)]).all()
    assert all(len(feats) == len(labels) <= 40 for _, feats, labels in parts)


def test_lengths_out_of_bounds_are_listed(corpus, tmp_path):
    data = {"min_frames": 95, "max_frames": 125, "max_tokens": 2}
    content = values("aed", corpus, tmp_path, steps=1, model=SMALL_AED, data=data)
    run(content)
    lines = (tmp_path / "left_out").read_text().splitlines()
    assert "a1 too short: 88 frames, min_frames is 95" in lines
    assert "b3 too long: 138 frames, max_frames is 125" in lines
    assert "a2 too long: 3 tokens, max_tokens is 2" in lines


def test_utterances_too_short_for_ctc_are_listed(corpus, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    write_table(data / "wav.scp", {"a1": f"{corpus}/data/a1.wav", "a2": f"{corpus}/data/a2.wav"})
    write_table(data / "text", {"a1": "好" * 12, "a2": "好天" * 5})
    model = SMALL_AED | {"ctc_weight": 0.5}
    task = build(values("aed", corpus, tmp_path / "exp", steps=1, model=model, data={"train": str(data)}))
    # 88 frames are 22 of the encoder's; 12 tokens that are the same need 23
    assert left_out(task) == ["a1 too short: 88 frames for 12 tokens in the CTC loss"]


def test_what_ctc_needs_is_counted_at_the_fastest_speed(corpus, tmp_path):
    """No utterance that is kept has fewer frames than its tokens and the blanks between equal ones, at any speed."""
    data = tmp_path / "data"
    keys = {f"u{number:02d}": number for number in range(40)}
    for key, number in keys.items():
        write_wav(data / f"{key}.wav", noise(8000 + 37 * number, seed=number))
    write_table(data / "wav.scp", {key: str(data / f"{key}.wav") for key in keys})
    write_table(data / "text", {key: "好好" + "天气" * (number % 6) for key, number in keys.items()})
    sections = {"data": {"train": str(data)}, "augment": {"speeds": "0.9 1.0 1.1"}}
    task = build(values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED | {"ctc_weight": 0.5}, **sections))
    listed = [str(problem) for problem in task.left_out if problem.key in keys]
    assert all("tokens in the CTC loss at speed 1.1" in line for line in listed)
    assert 0 < len(listed) < len(keys)
    for epoch in range(6):
        for index in range(len(task.train.keys)):
            _, feats, (ids, _) = task.train.item(index, epoch)
            assert -(-len(feats) // 4) >= len(ids) + 1
    losses = [line["loss"] for line in run(values("aed", corpus, tmp_path / "exp2", steps=8,
              model=SMALL_AED | {"ctc_weight": 1.0}, **sections)) if line["kind"] == "train"]  # fmt: skip
    assert all(map(np.isfinite, losses))


@pytest.mark.parametrize("speed", [0.9, 1.0, 1.1, 1.37])
def test_the_fewest_frames_of_a_speed(speed):
    found = []
    for samples in range(400, 4000, 13):
        frames = num_frames(samples)
        after = num_frames(len(change_speed(np.zeros(samples, np.float32), speed)))
        assert frames_at(frames, speed) <= after
        found.append(after - frames_at(frames, speed))
    assert max(found) <= 2


@pytest.mark.parametrize(("unknown", "fate"), [("unk", "trained on as <unk>"), ("skip", "skipped")])
def test_characters_outside_the_dictionary_are_counted(corpus, tmp_path, caplog, unknown, fate):
    dictionary_without(tmp_path / "tokens", corpus, "天", "气")
    data = {"tokens": str(tmp_path / "tokens"), "unknown": unknown}
    with caplog.at_level(logging.WARNING):
        task = build(values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED, data=data))
    message = f"data.train: 3 texts with tokens outside the dictionary, {fate}: 天 (3) 气 (2)"
    assert message in caplog.text
    if unknown == "unk":
        assert task.train.item(task.train.keys.index("b1"), None)[2][0] == [1, 1]
    else:
        assert task.train.keys == ["a1", "a3", "b3"]
        assert "b1 not in the dictionary: 天 天" in left_out(task)


def test_characters_outside_the_dictionary_can_be_refused(corpus, tmp_path):
    dictionary_without(tmp_path / "tokens", corpus, "天", "气")
    data = {"tokens": str(tmp_path / "tokens"), "unknown": "refuse"}
    with pytest.raises(DataError, match=r"a2: 天 气 not in .*dict.txt"):
        build(values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED, data=data))


def dictionary_without(folder, corpus, *characters):
    symbols = [line.split()[0] for line in (corpus / "tokens/dict.txt").read_text().splitlines()]
    kept = [symbol for symbol in symbols if symbol not in characters]
    folder.mkdir()
    (folder / "dict.txt").write_text("".join(f"{symbol} {number}\n" for number, symbol in enumerate(kept)))


@pytest.mark.parametrize(
    ("task", "data", "error", "message"),
    [
        ("aed", {"dev": ""}, OptionError, "data.dev: no data directory given"),
        ("aed", {"dev": "EMPTY"}, DataError, "data.dev: no utterance is left in .*too short"),
        ("vad", {"dev": "EMPTY"}, DataError, "data.dev: no recording is left"),
        ("aed", {"train": "/nowhere"}, FireRedError, "/nowhere"),
        ("aed", {"tokens": ""}, ModelError, "data.tokens: no dictionary given"),
        ("lm", {"dev": ""}, OptionError, "data.dev: no data directory and no text file given"),
        ("lm", {"dev": "NOTHING"}, DataError, "data.dev: no sentence is left"),
        ("lid", {"train": "NO_LANGUAGES"}, DataError, "no utt2lang here"),
    ],
)
def test_data_that_cannot_be_used(corpus, tmp_path, task, data, error, message):
    for name in ("EMPTY", "NO_LANGUAGES"):
        (tmp_path / name).mkdir()
        write_wav(tmp_path / name / "s.wav", noise(800))
        write_table(tmp_path / name / "wav.scp", {"s": str(tmp_path / name / "s.wav")})
        write_table(tmp_path / name / "text", {"s": "你"})
        (tmp_path / name / "rttm").write_text("")
    (tmp_path / "NOTHING").write_text("\n\n")
    data = {key: str(tmp_path / value) if value.isupper() else value for key, value in data.items()}
    with pytest.raises(error, match=message):
        build(values(task, corpus, tmp_path / "exp", steps=1, data=data))


def test_a_model_that_is_to_be_fine_tuned_keeps_its_dictionary(corpus, tmp_path):
    run(values("aed", corpus, tmp_path / "first", steps=1, model=SMALL_AED, specaugment=NO_MASKS))
    dictionary_without(tmp_path / "tokens", corpus, "天")
    model, data = {"init": str(tmp_path / "first")}, {"tokens": str(tmp_path / "tokens")}
    with pytest.raises(ModelError, match="another dictionary than"):
        build(values("aed", corpus, tmp_path / "second", steps=1, model=model, data=data))
    with pytest.raises(OptionError, match="lora needs a model to start from"):
        build(values("aed", corpus, tmp_path / "second", steps=1, model={"finetune": "lora"}))


def test_dictionary_of_characters_by_how_often_they_come(tmp_path):
    (tmp_path / "text.txt").write_text("天天好，你好好\n")
    make_tokens(str(tmp_path / "text.txt"), tmp_path / "out", TokensConfig(min_count=2))
    assert (tmp_path / "out/dict.txt").read_text().split("\n")[:-1] == [
        "<blank> 0", "<unk> 1", "<pad> 2", "<sos> 3", "<eos> 4", "好 5", "天 6"
    ]  # fmt: skip
    assert not (tmp_path / "out/train_bpe1000.model").exists()


def test_dictionary_and_pieces_of_mixed_text(tmp_path):
    lines = ["hello there 你好", "hello again", "there again 天气", "say hello again there"]
    write_table(tmp_path / "text", {f"u{n}": line for n, line in enumerate(lines)})
    make_tokens(str(tmp_path), tmp_path / "out", TokensConfig(pieces=30))
    tokenizer = Tokenizer.from_dir(tmp_path / "out")
    for line in lines:
        ids = tokenizer.tokenize(line).ids
        assert 1 not in ids
        assert tokenizer.text_of(ids).replace(" ", "") == line.replace(" ", "")
    assert tokenizer.tokenize("hello").tokens[0].startswith("▁HE")


@pytest.mark.parametrize(
    ("text", "pieces", "message"), [("", 10, "no text here"), ("ab\n", 500, "500 pieces cannot be learnt of this text")]
)
def test_too_little_text(tmp_path, text, pieces, message):
    (tmp_path / "text.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        make_tokens(str(tmp_path / "text.txt"), tmp_path / "out", TokensConfig(pieces=pieces))


@pytest.mark.parametrize("path", sorted((ROOT / "conf/train").glob("*.yaml")), ids=lambda path: path.stem)
def test_sample_settings_can_be_loaded(path):
    settings = load_settings(path)
    assert settings.sections["data"].train
    assert str(settings.out).startswith("exp/")
    again = settings_of(yaml.safe_load(settings.to_yaml()), "again")
    assert again == settings


def test_every_task_and_size_has_sample_settings():
    samples = [load_settings(path) for path in (ROOT / "conf/train").glob("*.yaml")]
    assert {sample.task for sample in samples} == TASKS.keys()
    sizes = {
        sample.sections["model"].size
        for sample in samples
        if sample.task == "aed" and not sample.sections["model"].init
    }
    assert sizes == {"XS", "S", "M", "L"}
    for task in ("llm", "fun-asr"):
        assert {sample.sections["model"].stage for sample in samples if sample.task == task} == set(range(6))


def test_texts_of_the_corpus_are_all_in_the_dictionary(corpus):
    tokenizer = Tokenizer.from_dir(corpus / "tokens")
    assert all(1 not in tokenizer.tokenize(text).ids for text in TEXTS.values())
    assert read_table(corpus / "data/text") == TEXTS
