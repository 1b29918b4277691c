"""The language model in 8 and 4 bits: near the float32 one, LoRA merged, an utterance the same alone and in a batch."""

import pytest
import torch
from support.paths import EGS
from support.tiny_llm import write_tiny_llm

from firered.asr.families.speech_llm import LlmAsr
from firered.asr.families.speech_llm_loaded import LoadedLlm
from firered.asr.llm_config import LlmConfig
from firered.errors import OptionError
from firered.models import llm_reduced
from firered.models.int4 import GROUP, Int4Linear, fits_int4
from firered.models.int8 import Int8Linear
from firered.models.llm_stepper import LlmSteps
from firered.runtime.speech import Speech


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """One whose layers the kernel of 4 bits takes."""
    return write_tiny_llm(tmp_path_factory.mktemp("llm") / "model", hidden_size=64, intermediate_size=96)


def logits(directory, dtype, batch):
    loaded = LoadedLlm.load(directory, LlmConfig(dtype=dtype), "cpu")
    with torch.inference_mode():
        steps = LlmSteps(loaded.llm, *loaded.prompts(batch), 1, 4)
        return torch.cat([steps.step(torch.full((len(batch),), token)).float() for token in (5, 7)])


def speech(*frames):
    generator = torch.Generator().manual_seed(1)
    return [Speech(f"u{n}", torch.randn(n, 80, generator=generator), n / 100) for n in frames]


@pytest.mark.parametrize(("dtype", "error"), [("int8", 0.02), ("int4", 0.2)])
def test_logits_are_near_those_of_float32(tmp_path, dtype, error):
    sizes = {"hidden_size": 64, "intermediate_size": 96, "initializer_range": 0.05}
    directory = write_tiny_llm(tmp_path / "model", lora=False, **sizes)
    exact, own = (logits(directory, name, speech(90, 50)) for name in ("float32", dtype))
    assert float((own - exact).norm() / exact.norm()) < error


@pytest.mark.parametrize(("dtype", "error"), [("int8", 0.01), ("int4", 0.1)])
def test_lora_is_part_of_the_weights(model_dir, dtype, error):
    exact, own = (LoadedLlm.load(model_dir, LlmConfig(dtype=name), "cpu").llm for name in ("float32", dtype))
    for layer in ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"):
        weight = exact.get_submodule(layer).weight
        found, zero = (
            own.get_submodule(layer)(x) for x in (torch.eye(weight.shape[1]), torch.zeros(1, weight.shape[1]))
        )
        assert float(((found - zero).t() - weight).norm() / weight.norm()) < error


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_layers_are_reduced_and_the_output_layer_is_in_8_bits(model_dir, dtype):
    llm = LoadedLlm.load(model_dir, LlmConfig(dtype=dtype), "cpu").llm
    kind = Int4Linear if dtype == "int4" else Int8Linear
    assert isinstance(llm.model.layers[1].mlp.down_proj, kind)
    assert isinstance(llm.lm_head, Int8Linear)
    assert not any(isinstance(module, torch.nn.Linear) for module in llm.modules())


def test_each_layer_is_turned_once_and_the_output_layer_first(model_dir, monkeypatch):
    turned = []
    plain = llm_reduced._reduced

    def noted(name, *args, **named):
        turned.append(name)
        return plain(name, *args, **named)

    monkeypatch.setattr(llm_reduced, "_reduced", noted)
    llm = LoadedLlm.load(model_dir, LlmConfig(dtype="int8"), "cpu").llm
    kinds = [name for name, module in llm.named_modules() if isinstance(module, Int8Linear)]
    assert sorted(turned) == sorted(kinds)
    assert turned[0] == "lm_head"


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_an_utterance_gives_the_same_alone_and_in_a_batch(model_dir, dtype):
    short, long = speech(50, 130)
    together, alone = logits(model_dir, dtype, [short, long]), logits(model_dir, dtype, [short])
    assert torch.allclose(together[::2], alone, atol=2e-3 if dtype == "int8" else 0.1)


def test_the_weight_of_4_bits_is_within_half_a_level():
    torch.manual_seed(0)
    weight = torch.randn(64, 4 * GROUP)
    groups = weight.view(64, -1, GROUP)
    half = (groups.amax(2) - groups.amin(2)) / 30
    found = Int4Linear(weight, None)(torch.eye(4 * GROUP)).t()  # bfloat16 rounds scales and results
    assert ((found - weight).abs().view_as(groups) <= 1.1 * half[..., None] + 0.02).all()


@pytest.mark.parametrize("rows", [1, 3, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_4_bits_multiply_as_the_weight_that_they_stand_for(rows, bias):
    torch.manual_seed(0)
    layer = torch.nn.Linear(2 * GROUP, 48, bias=bias)
    own = Int4Linear(layer.weight, layer.bias)
    weight = Int4Linear(layer.weight, None)(torch.eye(2 * GROUP)).t()
    x = torch.randn(2, rows, 2 * GROUP)
    assert torch.allclose(own(x), torch.nn.functional.linear(x, weight, layer.bias), atol=0.03)


def test_a_weight_is_packed_in_parts_as_in_one(monkeypatch):
    torch.manual_seed(0)
    weight, x = torch.randn(320, 64), torch.randn(3, 64)
    whole = Int4Linear(weight, None)(x)
    monkeypatch.setattr("firered.models.int4._ROWS_AT_ONCE", 128)
    assert torch.equal(Int4Linear(weight, None)(x), whole)


def test_shapes_that_the_kernel_has_no_room_for():
    assert fits_int4(48, 64)
    assert not fits_int4(40, 64)
    assert not fits_int4(48, 48)


def test_reduced_formats_are_for_the_processor(model_dir):
    with pytest.raises(OptionError, match="int4 is for the processor"):
        LoadedLlm.load(model_dir, LlmConfig(dtype="int4", llm_device="auto"), "cpu")


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_the_bundled_model_is_recognised_with(dtype):
    import firered

    asr = firered.load(EGS / "mini" / "models" / "FireRedASR2-LLM", dtype=dtype, beam_size=1)
    assert isinstance(asr, LlmAsr)
    assert len(asr(EGS / "mini" / "test" / "wav" / "f3-zh-00003.flac").text) > 3


def test_the_encoder_in_8_bits_gives_nearly_the_same(model_dir):
    (batch,) = ([speech(90)[0]],)
    exact, own = (
        LoadedLlm.load(model_dir, LlmConfig(dtype="int8", encoder_dtype=name), "cpu") for name in ("float32", "int8")
    )
    with torch.inference_mode():
        expected, found = (loaded.encoder.encode(batch, None, True)[0] for loaded in (exact, own))
    assert float((found - expected).norm() / expected.norm()) < 0.05
