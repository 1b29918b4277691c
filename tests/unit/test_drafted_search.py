"""Searches with drafts: they find what the search alone finds, whatever the draft, for any beam, batch and scorers."""

import random
from dataclasses import replace

import pytest
import torch
from support.table_model import EOS, SOS, Table, random_logits
from support.tiny_llm import tiny_llm

from firered.models.aed import Aed, AedConfig
from firered.models.llm_stepper import LlmSteps
from firered.models.llm_tree import LlmTree
from firered.search import drafts as drafts_module
from firered.search.beam import beam_search
from firered.search.config import BeamConfig, GenerateConfig
from firered.search.context_graph import ContextGraph, Phrase
from firered.search.drafts import DraftCounts, search_with_drafts
from firered.search.generate import search
from firered.search.hotwords import Hotwords, HotwordScorer
from firered.search.scorers import LmScorer, Mask
from firered.search.vocabulary import Vocabulary

V, LIMIT = 7, 12


class TableTree:
    """A `PrefixModel` of the tables that `Table` steps through; it counts its passes."""

    def __init__(self, logits):
        self.logits, self.prefixes, self.passes, self.rows = logits, [[] for _ in logits], 0, 0

    vocabulary = property(lambda self: self.logits.shape[1])

    def extend(self, tokens, parents):
        self.passes += 1
        rows = []
        for place, (held, own, before) in enumerate(zip(self.prefixes, tokens, parents, strict=True)):
            for token, parent in zip(own, before, strict=True):
                held.append((SOS if parent < 0 else held[parent][1], token))
                rows.append(self.logits[place][held[-1]])
        self.rows += len(rows)
        return torch.stack(rows)

    def select(self, utterances):
        self.logits = self.logits[utterances]
        self.prefixes = [self.prefixes[utt] for utt in utterances]


def damaged(text, rng, share, low=0, high=V):
    """A text with some of its tokens left out, replaced, or followed by another."""
    out = []
    for token in text:
        kind = rng.random() / max(share, 1e-9)
        out += [] if kind < 1 / 3 else [rng.randrange(low, high) if kind < 2 / 3 else token]
        out += [rng.randrange(low, high)] * (2 / 3 <= kind < 1)
    return out


def settings(seed):
    """Options of the search, and what makes its scorers for some of the utterances."""
    rng = random.Random(seed)
    beam = rng.choice([1, 2, 3, 5])
    config = BeamConfig(
        beam,
        rng.randint(1, beam),
        rng.choice([0.7, 1.0, 1.25]),
        rng.choice([0.0, 0.6, 1.5]),
        rng.choice([0.5, 1.0, 1.0, 2.0]),
    )
    kinds = rng.sample(["lm", "mask", "hotwords"], rng.choice([0, 0, 1, 2]))
    return beam, config, kinds


def make_scorers(kinds, seed, beam, rows):
    out = []
    if "lm" in kinds:
        out.append(LmScorer(Table(random_logits(seed + 1, 5, V)[rows], beam), 0.4, EOS))
    if "mask" in kinds:
        allowed = torch.rand(V, V, generator=torch.Generator().manual_seed(seed)) < 0.8
        allowed[:, EOS] = True
        out.append(Mask(allowed))
    if "hotwords" in kinds:
        vocabulary = Vocabulary([None, None, *"abcde"])
        hotwords = Hotwords(ContextGraph([Phrase(("c", "a", "d"), 2.0), Phrase(("b",), 0.7)], 0.0), vocabulary)
        out.append(HotwordScorer([hotwords if row % 2 else None for row in rows], beam))
    return out


