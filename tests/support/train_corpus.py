"""A corpus of six tones with texts, labels and languages, and trainings of tiny models on it; helps several tests."""

import json

import numpy as np
import yaml

from firered.data.datadir import write_table
from firered.train.data.config import TokensConfig
from firered.train.data.tokens import make_tokens
from firered.train.run import train
from firered.train.settings import load_settings, settings_of
from support.signals import noise, sine, write_wav

TEXTS = {"a1": "你好", "a2": "好天气", "a3": "你们好", "b1": "天天", "b2": "气你", "b3": "们"}
LANGUAGES = {"a1": "zh mandarin", "a2": "zh yue", "a3": "en", "b1": "ja", "b2": "zh yue", "b3": "en"}

SMALL_AED = {"d_model": 32, "n_head": 2, "n_layers_enc": 1, "n_layers_dec": 1, "kernel_size": 7, "label_smoothing": 0.0}
SMALL_VAD = {"R": 2, "H": 32, "P": 16, "N1": 4, "N2": 4}
NO_MASKS = {"freq_masks": 0, "time_masks": 0}


def make_corpus(folder, keys=tuple(TEXTS)):
    """A data directory: every utterance a tone of its own between stretches of noise."""
    spans = []
    for number, key in enumerate(sorted(keys)):
        tone_s = 0.5 + 0.1 * number
        tone = sine(tone_s, hertz=300.0 * (number + 1))
        quiet = noise(3200, amplitude=0.002, seed=number)
        write_wav(folder / f"{key}.wav", np.concatenate([quiet, tone, quiet]))
        spans.append(
            f"SPEAKER {key} 1 0.200 {tone_s:.3f} <NA> <NA> {('speech', 'singing', 'music')[number % 3]} <NA> <NA>"
        )
    write_table(folder / "wav.scp", {key: str(folder / f"{key}.wav") for key in keys})
    write_table(folder / "text", {key: TEXTS[key] for key in keys})
    write_table(folder / "utt2lang", {key: LANGUAGES[key] for key in keys})
    (folder / "rttm").write_text("\n".join(spans) + "\n")
    return folder


def make_all(folder):
    """The corpus in `folder/data`, and its dictionary in `folder/tokens`."""
    make_corpus(folder / "data")
    make_tokens(str(folder / "data"), folder / "tokens", TokensConfig())
    return folder


def values(task, corpus, out, *, steps, model=None, optim=None, **sections):
    """What a YAML file of a small training on the corpus holds."""
    data = {"train": str(corpus / "data"), "dev": str(corpus / "data")}
    if task in ("aed", "lm"):
        data["tokens"] = str(corpus / "tokens")
    common = {"max_epochs": 1000, "max_steps": steps, "eval_steps": 10**6, "log_steps": 1, "num_workers": 0}
    return {
        "task": task,
        "out": str(out),
        "data": data | sections.pop("data", {}),
        "model": model or {},
        "optim": {"lr": 3e-3, "warmup_steps": 10, "weight_decay": 0.0} | (optim or {}),
        "train": common | {"tensorboard": False, "num_threads": 1} | sections.pop("train", {}),
        **sections,
    }


def run(content):
    """Train; the records of train.jsonl."""
    settings = settings_of(content, "test")
    train(settings)
    return records(settings.out)


def records(out):
    """The records of a training's train.jsonl."""
    return [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]


def write_config(path, content):
    """The path of a YAML file that holds `content`, which can be loaded."""
    path.write_text(yaml.safe_dump(content))
    load_settings(path)
    return path


def losses(lines, kind="train"):
    """The losses of a kind of record."""
    return [line["loss"] for line in lines if line["kind"] == kind]
