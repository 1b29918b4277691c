"""The networks of Fun-ASR-Nano (FunAudio-ASR report, section 3): SANM encoder, adaptor, Qwen3 and a CTC head.

Encoder and adaptor are the classes of transformers, which compute what the published code does. Published checkpoints
name and stack tensors otherwise: see `released_encoder_name`. Two things differ by the form of a checkpoint. The
published code gives the language model the first eighth of the adaptor's rows (`heard_rows`), transformers all of them;
and the rotary frequencies of the published model have been through bfloat16.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import FunAsrNanoEncoderConfig, Qwen3Config, Qwen3ForCausalLM
from transformers.models.fun_asr_nano.configuration_fun_asr_nano import FunAsrNanoAdaptorConfig
from transformers.models.fun_asr_nano.modeling_fun_asr_nano import FunAsrNanoEncoder, FunAsrNanoMultiModalProjector

from firered.errors import ModelError
from firered.models.checkpoint import arg

ROW_FRAMES = 6  # feature frames to a row of the encoder
_ATTENTION = "sdpa"


@dataclass(frozen=True)
class SanmSizes:
    """`audio_encoder_conf` of a published config.yaml."""

    output_size: int = arg(low=1)
    attention_heads: int = arg(low=1)
    linear_units: int = arg(low=1)
    num_blocks: int = arg(low=1, layers=True)
    tp_blocks: int = arg(low=1, layers=True)
    kernel_size: int = arg(low=1)
    sanm_shfit: int = arg(0)
    normalize_before: bool = arg(True)

    @property
    def layers(self) -> int:
        """Of the whole encoder."""
        return self.num_blocks + self.tp_blocks


@dataclass(frozen=True)
class AdaptorSizes:
    """`audio_adaptor_conf`, or `ctc_decoder_conf`, of a published config.yaml."""

    ffn_dim: int = arg(low=1)
    llm_dim: int = arg(low=1)
    encoder_dim: int = arg(low=1)
    n_layer: int = arg(low=0, layers=True)
    downsample_rate: int = arg(1, low=1)
    attention_heads: int = arg(8, low=1)
    use_low_frame_rate: bool = arg(False)
    eps: float = arg(1e-12, low=0)


class Positions(nn.Module):
    """Sines of positions 1, 2, … in the first half of the columns, cosines in the second, for any length."""

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.columns = columns

    def forward(self, rows: Tensor) -> Tensor:
        """(L, columns) for rows (N, L, columns)."""
        half = self.columns // 2
        with torch.autocast(rows.device.type, enabled=False):
            slowing = torch.log(torch.tensor(10000.0, device=rows.device)) / (half - 1)
            rates = torch.exp(torch.arange(half, device=rows.device) * -slowing)
            angles = torch.arange(1, rows.shape[1] + 1, device=rows.device)[:, None] * rates
            return torch.cat([angles.sin(), angles.cos()], 1).to(rows.dtype)


class Adaptor(nn.Module):
    """Linear layers and Transformer blocks between the encoder and what follows it (sections 3.2 and 3.4)."""

    def __init__(self, sizes: AdaptorSizes) -> None:
        super().__init__()
        self.rate = sizes.downsample_rate
        config = FunAsrNanoAdaptorConfig(
            hidden_size=sizes.llm_dim,
            num_attention_heads=sizes.attention_heads,
            intermediate_size=sizes.llm_dim // 4,
            num_hidden_layers=sizes.n_layer,
            layer_norm_eps=sizes.eps,
            projector_hidden_size=sizes.ffn_dim,
        )
        config._attn_implementation = _ATTENTION  # without it transformers takes no notice of the mask
        encoder = SimpleNamespace(hidden_size=sizes.encoder_dim * self.rate)
        self.net = FunAsrNanoMultiModalProjector(SimpleNamespace(audio_config=encoder, adaptor_config=config))  # type: ignore[arg-type]

    def forward(self, rows: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(N, ceil(L / rate), llm_dim) of encoder rows (N, L, d), and the lengths (N,)."""
        if self.rate > 1:  # an utterance's last rows are stacked with zeros, whatever a batch has there
            rows = rows.masked_fill(~row_mask(rows, lengths)[..., None], 0.0)
        rows = F.pad(rows, (0, 0, 0, -rows.shape[1] % self.rate))
        stacked = rows.unflatten(1, (-1, self.rate)).flatten(2)
        lengths = -(-lengths // self.rate)
        return self.net(stacked, row_mask(stacked, lengths)), lengths


class FunAsrEncoder(nn.Module):
    """The encoder and the adaptor, and the CTC head where the checkpoint has one."""

    many_rows = True  # its linear layers are given whole utterances

    def __init__(
        self,
        encoder: FunAsrNanoEncoder,
        adaptor: Adaptor,
        ctc_decoder: Adaptor | None = None,
        ctc: nn.Linear | None = None,
    ) -> None:
        super().__init__()
        self.encoder, self.adaptor = encoder, adaptor
        self.ctc_decoder, self.ctc = ctc_decoder, ctc

    @property
    def dtype(self) -> torch.dtype:
        """Of what it takes; norms stay as they are where linear layers are in int8."""
        return next(self.encoder.parameters()).dtype

    def encode(self, rows: Tensor, lengths: Tensor, layers: int | None = None) -> Tensor:
        """(N, L, d) of stacked filterbank rows (N, L, 560); what lies behind an utterance's length means nothing.

        Args:
            rows: padded.
            lengths: (N,) rows of each utterance.
            layers: after so many of them; 0: what the first is given.
        """
        found = self.encoder(rows, row_mask(rows, lengths), output_hidden_states=layers is not None)
        return found.last_hidden_state if layers is None else found.hidden_states[layers]

    def ctc_log_probs(self, encoded: Tensor, lengths: Tensor) -> Iterator[Tensor]:
        """(L, V) log-softmax of the CTC head, of one utterance after the other: all at once would fill the memory."""
        if self.ctc_decoder is None or self.ctc is None:
            raise ModelError("this checkpoint has no CTC head")
        decoded = self.ctc_decoder(encoded, lengths)[0]
        for rows, length in zip(decoded, lengths.tolist(), strict=True):
            logits = self.ctc(rows[:length]).float()
            yield torch.log_softmax(logits, -1, out=logits)


def sanm_encoder(sizes: SanmSizes, bins: int, stack: int) -> FunAsrNanoEncoder:
    """An encoder of these sizes."""
    config = FunAsrNanoEncoderConfig(
        num_mel_bins=bins,
        num_stacked_frames=stack,
        hidden_size=sizes.output_size,
        num_attention_heads=sizes.attention_heads,
        intermediate_size=sizes.linear_units,
        num_hidden_layers=sizes.layers,
        num_timestamp_prediction_layers=sizes.tp_blocks,
        fsmn_kernel_size=sizes.kernel_size,
        max_position_embeddings=1,
    )
    config._attn_implementation = _ATTENTION
    encoder: Any = FunAsrNanoEncoder(config)  # its layers' types are not told
    shift = sizes.sanm_shfit if sizes.sanm_shfit > 0 else 0
    left = (sizes.kernel_size - 1) // 2 + shift
    for layer in encoder.layers:
        layer.mlp.activation_fn = nn.ReLU(inplace=True)
        layer.self_attn.fsmn.pad = nn.ConstantPad1d((left, sizes.kernel_size - 1 - left), 0.0)
    encoder.position_embeddings = Positions(config.input_size)
    return encoder


def qwen3(config: Qwen3Config) -> Qwen3ForCausalLM:
    """A language model with attention as `firered.models.llm_stepper` needs it."""
    config._attn_implementation = _ATTENTION
    return Qwen3ForCausalLM(config)


def restore_rotary(llm: Qwen3ForCausalLM, *, rounded: bool = True) -> None:
    """Compute the rotary frequencies of a model that was made without memory.

    Rounded to bfloat16 they are those of the published code, which casts the model to bfloat16 and back.
    """
    rotary = type(llm.model.rotary_emb)(llm.config)
    if rounded:
        rotary.inv_freq = rotary.inv_freq.bfloat16().float()
    llm.model.rotary_emb = rotary


def row_mask(rows: Tensor, lengths: Tensor) -> Tensor:
    """(N, L) True on an utterance's own rows."""
    return torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]


