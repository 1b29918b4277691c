"""Drafts against none: the share of accepted tokens and steps saved, and the time of the search.

    python tests/bench/draft_speed.py [--parts mini,aed,llm] [--threads 2] [--beams 1,3] [--batches 1,8] [--rounds 3]
        [--dtypes float32,int8] [--llm-dtypes float32] [--size L] [--llm 0.5B] [--device cpu] [--markdown TABLE.md]

- `mini`: the bundled models on the utterances of `--data` (a folder of recordings; the segments of egs/mini by
  themselves): real drafts, whole recognition, and whether the results are the same.
- `aed`, `llm`: the search alone at a published size. Weights are random, and nobody can foresee what they say, so that
  no draft would fit: all layers are computed, then their logits are replaced by made-up ones, of a text of 45 tokens
  (each with a probability of some 0.9 or more), and others that depend on the token before. The draft is the text
  with some tokens replaced: `--wrong` says which shares.

Every row's runs take turns, with a draft and without (A B A B); the best of `--rounds` each is shown.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from asr_speed import make_model
from llm_speed import NAMES, SHAPES, noise
from torch import Tensor
from transformers import Qwen2Config, Qwen2ForCausalLM

import firered
from firered.models.aed import Aed
from firered.models.checkpoint import pick_device
from firered.models.dtype import cast
from firered.models.llm_stepper import LlmSteps
from firered.models.llm_tree import LlmTree
from firered.results import AsrResult
from firered.search.beam import beam_search
from firered.search.beams import Hypothesis
from firered.search.config import BeamConfig, GenerateConfig
from firered.search.drafts import DraftCounts, PrefixModel, search_with_drafts
from firered.search.generate import search
from firered.search.scorers import Stepper

TOKENS, SECONDS, SOS, EOS, PROMPT = 45, 10, 3, 4, 150
TOP = Path(__file__).resolve().parents[2]
HEAD = ("model", "beam", "batch", "draft", "accepted", "steps saved", "without", "with", "times faster", "same text")
Run = Callable[[], tuple[list[list[Hypothesis]], DraftCounts]]


class Answers:
    """Made-up logits after a prefix: of its utterance's text, its length and its last token."""

    def __init__(self, texts: Sequence[Sequence[int]], vocabulary: int, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self.texts = texts
        self.others = (2.5 * torch.randn(499, vocabulary, generator=generator)).to(device)

    def of(self, utterances: Sequence[int], depths: Sequence[int], tokens: Sequence[int]) -> Tensor:
        """(rows, V)."""
        kinds = [(31 * depth + token) % len(self.others) for depth, token in zip(depths, tokens, strict=True)]
        rows = self.others[kinds]
        following = [
            self.texts[utt][depth] if depth < len(self.texts[utt]) else EOS
            for utt, depth in zip(utterances, depths, strict=True)
        ]
        rows[:, EOS] -= 9
        rows[range(len(following)), following] = 16.0
        return rows


class AnsweringSteps:
    """Steps of a model whose logits are replaced."""

    def __init__(self, model: Stepper, answers: Answers, utterances: Sequence[int], beams: int) -> None:
        self.model, self.answers, self.beams = model, answers, beams
        self.utterances, self.depth = list(utterances), -1
        self.reorder = model.reorder

    def step(self, tokens: Tensor) -> Tensor:
        """Made-up logits, when the model's have been computed."""
        self.model.step(tokens)
        self.depth += 1
        rows = [utt for utt in self.utterances for _ in range(self.beams)]
        return self.answers.of(rows, [self.depth] * len(rows), tokens.tolist())

    def select(self, utterances: list[int]) -> None:
        """Keep these."""
        self.model.select(utterances)
        self.utterances = [self.utterances[utt] for utt in utterances]


class AnsweringTree:
    """A `PrefixModel` whose logits are replaced."""

    def __init__(self, model: PrefixModel, answers: Answers, utterances: int) -> None:
        self.model, self.answers, self.vocabulary = model, answers, model.vocabulary
        self.held: list[tuple[int, list[int]]] = [(utt, []) for utt in range(utterances)]

    def extend(self, tokens: Sequence[Sequence[int]], parents: Sequence[Sequence[int]]) -> Tensor:
        """Made-up logits, when the model's have been computed."""
        self.model.extend(tokens, parents)
        utterances, depths = [], []
        for (utt, held), before in zip(self.held, parents, strict=True):
            for parent in before:
                held.append(held[parent] + 1 if parent >= 0 else 0)
                utterances.append(utt)
                depths.append(held[-1])
        return self.answers.of(utterances, depths, [token for own in tokens for token in own])

    def select(self, utterances: list[int]) -> None:
        """Keep these."""
        self.model.select(utterances)
        self.held = [self.held[utt] for utt in utterances]


class Table:
    """The rows so far: on the screen, and in a Markdown file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.add(HEAD)
        self.add(("---",) * len(HEAD))

    def add(self, cells: Sequence[object]) -> None:
        """One more row."""
        line = f"| {' | '.join(map(str, cells))} |"
        print(line, flush=True)
        if self.path:
            with self.path.open("a", encoding="utf-8") as table:
                table.write(f"{line}\n")

    def compare(self, name: Sequence[object], plain: Run, drafted: Run, args: argparse.Namespace) -> None:
        """A row of two ways, which take turns."""
        best: dict[Run, float] = {}
        for _ in range(args.rounds):
            for run in (plain, drafted):
                begun = time.perf_counter()
                with torch.inference_mode():
                    found, counts = run()
                if args.device != "cpu":
                    torch.cuda.synchronize()
                best[run] = min(best.get(run, 1e9), time.perf_counter() - begun)
                if run is plain:
                    expected = found
        same = sum(
            [own.tokens for own in one] == [own.tokens for own in other]
            for one, other in zip(found, expected, strict=True)
        )
        times = best[plain], best[drafted]
        shares = f"{100 * counts.share:.0f}%", f"{100 * counts.saved:.0f}%"
        self.add(
            (
                *name,
                *shares,
                f"{times[0]:.3f} s",
                f"{times[1]:.3f} s",
                f"{times[0] / times[1]:.2f}",
                f"{same} of {len(found)}",
            )
        )


def texts_of(count: int, vocabulary: int) -> list[list[int]]:
    """Random texts."""
    rng = random.Random(1)
    return [[rng.randrange(5, vocabulary) for _ in range(TOKENS)] for _ in range(count)]


def drafts_of(texts: Sequence[Sequence[int]], wrong: float, vocabulary: int) -> list[list[int]]:
    """The texts with a share of their tokens replaced."""
    rng = random.Random(2)
    return [[rng.randrange(5, vocabulary) if rng.random() < wrong else token for token in text] for text in texts]


@dataclass(frozen=True)
class Made:
    """A model at a published size, over some utterances: what starts it, and how it is searched.

    Attributes:
        name: of the model and its number format.
        vocabulary: number of its tokens.
        steps: the model of some of the utterances, for a search alone.
        tree: the model of all, for a search with drafts.
        search: a search of some of the utterances.
        limit: tokens of an utterance at most.
    """

    name: str
    vocabulary: int
    steps: Callable[[list[int]], Stepper]
    tree: Callable[[], PrefixModel]
    search: Callable[[Stepper, list[int]], list[list[Hypothesis]]]
    limit: int


def compare_made(made: Made, beam: int, batch: int, args: argparse.Namespace, table: Table) -> None:
    """A row for each share of wrong tokens."""
    texts = texts_of(batch, made.vocabulary)
    answers = Answers(texts, made.vocabulary, pick_device(args.device))
    everyone = list(range(batch))

    def steps(rows: list[int]) -> Stepper:
        return AnsweringSteps(made.steps(rows), answers, rows, beam)

    def alone() -> tuple[list[list[Hypothesis]], DraftCounts]:
        return made.search(steps(everyone), everyone), DraftCounts()

    def drafted(drafts: Sequence[Sequence[int]]) -> tuple[list[list[Hypothesis]], DraftCounts]:
        """As recognisers do: what is given up is searched without."""
        tree, limits, first = AnsweringTree(made.tree(), answers, batch), [made.limit] * batch, [SOS] * batch
        found, counts = search_with_drafts(tree, drafts, made.search, beams=beam, limits=limits, first=first, eos=EOS)
        left = [utt for utt, own in enumerate(found) if own is None]
        rest = dict(zip(left, made.search(steps(left), left), strict=True)) if left else {}
        return [rest[utt] if own is None else own for utt, own in enumerate(found)], counts

    for wrong in map(float, args.wrong.split(",")):
        drafts = drafts_of(texts, wrong, made.vocabulary)
        name = (made.name, beam, batch, f"{100 * wrong:.0f}% of tokens wrong")
        table.compare(name, alone, partial(drafted, drafts), args)


def measure_aed(args: argparse.Namespace, table: Table) -> None:
    """The decoder's search at a published size."""
    for dtype in args.dtypes.split(","):
        model = cast(make_model(args.size).prepare(), dtype, pick_device(args.device))
        for batch, beam in sizes(args):
            compare_made(aed_of(model, dtype, beam, batch, args), beam, batch, args, table)


def aed_of(model: Aed, dtype: str, beam: int, batch: int, args: argparse.Namespace) -> Made:
    """The decoder over utterances of 10 s."""
    size, device = 25 * SECONDS, pick_device(args.device)
    frames = torch.full((batch,), size, device=device)
    encoded = torch.randn(batch, size, model.config.d_model).to(device, model.dtype)
    return Made(
        f"AED {args.size}, {dtype}",
        model.odim,
        lambda rows: model.start(encoded[rows], frames[rows], beam, size),
        lambda: model.start_tree(encoded, frames),
        lambda steps, rows: beam_search(steps, frames[rows], BeamConfig(beam), sos=SOS, eos=EOS),
        size,
    )


def measure_llm(args: argparse.Namespace, table: Table) -> None:
    """A language model's greedy and beam search, its prompt included."""
    device = pick_device(args.device)
    config = Qwen2Config(**dict(zip(NAMES, SHAPES[args.llm], strict=True)), rope_theta=1e6)
    torch.manual_seed(0)
    random_numbers = torch.randn(1 << 24)
    for dtype in args.llm_dtypes.split(","):
        kind = getattr(torch, dtype)
        with torch.device("meta"):
            llm = Qwen2ForCausalLM(config)
        llm = llm.to_empty(device=device).to(kind).eval()
        with torch.no_grad():
            for weight in llm.parameters():
                weight.copy_(noise(weight, kind, random_numbers))
        llm.model.rotary_emb = type(llm.model.rotary_emb)(config).to(device)
        for batch, beam in sizes(args):
            compare_made(llm_of(llm, f"Qwen2-{args.llm}, {dtype}", beam, batch), beam, batch, args, table)


def llm_of(llm: Qwen2ForCausalLM, name: str, beam: int, batch: int) -> Made:
    """The language model after prompts of the length that 10 s of audio have."""
    embeds = torch.randn(batch, PROMPT, llm.config.hidden_size).to(llm.device, llm.dtype)
    mask = torch.ones(batch, PROMPT, dtype=torch.bool, device=llm.device)
    limits = torch.full((batch,), 2 * TOKENS, device=llm.device)
    return Made(
        name,
        llm.config.vocab_size,
        lambda rows: LlmSteps(llm, embeds[rows], mask[rows], beam, 2 * TOKENS),
        lambda: LlmTree(llm, embeds, mask),
        lambda steps, rows: search(steps, limits[rows], GenerateConfig(beam), first=SOS, eos=EOS),
        2 * TOKENS,
    )


def sizes(args: argparse.Namespace) -> list[tuple[int, int]]:
    """Every size of a batch with every beam."""
    return [(int(batch), int(beam)) for batch in args.batches.split(",") for beam in args.beams.split(",")]


def measure_mini(args: argparse.Namespace, table: Table) -> None:
    """The bundled models."""
    folder = args.data or TOP / "egs/mini/test/wav"
    recordings = [path for path in sorted(folder.iterdir()) if path.suffix in (".wav", ".flac")]
    recordings = [path for path in recordings if args.data or not path.name.startswith("talk")]
    aed, llm = (TOP / "egs/mini/models" / name for name in ("FireRedASR2-AED", "FireRedASR2-LLM"))
    for name, directory, given in (("AED", aed, {"draft": "ctc"}), ("LLM", llm, {"draft_model": str(aed)})):
        for batch, beam in sizes(args):
            groups = [recordings[at : at + batch] for at in range(0, len(recordings), batch)]
            plain, drafted = (
                firered.load(directory, dtype="float32", device=args.device, beam_size=beam, **more)
                for more in ({}, given)
            )
            runs = partial(recognised, groups, plain), partial(recognised, groups, drafted)
            table.compare((f"bundled {name}, float32", beam, batch, "of the AED's CTC head"), *runs, args)


def recognised(groups: Sequence[Sequence[Path]], asr: Any) -> tuple[list[list[AsrResult]], DraftCounts]:
    """The results of recordings in batches."""
    asr.drafting.counts = DraftCounts()  # so that bad drafts are measured, and not switched off
    return [[result] for group in groups for result in asr.batch(group)], asr.drafting.counts


def main() -> None:
    """Measure the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default="mini,aed,llm")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--beams", default="1,3")
    parser.add_argument("--batches", default="1,8")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--wrong", default="0,0.05,0.1,0.2,0.5,1", help="shares of wrong tokens in made-up drafts")
    parser.add_argument("--dtypes", default="float32,int8", help="of the AED")
    parser.add_argument("--llm-dtypes", default="float32")
    parser.add_argument("--size", default="L", help="of the AED")
    parser.add_argument("--llm", default="0.5B", choices=SHAPES)
    parser.add_argument("--data", type=Path, help="folder of recordings for the bundled models")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--markdown", type=Path, help="file that the rows are appended to")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    table = Table(args.markdown)
    measures = {"mini": measure_mini, "aed": measure_aed, "llm": measure_llm}
    for part in args.parts.split(","):
        measures[part](args, table)


if __name__ == "__main__":
    main()
