"""A language model that knows nothing, to be taught in a minute."""

import torch
from tokenizers import Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from firered.text.llm_tokenizer import BOS, EOS, PAD


def make_llm(folder):
    """A Qwen2 that knows nothing: one layer, a token for each byte. Its head is loud enough to be sure of a token."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(BPE({letter: number for number, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([PAD, BOS, EOS])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token=EOS).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 1, "num_attention_heads": 2}
    llm = Qwen2ForCausalLM(Qwen2Config(vocab_size=260, num_key_value_heads=1, **sizes))
    torch.nn.init.normal_(llm.lm_head.weight, std=1.0)
    llm.save_pretrained(folder)
    return folder
