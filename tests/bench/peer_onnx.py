"""Our network of random weights as the ONNX files and token list that sherpa-onnx reads, in int8.

Two of its kinds are for this network: encoder and CTC head (`from_fire_red_asr_ctc`), and encoder with the decoder in
steps over a cache (`from_fire_red_asr`). The graphs are of one utterance of 10 s, which every other size of it would
be slower than. Products are quantised to int8 by onnxruntime's tool, as in the models that sherpa-onnx offers.
"""

import shutil
import warnings
from pathlib import Path

import torch
from bench.asr_speed import EOS, SECONDS, SOS, TOKENS, VOCABULARY, make_model
from torch import Tensor, nn
from torch.nn import functional as F

from firered.audio.framing import SAMPLE_RATE
from firered.audio.frontend import NUM_BINS, fbank
from firered.models.aed import Aed
from firered.models.transformer import Attention
from firered.text.tokenizer import BLANK_ID, SPECIAL

NEVER, LONGEST, HAN = 1e9, 200, 0x4E00


class CtcGraph(nn.Module):
    """Features in, log posteriors of the CTC head and their number of frames out."""

    def __init__(self, model: Aed) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, x_len: Tensor) -> tuple[Tensor, Tensor]:
        encoded, _ = self.model.encoder(x, torch.tensor([x.shape[1]]))
        return self.model.ctc_log_probs(encoded), (x_len + 3) // 4


class EncoderGraph(nn.Module):
    """Features in, keys and values (layers, 1, T', d_model) of the decoder's attention to the encoder out."""

    def __init__(self, model: Aed) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor, x_len: Tensor) -> tuple[Tensor, Tensor]:
        # All of x is one utterance. Its length takes part, since it would be no input of the graph otherwise.
        encoded, _ = self.model.encoder(x + 0.0 * x_len[:, None, None], torch.tensor([x.shape[1]]))
        layers = [layer.cross_attn for layer in self.model.decoder.layers]
        return torch.stack([own.w_ks(encoded) for own in layers]), torch.stack([own.w_vs(encoded) for own in layers])


