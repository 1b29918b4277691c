"""Steps of fixed shapes, as CUDA graphs need them, give what steps over growing caches give.

There is no CUDA here: a stand-in runs again what a graph would replay, from the same tensors.
"""

import logging

import pytest
import torch
from support.tiny_llm import tiny_llm

from firered.models import decoder_cache, llm_stepper, step_graph
from firered.models.aed import Aed, AedConfig
from firered.models.llm_stepper import LlmSteps


class Replayed:
    def __init__(self, compute):
        self.compute, self.result, self.replays = compute, compute(), 0

    def replay(self):
        self.replays += 1
        self.result.copy_(self.compute())


@pytest.fixture
def graphs(monkeypatch):
    """Graphs on the processor; those that are made."""
    made = []

    def recorded(compute, device):
        made.append(Replayed(compute))
        return made[-1], made[-1].result

    monkeypatch.setattr(step_graph, "_recorded", recorded)
    monkeypatch.setattr(step_graph, "_failure", "")
    for module in (decoder_cache, llm_stepper):
        monkeypatch.setattr(module, "graphs_help", lambda device, rows: True)
    return made


def aed_steps(beams):
    torch.manual_seed(0)
    model = Aed(AedConfig(odim=40, d_model=64, n_head=4, n_layers_enc=1, n_layers_dec=2)).prepare()
    encoded, lengths = torch.randn(4, 30, 64), torch.tensor([30, 12, 25, 7])
    return lambda: model.start(encoded, lengths, beams, 90)


def llm_steps(beams):
    torch.manual_seed(0)
    llm = tiny_llm(vocabulary=40).eval()
    embeds = torch.randn(4, 9, llm.config.hidden_size)
    mask = torch.arange(9) >= 9 - torch.tensor([9, 4, 7, 2])[:, None]
    return lambda: LlmSteps(llm, embeds, mask, beams, 90)


def logits_of(steps, beams, count):
    """Logits of many steps in which hypotheses change place and utterances leave."""
    generator = torch.Generator().manual_seed(1)
    utterances, found = 4, []
    for number in range(count):
        rows = utterances * beams
        found.append(steps.step(torch.randint(40, (rows,), generator=generator)).clone())
        within = torch.randint(beams, (utterances, beams), generator=generator)
        steps.reorder((within + torch.arange(utterances)[:, None] * beams).flatten())
        if number in (9, 10, 70):
            utterances -= 1
            steps.select([utterances, *range(1, utterances)])
    return found


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("family", [aed_steps, llm_steps])
@torch.inference_mode()
def test_steps_of_fixed_shapes_are_those_of_growing_caches(family, beams, graphs, monkeypatch):
    monkeypatch.setattr(llm_stepper, "_SHOWN", 64)
    start = family(beams)
    fixed = logits_of(start(), beams, 90)
    assert len(graphs) >= 3
    assert sum(graph.replays for graph in graphs) >= 75  # after each change one step is run as it is
    for module in (decoder_cache, llm_stepper):
        monkeypatch.setattr(module, "graphs_help", lambda device, rows: False)
    for step, (one, other) in enumerate(zip(fixed, logits_of(start(), beams, 90), strict=True)):
        assert torch.allclose(one, other, atol=2e-5), step


def test_a_step_that_cannot_be_recorded_is_run_and_said_once(graphs, monkeypatch, caplog):
    def refuse(compute, device):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    monkeypatch.setattr(step_graph, "_recorded", refuse)
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        found = logits_of(aed_steps(2)(), 2, 20)
    assert len(found) == 20
    assert [record.getMessage() for record in caplog.records] == [
        "CUDA graphs are off, a step cannot be recorded: operation not permitted when stream is capturing"
    ]


@pytest.mark.parametrize(
    ("device", "rows", "setting", "helps"),
    [("cuda", 3, "", True), ("cuda", 3, "0", False), ("cuda", 1000, "", False), ("cpu", 3, "", False)],
)
def test_where_graphs_help(device, rows, setting, helps, monkeypatch):
    monkeypatch.setenv("FIRERED_CUDA_GRAPHS", setting)
    assert step_graph.graphs_help(torch.device(device), rows) is helps
