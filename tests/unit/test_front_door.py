"""The front door: audio in any form into every module, batches in order, `load`, `transcribe`, and what is exported."""

import ast
import inspect
import io
import logging
import math
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.close import assert_same
from support.paths import TOP
from support.signals import noise, write_wav
from support.tools import needs_ffmpeg

import firered
from firered import (
    Aligner,
    Asr,
    AudioError,
    Context,
    FireRedError,
    Lid,
    LlmAsr,
    ModelError,
    Mvad,
    OptionError,
    Punc,
    Rxfilename,
    StreamVad,
    System,
    Vad,
)
from firered.audio.config import AudioConfig
from firered.audio.frontend import fbank
from firered.audio.like import as_frames
from firered.audio.load import read
from firered.audio.spool import Spool

MODELS = TOP / "egs/mini/models"
RECORDING = TOP / "egs/mini/test/wav/f3-en-00000.flac"
LONGER = TOP / "egs/mini/test/wav/f3-zh-00003.flac"
TEXT = "what a cheap phone"


@pytest.fixture(scope="module")
def loaded():
    """Every module of the bundled models."""
    kinds = {
        "vad": "FireRedVAD/VAD",
        "stream_vad": "FireRedVAD/Stream-VAD",
        "mvad": "FireRedVAD/AED",
        "lid": "FireRedLID",
        "asr": "FireRedASR2-AED",
        "punc": "FireRedPunc",
    }
    modules = {kind: firered.load(MODELS / name, device="cpu") for kind, name in kinds.items()}
    modules["aligner"] = firered.load(MODELS / "FireRedASR2-AED", as_="aligner", device="cpu")
    modules["system"] = firered.load(MODELS, device="cpu")
    return modules


def samples():
    found, rate = soundfile.read(RECORDING, dtype="int16")
    assert rate == 16000
    return found


def unseekable(content):
    """A file that can only be read once, from its start to its end, as a response from a network."""

    class Response(io.RawIOBase):
        def __init__(self):
            self.rest = io.BytesIO(content)

        def readable(self):
            return True

        def readinto(self, buffer):
            return self.rest.readinto(buffer)

        def seek(self, *_):
            raise io.UnsupportedOperation("seek")

    return Response()


def within(folder):
    """A file opened in the middle of a larger one, whose content stands before the recording."""
    path = folder / "joined"
    path.write_bytes(b"something else" + RECORDING.read_bytes())
    file = path.open("rb")
    file.seek(len(b"something else"))
    return file


FORMS = {
    "str": lambda folder: str(RECORDING),
    "path": lambda folder: RECORDING,
    "pipe": lambda folder: Rxfilename(f"cat {RECORDING} |"),
    "archive": lambda folder: Rxfilename(archived(folder)),
    "bytes": lambda folder: RECORDING.read_bytes(),
    "memoryview": lambda folder: memoryview(RECORDING.read_bytes()),
    "BytesIO": lambda folder: io.BytesIO(RECORDING.read_bytes()),
    "file": lambda folder: RECORDING.open("rb"),
    "file from its middle": within,
    "response": lambda folder: unseekable(RECORDING.read_bytes()),
    "int16": lambda folder: samples(),
    "int32": lambda folder: samples().astype(np.int32) << 16,
    "float32": lambda folder: (samples() / 32768).astype(np.float32),
    "float64": lambda folder: samples() / 32768,
    "two channels": lambda folder: np.stack([samples()] * 2, 1),
    "with rate": lambda folder: (samples(), 16000),
    "tensor": lambda folder: torch.from_numpy(samples()),
    "tensor (1, n)": lambda folder: torch.from_numpy(samples())[None] / 32768,
    "tensor (2, n)": lambda folder: torch.from_numpy(samples()).repeat(2, 1),
    "tensor with gradient": lambda folder: (torch.from_numpy(samples()) / 32768).requires_grad_(),
    "tensor with rate": lambda folder: (torch.from_numpy(samples()), np.int64(16000)),
}


def archived(folder):
    """`archive:offset` of the recording as a wav inside a larger file."""
    wav = write_wav(folder / "a.wav", samples(), subtype="PCM_16").read_bytes()
    (folder / "wav.ark").write_bytes(b"utt1 " + wav)
    return f"{folder / 'wav.ark'}:5"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_frames(form, tmp_path):
    expected = torch.cat(list(as_frames(RECORDING)))
    frames = as_frames(FORMS[form](tmp_path), "id")
    assert torch.equal(torch.cat(list(frames)), expected)
    assert (frames.key, frames.duration_s) == ("id", len(samples()) / 16000)


