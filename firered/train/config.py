"""Options of the training loop: the sections `train`, `optim` and `progressive` of a training's YAML file."""

from dataclasses import dataclass

from firered.options import Options, option


@dataclass(frozen=True)
class TrainConfig(Options):
    """Length of the training, intervals, and the checkpoints kept."""

    seed: int = option(1, "seed of all random numbers", low=0)
    max_epochs: int = option(50, "passes over the training data at most", low=1)
    max_steps: int = option(0, "optimiser steps at most; 0: no limit but max_epochs", low=0)
    accum_grad: int = option(1, "batches of each process that make one optimiser step", low=1)
    dtype: str = option(
        "float32", "arithmetic of the forward pass; weights stay float32", choices=("float32", "bfloat16")
    )
    gradient_checkpointing: bool = option(False, "recompute layers in the backward pass: less memory, more time")
    compile: bool = option(False, "compile layers (torch.compile): slow first steps, then fast ones; other last digits")
    ema: float = option(0.0, "decay of a moving average of the weights, such as 0.999; 0: none", low=0, high=0.999999)
    ema_export: bool = option(True, "with ema: evaluate, keep and export the moving average, not the weights")
    sharding: str = option(
        "none",
        "how several processes hold the model: each the whole of it (none), or each a part of every weight, its "
        "gradient and its means (fsdp)",
        choices=("none", "fsdp"),
    )
    eval_steps: int = option(0, "steps between evaluations on the dev set; 0: once an epoch", low=0)
    save_steps: int = option(1000, "steps between saved states; one is saved after every evaluation too", low=1)
    log_steps: int = option(50, "steps between lines of the log", low=1)
    skip_nonfinite: int = option(0, "steps whose loss is not a number that are skipped; one more is an error", low=0)
    best_by: str = option(
        "loss", "dev figure that ranks checkpoints: a loss or error_rate, which are better when low, or another"
    )
    error_rate_utterances: int = option(
        0, "utterances of the dev set that are decoded after each evaluation, for their error rate; 0: none", low=0
    )
    error_rate_by: str = option(
        "attention", "what decodes them in recognition, both greedily", choices=("attention", "ctc")
    )
    patience: int = option(0, "stop after this many evaluations in a row without a new best; 0: never", low=0)
    keep_best: int = option(5, "best checkpoints kept", low=1)
    keep_last: int = option(2, "last checkpoints kept", low=1)
    average: str = option(
        "best", "what the exported model is the mean of: the best or the last kept, or the best one", choices=
        ("best", "last", "none"),
    )  # fmt: skip
    resume: bool = option(True, "resume an interrupted training into the same folder")
    tensorboard: bool = option(True, "write curves for TensorBoard")
    wandb_project: str = option("", "project of Weights & Biases that gets the curves (extra `wandb`); empty: none")
    device: str = option("auto", "auto: CUDA where there is one", choices=("auto", "cpu"))
    num_threads: int = option(0, "CPU threads of each process; 0: one per core", low=0)
    num_workers: int = option(2, "data loader workers of each process; 0: none", low=0)


@dataclass(frozen=True)
class OptimConfig(Options):
    """AdamW and its learning rate."""

    lr: float = option(1e-3, "peak learning rate; with schedule noam, the factor", low=0)
    schedule: str = option(
        "warmup",
        "after a linear warm-up: inverse square root (warmup; noam scales it by width ** -0.5), cosine, linear, none",
        choices=("warmup", "noam", "cosine", "linear", "constant"),
    )
    warmup_steps: int = option(500, "steps of rising learning rate", low=1)
    beta1: float = option(0.9, "AdamW's beta1, decay of the first moment", low=0, high=1)
    beta2: float = option(0.98, "AdamW's beta2, decay of the second moment", low=0, high=1)
    weight_decay: float = option(0.01, "weight decay of matrices; biases and norms have none", low=0)
    grad_clip: float = option(5.0, "maximum norm of the gradient", low=0)


@dataclass(frozen=True)
class ProgressiveConfig(Options):
    """Progressive regularisation: dropout and SpecAugment off at first, then raised level by level."""

    by: str = option(
        "none",
        "what raises them: steps, or a dev loss that stalls; none: full from the start",
        choices=("none", "steps", "stall"),
    )
    levels: int = option(4, "equal levels from 0 to full", low=1)
    start_step: int = option(1000, "by steps: the first level from this step on", low=0)
    every_steps: int = option(1000, "by steps: steps from level to level", low=1)
    patience: int = option(1, "stall: evaluations in a row without a lower dev loss that raise a level", low=1)
