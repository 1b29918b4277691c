"""Models in a reduced number format on disk: the same results, bit by bit, as when they are quantised on loading."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.paths import EGS, GOLDENS

from firered.asr.aed_config import AsrConfig
from firered.asr.families import find
from firered.asr.families.aed import Asr
from firered.errors import FireRedError, ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT, QUANTISED
from firered.hub.find import system_name
from firered.models.aed import Aed, Lid
from firered.models.int8 import Int8Linear, Int8Part
from firered.models.parameters import parameters_of
from firered.models.rows import Rows
from firered.runs.quantise import quantise_model
from firered.runtime.loaded import Loaded

MINI = EGS / "mini" / "models"
MODELS = {
    "aed": (Aed, MINI / "FireRedASR2-AED"),
    "lid": (Lid, MINI / "FireRedLID"),
    "golden": (Aed, GOLDENS / "tiny" / "FireRedASR2-AED"),
}


@torch.inference_mode()
def outputs(loaded, steps=4):
    """Encoder output, and logits of some steps of a batch with padding."""
    generator = torch.Generator().manual_seed(3)
    feats = torch.randn(2, 90, 80, generator=generator).to(loaded.model.dtype)
    encoded, lengths = loaded.model.encoder(feats, torch.tensor([90, 61]))
    cache = loaded.model.start(encoded, lengths, 2, steps)
    tokens = torch.tensor([3, 3, 3, 3])
    return [encoded, *(cache.step(tokens + number) for number in range(steps))]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", ["int8", "bfloat16"])
def test_a_written_model_computes_what_one_quantised_on_loading_does(name, dtype, tmp_path):
    kind, model = MODELS[name]
    out = tmp_path / "out"
    quantise_model(model, out, dtype, (), overwrite=False)
    expected = outputs(Loaded.load(kind, model, dtype, "cpu"))
    loaded = Loaded.load(kind, out, "float32", "cpu")  # the default: the directory decides
    for own, other in zip(outputs(loaded), expected, strict=True):
        assert torch.equal(own, other)
    assert out / QUANTISED in loaded.sources
    assert {path.name for path in out.iterdir()} == {path.name for path in model.iterdir()} | {QUANTISED}


def test_layers_that_are_kept_are_in_float_and_the_others_in_8_bits(tmp_path):
    kind, model = MODELS["aed"]
    quantise_model(
        model, tmp_path / "out", "int8", ["encoder.layer_stack.0.*", "decoder.tgt_word_prj"], overwrite=False
    )
    kept = Loaded.load(kind, tmp_path / "out", "float32", "cpu").model
    first, second = kept.encoder.layer_stack[0], kept.encoder.layer_stack[1]
    assert not any(isinstance(layer, Int8Linear | Int8Part) for layer in first.modules())
    assert not first.mhsa.in_int8
    assert second.mhsa.in_int8
    assert isinstance(second.ffn1.net[1], Int8Linear)
    assert isinstance(kept.decoder.tgt_word_prj, torch.nn.Linear)
    exact = Loaded.load(kind, model, "float32", "cpu").model
    assert torch.equal(first.ffn1.net[1].weight, exact.encoder.layer_stack[0].ffn1.net[1].weight)


def test_patterns_that_fit_no_layer_are_refused(tmp_path):
    with pytest.raises(OptionError, match=r"'nowhere\.\*' fits no layer; layers are called encoder\.layer_stack"):
        quantise_model(MODELS["aed"][1], tmp_path / "out", "int8", ["nowhere.*"], overwrite=False)
    with pytest.raises(OptionError, match="bfloat16 has all"):
        quantise_model(MODELS["aed"][1], tmp_path / "out", "bfloat16", ["*"], overwrite=False)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_replaced_without_being_told(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("mine")
    with pytest.raises(OptionError, match="--overwrite"):
        quantise_model(MODELS["lid"][1], out, "int8", (), overwrite=False)
    assert (out / "mine").read_text() == "mine"
    quantise_model(MODELS["lid"][1], out, "int8", (), overwrite=True)
    assert not (out / "mine").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_model_does_not_replace_itself(tmp_path):
    model = shutil.copytree(MODELS["lid"][1], tmp_path / "model")
    with pytest.raises(OptionError, match="the model itself"):
        quantise_model(model, model, "int8", (), overwrite=True)
    assert (model / CHECKPOINT).stat().st_size > 1e6


def test_an_error_leaves_nothing(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("firered.runs.quantise.write_stored", full)
    with pytest.raises(FireRedError, match="No space left"):
        quantise_model(MODELS["lid"][1], tmp_path / "out", "int8", (), overwrite=False)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("quantised") / "aed-int8"
    quantise_model(MODELS["aed"][1], out, "int8", (), overwrite=False)
    return out


def test_what_is_quantised_is_not_quantised_again(written, tmp_path):
    with pytest.raises(ModelError, match="give the published model"):
        quantise_model(written, tmp_path / "out", "bfloat16", (), overwrite=False)


def test_other_kinds_are_refused(tmp_path):
    with pytest.raises(ModelError):
        quantise_model(MINI / "FireRedPunc", tmp_path / "out", "int8", (), overwrite=False)


def test_the_family_its_name_and_its_parameters_are_known(written):
    assert find(written)[1].name == "aed"
    assert system_name(written) == "aed-int8"
    whole = parameters_of(MODELS["aed"][1], MODELS["aed"][1] / CHECKPOINT)
    assert parameters_of(written, written / CHECKPOINT) == pytest.approx(whole, rel=0.002)  # biases of folded norms


def test_another_number_format_than_the_files_is_refused(written):
    with pytest.raises(OptionError, match="holds int8; bfloat16 comes from the published model"):
        Asr.from_pretrained(written, AsrConfig(dtype="bfloat16"), "cpu")
    assert Asr.from_pretrained(written, AsrConfig(dtype="int8"), "cpu").loaded.model.encoder is not None


def changed(written, tmp_path, change):
    """A copy of the directory whose tensors were changed."""
    out = shutil.copytree(written, tmp_path / "changed")
    tensors, notes = load_file(out / QUANTISED), {"format": "firered-quantised-1", "dtype": "int8"}
    change(tensors, notes)
    save_file(tensors, out / QUANTISED, notes)
    return out


def no_scales(tensors, _):
    del tensors["encoder.layer_stack.0.ffn1.net.1.scales"]


def no_layer(tensors, _):
    for end in ("int8", "scales", "bias"):
        del tensors[f"encoder.layer_stack.0.ffn1.net.1.{end}"]


def other_shape(tensors, _):
    tensors["encoder.layer_stack.0.ffn1.net.1.int8"] = torch.zeros(3, 4, dtype=torch.int8)


def no_number(tensors, _):
    tensors["encoder.layer_stack.0.ffn1.net.1.scales"][1] = torch.nan


def no_norm(tensors, _):
    tensors["encoder.layer_stack.0.layer_norm.weight"][0] = torch.inf


def of_the_future(_, notes):
    notes["format"] = "firered-quantised-9"


@pytest.mark.parametrize("change", [no_scales, no_layer, other_shape, no_number, no_norm, of_the_future])
def test_a_wrong_file_is_named(written, tmp_path, change):
    with pytest.raises(ModelError, match=QUANTISED):
        Loaded.load(Aed, changed(written, tmp_path, change), "float32", "cpu")


@pytest.mark.parametrize("left", [0, 5, 1000, 1_000_000])
def test_a_file_that_is_cut_short_is_named(written, tmp_path, left):
    out = shutil.copytree(written, tmp_path / "cut")
    (out / QUANTISED).write_bytes((out / QUANTISED).read_bytes()[:left])
    with pytest.raises(ModelError, match=QUANTISED):
        Loaded.load(Aed, out, "float32", "cpu")


def test_a_directory_without_its_weights_says_so(written, tmp_path):
    out = shutil.copytree(written, tmp_path / "bare")
    (out / QUANTISED).unlink()
    with pytest.raises(ModelError, match=f"no weights; {QUANTISED}"):
        Loaded.load(Aed, out, "float32", "cpu")


def test_rows_are_those_of_torch():
    generator = torch.Generator().manual_seed(0)
    for weight in (
        torch.randn(700, 2000, generator=generator),
        torch.randint(-300, 300, (99, 70)) / 100,
        torch.zeros(3, 5),
    ):
        scales = weight.abs().amax(1).clamp_(min=1e-8).double() / 127
        zeros = torch.zeros(len(weight), dtype=torch.long)
        expected = torch.quantize_per_channel(weight, scales, zeros, 0, torch.qint8).int_repr()
        rows = Rows.of(weight)
        assert torch.equal(rows.values, expected)
        assert torch.equal(rows.scales, scales)
        assert torch.equal(rows.quantised().int_repr(), expected)
