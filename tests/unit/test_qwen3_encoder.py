"""The encoder with the layers of Qwen3: against transformers, over packed utterances, and from a folder's weights."""

import json
import logging
from argparse import Namespace
from dataclasses import asdict

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from firered.errors import ModelError
from firered.models import frame_encoder
from firered.models.aed import Aed, AedConfig
from firered.models.chunks import Chunk
from firered.models.dtype import cast
from firered.models.frames import Frames
from firered.models.llm_layers import LlmShape, take_layers
from firered.models.qwen3_encoder import Qwen3Encoder

WIDTH = 24


@pytest.fixture(scope="module")
def llm():
    config = Qwen3Config(
        vocab_size=30, hidden_size=WIDTH, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, initializer_range=0.3, rope_theta=5e5, rms_norm_eps=1e-5,
    )  # fmt: skip
    torch.manual_seed(0)
    found = Qwen3ForCausalLM(config).eval()
    for name, weight in found.named_parameters():
        if "norm" in name:
            torch.nn.init.uniform_(weight, 0.5, 1.5)
    return found


@pytest.fixture(scope="module")
def folder(llm, tmp_path_factory):
    out = tmp_path_factory.mktemp("qwen3")
    llm.save_pretrained(out)
    return out


def config_of(folder, layers=0):
    args = LlmShape.of_folder(folder).encoder_args(layers)
    return AedConfig(odim=9, n_head=2, n_layers_dec=1, **args)


def taken(folder, layers=0, seed=1):
    torch.manual_seed(seed)
    encoder = config_of(folder, layers).encoder()
    take_layers(encoder, folder)
    return encoder.eval()


def after_layers(encoder, x, chunk):
    lengths = torch.full((len(x),), x.shape[1])
    ((out, _),) = encoder.through([(x, Frames.padded(lengths, x, chunk))], encoder.positions(x.shape[1], x), None)
    return encoder.end(out)


@torch.no_grad()
def test_layers_are_those_of_transformers_but_for_the_mask(llm, folder):
    x = torch.randn(2, 37, WIDTH)
    wanted = llm.model(inputs_embeds=x).last_hidden_state
    encoder = taken(folder)
    assert torch.allclose(after_layers(encoder, x, Chunk(1)), wanted, atol=1e-5)  # sees its own frame and those before
    seen = after_layers(encoder, x, None)
    assert (seen - wanted).abs().amax(-1)[:, :-1].min() > 1e-2  # every frame but the last sees later ones
    assert not torch.allclose(after_layers(taken(folder, 2), x, Chunk(1)), wanted, atol=1e-1)


@pytest.mark.parametrize("form", ["safetensors", "bin", "parts"])
def test_every_form_of_a_folder_gives_the_same_layers(folder, tmp_path, form, caplog):
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    state = load_file(folder / "model.safetensors")
    if form == "safetensors":  # without `model.`, and in half the bytes
        save_file({name.removeprefix("model."): value.bfloat16() for name, value in state.items()},
                  tmp_path / "model.safetensors")  # fmt: skip
    elif form == "bin":
        torch.save(state, tmp_path / "pytorch_model.bin")
    else:
        names = {name: f"pytorch_model-{number % 2}.bin" for number, name in enumerate(state)}
        for file in set(names.values()):
            torch.save({name: state[name] for name in state if names[name] == file}, tmp_path / file)
        (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": names}))
    with caplog.at_level(logging.INFO):
        found = taken(tmp_path).state_dict()
    assert "begins with its first 3 of 3 layers" in caplog.text
    wanted = taken(folder).state_dict()
    tolerance = 1e-2 if form == "safetensors" else 0
    assert all(torch.allclose(found[name], wanted[name], rtol=tolerance, atol=0) for name in wanted)
    assert torch.equal(found["layer_stack.2.mlp.up_proj.weight"], state["model.layers.2.mlp.up_proj.weight"]) == (
        form != "safetensors"
    )


def test_the_first_layers_alone_leave_the_last_norm_as_it_is(folder):
    state, encoder = load_file(folder / "model.safetensors"), taken(folder, 2)
    assert len(encoder.layer_stack) == 2
    assert torch.equal(encoder.norm.weight, torch.ones(WIDTH))
    assert torch.equal(taken(folder).norm.weight, state["model.norm.weight"])
    other = taken(folder, 2, seed=5)
    assert not torch.equal(other.input_preprocessor.out.weight, encoder.input_preprocessor.out.weight)


def test_new_layers_are_drawn_as_those_of_qwen3(folder):
    torch.manual_seed(0)
    drawn = config_of(folder).encoder().state_dict()
    matrices = torch.cat([value.flatten() for name, value in drawn.items() if name.endswith("_proj.weight")])
    assert float(matrices.std()) == pytest.approx(0.02, rel=0.03)
    assert float(matrices.mean()) == pytest.approx(0, abs=1e-3)


def drop_a_norm(state, _config):
    del state["model.layers.1.self_attn.q_norm.weight"]


def add_a_bias(state, _config):
    state["model.layers.1.self_attn.q_proj.bias"] = torch.zeros(32)


def not_a_number(state, _config):
    state["model.layers.0.mlp.up_proj.weight"][3, 4] = torch.nan


def wider(_state, config):
    config["intermediate_size"] = 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_a_norm, "missing: layer_stack.1.self_attn.q_norm.weight"),
        (add_a_bias, "unknown: layer_stack.1.self_attn.q_proj.bias"),
        (not_a_number, "1 of 960 weights of layer_stack.0.mlp.up_proj.weight are no numbers"),
        (wider, r"up_proj.weight is \(40, 24\), expected \(48, 24\)"),
        (lambda _, config: config.update(model_type="qwen2"), "model_type is 'qwen2'; an encoder takes layers of"),
        (lambda _, config: config.pop("head_dim"), r"q_norm.weight is \(8,\), expected \(128,\)"),
        (lambda _, config: config.pop("num_key_value_heads"), "num_key_value_heads not given"),
        (
            lambda _, config: config.update(attention_bias=True),
            "attention_bias is True, an encoder's layers have False",
        ),
        (lambda _, config: config.update(rope_scaling={"rope_type": "yarn"}, rope_parameters=None), "are scaled"),
        (lambda _, config: config.update(layer_types=["sliding_attention"] * 3), "some layers have no full attention"),
        (lambda state, _: state.clear(), "weights of another model"),
    ],
)
def test_folders_that_have_no_such_layers_are_refused(folder, tmp_path, change, message):
    state, config = load_file(folder / "model.safetensors"), json.loads((folder / "config.json").read_text())
    change(state, config)
    save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=message):
        taken(tmp_path)


