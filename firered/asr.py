"""Speech recognition on the released models: `Asr`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from firered.aed_runtime import LoadedAed
from firered.align import Word, align, word_times
from firered.beam import BeamConfig, Hypothesis, beam_search
from firered.checkpoint import CHECKPOINT, model_files
from firered.config import AsrConfig
from firered.feats import FRAME_SHIFT_S, SAMPLE_RATE
from firered.frames import Audio, of_audio
from firered.models.lstm_lm import LstmLm
from firered.results import AsrResult, NBest
from firered.text import join_texts
from firered.tokenizer import EOS_ID, SOS_ID
from firered.utterance_job import Speech, halving, part_of, plan, windows


@dataclass(frozen=True)
class _Decoded:
    """One window's hypotheses, best first, and its words in seconds from the window's start."""

    hypotheses: list[Hypothesis]
    words: list[Word] | None


class Asr:
    """The attention encoder-decoder with beam search, confidence and CTC time stamps."""

    def __init__(self, loaded: LoadedAed, config: AsrConfig, lm: LstmLm | None = None) -> None:
        if config.timestamps != "none":
            loaded.need_ctc("time stamps")
        self.loaded, self.config = loaded, config
        self.lm = None if lm is None else lm.to(loaded.device)

    @classmethod
    def from_pretrained(cls, model_dir: str | Path, config: AsrConfig | None = None, device: str = "auto") -> "Asr":
        """Recogniser of a published model directory (model.pth.tar, cmvn.ark, dict.txt, train_bpe1000.model).

        Raises:
            ModelError: the directory is incomplete, of another kind, or cannot do what `config` asks for.
        """
        config = config or AsrConfig()
        lm = LstmLm.load(model_files(Path(config.elm_dir), CHECKPOINT)[0]) if config.elm_dir else None
        return cls(LoadedAed.load(Path(model_dir), config.dtype, device), config, lm)

    def __call__(self, audio: Audio, uttid: str = "", sample_rate: int = SAMPLE_RATE) -> AsrResult:
        """Result for one utterance of any length: a path, a Kaldi extended file name, or samples as `Vad` takes them.

        Raises:
            AudioError: it cannot be read or holds nothing to recognise.
        """
        (result,) = self.transcribe([Speech.of(of_audio(audio, uttid, sample_rate))])
        if isinstance(result, Exception):
            raise result
        return result

    def transcribe(self, utterances: Sequence[Speech]) -> list[AsrResult | Exception]:
        """A result, or what went wrong, for each utterance; batched by length, alone what they are in company."""
        parts = [
            (n, part_of(one, w)) for n, one in enumerate(utterances) for w in windows(one, self.config.window_seconds)
        ]
        decoded: dict[int, _Decoded | Exception] = {}
        lengths = [(index, len(part.feats) * FRAME_SHIFT_S) for index, (_, part) in enumerate(parts)]
        for batch in plan(lengths, self.config.batch_seconds):
            outcomes = halving([parts[index][1] for index in batch], self._decode)
            decoded.update(zip(batch, outcomes, strict=True))
        results = []
        for number, one in enumerate(utterances):
            own = [index for index, (owner, _) in enumerate(parts) if owner == number]
            results.append(self._join(one, [parts[i][1] for i in own], [decoded[i] for i in own]))
        return results

    @torch.inference_mode()
    def _decode(self, batch: list[Speech]) -> list[_Decoded]:
        encoded, encoded_lengths = self.loaded.encode(batch)
        found = self._search(encoded, encoded_lengths)
        words = self._words(encoded, encoded_lengths, [best[0] for best in found], batch)
        return [_Decoded(hypotheses, times) for hypotheses, times in zip(found, words, strict=True)]

    def _search(self, encoded: Tensor, lengths: Tensor) -> list[list[Hypothesis]]:
        config = self.config
        limits = lengths.clamp(max=config.decode_max_len) if config.decode_max_len else lengths
        beam = BeamConfig(
            beam_size=config.beam_size,
            nbest=config.nbest,
            softmax_smoothing=config.softmax_smoothing,
            length_penalty=config.aed_length_penalty,
            eos_penalty=config.eos_penalty,
            elm_weight=config.elm_weight,
        )
        steps = self.loaded.model.start(encoded, lengths, config.beam_size, int(limits.max()))
        lm = self.lm.start(config.beam_size) if self.lm is not None else None
        return beam_search(steps, limits, beam, sos=SOS_ID, eos=EOS_ID, lm=lm)

    def _words(
        self, encoded: Tensor, lengths: Tensor, best: list[Hypothesis], batch: list[Speech]
    ) -> list[list[Word] | None]:
        if self.config.timestamps == "none":
            return [None] * len(batch)
        paths = align(self.loaded.model.ctc_log_probs(encoded), lengths, [one.tokens for one in best])
        return [
            word_times(self.loaded.tokenizer.tokens_of(one.tokens), path, speech.duration_s, self.config.timestamps)
            for one, path, speech in zip(best, paths, batch, strict=True)
        ]

    def _join(self, one: Speech, parts: list[Speech], decoded: list[_Decoded | Exception]) -> AsrResult | Exception:
        """One utterance's result from those of its windows."""
        for outcome in decoded:
            if isinstance(outcome, Exception):
                return outcome
        best = [outcome.hypotheses[0] for outcome in decoded]
        tokens = [token for hypothesis in best for token in self.loaded.tokenizer.tokens_of(hypothesis.tokens)]
        probs = [prob for hypothesis in best for prob in hypothesis.probs]
        return AsrResult(
            uttid=one.key,
            text=join_texts([self.loaded.tokenizer.text_of(hypothesis.tokens) for hypothesis in best]),
            confidence=self._confidence(probs),
            dur_s=one.duration_s,
            tokens=tokens,
            token_confidence=probs,
            words=None if self.config.timestamps == "none" else _on_one_axis(parts, decoded),
            nbest=[self._nbest(hypothesis) for hypothesis in decoded[0].hypotheses] if len(decoded) == 1 else [],
        )

    def _confidence(self, probs: list[float]) -> float:
        if not probs:
            return 0.0
        return float(np.mean(probs) if self.config.confidence == "mean" else np.exp(np.mean(np.log(probs))))

    def _nbest(self, hypothesis: Hypothesis) -> NBest:
        return NBest(
            text=self.loaded.tokenizer.text_of(hypothesis.tokens),
            tokens=self.loaded.tokenizer.tokens_of(hypothesis.tokens),
            score=hypothesis.score,
            aed=hypothesis.model_score,
            lm=hypothesis.lm_score,
            length=hypothesis.length_factor,
            confidence=self._confidence(list(hypothesis.probs)),
        )


def _on_one_axis(parts: list[Speech], decoded: list[_Decoded]) -> list[Word]:
    """The words of all windows on the time axis of their utterance."""
    words: list[Word] = []
    start_s = 0.0
    for part, outcome in zip(parts, decoded, strict=True):
        for word in outcome.words:
            words.append(Word(word.text, round(start_s + word.start_s, 3), round(start_s + word.end_s, 3)))
        start_s += len(part.feats) * FRAME_SHIFT_S
    return words
