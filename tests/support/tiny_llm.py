"""A model directory of the LLM variant with random weights, in the published layout, made in an instant."""

import argparse
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from transformers.convert_slow_tokenizer import bytes_to_unicode

from firered.data.archives import write_matrix
from firered.models.adapters import LinearAdapter
from firered.models.aed import AedConfig
from firered.models.causal_lm import with_lora

ENCODER = {"idim": 80, "odim": 12, "d_model": 32, "n_head": 4, "n_layers_enc": 1, "n_layers_dec": 1, "kernel_size": 15}
HIDDEN, RANK = 48, 4
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
WORDS = ["你好", "世界", "hello", "Ġworld", "user", "assistant"]


def tiny_tokenizer():
    """A byte-level tokenizer with the special tokens of Qwen2 and no merges."""
    byte_of = list(bytes_to_unicode().values())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *byte_of])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    fast.add_special_tokens({"pad_token": SPECIAL[0], "eos_token": SPECIAL[2], "additional_special_tokens": SPECIAL})
    return fast


def tiny_llm(vocabulary=272, **changes):
    """A Qwen2 of two layers whose weights are large enough that it has opinions."""
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        "initializer_range": 0.3,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
    }
    return Qwen2ForCausalLM(Qwen2Config(**{**sizes, **changes}))


def write_tiny_llm(directory: Path, seed=0, *, lora=True, trained_encoder=True, folder="Qwen2-7B-Instruct", **changes):
    """The directory; `changes` are of the language model's sizes."""
    directory.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        llm = tiny_llm(**changes)
        llm.save_pretrained(directory / folder)
        tiny_tokenizer().save_pretrained(directory / folder)
        state = {}
        if lora:
            for name, value in with_lora(llm, RANK).state_dict().items():
                if ".lora_" in name:
                    state[f"llm.{name}"] = torch.randn_like(value) * 0.3
        adapter = LinearAdapter(ENCODER["d_model"], llm.config.hidden_size)
        state |= {f"encoder_projector.{name}": value for name, value in adapter.state_dict().items()}
        config = AedConfig(**ENCODER)
        given, trained = (
            {f"encoder.{name}": value for name, value in config.encoder().state_dict().items()} for _ in range(2)
        )
    args = {"encoder_downsample_rate": 2, "use_lora": lora, "encoder_path": "", "llm_dir": ""}
    checkpoints = {
        "model.pth.tar": (args, state | (trained if trained_encoder else {})),
        "asr_encoder.pth.tar": (ENCODER, given),
    }
    for name, (values, tensors) in checkpoints.items():
        torch.save({"args": argparse.Namespace(**values), "model_state_dict": tensors}, directory / name)
    stats = np.zeros((2, 81))
    stats[0] = [*np.full(80, 10.0 * 1000), 1000]
    stats[1, :-1] = 1000 * (12.0 + 10.0**2)
    write_matrix(directory / "cmvn.ark", stats)
    return directory