def test_more_layers_than_there_are(folder, tmp_path):
    with pytest.raises(ModelError, match="4 layers are wanted of a language model that has 3"):
        taken(folder, 4)
    with pytest.raises(ModelError, match=r"config\.json: missing; the folder of a Qwen3 language model belongs here"):
        taken(tmp_path)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
@torch.inference_mode()
def test_an_utterance_is_the_same_in_any_batch(folder, monkeypatch, dtype):
    torch.manual_seed(2)
    model = Aed(config_of(folder)).prepare()
    model = cast(model, dtype, torch.device("cpu"))
    lengths = torch.tensor([57, 0, 1200, 1, 611])
    feats = torch.randn(5, 1200, 80).to(model.dtype)
    together, frames = model.encoder(feats, lengths)
    assert frames.tolist() == [15, 0, 300, 1, 153]
    tolerance = 0.1 if dtype == "bfloat16" else 1e-4
    for n, length in enumerate(lengths.tolist()):
        alone, _ = model.encoder(feats[n : n + 1, :length], lengths[n : n + 1])
        assert torch.allclose(together[n, : int(frames[n])], alone[0, : int(frames[n])], atol=tolerance)
    if dtype == "float32":
        monkeypatch.setattr(frame_encoder, "computes_packed", lambda _x: False)
        padded, _ = model.encoder(feats, lengths)
        for n, count in enumerate(frames.tolist()):
            assert torch.allclose(together[n, :count], padded[n, :count], atol=1e-5)


def test_a_checkpoint_says_which_encoder_it_has(folder, tmp_path):
    model = Aed(config_of(folder)).eval()
    torch.save(model.checkpoint(), tmp_path / "model.pth.tar")
    found = Aed.load(tmp_path / "model.pth.tar")
    assert isinstance(found.encoder, Qwen3Encoder)
    assert found.config == model.config
    feats, lengths = torch.randn(1, 40, 80), torch.tensor([40])
    with torch.inference_mode():
        assert torch.equal(found.encoder(feats, lengths)[0], model.encoder(feats, lengths)[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_type": "lstm"}, "AED whose encoder is of the type 'lstm'; known: qwen3"),
        ({"enc_ffn_dim": None}, "layers of Qwen3, without enc_ffn_dim"),
        ({"enc_kv_heads": 3}, "4 heads of 8 dimensions in its encoder and 3 of keys"),
        ({"causal": True}, "that are causal: they see whole utterances"),
        ({"enc_heads": "four"}, "enc_heads of an AED is 'four'"),
    ],
)
def test_arguments_that_do_not_fit(folder, changes, message):
    with pytest.raises(ModelError, match=message):
        AedConfig.from_args(Namespace(**asdict(config_of(folder)) | changes))