@pytest.mark.parametrize("kind", ["vad", "stream_vad", "mvad", "lid", "asr", "system"])
def test_every_form_goes_into_every_module(kind, loaded, tmp_path):
    module = loaded[kind]
    expected = plain(module(RECORDING, "id"))
    assert expected["uttid"] == "id"
    for form, make in FORMS.items():
        found = plain(module(make(tmp_path), "id"))
        found.pop("wav_path", None)
        assert found == {name: value for name, value in expected.items() if name != "wav_path"}, form


def plain(result):
    return result.to_dict()


def test_the_aligner_takes_audio_and_text(loaded):
    result = loaded["aligner"](RECORDING.read_bytes(), TEXT)
    assert [word.text for word in result.words] == TEXT.split()
    starts = [word.start_s for word in result.words]
    assert starts == sorted(starts)
    assert starts[0] > 0
    assert result.words[-1].end_s <= len(samples()) / 16000
    with pytest.raises(AudioError, match="cannot be aligned"):
        loaded["aligner"](noise(1000), TEXT * 20)


@needs_ffmpeg
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "m4a", "webm"])
def test_formats_from_memory_are_those_from_disk(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", RECORDING, path], check=True)
    expected = torch.cat(list(as_frames(path)))
    for audio in (path.read_bytes(), path.open("rb"), Rxfilename(f"cat {path} |")):
        assert torch.equal(torch.cat(list(as_frames(audio))), expected)


def test_a_member_of_a_tar_file(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(RECORDING, "inside.flac")
    with tarfile.open(tmp_path / "a.tar") as tar:
        found = torch.cat(list(as_frames(tar.extractfile("inside.flac"))))
    assert torch.equal(found, torch.cat(list(as_frames(RECORDING))))


def test_a_path_is_never_a_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "ran"
    for audio in (f"touch {marker} |", Path(f"touch {marker} |")):
        with pytest.raises(AudioError, match="no such file"):
            list(as_frames(audio))
    assert not marker.exists()
    write_wav(tmp_path / "a.wav").rename("odd name |")
    assert torch.cat(list(as_frames("odd name |"))).shape == (48, 80)
    assert len(list(as_frames(Rxfilename(f"touch {marker}; cat 'odd name |' |")))) == 1
    assert marker.exists()


def test_ids_of_paths_are_their_names_without_suffix():
    assert as_frames(RECORDING).key == as_frames(str(RECORDING)).key == "f3-en-00000"
    assert as_frames(samples()).key == as_frames(b"").key == ""


def test_another_rate_is_resampled(tmp_path):
    signal = noise(22050)
    path = write_wav(tmp_path / "a.wav", signal, 22050, subtype="FLOAT")
    expected = torch.cat(list(as_frames(path)))
    for audio in ((signal, 22050), (torch.from_numpy(signal), 22050), (torch.from_numpy(signal)[None], 22050)):
        assert torch.equal(torch.cat(list(as_frames(audio))), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tensors_of_other_widths(dtype):
    signal = torch.from_numpy(noise(8000)).to(dtype)
    found = torch.cat(list(as_frames(signal)))
    assert torch.equal(found, torch.cat(list(as_frames(signal.float().numpy()))))


def test_a_channel_of_an_array():
    both = noise((8000, 2))
    found = torch.cat(list(as_frames(both, config=AudioConfig(channel="2"))))
    assert torch.equal(found, torch.cat(list(as_frames(both[:, 1]))))
    with pytest.raises(AudioError, match="channel 3 requested, the number of channels is 2"):
        list(as_frames(both, config=AudioConfig(channel="3")))


class NoFile:
    """An object with `read` that gives no bytes."""

    def read(self, size=-1):
        return "text"


@pytest.mark.parametrize(
    ("audio", "reason"),
    [
        (5, "int is no audio; accepted are a path"),
        (None, "NoneType is no audio"),
        ([0.1, 0.2], "list is no audio"),
        ([RECORDING], "list is no audio"),
        (io.StringIO("x"), "opened as text; open it with mode 'rb'"),
        (samples()[None], r"array of shape \(1, \d+\): expected \(n, channels\), transpose it"),
        (torch.zeros(16000, 2), r"tensor of shape \(16000, 2\): expected \(channels, n\), transpose it"),
        (torch.zeros(2, 2, 100), "expected samples"),
        (np.array(["a"]), "expected samples"),
        (torch.zeros(100, dtype=torch.complex64), "expected samples"),
        (np.zeros(100, np.uint8), "expected samples"),
        ((samples(), 0), "0 is no sample rate"),
        ((samples(), 16000.5), "is no sample rate"),
        ((samples(), -16000), "-16000 is no sample rate"),
        ((samples(), 1), "1 is no sample rate: expected 1000 to"),  # 16,000 samples of each
        ((samples(), 10**12), "is no sample rate"),
        ((samples(), math.nan), "nan is no sample rate"),
        ((samples(), "16000"), "'16000' is no sample rate"),
        ((samples(), None), "None is no sample rate"),
        ((samples(), [16000]), "is no sample rate"),
        ((samples(), np.bool_(True)), "is no sample rate"),
        ([0.1] * 400, "list is no audio; accepted are"),
        ([[0.1, 0.2], [0.1]], "list is no audio"),
        (["a.wav"], "list is no audio"),
        ({"array": samples()}, "dict is no audio"),
        (object(), "object is no audio"),
        (16000, "int is no audio"),
        (np.broadcast_to(np.float32(0.1), 10**12), "17361 hours, at most 1000"),
        (torch.zeros(1).expand(10**12), "17361 hours at 16 kHz"),
        (torch.zeros(1, 1, dtype=torch.float16).expand(2, 10**11), "3472 hours at 16 kHz"),
        (np.broadcast_to(np.int16(1), (10**11, 2)), "hours, at most 1000"),
        (torch.zeros(100, dtype=torch.bool), "got bool of shape"),
        (torch.zeros(100, dtype=torch.int64), "got int64 of shape"),
        (torch.zeros(()), "expected samples"),
        (torch.zeros(16000, device="meta"), "without values"),
        (torch.zeros(16000).to_sparse(), "sparse"),
        (torch.nested.nested_tensor([torch.zeros(3), torch.zeros(4)]), "nested"),
        (torch.quantize_per_tensor(torch.zeros(16000), 0.1, 0, torch.qint8), "quantized"),
        (np.array([{}, {}]), "got object of shape"),
        (np.zeros(100, "datetime64[s]"), "got datetime64"),
        (np.zeros(100, [("a", "f4")]), "of shape"),
        (bytes(10_000), "not audio|not wav"),
        (io.StringIO("text"), "opened as text"),
        (NoFile(), "not a binary file"),
        (Rxfilename(5), "Rxfilename is no audio"),
        ("a" * 5000, "File name too long"),
        ("a\0.wav", "null byte"),
        ("\ud800.wav", "surrogates|no such file"),
        ((samples(), True), "is no sample rate"),
        ((16000, samples()), "the sample rate comes second"),
        ((samples(), 16000, 1), "a tuple of 3 is no audio"),
        (("a.wav", 16000), "str is no audio"),
        (b"", "empty, there are no bytes"),
        (b"no audio at all", "not audio|not wav"),
        (io.BytesIO(), "empty"),
        (np.zeros(0, np.float32), "holds no samples"),
    ],
)
def test_what_is_no_audio_is_refused_with_its_name(audio, reason):
    with pytest.raises(AudioError, match=reason):
        list(as_frames(audio))


MISTAKES = {
    "numbers": [0.1] * 400,
    "a huge list": range(10**12),
    "a rate that is a string": (samples(), "16000"),
    "a rate that is nothing": (samples(), None),
    "a rate of 1 Hz": (samples(), 1),
    "complex": torch.zeros(16000, dtype=torch.complex64),
    "no device": torch.zeros(16000, device="meta"),
    "endless": np.broadcast_to(np.float32(0.1), 10**12),
    "an object": object(),
}


@pytest.mark.parametrize("audio", MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("name", ["vad", "stream_vad", "mvad", "lid", "asr"])
def test_every_module_refuses_at_once_what_is_no_audio(loaded, name, audio):
    with pytest.raises(FireRedError):
        loaded[name](audio)
    outcomes = loaded[name].batch([audio, RECORDING])
    assert isinstance(outcomes[0], FireRedError)
    assert not isinstance(outcomes[1], Exception)


def test_a_list_of_numbers_is_not_as_many_recordings(loaded):
    for numbers in ([0.1] * 400, range(10**12), [np.float32(0.1)]):
        with pytest.raises(OptionError, match="a list of numbers is no audio"):
            loaded["vad"].batch(numbers)
    for uttids in ("ab", 5, {"a": 1}):
        with pytest.raises(OptionError, match="uttids: expected a list of ids"):
            loaded["vad"].batch([RECORDING, RECORDING], uttids)
    with pytest.raises(OptionError, match="uttid: 5 is not a string"):
        loaded["vad"](RECORDING, 5)


@pytest.mark.parametrize("text", [5, None, b"hello", ["a"], {}, np.zeros(3), "\ud800x"])
def test_every_module_refuses_at_once_what_is_no_text(loaded, text):
    for refused in (lambda: loaded["punc"](text), lambda: loaded["aligner"](RECORDING, text)):
        with pytest.raises(OptionError, match="text: "):
            refused()
    outcomes = loaded["punc"].batch([text, "hello"])
    assert isinstance(outcomes[0], OptionError)
    assert outcomes[1].origin_text == "hello"
    outcomes = loaded["aligner"].batch([RECORDING, RECORDING], [text, "hello"])
    assert isinstance(outcomes[0], OptionError)
    assert not isinstance(outcomes[1], Exception)


@pytest.mark.parametrize("texts", ["ab", b"ab", 5, None])
def test_one_text_is_not_several(loaded, texts):
    with pytest.raises(OptionError, match="batch takes several texts, this is one"):
        loaded["punc"].batch(texts)
    with pytest.raises(OptionError, match="batch takes several texts, this is one"):
        loaded["aligner"].batch([RECORDING, RECORDING], texts)


@pytest.mark.parametrize("place", [5, None, b"x", ["a"], object()])
def test_what_is_no_directory_is_refused(place):
    with pytest.raises(OptionError, match="expected a directory or a published name, got"):
        firered.load(place)
    with pytest.raises(OptionError, match="expected a directory or a published name, got"):
        firered.transcribe(RECORDING, place)


def test_a_closed_file_is_refused():
    with RECORDING.open("rb") as file:
        pass
    with pytest.raises(AudioError, match="the file is closed"):
        as_frames(file)


# Batches


class Broken(io.RawIOBase):
    """A file whose reading fails in a way nobody foresaw."""

    def read(self, *_):
        raise ZeroDivisionError("out of paper")


MIXED = [RECORDING, "nowhere.wav", noise(16000, 0.1), 5, Broken(), LONGER]


@pytest.mark.parametrize("kind", ["vad", "stream_vad", "mvad", "lid", "asr"])
def test_a_batch_keeps_the_order_and_names_what_failed(kind, loaded, caplog, capsys):
    module, calls = loaded[kind], []
    with caplog.at_level(logging.INFO):
        found = module.batch(MIXED, progress=lambda *done: calls.append(done))
    assert capsys.readouterr() == ("", "")
    assert [isinstance(outcome, FireRedError) for outcome in found] == [False, True, False, True, True, False]
    assert [str(found[number])[:25] for number in (1, 3)] == ["nowhere.wav: no such file", "int is no audio; accepted"]
    assert str(found[4]) == "unexpected ZeroDivisionError: out of paper"
    assert isinstance(found[4].__cause__, ZeroDivisionError)
    assert calls == [(number + 1, 6) for number in range(6)]
    for number, uttid in ((0, "f3-en-00000"), (2, ""), (5, "f3-zh-00003")):
        assert_same(found[number], module(MIXED[number], uttid))


@pytest.mark.parametrize("kind", ["vad", "lid", "asr"])
def test_ids_of_a_batch(kind, loaded):
    module = loaded[kind]
    assert [result.uttid for result in module.batch([RECORDING, RECORDING], ["a", "b"])] == ["a", "b"]
    assert [result.uttid for result in module.batch(iter([RECORDING]))] == ["f3-en-00000"]
    assert module.batch([]) == []
    with pytest.raises(OptionError, match="uttids: 1 ids for 2 recordings"):
        module.batch([RECORDING, RECORDING], ["a"])


@pytest.mark.parametrize("one", [str(RECORDING), RECORDING, b"1", samples(), (samples(), 16000), 5])
def test_a_batch_is_several(one, loaded):
    for kind in ("vad", "lid", "asr"):
        with pytest.raises(OptionError, match="put it in a list"):
            loaded[kind].batch(one)


def test_a_batch_in_several_groups(loaded, monkeypatch):
    monkeypatch.setattr("firered.runtime.entry._BATCHES_AHEAD", 0.01)  # each recording is a group
    found = loaded["asr"].batch([LONGER, RECORDING], ["a", "b"])
    alone = [loaded["asr"](LONGER, "a"), loaded["asr"](RECORDING, "b")]
    assert [plain(result) for result in found] == [plain(result) for result in alone]


def test_one_that_breaks_its_batch_is_lost_alone(loaded, monkeypatch):
    asr = loaded["asr"]
    decode = asr._decode

    def faulty(batch):
        if any(speech.key == "bad" for speech in batch):
            raise KeyError("weights")
        return decode(batch)

    monkeypatch.setattr(asr, "_decode", faulty)
    first, bad, last = asr.batch([RECORDING, RECORDING, LONGER], ["a", "bad", "c"])
    assert (first.uttid, last.uttid) == ("a", "c")
    assert type(bad) is FireRedError
    assert str(bad) == "unexpected KeyError: 'weights'"


def test_a_batch_of_texts(loaded):
    punc, calls = loaded["punc"], []
    found = punc.batch(["what a cheap phone", 5, "", "many thanks mother"], progress=lambda *done: calls.append(done))
    assert [isinstance(outcome, FireRedError) for outcome in found] == [False, True, False, False]
    assert [found[n].punc_text for n in (0, 2, 3)] == [
        punc(text).punc_text for text in (TEXT, "", "many thanks mother")
    ]
    assert calls[-1] == (4, 4)
    assert [result.uttid for result in punc.batch(["a", "b"], ["1", "2"])] == ["1", "2"]
    for wrong in (("text", None), (["text"], ["1", "2"])):
        with pytest.raises(OptionError):
            punc.batch(*wrong)


def test_a_batch_of_alignments(loaded):
    aligner = loaded["aligner"]
    found = aligner.batch([RECORDING, "nowhere.wav", noise(1000)], [TEXT, TEXT, TEXT * 20], ["a", "b", "c"])
    assert [type(outcome).__name__ for outcome in found] == ["AlignResult", "AudioError", "AudioError"]
    assert found[0].words == aligner(RECORDING, TEXT).words
    with pytest.raises(OptionError, match="texts: 1 for 2 recordings"):
        aligner.batch([RECORDING, RECORDING], [TEXT])


def test_context_reaches_the_recogniser(loaded, monkeypatch):
    asr, seen = loaded["asr"], []
    decode = asr._decode
    monkeypatch.setattr(
        asr, "_decode", lambda batch: [seen.append((s.key, s.context)) for s in batch] and decode(batch)
    )
    known, other = Context(hotwords=("phone",), language="en"), Context(prompt="?")
    asr(RECORDING, "a", context=known)
    asr.batch([RECORDING, LONGER], ["b", "c"], context=other)
    asr.batch([RECORDING, LONGER], ["d", "e"], context=[known, other])
    asr(RECORDING, "f")
    assert dict(seen) == {"a": known, "b": other, "c": other, "d": known, "e": other, "f": Context()}
    with pytest.raises(OptionError, match="context: 1 for 2 recordings"):
        asr.batch([RECORDING, LONGER], context=[known])


# load


@pytest.mark.parametrize(
    ("name", "as_", "kind"),
    [
        ("FireRedVAD", None, Vad),
        ("FireRedVAD/VAD", None, Vad),
        ("FireRedVAD/Stream-VAD", None, StreamVad),
        ("FireRedVAD/AED", None, Mvad),
        ("FireRedVAD", "stream_vad", StreamVad),
        ("FireRedVAD", "mvad", Mvad),
        ("FireRedLID", None, Lid),
        ("FireRedASR2-AED", None, Asr),
        ("FireRedASR2-AED", "asr", Asr),
        ("FireRedASR2-AED", "aligner", Aligner),
        ("FireRedASR2-LLM", None, LlmAsr),
        ("FireRedPunc", None, Punc),
    ],
)
def test_load_gives_what_the_directory_is(name, as_, kind, tmp_path, monkeypatch):
    assert type(firered.load(MODELS / name, as_=as_, device="cpu")) is kind
    (tmp_path / "pretrained_models").symlink_to(MODELS)
    monkeypatch.chdir(tmp_path)
    assert type(firered.load(name, as_=as_, device="cpu")) is kind  # a published name
    assert type(kind.from_pretrained(name, device="cpu")) is kind
    (tmp_path / "mine").symlink_to(MODELS / name)  # recognised by its files, not by its name
    assert type(firered.load("mine", as_=as_, device="cpu")) is kind


def test_options_of_load(loaded):
    assert firered.load(MODELS / "FireRedVAD", speech_threshold=0.7).config.speech_threshold == 0.7
    assert firered.load(MODELS / "FireRedASR2-AED", dtype="int8", beam_size=1).config.dtype == "int8"
    system = firered.load(MODELS, events=True, lid=False, vad=firered.VadConfig(speech_threshold=0.6), dtype="bfloat16")
    assert (system.modules.lid, system.modules.vad.config.speech_threshold) == (None, 0.6)
    assert system.modules.mvad is not None
    assert system.modules.asr.config.dtype == "bfloat16"
    assert isinstance(loaded["system"], System)


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("FireRedLID", {"beam": 3}, "beam: no option of Lid; its options are batch_seconds, beam_size, "),
        ("FireRedVAD", {"dtype": "int8"}, "dtype: no option of Vad"),
        ("FireRedASR2-AED", {"beam_size": 0}, "beam_size: 0 is less than 1"),
        ("", {"bean": 1}, "bean: no option of System; its options are asr, "),
        ("", {"aligner": firered.PuncConfig()}, "aligner: options are taken of vad, mvad, lid, asr and punc"),
        ("FireRedVAD", {"as_": "ear"}, "as_: 'ear' is not one of vad, stream_vad, mvad, lid, asr, "),
    ],
)
def test_options_that_are_none(name, options, reason):
    with pytest.raises(OptionError, match=reason):
        firered.load(MODELS / name, device="cpu", **options)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("FireRedLID", "firered-download FireRedLID"),
        ("FireRedASR-LLM-L", "firered-download FireRedASR-LLM-L"),
        ("FireRedVAD/Stream-VAD", "firered-download FireRedVAD"),
        ("nowhere", "no such directory, and not the name of a published model .FireRedVAD, FireRedLID"),
        (".", "no model that is known here"),
        (str(MODELS / "lm"), "no module that is known by its files, and no voice detector"),
        ("Qwen2-7B-Instruct", "not the name of a published model"),
    ],
)
def test_a_model_that_is_not_there(name, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match=reason):
        firered.load(name)


