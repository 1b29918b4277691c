"""The published models by name: where they are published, and what their directories hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MODELS = Path("pretrained_models")
# Here, so that looking for models does not import torch.
CHECKPOINT = "model.pth.tar"
FUN_ASR_WEIGHTS = "model.pt"
QUANTISED = "quantised.safetensors"  # weights that firered-quantize has written
CHECKPOINTS = (CHECKPOINT, FUN_ASR_WEIGHTS, "model.safetensors")  # of any kind of model


@dataclass(frozen=True)
class Published:
    """A published model directory.

    `hugging_face` and `modelscope` are its names on the hubs, `files` is what it holds. `base` is another published
    directory that has to be inside, as a link to the one next to it. `hashes` holds, for "hf" or "modelscope", the
    size in bytes and SHA-256 of files that are known beforehand: what a hub lists or sends must agree with them.
    `least_bytes` is less than any of its checkpoints has: a smaller one under the name is another model.
    """

    hugging_face: str
    modelscope: str | None
    files: tuple[str, ...]
    least_bytes: int
    base: str | None = None
    hashes: Mapping[str, Mapping[str, tuple[int, str]]] = field(default_factory=dict)


FUN_ASR_MLT = "Fun-ASR-MLT-Nano-2512"
MLT_WEIGHTS = (1971162898, "f7ddbef5ff8c57254e6a045f0b316501b704fe2b774f962efc6e402364e8fe37")
_QWEN = "Qwen2-7B-Instruct"
_VAD = tuple(f"{part}/{file}" for part in ("VAD", "Stream-VAD", "AED") for file in (CHECKPOINT, "cmvn.ark"))
_LID = (CHECKPOINT, "cmvn.ark", "dict.txt")
_AED = (*_LID, "train_bpe1000.model")
ENCODER = "asr_encoder.pth.tar"  # of a speech-LLM: what its encoder is
_LLM = (CHECKPOINT, ENCODER, "cmvn.ark", _QWEN)
_FUN_ASR = ("config.yaml", FUN_ASR_WEIGHTS, "multilingual.tiktoken", "Qwen3-0.6B")
_FUN_ASR_HF = ("config.json", "model.safetensors", "tokenizer.json", "processor_config.json")
_PUNC = (CHECKPOINT, "chinese-lert-base", "chinese-bert-wwm-ext_vocab.txt", "out_dict")

PUBLISHED = {
    "FireRedVAD": Published("FireRedTeam/FireRedVAD", "xukaituo/FireRedVAD", _VAD, 2_200_000),
    "FireRedLID": Published("FireRedTeam/FireRedLID", "xukaituo/FireRedLID", _LID, 1_000_000_000),
    "FireRedASR2-AED": Published("FireRedTeam/FireRedASR2-AED", "xukaituo/FireRedASR2-AED", _AED, 2_000_000_000),
    "FireRedASR2-LLM": Published("FireRedTeam/FireRedASR2-LLM", None, _LLM, 300_000_000, base=_QWEN),
    "FireRedPunc": Published("FireRedTeam/FireRedPunc", "xukaituo/FireRedPunc", _PUNC, 200_000_000),
    "FireRedASR-AED-L": Published("FireRedTeam/FireRedASR-AED-L", None, _AED, 2_000_000_000),
    "FireRedASR-LLM-L": Published("FireRedTeam/FireRedASR-LLM-L", None, _LLM, 300_000_000, base=_QWEN),
    "Fun-ASR-Nano-2512": Published(
        "FunAudioLLM/Fun-ASR-Nano-2512",
        "FunAudioLLM/Fun-ASR-Nano-2512",
        _FUN_ASR,
        1_900_000_000,
        hashes={  # two files carry this name: only ModelScope's has the CTC head
            "hf": {FUN_ASR_WEIGHTS: (1971149431, "55ae0d2fee369f0f11cce0795f6927934ad17cf11b278a7e56a51272074160bb")},
            "modelscope": {
                FUN_ASR_WEIGHTS: (2127426538, "81fec8616083c69377f3ceef36aba3655660ee0ca69a5d4a1e9810cd340ca499")
            },
        },
    ),
    FUN_ASR_MLT: Published(
        f"FunAudioLLM/{FUN_ASR_MLT}",
        f"FunAudioLLM/{FUN_ASR_MLT}",
        _FUN_ASR,
        1_900_000_000,
        hashes={"hf": {FUN_ASR_WEIGHTS: MLT_WEIGHTS}},
    ),
    "Fun-ASR-Nano-2512-hf": Published("FunAudioLLM/Fun-ASR-Nano-2512-hf", None, _FUN_ASR_HF, 1_600_000_000),
    _QWEN: Published("Qwen/Qwen2-7B-Instruct", "Qwen/Qwen2-7B-Instruct", ("config.json", "*.safetensors"), 0),
}
# What the papers call by the name of the whole.
MAIN_PARTS = {"FireRedVAD/VAD": "FireRedVAD"}
