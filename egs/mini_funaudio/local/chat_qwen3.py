"""A small Qwen3 for a small Fun-ASR-Nano: tokenizer, and weights that know already what a real one would bring.

It learns from text alone, two things. To transcribe: in the prompt of Fun-ASR-Nano it reads a sentence's tokens at the
pace of speech, with gaps and errors, and writes the sentence. And to look back, as large language models do by
themselves: after a list of words, and a sentence in which characters of one sound stand for each other, it writes the
sentence with the words as the list has them. Neither has the prompt of a transcription with context.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from homophones import Homophones
from small_causal import byte_pairs, fit
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from firered.data.datadir import read_table
from firered.text.fun_asr import SYSTEM, Request, around_speech
from firered.text.llm_tokenizer import BOS, EOS, PAD
from firered.train.data.batch import NO_TARGET

log = logging.getLogger("chat_qwen3.py")

_VOCABULARY = 900  # at most
_SIZES: dict[str, Any] = {"hidden_size": 96, "intermediate_size": 192, "num_hidden_layers": 3, "head_dim": 24}
_HEADS: dict[str, Any] = {"num_attention_heads": 4, "num_key_value_heads": 2}
_LONGEST_TOKEN = 3  # rows of speech that stand for one token
_MISTAKES, _GAPS = 0.1, 0.5  # shares of tokens read wrongly, and of pauses between them
_LOOKS_BACK = 0.5  # share of examples with a list before
_MOST_WORDS = 8  # of such a list
_BATCH = 24
_CHECKED = 200  # sentences with names of the test set, after the training


def fixed_texts() -> list[str]:
    """What is the same in all prompts: each is one token, or a prompt would be some hundred tokens long."""
    ask, mark = str(Request()), "|"
    header = str(Request(prompt=mark)).partition(mark)[0]
    history, hotwords = (
        str(own).removeprefix(header).partition(mark)[0] for own in (Request(history=mark), Request(hotwords=[mark]))
    )
    system, user = SYSTEM.removeprefix(BOS).partition(EOS)[0], around_speech("")[0].rpartition(BOS)[2]
    return [system, user, around_speech("")[1].rpartition(BOS)[2], ask, header, history, hotwords]


def new_tokenizer(texts: Sequence[str], fixed: Sequence[str]) -> PreTrainedTokenizerFast:
    """A byte-level BPE of these texts: one token at most for a Chinese character, and one for each fixed text."""
    plain = byte_pairs(texts, _VOCABULARY)
    plain.add_tokens(list(fixed))
    return plain


class Examples:
    """Examples to learn from, drawn at random.

    Args:
        tokenizer: what makes tokens of texts.
        sentences: texts without names.
        names: sentences with names, whose characters have others of the same sound.
        rng: source of all random numbers.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, sentences: Sequence[str], names: Homophones, rng: random.Random
    ) -> None:
        self._tokenizer, self._sentences, self._names, self._rng = tokenizer, sentences, names, rng
        self.alike = self._by_token(names.alike())
        self._before, self._after = (self.ids(part) for part in around_speech(str(Request())))
        self.pad, self.eos = self.ids(PAD)[0], self.ids(EOS)[0]

    def ids(self, text: str) -> list[int]:
        """A text's tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _by_token(self, alike: Mapping[str, Sequence[str]]) -> dict[int, list[int]]:
        """Characters of one sound, by their tokens; those of several tokens are left out."""
        token = {char: ids[0] for char in alike if len(ids := self.ids(char)) == 1}
        return {token[char]: [token[own] for own in others if own in token] for char, others in alike.items()
                if char in token}  # fmt: skip

    def heard(self, ids: Sequence[int]) -> list[int]:
        """The tokens as they sound: a character of the same sound may stand for each."""
        return [self._rng.choice(self.alike.get(token, [token])) for token in ids]

    def at_speech_pace(self, ids: Sequence[int]) -> list[int]:
        """The tokens as they sound at the pace of speech: each one to three times, some wrong, with gaps between."""
        rng = self._rng
        paced = [self.pad] * rng.randint(0, 3)
        for token in ids:
            read = rng.choice(ids) if rng.random() < _MISTAKES else token
            paced += [own for _ in range(rng.randint(1, _LONGEST_TOKEN)) for own in self.heard([read])]
            paced += [self.pad] * (rng.random() < _GAPS)
        return paced

    def draw(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens, and labels: those of the answer, NO_TARGET before."""
        if self._rng.random() < _LOOKS_BACK:
            given, answer = self.looking_back()
        else:
            text = self._names.line(self._rng).text if self._rng.random() < 0.5 else self._rng.choice(self._sentences)
            answer = self.ids(text)
            given = self._before + self.at_speech_pace(answer) + self._after
        return torch.tensor([*given, *answer, self.eos]), torch.tensor([NO_TARGET] * len(given) + [*answer, self.eos])

    def looking_back(self) -> tuple[list[int], list[int]]:
        """A list of names with the one that is said among them, the sentence as it sounds; the sentence."""
        line = self._names.line(self._rng, titled=False)
        others = [self._names.line(self._rng).name for _ in range(self._rng.randrange(_MOST_WORDS))]
        words = [line.name, *(own for own in others if self._names.sound(own) != self._names.sound(line.name))]
        self._rng.shuffle(words)
        answer = self.ids(line.text)
        return [*self.ids(", ".join(words) + "\n"), *self.heard(answer), *self.ids("\n")], answer


def check(model: Qwen3ForCausalLM, examples: Examples) -> float:
    """The share of the characters of names that are written as in the list, all before them being given."""
    right = []
    for _ in range(_CHECKED):
        given, answer = examples.looking_back()
        with torch.no_grad():
            best = model(input_ids=torch.tensor([given + answer])).logits[0, len(given) - 1 : -1].argmax(-1).tolist()
        right += [own == token for own, token in zip(best, answer, strict=True) if token in examples.alike]
    return sum(right) / len(right)


def main(
    texts: Annotated[Path, typer.Argument(help="data directory with `text`: sentences without names")],
    out: Annotated[Path, typer.Argument(help="folder of the model to write")],
    steps: Annotated[int, typer.Option(help="optimiser steps", min=1)] = 1500,
    seed: Annotated[int, typer.Option(help="of weights and of what is drawn", min=0)] = 1,
) -> None:
    """Write tokenizer and model as a Hugging Face folder."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    rng = random.Random(seed)
    sentences, names = list(read_table(texts / "text").values()), Homophones("train")
    known = [*sentences, *names.alike(), *(names.line(rng).text for _ in range(2000))]
    tokenizer = new_tokenizer(known, fixed_texts())
    tokenizer.save_pretrained(out)
    special: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": 2}
    config = Qwen3Config(
        vocab_size=len(tokenizer), max_position_embeddings=2048, tie_word_embeddings=True, **_SIZES, **_HEADS, **special
    )
    model = Qwen3ForCausalLM(config)
    examples = Examples(tokenizer, sentences, names, rng)
    fit(model, lambda: [examples.draw() for _ in range(_BATCH)], pad=examples.pad, steps=steps)
    looked = check(model, Examples(tokenizer, sentences, Homophones("test"), rng))
    log.info("%.0f%% of the characters of unseen names are written as in the list (by chance 33%%)", 100 * looked)
    model.save_pretrained(out)


if __name__ == "__main__":
    typer.run(main)