def test_an_incomplete_directory_is_named_with_what_is_missing(tmp_path):
    folder = tmp_path / "FireRedLID"
    folder.mkdir()
    (folder / "dict.txt").touch()
    with pytest.raises(ModelError, match=r"not a complete model directory, model.pth.tar, cmvn.ark missing"):
        firered.load(folder)


# transcribe


def test_transcribe_one_and_many(loaded, caplog):
    system = loaded["system"]
    expected = system(RECORDING)
    assert expected.text
    assert_same(firered.transcribe(RECORDING, MODELS, device="cpu"), expected)
    assert firered.transcribe(RECORDING.read_bytes(), system).text == expected.text
    assert firered.transcribe((samples(), 16000), system).text == expected.text
    many = firered.transcribe([str(RECORDING), "nowhere.wav", LONGER, 5], system)
    assert inspect.isgenerator(many)
    first, missing, last, number = many
    assert_same(first, expected)
    assert_same(last, system(LONGER))
    assert [type(outcome) for outcome in (missing, number)] == [AudioError, AudioError]
    assert list(firered.transcribe(iter([]), system)) == []


def test_transcribe_refuses_before_it_is_iterated():
    with pytest.raises(AudioError, match="no such file"):
        firered.transcribe("nowhere.wav", MODELS, lid=False, punc=False)
    with pytest.raises(OptionError, match="bean"):
        firered.transcribe([RECORDING], MODELS, bean=1)
    with pytest.raises(ModelError, match="firered-download"):
        firered.transcribe([RECORDING], "nowhere")


