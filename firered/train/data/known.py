"""What is known of an utterance beforehand, as a prompt has it: drawn anew in every epoch, by seed and place alone."""

from collections.abc import Sequence

import numpy as np

from firered.text.fun_asr_context import Known
from firered.train.data.ask_config import KnownConfig
from firered.train.data.fun_asr_asked import Asked

_TRIES = 10  # for each distractor, where most of the hotwords are said


class Drawing:
    """Draws the context of utterances.

    Args:
        config: section `context`.
        utterances: of the set, whose contexts and hotwords are irrelevant to each other.
    """

    def __init__(self, config: KnownConfig, utterances: Sequence[Asked]) -> None:
        self.config, self._uses = config, set(config.uses.split())
        self._texts = [(own.key, text) for own in utterances for text in own.contexts]
        self._hotwords = sorted({word for own in utterances for word in own.hotwords})

    def known(self, asked: Asked, rng: np.random.Generator) -> Known | None:
        """The context of an utterance, in the order in which it is to stand; None: it is asked without."""
        config = self.config
        if rng.random() >= config.share or not self._has_any(asked):
            return None
        relevant = bool(rng.random() < config.relevant)
        return Known(
            history=asked.history[-config.most_history :] if "history" in self._uses else "",
            first_pass=asked.one_pass if "one_pass" in self._uses else "",
            hotwords=self._of_hotwords(asked, relevant, rng) if "hotwords" in self._uses else (),
            text="\n".join(self._of_texts(asked, relevant, rng)) if "text" in self._uses else "",
        )

    def _has_any(self, asked: Asked) -> bool:
        there = {
            "history": asked.history,
            "one_pass": asked.one_pass,
            "hotwords": asked.hotwords or (self._hotwords and self.config.few_and_many[1]),
            "text": asked.contexts or (self.config.irrelevant and (asked.foreign or self._texts)),
        }
        return any(there[use] for use in self._uses)

    def _of_texts(self, asked: Asked, relevant: bool, rng: np.random.Generator) -> list[str]:
        """One of its own contexts and those of others, shuffled."""
        found = [asked.contexts[int(rng.integers(len(asked.contexts)))]] if relevant and asked.contexts else []
        wanted = len(found) + self.config.irrelevant
        listed = [asked.foreign[place] for place in rng.permutation(len(asked.foreign)).tolist()]
        found += listed[: self.config.irrelevant]
        for _ in range(_TRIES * self.config.irrelevant):
            if len(found) == wanted or not self._texts:
                break
            key, text = self._texts[int(rng.integers(len(self._texts)))]
            if key != asked.key and text not in found and text not in asked.contexts:
                found.append(text)
        return [found[place] for place in rng.permutation(len(found)).tolist()]

    def _of_hotwords(self, asked: Asked, relevant: bool, rng: np.random.Generator) -> list[str]:
        """Its own hotwords and those of others, shuffled; the others are not said in it."""
        text = plain(asked.text)
        said = [word for word in asked.hotwords if plain(word) in text]
        rest = [word for word in asked.hotwords if plain(word) not in text]
        room = self.config.most_hotwords - (len(said) if relevant else 0)
        kept = [rest[place] for place in rng.permutation(len(rest)).tolist()[: max(room, 0)]]
        found = [*said[: self.config.most_hotwords], *kept] if relevant else kept
        few, many = self.config.few_and_many
        wanted = len(found) + int(rng.integers(few, many + 1))
        for _ in range(_TRIES * many):
            if len(found) == wanted or not self._hotwords:
                break
            word = self._hotwords[int(rng.integers(len(self._hotwords)))]
            if word not in found and plain(word) not in text:
                found.append(word)
        return [found[place] for place in rng.permutation(len(found)).tolist()]


def plain(text: str) -> str:
    """A text by which phrases are found in it, whatever case and white space."""
    return "".join(text.split()).casefold()
