"""Released checkpoints."""

import pytest

from firered.models.checkpoint import load_checkpoint, load_weights
from firered.models.dfsmn import Dfsmn, DfsmnConfig


@pytest.mark.parametrize("name", ["VAD", "Stream-VAD", "AED"])
def test_released_checkpoints_load(shared, name):
    path = shared(f"models/FireRedVAD/{name}") / "model.pth.tar"
    args, state = load_checkpoint(path)
    load_weights(Dfsmn(DfsmnConfig.from_args(args)), state, path)
