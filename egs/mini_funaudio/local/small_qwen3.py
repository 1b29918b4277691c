"""A small language model of the architecture of Qwen3, trained on characters: what an encoder's layers begin with.

The folder has config.json and model.safetensors, as Hugging Face's do, and no tokenizer: characters are its tokens.
"""

import logging
import random
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from small_causal import fit
from transformers import Qwen3Config, Qwen3ForCausalLM

from firered.data.datadir import read_table

log = logging.getLogger("small_qwen3.py")

_SIZES: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 192, "num_hidden_layers": 4, "head_dim": 16}
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
_RARE, _END = 0, 1  # tokens: a character outside the vocabulary, the end of a text
_VOCABULARY = 2000  # characters at most
_BATCH, _LENGTH = 32, 64


def tokens_of(texts: list[str]) -> tuple[list[int], int]:
    """All texts one after the other as tokens, and the size of the vocabulary."""
    counts: dict[str, int] = {}
    for text in texts:
        for character in text:
            counts[character] = counts.get(character, 0) + 1
    common = sorted(counts, key=lambda character: (-counts[character], character))[:_VOCABULARY]
    number = {character: index for index, character in enumerate(common, _END + 1)}
    return [n for text in texts for n in (*(number.get(c, _RARE) for c in text), _END)], len(number) + _END + 1


def train(model: Qwen3ForCausalLM, tokens: torch.Tensor, steps: int, seed: int) -> float:
    """Train the model on stretches drawn at random; the mean loss of the last tenth of the steps, in nats a token."""
    rng = random.Random(seed)
    length = min(_LENGTH, len(tokens) - 1)

    def draw() -> list[tuple[torch.Tensor, torch.Tensor]]:
        starts = [rng.randrange(len(tokens) - length) for _ in range(_BATCH)]
        pieces = [tokens[start : start + length] for start in starts]
        return [(piece, piece) for piece in pieces]

    losses = fit(model, draw, pad=_END, steps=steps)  # pieces are of one length: nothing is padded
    last = losses[-max(1, steps // 10) :]
    return sum(last) / len(last)


def main(
    texts: Annotated[list[Path], typer.Argument(help="data directories with `text`, and the folder to write")],
    steps: Annotated[int, typer.Option(help="optimiser steps; 0: as it is drawn", min=0)] = 400,
    seed: Annotated[int, typer.Option(help="of weights and order", min=0)] = 1,
) -> None:
    """Write the model's folder, the last that is named."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    *sources, out = texts
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    tokens, vocabulary = tokens_of([text for source in sources for text in read_table(source / "text").values()])
    sizes = _SIZES | _HEADS | {"vocab_size": vocabulary, "max_position_embeddings": 512}
    model = Qwen3ForCausalLM(Qwen3Config(tie_word_embeddings=True, **sizes))
    if steps:
        loss = train(model, torch.tensor(tokens), steps, seed)
        log.info("%d characters, a vocabulary of %d, loss %.3f nats a character", len(tokens), vocabulary, loss)
    model.save_pretrained(out)


if __name__ == "__main__":
    typer.run(main)
