"""What the small language models of recipes share: a tokenizer of byte pairs, and training on prompts and answers."""

import logging
from collections.abc import Callable, Iterable, Sequence

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from firered.text.llm_tokenizer import BOS, EOS, PAD
from firered.train.data.batch import NO_TARGET

log = logging.getLogger("small_causal.py")

_LOG_STEPS = 100


def byte_pairs(texts: Iterable[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of these texts with so many tokens at most, and one token at most for a Chinese character."""
    tokenizer = Tokenizer(models.BPE())
    han = pre_tokenizers.Split(Regex("[\u4e00-\u9fff]"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([han, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS)


def fit(
    model: PreTrainedModel, draw: Callable[[], Sequence[tuple[torch.Tensor, torch.Tensor]]], *, pad: int, steps: int
) -> list[float]:
    """Train a causal language model for so many steps; the loss of each, in nats a token.

    Args:
        model: its weights are changed.
        draw: gives a batch: of each example tokens and labels, NO_TARGET where nothing is to be learnt.
        pad: id of the padding.
        steps: of the optimiser.
    """
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=steps, pct_start=0.1)
    losses: list[float] = []
    for step in range(1, steps + 1):
        pairs = draw()
        ids = pad_sequence([pair[0] for pair in pairs], batch_first=True, padding_value=pad)
        labels = pad_sequence([pair[1] for pair in pairs], batch_first=True, padding_value=NO_TARGET)
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if step % _LOG_STEPS == 0 or step == steps:
            log.info("step %d/%d loss %.3f", step, steps, losses[-1])
    return losses
