"""Encoder output: alone as in a batch, layers, the adapter, and the archive of firered-encode."""

import itertools
import sys

import kaldiio
import numpy as np
import pytest
import torch
from support.paths import GOLDENS
from support.tiny_llm import write_tiny_llm

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.families.speech_llm import LlmAsr, LlmEncoder
from firered.asr.llm_config import LlmConfig
from firered.audio.like import as_frames
from firered.cli.encode import encode as firered_encode
from firered.data.datadir import read_table
from firered.errors import AudioError, OptionError
from firered.runs.journal import Journal
from firered.runtime.speech import Speech


@pytest.fixture(scope="module")
def aed():
    return Asr.from_pretrained(GOLDENS / "tiny/FireRedASR2-AED", AsrConfig(), "cpu")


@pytest.fixture(scope="module")
def llm(tmp_path_factory):
    directory = tmp_path_factory.mktemp("llm") / "FireRedASR2-LLM"
    write_tiny_llm(directory)
    return LlmAsr.from_pretrained(directory, LlmConfig(dtype="float32"), "cpu")


def random_speech(frames: int, seed: int = 0) -> Speech:
    feats = 12 + 3 * torch.randn(frames, 80, generator=torch.Generator().manual_seed(seed))
    return Speech(f"u{frames}", feats, frames / 100 + 0.015)


LENGTHS = (1, 4, 5, 37, 200, 203)


