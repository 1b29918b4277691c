"""The number of parameters, as a model's files state it."""

from types import SimpleNamespace

import pytest
import torch
from support.paths import EGS, GOLDENS

import firered
from firered.hub.find import checkpoint_of
from firered.models.aed import Aed, Lid
from firered.models.checkpoint import load_tensors
from firered.models.parameters import parameters_of
from firered.scoring.reports.provenance import settings_of, speed_of


def count(directory):
    return parameters_of(directory, checkpoint_of(directory))


def weights_of(module):
    """The parameters of all networks that a module of the package holds, each once."""
    found, left, seen = {}, [module], set()
    while left:
        thing = left.pop()
        if isinstance(thing, torch.nn.Module):
            found |= {id(parameter): parameter.numel() for parameter in thing.parameters()}
        elif id(thing) not in seen:
            seen.add(id(thing))
            left += getattr(thing, "__dict__", {}).values()
    return sum(found.values())


@pytest.mark.parametrize(("name", "kind"), [("FireRedASR2-AED", Aed), ("FireRedLID", Lid)])
def test_a_checkpoint_has_as_many_as_its_network(name, kind):
    directory = EGS / "mini/models" / name
    assert count(directory) == weights_of(SimpleNamespace(network=kind.load(directory / "model.pth.tar")))


@pytest.mark.parametrize("name", ["FireRedVAD/VAD", "FireRedPunc"])
def test_a_model_directory_has_as_many_as_its_module(name):
    directory = EGS / "mini/models" / name
    assert count(directory) == weights_of(firered.load(directory))


def test_an_llm_counts_its_base_and_its_adapters():
    directory = GOLDENS / "tiny/FireRedASR2-LLM"
    lora = [tensor for name, tensor in load_tensors(directory / "model.pth.tar").items() if "lora" in name]
    assert count(directory) == weights_of(firered.load(directory)) + sum(tensor.numel() for tensor in lora)


def test_files_of_another_kind_have_no_number(tmp_path):
    (tmp_path / "model.pth.tar").write_bytes(b"weights")
    assert count(tmp_path) is None
    (tmp_path / "model.pth.tar").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert count(tmp_path) is None


def test_a_damaged_report_of_a_run_does_not_stop_its_score(tmp_path, caplog):
    (tmp_path / "speed.json").write_text("{")
    assert (speed_of(tmp_path), settings_of(tmp_path)) == (None, None)
    assert "the report names no speed" in caplog.text
