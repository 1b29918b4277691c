"""What the tests share: data that may not be there, models that need no download, and the folders' marks."""

import pytest
import torch
from hypothesis import HealthCheck, settings
from support.paths import SHARED
from support.tiny_vad import write_tiny_models

# As the commands have it; and where tests share few cores with other work, torch's threads wait for each other.
torch.set_num_threads(1)

# A machine with other work to do may take any time over an example; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


@pytest.fixture(scope="session")
def shared():
    """Path of something under SHARED; skips the test on machines without it."""

    def find(path):
        found = SHARED / path
        if not found.exists():
            pytest.skip(f"{path} is not here: {SHARED} comes with the workplace, not with the repository")
        return found

    return find


@pytest.fixture(scope="session")
def tiny_vad_models(tmp_path_factory):
    """Directory with FireRedVAD/{VAD,Stream-VAD,AED} as published, of random weights; not to be written to."""
    return write_tiny_models(tmp_path_factory.mktemp("models"))
