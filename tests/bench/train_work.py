"""The table of work in docs/training/recognition.md: arithmetic of a training step of each size a second of audio.

Three times the operations of matrix products and convolutions of a forward pass, as torch counts them, since the
backward pass takes twice as many. (What torch counts of a backward pass takes depthwise convolutions for dense ones.)
Of one utterance; of the published sizes in models of the true width with one and two layers, what a layer adds
multiplied. The last row is egs/aishell/conf/joint.yaml, counted as a whole, with the memory that its activations keep.

    python tests/bench/train_work.py
"""

import argparse
from dataclasses import replace

import torch
from torch.utils.flop_counter import FlopCounterMode
from train_memory import ODIM, TOKENS_A_SECOND, batch_of, parameters

from firered.models.aed import SIZES, Aed, AedConfig
from firered.train import rehearsal
from firered.train.data.batch import Batch
from firered.train.data.config import SpecAugmentConfig
from firered.train.objectives.objective import Objective
from firered.train.tasks.aed import AedTaskConfig, objective_of

SECONDS = 10
GIGA = 1e9
AISHELL = {"d_model": 320, "n_head": 5, "n_layers_enc": 12, "n_layers_dec": 6, "kernel_size": 31, "odim": 4233}


def example(seconds: int) -> Batch:
    """One utterance, which a CTC head may label from its first frame to its last."""
    batch = batch_of(seconds)
    limits = {"labelled": [[0, 100 * seconds]], "token_lengths": [TOKENS_A_SECOND * seconds]}
    return replace(batch, tensors={**batch.tensors, **{name: torch.tensor(value) for name, value in limits.items()}})


def operations(objective: Objective) -> float:
    """Operations of a forward and a backward pass over a second of audio."""
    with FlopCounterMode(display=False) as counter:
        objective(example(SECONDS).tensors)
    return 3 * counter.get_total_flops() / SECONDS


def new(config: AedConfig, ctc_weight: float) -> Objective:
    """What trains a model of random weights."""
    torch.manual_seed(0)
    return objective_of(AedTaskConfig(ctc_weight=ctc_weight), Aed(config), SpecAugmentConfig())


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    torch.set_num_threads(1)
    print("size parameters GFLOP a second of audio")
    for size in SIZES:
        config = AedConfig.of_size(size, ODIM)
        one, encoder, decoder = (
            operations(new(replace(config, n_layers_enc=enc, n_layers_dec=dec), 0.0))
            for enc, dec in ((1, 1), (2, 1), (1, 2))
        )
        more = (config.n_layers_enc - 1) * (encoder - one) + (config.n_layers_dec - 1) * (decoder - one)
        print(f"{size} {parameters(config) / 1e6:.0f}M {(one + more) / GIGA:.0f}", flush=True)
    config = replace(AedConfig.of_size("XS", ODIM), **AISHELL)
    work = operations(new(config, 0.3)) / GIGA
    kept = [rehearsal.kept_bytes(new(config, 0.3), example(SECONDS), half) / GIGA for half in (False, True)]
    memory = f"keeps {kept[0]:.3f} GB of {SECONDS} s, in bfloat16 {kept[1]:.3f} GB"
    print(f"egs/aishell joint {parameters(config) / 1e6:.0f}M {work:.1f}; {memory}")


if __name__ == "__main__":
    main()