class StepGraph(nn.Module):
    """A token in, logits of the next one out; keys and values of the tokens (layers, 1, U, heads, d_k) go through."""

    def __init__(self, model: Aed) -> None:
        super().__init__()
        self.decoder = model.decoder
        self.register_buffer("positions", model.decoder.positional_encoding.released(LONGEST), persistent=False)
        self.register_buffer("end", F.one_hot(torch.tensor(EOS), VOCABULARY).float(), persistent=False)

    def forward(
        self, tokens: Tensor, keys: Tensor, values: Tensor, cross_keys: Tensor, cross_values: Tensor, offset: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        decoder, slots = self.decoder, torch.arange(keys.shape[2])
        x = decoder.tgt_word_emb(tokens) * decoder.scale + self.positions[offset]  # (1, 1, d_model)
        own = (slots == offset)[None, :, None, None]  # the place of this token
        hidden = torch.where(slots > offset, -NEVER, 0.0)
        kept: list[tuple[Tensor, Tensor]] = []
        for number, layer in enumerate(decoder.layers):
            attention = layer.self_attn
            y = layer.self_attn_norm(x)
            split = keys.shape[3:]
            kept.append(
                (
                    torch.where(own, attention.w_ks(y).unflatten(-1, split), keys[number]),
                    torch.where(own, attention.w_vs(y).unflatten(-1, split), values[number]),
                )
            )
            x = x + looked_up(attention, y, kept[-1][0].flatten(2), kept[-1][1].flatten(2), hidden)
            y = layer.cross_attn_norm(x)
            x = x + looked_up(layer.cross_attn, y, cross_keys[number], cross_values[number], None)
            x = x + layer.mlp(layer.mlp_norm(x))
        logits = decoder.tgt_word_prj(decoder.layer_norm_out(x))
        # The end comes after so many tokens and not before, whatever the weights say.
        logits = logits + self.end * torch.where(offset >= TOKENS, NEVER, -NEVER)
        return logits, torch.stack([one for one, _ in kept]), torch.stack([one for _, one in kept])


def looked_up(attention: Attention, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """What attention from x (1, 1, d_model) finds in keys and values (1, T, d_model)."""
    q, k, v = attention.heads(attention.w_qs(x)), attention.heads(keys), attention.heads(values)
    scores = q @ k.transpose(2, 3) * attention.d_k**-0.5
    weights = (scores if bias is None else scores + bias).softmax(-1)
    return attention.fc((weights @ v).transpose(1, 2).flatten(2))


def write_sherpa(size: str, directory: Path, *, ctc: bool) -> None:
    """The files of one kind."""
    model = make_model(size).requires_grad_(False)
    frames = len(fbank(torch.zeros(SECONDS * SAMPLE_RATE).numpy()))
    feats = torch.randn(1, frames, NUM_BINS), torch.tensor([frames])
    numbers = {"cmvn_mean": [8.0] * NUM_BINS, "cmvn_inv_stddev": [0.4] * NUM_BINS}
    notes = {name: ",".join(map(str, values)) for name, values in numbers.items()}
    config = model.config
    with torch.enable_grad():  # so the encoder computes as for training: one graph, whose shapes are plain
        model.encoder(*feats)  # its table of positions is a constant of the graph then
        if ctc:
            notes |= {"model_type": "fire-red-asr-2-ctc", "subsampling_factor": "4"}
            export(CtcGraph(model), feats, directory / "model.onnx", ["x", "x_len"], ["log_probs", "lengths"], notes)
        else:
            sizes = {"num_decoder_layers": config.n_layers_dec, "num_head": config.n_head}
            sizes |= {"head_dim": config.d_model // config.n_head, "sos": SOS, "eos": EOS, "max_len": LONGEST}
            notes |= {name: str(value) for name, value in sizes.items()}
            encoder, names = EncoderGraph(model), ["n_layer_cross_k", "n_layer_cross_v"]
            export(encoder, feats, directory / "encoder.onnx", ["x", "x_len"], names, notes)
            cross = torch.zeros(config.n_layers_dec, 1, (frames + 3) // 4, config.d_model)
            cache = torch.zeros(config.n_layers_dec, 1, LONGEST, config.n_head, config.d_model // config.n_head)
            given = (torch.tensor([[SOS]]), cache, cache, cross, cross, torch.tensor([0]))
            caches = ["in_n_layer_self_k_cache", "in_n_layer_self_v_cache"]
            out = ["logits", *(name.replace("in_", "out_", 1) for name in caches)]
            export(StepGraph(model), given, directory / "decoder.onnx", ["tokens", *caches, *names, "offset"], out, {})
    symbols = [*SPECIAL, *(chr(HAN + number) for number in range(VOCABULARY - len(SPECIAL)))]
    symbols[BLANK_ID] = "<blank>"
    lines = (f"{symbol} {number}\n" for number, symbol in enumerate(symbols))
    (directory / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def export(
    graph: nn.Module,
    given: tuple[Tensor, ...],
    path: Path,
    inputs: list[str],
    outputs: list[str],
    notes: dict[str, str],
) -> None:
    """Write a graph with its products in int8 and what its reader asks for."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    names = [*inputs, *outputs]
    if "tokens" in names:  # a step: its cache is of any size
        axes = {name: {2: "U"} for name in names if "_self_" in name}
    else:  # the CTC head gets several utterances at once
        axes = {name: {0: "N"} for name in names if "cross" not in name}
    whole = path.with_name("float32") / path.name
    whole.parent.mkdir(exist_ok=True)
    options = {"input_names": inputs, "output_names": outputs, "dynamic_axes": axes, "opset_version": 17}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that sizes become constants, which they are meant to
        torch.onnx.export(graph.eval(), given, str(whole), **options, dynamo=False)
    quantize_dynamic(whole, path, op_types_to_quantize=["MatMul"], weight_type=QuantType.QInt8)
    shutil.rmtree(whole.parent)
    if notes:
        written = onnx.load(str(path))
        for name, value in notes.items():
            written.metadata_props.add(key=name, value=value)
        onnx.save(written, str(path))
