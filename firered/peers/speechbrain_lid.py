"""SpeechBrain's ECAPA-TDNN for the 107 languages of VoxLingua107, through its package speechbrain."""

import tempfile
from typing import Any

import numpy as np
import torch

from firered.models.checkpoint import pick_device
from firered.peers.codes import label_of
from firered.peers.directory import check_directory, log_left_alone

_NEEDED = ("hyperparams.yaml", "embedding_model.ckpt", "classifier.ckpt", "label_encoder.txt")


class Ecapa:
    """The likeliest language of an utterance and its posterior."""

    def __init__(self, classifier: Any) -> None:  # noqa: ANN401 - EncoderClassifier
        self._classifier = classifier

    def __call__(self, samples: np.ndarray) -> tuple[str, float]:
        """Label and posterior for samples (n,); the model's labels are `th: Thai` and the like."""
        with torch.inference_mode():
            _, score, _, labels = self._classifier.classify_batch(torch.from_numpy(samples)[None])
        return label_of(labels[0].partition(":")[0].strip()), min(float(score[0].exp()), 1.0)


def load(model: str | None, device: str) -> Ecapa:
    """The adapter; `model` is the directory of its weights, as published.

    Its hyperparams.yaml names classes to make: a directory from strangers may run anything.
    """
    with log_left_alone():
        from speechbrain.inference.classifiers import EncoderClassifier
        from speechbrain.utils.fetching import LocalStrategy

    place = check_directory(model, _NEEDED)
    with tempfile.TemporaryDirectory() as links:  # it wants a folder to gather its files in
        classifier = EncoderClassifier.from_hparams(
            source=str(place.absolute()),
            savedir=links,
            overrides={"pretrained_path": str(place.absolute())},  # or it fetches the weights from where that says
            local_strategy=LocalStrategy.NO_LINK,
            run_opts={"device": str(pick_device(device))},
        )
    classifier.hparams.label_encoder.ignore_len()
    return Ecapa(classifier.eval())