def test_a_loaded_system_takes_no_options(loaded):
    with pytest.raises(OptionError, match="loaded already"):
        firered.transcribe(RECORDING, loaded["system"], lid=False)


# The stream's features, and spools that grow


def test_the_streams_features_are_those_of_the_whole(loaded):
    signal = np.concatenate([samples(), np.zeros(8000, np.int16)])  # the silence that ends the segment
    random = np.random.default_rng(0)
    cuts = np.sort(random.integers(0, len(signal), 25))
    stream, feats, probs, events = loaded["stream_vad"].stream(), [], [], []
    for piece in np.split(signal, cuts):
        events += stream.accept(piece)
        assert len(stream.feats) == len(stream.probs)
        feats.append(stream.feats)
        probs.append(stream.probs)
    whole = fbank(signal)
    np.testing.assert_allclose(torch.cat(feats), whole, atol=1e-4)
    result = loaded["stream_vad"](signal)
    np.testing.assert_allclose(np.concatenate(probs), result.probs[:, 0], atol=1e-5)
    (start, end) = events
    (first, after), (start_s, end_s) = (start.start_frame - 1, end.end_frame - 1), result.timestamps[0]
    assert (first, after) == (round(100 * start_s), round(100 * end_s))
    # What a recogniser would compute of the segment's own samples is there already, but for its last two windows.
    own = fbank(signal[160 * first : 160 * after])
    np.testing.assert_allclose(torch.cat(feats)[first : first + len(own)], own, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_a_spool_cut_while_it_grows(seed):
    random = np.random.default_rng(seed)
    signal = read(LONGER)
    source, early = as_frames(signal / 32768, "r"), []
    source = type(source)("r", lambda frames, blocks=source: in_pieces(blocks, frames, random))
    spool = Spool(source)
    for _ in spool:
        limit_s = (spool.count - 1) * 0.01 + 0.025
        for start, end in random.uniform(0, limit_s, (3, 2)):
            start_s, end_s = round(min(start, end), 2), round(max(start, end), 2)
            if end_s - start_s > 0.025 and end_s + 0.01 < limit_s:
                early.append((start_s, end_s, spool.cut(start_s, end_s)))
        with pytest.raises(firered.DataError, match="there are"):
            spool.cut(0.0, limit_s + 0.02)
    assert len(early) > 10
    for start_s, end_s, cut in early:
        late = spool.cut(start_s, end_s)
        assert (cut.key, cut.duration_s) == (late.key, late.duration_s)
        assert torch.equal(cut.feats, late.feats)
    spool.close()
    assert torch.equal(early[0][2].feats, late_rows(signal, *early[0][:2]))  # what was cut stays


def in_pieces(blocks, frames, random):
    for block in blocks:
        yield from torch.split(block, int(random.integers(5, 40)))
    frames.duration_s = blocks.duration_s


def late_rows(signal, start_s, end_s):
    whole = torch.cat(list(as_frames(signal / 32768)))
    first = round(100 * start_s)
    return whole[first : first + (round((end_s - start_s) * 16000) - 400) // 160 + 1]


def test_a_spool_of_a_live_source(loaded):
    signal, stream, spool = samples(), loaded["stream_vad"].stream(), Spool.growing("live")
    early = None
    for piece in np.split(signal, range(1000, len(signal), 1000)):
        stream.accept(piece)
        spool.append(stream.feats)
        if early is None and stream.duration_s > 0.6:
            early = spool.cut(0.1, 0.5)
    spool.finish(stream.duration_s)
    whole = fbank(signal)
    np.testing.assert_allclose(early.feats, whole[10:48], atol=1e-4)
    assert torch.equal(spool.cut(0.1, 0.5).feats, early.feats)
    np.testing.assert_allclose(torch.cat(list(spool.again())), whole, atol=1e-4)
    assert spool.count == len(whole)


# What is exported


def test_every_export_is_there():
    assert sorted(firered.__all__) == sorted({*firered._HOME, "__version__"})
    for name in firered.__all__:
        assert getattr(firered, name) is not None
    assert set(firered.__all__) <= set(dir(firered))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = firered.nothing


def test_type_checkers_see_the_same_names():
    tree = ast.parse((TOP / "firered/__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {name.name: node.module for node in block.body for name in node.names}
    assert seen == firered._HOME


def test_importing_firered_loads_no_torch():
    code = "import sys, firered; dir(firered); firered.AsrConfig; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
