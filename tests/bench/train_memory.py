"""The tables of docs/training/recognition.md: what training of each size keeps in memory.

Parameters are counted. Activations are what PyTorch keeps for the backward pass, summed over the tensors themselves, of
models of the true width with one and with two layers; what a layer adds is multiplied.

    python tests/bench/train_memory.py
"""

import argparse
from dataclasses import replace

import torch

from firered.models.aed import SIZES, Aed, AedConfig
from firered.train import rehearsal
from firered.train.data.batch import Batch
from firered.train.data.config import SpecAugmentConfig
from firered.train.data.text import teacher_forcing
from firered.train.tasks.aed import AedTaskConfig, objective_of

ODIM = 8667  # tokens of the released dictionary
TOKENS_A_SECOND = 4
GB = 1e9


def parameters(config: AedConfig) -> int:
    """Weights of a recognition model, its CTC head included."""
    with torch.device("meta"):
        return sum(parameter.numel() for parameter in Aed(config).parameters())


def lora_parameters(config: AedConfig, rank: int) -> int:
    """Weights of additions to all attention projections: rank * (inputs + outputs) each."""
    projections = 4 * config.n_layers_enc + 8 * config.n_layers_dec
    return projections * rank * 2 * config.d_model


def batch_of(seconds: int) -> Batch:
    """One utterance of noise."""
    frames = 100 * seconds
    tensors = teacher_forcing([[7] * (TOKENS_A_SECOND * seconds)])
    tensors |= {"feats": torch.randn(1, frames, 80), "lengths": torch.tensor([frames])}
    return Batch(["noise"], tensors, 1)


def kept_bytes(config: AedConfig, seconds: int, bfloat16: bool) -> int:
    """Bytes that an utterance of so many seconds keeps in a model."""
    torch.manual_seed(0)
    objective = objective_of(AedTaskConfig(), Aed(config), SpecAugmentConfig())
    return rehearsal.kept_bytes(objective, batch_of(seconds), bfloat16)


def activations(size: str, seconds: int, bfloat16: bool) -> tuple[float, float]:
    """Bytes kept for one utterance by all layers, and with every layer computed again."""
    config = AedConfig.of_size(size, ODIM)
    one, encoder, decoder = (
        kept_bytes(replace(config, n_layers_enc=enc, n_layers_dec=dec), seconds, bfloat16)
        for enc, dec in ((1, 1), (2, 1), (1, 2))
    )
    encoder_layer, decoder_layer = encoder - one, decoder - one
    rest = one - encoder_layer - decoder_layer
    full = rest + config.n_layers_enc * encoder_layer + config.n_layers_dec * decoder_layer
    # the inputs of layers, the encoder's output that every layer of the decoder takes, and the layer being done again
    inputs = 4 * config.d_model * (25 * seconds * config.n_layers_enc + TOKENS_A_SECOND * seconds * config.n_layers_dec)
    return full, rest + inputs + max(encoder_layer, decoder_layer)


def main() -> None:
    """Print both tables."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print("size parameters full frozen-encoder lora16 (GB)")
    for size in SIZES:
        config = AedConfig.of_size(size, ODIM)
        count, added = parameters(config), lora_parameters(config, 16)
        with torch.device("meta"):
            encoder = sum(parameter.numel() for parameter in config.encoder().parameters())
        frozen = 4 * encoder + 16 * (count - encoder)
        print(f"{size} {count / 1e6:.0f}M {16 * count / GB:.1f} {frozen / GB:.1f} {(4 * count + 16 * added) / GB:.1f}")
    print("size seconds float32 recomputed bfloat16 recomputed (GB)")
    for size in SIZES:
        for seconds in (10, 30):
            cells = [f"{value / GB:.2f}" for half in (False, True) for value in activations(size, seconds, half)]
            print(size, seconds, *cells, flush=True)


if __name__ == "__main__":
    main()
