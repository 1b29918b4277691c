"""A loaded Fun-ASR-Nano with everything around it: tokenizers, devices and number formats."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen3ForCausalLM

from firered.asr.config import FunAsrConfig
from firered.audio.frontend import FrontEnd
from firered.models.bfloat16 import cpu_has_bfloat16, widen
from firered.models.checkpoint import model_files, pick_device
from firered.models.dtype import check_dtype, llm_dtype
from firered.models.fun_asr import FunAsrEncoder, heard_rows, row_mask
from firered.models.fun_asr_checkpoint import CONFIG, CTC_VOCABULARY, WEIGHTS, CheckpointConfig, load_published
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.fun_asr import around_speech
from firered.text.llm_tokenizer import ChatTokenizer

log = logging.getLogger(__name__)


@dataclass
class LoadedFunAsr:
    """The networks of a checkpoint directory, ready for inference."""

    config: CheckpointConfig
    encoder: FunAsrEncoder
    llm: Qwen3ForCausalLM
    tokenizer: ChatTokenizer
    ctc_tokenizer: BpeTokenizer | None  # None: the checkpoint has no CTC head
    device: torch.device
    directory: Path

    @classmethod
    def load(cls, directory: Path, options: FunAsrConfig, device: str) -> "LoadedFunAsr":
        """What a directory with config.yaml, model.pt and the language model's folder holds.

        Raises:
            ModelError: files are missing, damaged or do not fit together, or there is no such device.
            OptionError: a number format is not available there.
        """
        (path, _) = model_files(directory, CONFIG, WEIGHTS)
        config = CheckpointConfig.read(path)
        place = pick_device(device)
        check_dtype(options.encoder_dtype, place)
        dtype = llm_dtype(options.dtype, place)
        if options.dtype == "float16":
            log.warning("float16 overflows in the language model, which computes in %s", str(dtype).removeprefix("torch."))
        parts = load_published(directory, config, dtype)
        tokenizer = ChatTokenizer.from_dir(directory / config.llm)
        if dtype == torch.bfloat16 and place.type == "cpu" and not cpu_has_bfloat16():
            widen(parts.llm)
        ctc_tokenizer = None
        if parts.encoder.ctc is not None:
            ctc_tokenizer = BpeTokenizer.from_file(directory / CTC_VOCABULARY)
        encoder = parts.encoder.to(place, getattr(torch, options.encoder_dtype))
        return cls(config, encoder, parts.llm.to(place), tokenizer, ctc_tokenizer, place, directory)

    @property
    def sources(self) -> list[Path]:
        """The files that it was loaded from."""
        of_llm = sorted(path for path in (self.directory / self.config.llm).iterdir() if path.suffix in (".json", ".txt"))
        ctc = [CTC_VOCABULARY] if self.ctc_tokenizer else []
        return [*model_files(self.directory, CONFIG, WEIGHTS, *ctc), *of_llm]

    @property
    def front_end(self) -> FrontEnd:
        """The features that it takes."""
        return self.config.front_end

    def rows(self, batch: Sequence[Speech]) -> tuple[Tensor, Tensor]:
        """What the encoder takes: rows (N, L, 560) of stacked features, padded with zeros, and lengths (N,)."""
        stacked = [self.front_end.stacked(speech.feats) for speech in batch]
        lengths = torch.tensor([len(rows) for rows in stacked], device=self.device)
        feats = pad_sequence(stacked, batch_first=True)
        return feats.to(self.device, next(self.encoder.parameters()).dtype), lengths

    def heard(self, rows: int) -> int:
        """How many of so many encoder rows the language model is given."""
        rows = -(-rows // self.config.adaptor.downsample_rate)
        return heard_rows(rows, self.config.adaptor.use_low_frame_rate)

    def prompts(
        self, encoded: Tensor, lengths: Tensor, requests: Sequence[str], beginnings: Sequence[str]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """What the language model is given.

        Args:
            encoded: (N, L, d) encoder rows.
            lengths: (N,) rows of each utterance.
            requests: the instruction of each.
            beginnings: how each answer begins.

        Returns:
            Embeddings (N, S, d), padded on the left with zeros; mask (N, S); the last token of each (N,).
        """
        adapted = self.encoder.adaptor(encoded, lengths)[0]
        embed = self.llm.get_input_embeddings()
        prompts, last = [], []
        for rows, length, request, beginning in zip(adapted, lengths.tolist(), requests, beginnings, strict=True):
            before, after = self.prompt_ids(request, beginning)
            heard = rows[: self.heard(length)]
            parts = [embed(torch.tensor(ids, device=self.device)) for ids in (before, after)]
            prompts.append(torch.cat([parts[0], heard.to(parts[0]), parts[1]]))
            last.append(after[-1])
        counts = torch.tensor([len(prompt) for prompt in prompts], device=self.device)
        padded = pad_sequence(prompts, batch_first=True, padding_side="left")
        return padded, row_mask(padded, counts).flip(1), torch.tensor(last, device=self.device)

    def prompt_ids(self, request: str, beginning: str) -> tuple[list[int], list[int]]:
        """Ids of the text before and after the speech, each a text of its own to the tokenizer."""
        config = self.config
        before, after = around_speech(request, beginning, system=config.system_prompt, thinks=config.thinks)
        return self.tokenizer.ids_of(before), self.tokenizer.ids_of(after)