def heard_rows(rows: int, low_frame_rate: bool) -> int:
    """How many of the adaptor's rows the language model is given: the first eighth, as published, or all."""
    if not low_frame_rate:
        return rows
    for _ in range(3):
        rows = 1 + (rows - 1) // 2
    return rows


_LAYER = {
    "input_layernorm": "norm1",
    "post_attention_layernorm": "norm2",
    "mlp.fc1": "feed_forward.w_1",
    "mlp.fc2": "feed_forward.w_2",
    "self_attn.o_proj": "self_attn.linear_out",
    "self_attn.fsmn.conv": "self_attn.fsmn_block",
}
_QKV = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")


def released_encoder_name(name: str, sizes: SanmSizes) -> tuple[str, int | None]:
    """The published name of one of the encoder's parameters, and which third of that tensor it is."""
    _, number, rest = name.split(".", 2)  # layers.N.…
    module, _, kind = rest.rpartition(".")
    layer = int(number)
    if module == "final_layernorm":
        return f"{'after_norm' if layer == sizes.num_blocks - 1 else 'tp_norm'}.{kind}", None
    if layer == 0:
        stack = "encoders0.0"
    elif layer < sizes.num_blocks:
        stack = f"encoders.{layer - 1}"
    else:
        stack = f"tp_encoders.{layer - sizes.num_blocks}"
    if module in _QKV:
        return f"{stack}.self_attn.linear_q_k_v.{kind}", _QKV.index(module)
    return f"{stack}.{_LAYER[module]}.{kind}", None


def released_adaptor_name(name: str) -> tuple[str, int | None]:
    """The published name of one of an adaptor's parameters, which is the whole tensor."""
    name = name.removeprefix("net.")
    if not name.startswith("layers."):
        return name.replace("linear_", "linear"), None
    _, number, rest = name.split(".", 2)
    module, _, kind = rest.rpartition(".")
    released = f"self_attn.linear_{'qkv'[_QKV.index(module)]}" if module in _QKV else _LAYER[module]
    return f"blocks.{number}.{released}.{kind}", None
