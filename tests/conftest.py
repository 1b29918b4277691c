"""What the tests share: data that may not be there, models that need no download, and the folders' marks."""

import signal

import pytest
import torch
from hypothesis import HealthCheck, settings
from support.paths import SHARED, TESTS
from support.tiny_vad import write_tiny_models

# As the commands have it; and where there are fewer cores than workers, torch's threads wait for each other.
torch.set_num_threads(1)

# Whoever runs the tests in the background ignores interrupts, and what the tests start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine may take any time over an example; that says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


# Tests have the mark of the folder that they are in; `slow`, `nightly` and `gpu` are set where they belong.
FOLDER_MARKS = {"commands": "command", "recipes": "recipe", "parity": "parity"}


def pytest_collection_modifyitems(items):
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if folder in FOLDER_MARKS:
            item.add_marker(FOLDER_MARKS[folder])
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


# The beginning of a path in the folder of released data, and how to get what is there.
SOURCES = {
    "models/FireRedVAD": "firered-download FireRedVAD --to {folder}/models",
    "models": "fetch the published model directory to {folder}/models",
    "audio/firered": "copy the sample recordings of the FireRedASR2S release to {folder}/audio/firered",
    "audio/ami": "fetch meetings of the AMI corpus, as wav with RTTM, to {folder}/audio/ami",
    "data/fsdd": "fetch the Free Spoken Digit Dataset's recordings to {folder}/data/fsdd",
    "data/aishell_sample": "put a part of AISHELL-1, in that corpus' own layout, into {folder}/data/aishell_sample",
    "goldens/FunASRNano": "put what the published Fun-ASR code gives into {folder}/goldens/FunASRNano",
    "spec": "put a table of the figures in the papers into {folder}/spec",
}


def where_to_get(path):
    """What to do for `path` to be there."""
    remedy = next((remedy for start, remedy in SOURCES.items() if path.startswith(start)), "fetch it to {folder}")
    return f"{remedy.format(folder=SHARED)} (FIRERED_SHARED names another folder)"


@pytest.fixture(scope="session")
def shared():
    """Path of released weights or recordings; skips the test where they are absent."""

    def find(path):
        found = SHARED / path
        if not found.exists():
            pytest.skip(f"needs {path}, which is not in the repository; {where_to_get(path)}")
        return found

    return find


@pytest.fixture(scope="session")
def tiny_vad_models(tmp_path_factory):
    """Directory with FireRedVAD/{VAD,Stream-VAD,AED} as published, of random weights; not to be written to."""
    return write_tiny_models(tmp_path_factory.mktemp("models"))
