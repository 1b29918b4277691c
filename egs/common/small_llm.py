"""A small language model of the Qwen2 architecture, pre-trained to transcribe tokens in the place of speech.

It learns from the corpus' text alone: in the prompt of the speech-LLM it reads a sentence's tokens at the pace of
speech, with gaps and errors, and continues with the sentence. Adapter and LoRA then learn to map speech to such tokens.
"""

import logging
import random
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from small_causal import byte_pairs, fit
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from firered.data.datadir import read_table
from firered.text.llm_tokenizer import PROMPT, LlmTokenizer
from firered.train.data.batch import NO_TARGET
from firered.train.tasks.llm import clean

_VOCABULARY = 1200  # at most
_SIZES: dict[str, Any] = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
_LONGEST_TOKEN = 4  # embeddings of speech that stand for one token
_MISTAKES, _GAPS = 0.1, 0.5  # shares of tokens read wrongly, and of pauses between them
_BATCH = 32


def new_tokenizer(texts: list[str]) -> PreTrainedTokenizerFast:
    """One of these texts and of the prompt."""
    return byte_pairs([*texts, PROMPT], _VOCABULARY)


def at_speech_pace(ids: list[int], blank: int, rng: random.Random) -> list[int]:
    """A sentence's tokens at the pace of speech: each one to four times, some wrong, with blanks between."""
    noisy = [blank] * rng.randint(0, 3)
    for token in ids:
        read = rng.choice(ids) if rng.random() < _MISTAKES else token
        noisy += [read] * rng.randint(1, _LONGEST_TOKEN)
        noisy += [blank] * (rng.random() < _GAPS)
    return noisy


def example(ids: list[int], tokenizer: LlmTokenizer, rng: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of prompt and answer, and the labels: those of the answer, NO_TARGET for the prompt."""
    noisy = at_speech_pace(ids, tokenizer.pad_id, rng)
    prompt = tokenizer.prompt(len(noisy))
    at = prompt.index(tokenizer.speech_id)
    prompt[at : at + len(noisy)] = noisy
    answer = [*ids, tokenizer.eos_id]
    return torch.tensor(prompt + answer), torch.tensor([NO_TARGET] * len(prompt) + answer)


def train(model: Qwen2ForCausalLM, sentences: list[list[int]], tokenizer: LlmTokenizer, steps: int) -> None:
    """Train the model on sentences drawn at random."""
    rng = random.Random(1)

    def draw() -> list[tuple[torch.Tensor, torch.Tensor]]:
        return [example(ids, tokenizer, rng) for ids in rng.choices(sentences, k=_BATCH)]

    fit(model, draw, pad=tokenizer.pad_id, steps=steps)


def main(
    text: Annotated[Path, typer.Argument(help="data directory with `text`")],
    out: Annotated[Path, typer.Argument(help="folder of the model to write")],
    steps: Annotated[int, typer.Option(help="optimiser steps", min=1)] = 700,
) -> None:
    """Write tokenizer and model as a Hugging Face folder; a finished one is left as it is."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if (out / "model.safetensors").is_file():
        return
    torch.manual_seed(1)
    torch.set_num_threads(1)
    texts = [clean(line) for line in read_table(text / "text").values()]
    plain = new_tokenizer(texts)
    plain.save_pretrained(out)
    sentences = [plain.encode(line, add_special_tokens=False) for line in texts]
    tokenizer = LlmTokenizer.from_dir(out)
    special: dict[str, Any] = {"pad_token_id": tokenizer.pad_id, "bos_token_id": None, "eos_token_id": tokenizer.eos_id}
    config = Qwen2Config(
        vocab_size=len(plain), max_position_embeddings=1024, tie_word_embeddings=True, **_SIZES, **_HEADS, **special
    )
    model = Qwen2ForCausalLM(config)
    train(model, sentences, tokenizer, steps)
    model.save_pretrained(out)


if __name__ == "__main__":
    typer.run(main)