@pytest.mark.parametrize(("kind", "adapter", "shift"), [("aed", False, 4), ("llm", False, 4), ("llm", True, 8)])
def test_alone_as_in_a_batch(kind, adapter, shift, request):
    asr = request.getfixturevalue(kind)
    utterances = [random_speech(frames, frames) for frames in LENGTHS]
    batched = asr.encode(utterances, adapter=adapter)
    for speech, encoded in zip(utterances, batched, strict=True):
        (single,) = asr.encode([speech], adapter=adapter)
        rows = -(-len(speech.feats) // 4) // (2 if adapter else 1)
        if rows == 0:
            assert isinstance(encoded, AudioError)
            assert isinstance(single, AudioError)
            continue
        assert encoded.uttid == speech.key
        assert encoded.feats.shape[0] == rows
        assert encoded.frame_shift_s == pytest.approx(shift * 0.01)
        assert encoded.dur_s == speech.duration_s
        torch.testing.assert_close(encoded.feats, single.feats, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["aed", "llm"])
def test_layers(kind, request):
    asr = request.getfixturevalue(kind)
    speech = random_speech(50)
    outputs = [asr.encode([speech], layer=layer)[0].feats for layer in range(asr.layers + 1)]
    assert torch.equal(outputs[-1], asr.encode([speech])[0].feats)
    for output, other in itertools.pairwise(outputs):
        assert output.shape == other.shape
        assert not torch.allclose(output, other, atol=1e-3)
    encoder = asr.loaded.model.encoder
    cmvn = asr.loaded.cmvn if kind == "aed" else asr.loaded.encoder.cmvn
    feats, lengths = cmvn(speech.feats)[None], torch.tensor([50])
    with torch.inference_mode():
        torch.testing.assert_close(outputs[-1], encoder(feats, lengths)[0][0], atol=1e-5, rtol=1e-5)
    with pytest.raises(OptionError, match=f"layer: 99 is not one of 0 to {asr.layers}"):
        asr.encode([speech], layer=99)


def test_the_adapter_is_what_the_language_model_gets(llm):
    speech = random_speech(101)
    (encoded,) = llm.encode([speech], adapter=True)
    embeds, _ = llm.loaded.prompts([speech])
    start = llm.loaded.tokenizer.prompt(1).index(llm.loaded.tokenizer.speech_id)
    torch.testing.assert_close(encoded.feats, embeds[0, start : start + len(encoded.feats)].float())
    with pytest.raises(OptionError, match="follows the last layer"):
        llm.encode([speech], layer=1, adapter=True)


def test_the_encoder_alone_needs_no_language_model(llm, tmp_path):
    for name in ("model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark"):
        (tmp_path / name).symlink_to(llm.loaded.directory / name)
    single = LlmEncoder.from_pretrained(tmp_path, device="cpu")
    speech = random_speech(77)
    for options in ({}, {"layer": 1}, {"adapter": True}):
        assert torch.equal(single.encode([speech], **options)[0].feats, llm.encode([speech], **options)[0].feats)


def test_no_adapter(aed):
    with pytest.raises(OptionError, match="this model has none"):
        aed.encode([random_speech(9)], adapter=True)


def test_long_utterances_are_encoded_in_windows_of_whole_rows(llm):
    speech = random_speech(1000)
    short = LlmAsr(llm.loaded, LlmConfig(dtype="float32", window_seconds=2.0))
    for adapter, frames in ((False, 4), (True, 8)):
        (whole,), (cut,) = llm.encode([speech], adapter=adapter), short.encode([speech], adapter=adapter)
        assert len(cut.feats) == len(whole.feats) == 1000 // frames


def test_one_recording_in_any_form(aed):
    path = GOLDENS / "tiny/wav/utt00.wav"
    encoded = aed.encode(path)
    assert encoded.uttid == "utt00"
    (other,) = aed.encode([Speech.of(as_frames(path))])
    assert torch.equal(encoded.feats, other.feats)


def command(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["firered-encode", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        firered_encode()
    return done.value.code or 0


def test_command(aed, tmp_path, monkeypatch):
    wavs = [GOLDENS / f"tiny/wav/utt0{number}.wav" for number in range(4)]
    model = GOLDENS / "tiny/FireRedASR2-AED"
    assert command(monkeypatch, *wavs, tmp_path / "out", "--model", model, "--layer", 1) == 0
    matrices = kaldiio.load_scp(str(tmp_path / "out/feats.scp"))
    rows = read_table(tmp_path / "out/utt2num_frames")
    durations = read_table(tmp_path / "out/utt2dur")
    assert set(matrices) == {path.stem for path in wavs}
    assert (tmp_path / "out/frame_shift").read_text() == "0.04\n"
    for path in wavs:
        expected = aed.encode([Speech.of(as_frames(path))], layer=1)[0]
        np.testing.assert_allclose(matrices[path.stem], expected.feats.numpy(), atol=1e-4)
        assert int(rows[path.stem]) == len(expected.feats)
        assert float(durations[path.stem]) == pytest.approx(expected.dur_s, abs=1e-6)
    assert "layer: 1" in (tmp_path / "out/config.yaml").read_text()


def test_command_on_a_language_models_adapter(llm, tmp_path, monkeypatch):
    wav = GOLDENS / "tiny/wav/utt00.wav"
    assert command(monkeypatch, wav, tmp_path / "out", "--model", llm.loaded.directory, "--adapter") == 0
    (matrix,) = kaldiio.load_scp(str(tmp_path / "out/feats.scp")).values()
    assert matrix.shape[1] == llm.loaded.model.encoder_projector.linear2.out_features
    assert (tmp_path / "out/frame_shift").read_text() == "0.08\n"


def test_what_the_model_has_not_is_refused_before_the_run(tmp_path, monkeypatch, caplog):
    wav, model = GOLDENS / "tiny/wav/utt00.wav", GOLDENS / "tiny/FireRedASR2-AED"
    assert command(monkeypatch, wav, tmp_path / "out", "--model", model, "--adapter") == 1
    assert "adapter: this model has none" in caplog.text
    assert not (tmp_path / "out").exists()


def test_killed_and_resumed(tmp_path, monkeypatch):
    wavs = [GOLDENS / f"tiny/wav/utt0{number}.wav" for number in range(5)]
    options = ("--model", GOLDENS / "tiny/FireRedASR2-AED", "--batch-seconds", 6)
    assert command(monkeypatch, *wavs, tmp_path / "whole", *options) == 0

    noted = []

    def note(journal, entry, note=Journal.note):
        note(journal, entry)
        noted.append(entry)
        if len(noted) == 4:  # the identity and three utterances: in the middle of a batch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "note", note)
        assert command(patch, *wavs, tmp_path / "out", *options) == 130
    assert not (tmp_path / "out/feats.scp").exists()
    with (tmp_path / "out/feats.ark").open("ab") as ark:
        ark.write(b"half a matrix")
    assert command(monkeypatch, *wavs, tmp_path / "out", *options) == 0
    whole, resumed = (dict(kaldiio.load_ark(str(tmp_path / name / "feats.ark"))) for name in ("whole", "out"))
    assert whole.keys() == resumed.keys()
    assert len((tmp_path / "out/feats.ark").read_bytes()) == len((tmp_path / "whole/feats.ark").read_bytes())
    by_scp = kaldiio.load_scp(str(tmp_path / "out/feats.scp"))
    for key, matrix in whole.items():
        np.testing.assert_array_equal(by_scp[key], matrix)
        np.testing.assert_array_equal(resumed[key], matrix)
