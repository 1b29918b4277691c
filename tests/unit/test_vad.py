"""The detectors with random weights: input, errors, models of another kind."""

import numpy as np
import pytest

from firered import Mvad, Vad
from firered.audio.frames import of_samples
from firered.audio.load import array_blocks
from firered.errors import AudioError, ModelError, OptionError
from firered.vad.config import StreamVadConfig, VadConfig


def test_no_such_mode():
    with pytest.raises(OptionError, match="mode: 4"):
        StreamVadConfig.mode(4)


def test_arrays_of_any_type_are_the_recording(tiny_vad_models):
    vad = Vad.from_pretrained(tiny_vad_models / "FireRedVAD/VAD")
    samples = (np.random.default_rng(0).standard_normal(20000) * 3000).astype(np.int16)
    expected = vad(samples, "x")
    assert expected.uttid == "x"
    assert expected.dur == 1.25
    for array in (samples / np.float32(32768), samples.astype(np.int32) * 65536, np.stack([samples] * 2, 1)):
        assert np.abs(vad(array).probs - expected.probs).max() < 1e-6


def test_one_bad_recording_is_an_error_of_its_own(tiny_vad_models):
    vad = Vad.from_pretrained(tiny_vad_models / "FireRedVAD/VAD")
    good = (np.random.default_rng(0).standard_normal(40000) * 3000).astype(np.int16)

    def broken():
        yield good[:30000].astype(np.float32)
        raise AudioError("breaks off")

    recordings = [of_samples("a", array_blocks(good)), of_samples("b", broken()), of_samples("c", array_blocks(good))]
    results = {frames.key: result for frames, result in vad.detect(recordings)}
    assert isinstance(results["b"], AudioError)
    assert np.abs(results["a"].probs - results["c"].probs).max() < 1e-5
    with pytest.raises(AudioError, match="every sample is zero"):
        vad(np.zeros(16000, np.int16))


def test_results_are_not_shared_between_detectors(tiny_vad_models):
    first = Vad.from_pretrained(tiny_vad_models / "FireRedVAD/VAD")
    second = Vad.from_pretrained(tiny_vad_models / "FireRedVAD/VAD", VadConfig(speech_threshold=0.9))
    assert first.config.speech_threshold == 0.4
    assert second.config.speech_threshold == 0.9


@pytest.mark.parametrize(
    ("cls", "name", "here"), [(Vad, "AED", "AED"), (Vad, "Stream-VAD", "Stream"), (Mvad, "VAD", "VAD")]
)
def test_a_model_of_another_kind_is_refused(cls, name, here, tiny_vad_models):
    with pytest.raises(ModelError, match=f"this is {here}.*is needed here"):
        cls.from_pretrained(tiny_vad_models / "FireRedVAD" / name)


@pytest.mark.parametrize("missing", ["model.pth.tar", "cmvn.ark"])
def test_a_missing_file_is_named(missing, tiny_vad_models, tmp_path):
    import shutil

    shutil.copytree(tiny_vad_models / "FireRedVAD/VAD", tmp_path / "VAD")
    (tmp_path / "VAD" / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        Vad.from_pretrained(tmp_path / "VAD")
