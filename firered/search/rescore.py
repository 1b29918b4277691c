"""Texts of a CTC head judged by a decoder in one pass: `rescored` (as WeNet), `judged_again` (as Wu, SASD, 2026).

Utterances are judged one by one, each with all its texts at once: so none depends on the rest of its batch.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from firered.errors import NoNumbersError
from firered.search.beams import Hypothesis
from firered.search.config import BeamConfig

Tokens = tuple[int, ...]
# Logits (B, U, V) of the tokens after each of (B, U), for one utterance.
Decoder = Callable[[Tensor], Tensor]


@torch.inference_mode()
def rescored(
    hypotheses: Sequence[Hypothesis], decoder: Decoder, config: BeamConfig, weight: float, *, sos: int, eos: int
) -> list[Hypothesis]:
    """The hypotheses of a CTC head in the order of a decoder's scores and `weight` times the head's, the best first.

    Confidence is the decoder's. What a language model and hotwords have added counts on.

    Args:
        hypotheses: of one utterance, whose `model_score` is the head's.
        decoder: for this utterance.
        config: `softmax_smoothing`, `length_penalty`, `eos_penalty`, `nbest`.
        weight: of the head's log-probabilities.
        sos: the first token.
        eos: the last one.

    Raises:
        NoNumbersError: the decoder gives NaN.
    """
    found = []
    scores = _of_texts([own.tokens for own in hypotheses], decoder, config, sos, eos)
    for own, log_probs in zip(hypotheses, scores, strict=True):
        end = config.eos_penalty * log_probs[-1]
        model, head = sum(log_probs[:-1]) + end, weight * own.model_score
        factor = ((5 + 1 + len(own.tokens)) / 6) ** max(0.0, config.length_penalty)
        found.append(
            replace(
                own,
                score=(model + head + own.added_score + own.bonus) / factor,
                model_score=model,
                ctc_score=head,
                length_factor=factor,
                log_probs=tuple(log_probs[:-1]),
            )
        )
    if any(math.isnan(own.score) for own in found):
        raise NoNumbersError
    return sorted(found, key=lambda own: -own.score)[: config.nbest]


@torch.inference_mode()
def judged_again(
    hypothesis: Hypothesis, decoder: Decoder, least: float, never: Sequence[int], config: BeamConfig, *, sos: int
) -> Hypothesis:
    """The text of a CTC head in which the decoder chooses anew each token that the head is not sure of, in its place.

    The decoder is given the head's text, so that its choices do not depend on each other, and the length stays.

    Args:
        hypothesis: of the head; `log_probs` are the highest of each token.
        decoder: for this utterance.
        least: tokens of this probability and more stay.
        never: tokens that no text has.
        config: `softmax_smoothing`.
        sos: the first token.

    Raises:
        NoNumbersError: the decoder gives NaN.
    """
    doubted = [place for place, own in enumerate(hypothesis.probs) if own < least]
    if not doubted:
        return hypothesis
    given = torch.tensor([[sos, *hypothesis.tokens[:-1]]])
    log_probs = _log_probs(decoder(given)[0, doubted], config)
    log_probs[:, list(never)] = -torch.inf
    best, chosen = log_probs.max(-1)
    if bool(best.isnan().any()):
        raise NoNumbersError
    tokens, probs = list(hypothesis.tokens), list(hypothesis.log_probs)
    for place, token, log_prob in zip(doubted, chosen.tolist(), best.tolist(), strict=True):
        tokens[place], probs[place] = token, log_prob
    return replace(hypothesis, tokens=tuple(tokens), log_probs=tuple(probs))


def _of_texts(texts: Sequence[Tokens], decoder: Decoder, config: BeamConfig, sos: int, eos: int) -> list[list[float]]:
    """Log-probabilities of the tokens of each text, and of its end."""
    longest = max(map(len, texts), default=0)
    # What stands behind the end of a text is seen by nothing before it.
    given = torch.tensor([[sos, *text, *[eos] * (longest - len(text))] for text in texts])
    wanted = torch.tensor([[*text, *[eos] * (1 + longest - len(text))] for text in texts])
    logits = decoder(given)
    scores = _log_probs(logits, config).gather(2, wanted.to(logits.device)[..., None])[..., 0].tolist()
    return [own[: len(text) + 1] for own, text in zip(scores, texts, strict=True)]


def _log_probs(logits: Tensor, config: BeamConfig) -> Tensor:
    return (logits.float() / config.softmax_smoothing).log_softmax(-1)
