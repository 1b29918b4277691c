"""The language model of egs/mini's speech-LLM, trained further on text: it learns to write phrases that it is to hear.

One of full size has read such phrases a thousand times. That of egs/mini has read some hundred words, and of others not
even the letters in a row. Here it reads transcripts, and phrases alone: no sentence that mixes the two.
"""

import logging
import random
import shutil
import sys
from pathlib import Path
from typing import Annotated

import torch
import typer
from small_llm import train
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from firered.corpora.made.mixed_text import read_phrases
from firered.data.datadir import read_table
from firered.errors import FireRedError
from firered.text.llm_tokenizer import LlmTokenizer
from firered.train.tasks.llm import clean

_MOST = 3  # phrases in a line
_SEED = 1


def phrase_lines(path: Path, count: int) -> list[str]:
    """So many lines, each of one to three phrases of a list by domain."""
    phrases = [phrase for own in read_phrases(path).values() for phrase in own]
    rng = random.Random(_SEED)
    return [" ".join(rng.choices(phrases, k=rng.randint(1, _MOST))) for _ in range(count)]


def main(
    text: Annotated[Path, typer.Argument(help="data directory with `text`")],
    phrases: Annotated[Path, typer.Argument(help="lines: a domain, a tab and a phrase")],
    llm: Annotated[Path, typer.Argument(help="folder of the language model")],
    out: Annotated[Path, typer.Argument(help="folder to write")],
    steps: Annotated[int, typer.Option(help="optimiser steps", min=1)] = 500,
) -> None:
    """Write the model, with its tokenizer; it reads as many lines of phrases as there are transcripts."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    torch.manual_seed(_SEED)
    torch.set_num_threads(1)
    try:
        texts = [clean(line) for line in read_table(text / "text").values()]
        texts += phrase_lines(phrases, len(texts))
        plain = PreTrainedTokenizerFast.from_pretrained(llm)
        sentences = [plain.encode(line, add_special_tokens=False) for line in texts]
        model = Qwen2ForCausalLM.from_pretrained(llm, dtype=torch.float32)
        train(model, sentences, LlmTokenizer.from_dir(llm), steps)
        model.save_pretrained(out)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(llm / name, out / name)
    except (FireRedError, OSError) as error:
        sys.exit(f"read_more.py: {error}")


if __name__ == "__main__":
    typer.run(main)