def compared(seed, share):
    """Hypotheses of the search alone, and with drafts that are damaged texts; some utterances end at once."""
    rng = random.Random(seed)
    n = rng.randint(1, 5)
    logits = random_logits(seed, n, V)
    logits[..., EOS] -= rng.choice([0.0, 2.0, 5.0])
    limits = torch.tensor([rng.randint(1, LIMIT) for _ in range(n)])
    beam, config, kinds = settings(seed)

    def run(model, rows):
        scorers = make_scorers(kinds, seed, beam, rows)
        return beam_search(model, limits[rows], config, sos=SOS, eos=EOS, scorers=scorers)

    plain = run(Table(logits, beam), list(range(n)))
    drafts = [damaged(best[0].tokens, rng, share, -2, V + 3) for best in plain]
    tree = TableTree(logits)
    found, counts = search_with_drafts(tree, drafts, run, beams=beam, limits=limits.tolist(), first=[SOS] * n, eos=EOS)
    return plain, found, counts, tree


@pytest.mark.parametrize("count", [120, pytest.param(5000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("share", [0.0, 0.2, 1.0])
def test_tables_are_searched_alike_with_and_without_a_draft(share, count):
    given_up = 0
    for seed in range(count):
        plain, found, counts, tree = compared(seed, share)
        for alone, own in zip(plain, found, strict=True):
            assert own is None or own == alone, seed  # the same numbers, too: the logits are the same
        given_up += counts.given_up
        assert counts.utterances == len(plain)
        assert tree.rows == counts.rows
    assert given_up < count  # of some three times as many: otherwise this would test nothing


def test_the_right_draft_of_a_greedy_search_takes_one_pass():
    for seed in range(50):
        logits = random_logits(seed, 3, V)
        limits = torch.tensor([LIMIT, 3, 1])

        def run(model, rows, limits=limits):
            return beam_search(model, limits[rows], BeamConfig(1), sos=SOS, eos=EOS)

        plain = run(Table(logits, 1), [0, 1, 2])
        tree = TableTree(logits)
        texts = [best[0].tokens for best in plain]
        found, counts = search_with_drafts(tree, texts, run, beams=1, limits=limits.tolist(), first=[SOS] * 3, eos=EOS)
        assert found == plain
        assert tree.passes == 1
        assert counts.share == 1


def test_what_each_utterance_accepts_does_not_depend_on_the_others():
    logits = random_logits(5, 6, V)
    logits[..., EOS] -= 4
    limits = torch.tensor([LIMIT] * 6)

    def run(model, rows):
        return beam_search(model, limits[rows], BeamConfig(1), sos=SOS, eos=EOS)

    plain = run(Table(logits, 1), list(range(6)))
    drafts = [best[0].tokens if place != 2 else (2, 2, 2) for place, best in enumerate(plain)]
    _, together = search_with_drafts(
        TableTree(logits), drafts, run, beams=1, limits=limits.tolist(), first=[SOS] * 6, eos=EOS
    )
    apart = DraftCounts()
    for place in range(6):

        def one(model, rows, place=place):
            return beam_search(model, limits[:1], BeamConfig(1), sos=SOS, eos=EOS)

        tree = TableTree(logits[place : place + 1])
        own = drafts[place : place + 1]
        apart += search_with_drafts(tree, own, one, beams=1, limits=[LIMIT], first=[SOS], eos=EOS)[1]
    assert together == apart
    assert together.passes < 6 + LIMIT + 1


def test_no_utterance_takes_more_passes_than_steps(monkeypatch):
    monkeypatch.setattr(drafts_module, "_PASSES", 10**6)  # nothing is given up
    for seed in range(40):
        plain, found, _, tree = compared(seed, 1.0)
        assert found == plain, seed
        assert tree.passes <= LIMIT + 1


def test_a_draft_that_is_of_no_use_is_given_up_early():
    logits = random_logits(0, 1, V)
    logits[..., EOS] -= 9

    def run(model, rows):
        return beam_search(model, torch.tensor([200]), BeamConfig(1), sos=SOS, eos=EOS)

    tree = TableTree(logits)
    (found,), counts = search_with_drafts(tree, [[]], run, beams=1, limits=[200], first=[SOS], eos=EOS)
    if found is None:
        assert counts.given_up == 1
        assert tree.passes <= drafts_module._PASSES
    else:
        assert found == run(Table(logits, 1), [0])[0]


def tiny_aed(seed, dtype):
    """A model whose decoder has opinions."""
    torch.manual_seed(seed)
    config = AedConfig(idim=80, odim=14, d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=2, kernel_size=7)
    model = Aed(config)
    with torch.no_grad():
        for name, weight in model.decoder.named_parameters():
            if weight.dim() > 1:
                weight.mul_(3 if "emb" not in name else 1.5)
    return model.to(dtype).prepare()


@pytest.mark.parametrize("count", [20, pytest.param(1000, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.inference_mode()
def test_the_decoder_verifies_many_prefixes_as_it_steps(dtype, count):
    worst, compared_, sos, eos = 0.0, 0, 3, 4
    for seed in range(count):
        rng, model = random.Random(seed), tiny_aed(seed, dtype)
        lengths = torch.tensor([25, *(rng.randint(1, 25) for _ in range(rng.randint(0, 3)))])
        encoded = 2 * torch.randn(len(lengths), 25, 16, dtype=dtype)
        for beam in (1, 3):
            config = BeamConfig(beam, beam)

            def run(steps, rows, lengths=lengths, config=config):
                return beam_search(steps, lengths[rows], config, sos=3, eos=4)

            plain = run(model.start(encoded, lengths, beam, 25), list(range(len(lengths))))
            drafts = [damaged(best[0].tokens, rng, (0, 0.1, 0.4)[seed % 3], 5, 14) for best in plain]
            found, _ = search_with_drafts(
                model.start_tree(encoded, lengths),
                drafts,
                run,
                beams=beam,
                limits=lengths.tolist(),
                first=[sos] * len(lengths),
                eos=eos,
            )
            for alone, own in zip(plain, found, strict=True):
                if own is not None:
                    compared_ += 1
                    assert [h.tokens for h in own] == [h.tokens for h in alone], seed
                    worst = max([worst, *(abs(a.score - b.score) for a, b in zip(alone, own, strict=True))])
    assert compared_ > 2 * count
    assert worst < (1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("count", [4, pytest.param(200, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@torch.inference_mode()
def test_a_language_model_verifies_many_prefixes_as_it_steps(dtype, count):
    compared_ = 0
    for seed in range(count):
        torch.manual_seed(seed)
        rng, llm = random.Random(seed), tiny_llm(vocabulary=40).to(dtype).eval()
        counts = [9, 4, 7]
        embeds = torch.randn(3, 9, llm.config.hidden_size, dtype=dtype)
        mask = torch.arange(9) >= 9 - torch.tensor(counts)[:, None]
        limits = torch.tensor([14, 3, 9])
        first = torch.tensor([5, 6, 7])
        for config in (GenerateConfig(1, 1), GenerateConfig(1, 1, 2, 1.3, temperature=1.5), GenerateConfig(3, 2)):

            def run(steps, rows, config=config, limits=limits, first=first):
                return search(steps, limits[rows], config, first=first[rows], eos=2)

            plain = run(LlmSteps(llm, embeds, mask, config.beam_size, 14), [0, 1, 2])
            drafts = [damaged(best[0].tokens, rng, 0.2, 0, 45) for best in plain]
            found, _ = search_with_drafts(
                LlmTree(llm, embeds, mask),
                drafts,
                run,
                beams=config.beam_size,
                limits=limits.tolist(),
                first=first.tolist(),
                eos=2,
            )
            for alone, own in zip(plain, found, strict=True):
                if own is not None:
                    compared_ += 1
                    assert [h.tokens for h in own] == [h.tokens for h in alone], seed
                    assert [h.score for h in own] == pytest.approx([h.score for h in alone], abs=1e-4)
    assert compared_ > 5 * count


def test_counts_add_up_and_say_what_they_are():
    one = DraftCounts(2, 0, 10, 8, 12, 3, 40)
    both = one + replace(one, tokens=0, accepted=0)
    assert both.utterances == 4
    assert both.share == 0.8
    assert both.saved == 0.75
    assert "80.0% of 10 tokens accepted, 75.0% of 24 steps saved" in str(both)
    assert DraftCounts().share == 1
