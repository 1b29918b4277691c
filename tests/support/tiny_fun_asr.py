"""Fun-ASR-Nano of random weights, in the published layout and in that of transformers, made in an instant."""

import base64
import json
from pathlib import Path

import torch
import yaml
from transformers import (
    FunAsrNanoConfig,
    FunAsrNanoFeatureExtractor,
    FunAsrNanoForConditionalGeneration,
    FunAsrNanoProcessor,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from firered.models.fun_asr import Adaptor, AdaptorSizes, SanmSizes, released_adaptor_name, released_encoder_name
from firered.text.bpe_tokenizer import SPECIAL as CTC_SPECIAL
from support.tiny_llm import SPECIAL, tiny_tokenizer

AUDIO = "<|object_ref_start|>"
SANM = {"output_size": 32, "attention_heads": 4, "linear_units": 48, "num_blocks": 2, "tp_blocks": 1, "kernel_size": 11}
ADAPTOR = {"ffn_dim": 40, "llm_dim": 64, "encoder_dim": 32, "n_layer": 1, "downsample_rate": 1}
CTC = {"ffn_dim": 40, "llm_dim": 32, "encoder_dim": 32, "n_layer": 1, "downsample_rate": 1}
QWEN3 = {
    "model_type": "qwen3",
    "vocab_size": 272,
    "hidden_size": 64,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
    "initializer_range": 0.3,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "rope_theta": 1000000,
}
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'audio' %}" + AUDIO + "{% elif part.type == 'text' %}{{ part.text }}\n"
    "{% elif part.type == 'keywords' %}[{{ part.keywords | join(', ') }}]\n"
    "{% elif part.type == 'language' %}({{ part.language }}){% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer():
    """Byte-level, with the special tokens of Qwen3 and the one that stands for audio."""
    fast = tiny_tokenizer()
    fast.add_special_tokens({"additional_special_tokens": [*SPECIAL, AUDIO]})
    return fast


def tiny_model(seed=0):
    """The model as transformers builds it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = FunAsrNanoConfig(
            audio_config={
                "model_type": "fun_asr_nano_encoder",
                "hidden_size": SANM["output_size"],
                "num_attention_heads": SANM["attention_heads"],
                "intermediate_size": SANM["linear_units"],
                "num_hidden_layers": SANM["num_blocks"] + SANM["tp_blocks"],
                "num_timestamp_prediction_layers": SANM["tp_blocks"],
                "initializer_range": 0.1,
            },
            adaptor_config={
                "hidden_size": ADAPTOR["llm_dim"],
                "intermediate_size": ADAPTOR["llm_dim"] // 4,
                "num_hidden_layers": ADAPTOR["n_layer"],
                "projector_hidden_size": ADAPTOR["ffn_dim"],
            },
            text_config=QWEN3,
            audio_token_id=tokenizer().convert_tokens_to_ids(AUDIO),
        )
        model = FunAsrNanoForConditionalGeneration(config).eval()
        for parameter in model.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.15)
    return model


def write_transformers_form(directory: Path, seed=0):
    """The directory with config.json, safetensors, tokenizer, processor and a prompt template."""
    directory.mkdir(parents=True, exist_ok=True)
    tiny_model(seed).save_pretrained(directory)
    processor = FunAsrNanoProcessor(FunAsrNanoFeatureExtractor(), tokenizer(), chat_template=TEMPLATE)
    processor.save_pretrained(directory)
    return directory


def released(model, seed=0, *, ctc=True):
    """The tensors of a model under their published names."""
    sizes = SanmSizes(**SANM)
    thirds: dict[str, dict[int, torch.Tensor]] = {}
    state = {}
    for name, value in model.model.audio_tower.state_dict().items():
        published, third = released_encoder_name(name, sizes)
        if third is None:
            state[f"audio_encoder.{published}"] = value
        else:
            thirds.setdefault(f"audio_encoder.{published}", {})[third] = value
    state |= {name: torch.cat([parts[third] for third in range(3)]) for name, parts in thirds.items()}
    for name, value in model.model.multi_modal_projector.state_dict().items():
        state[f"audio_adaptor.{released_adaptor_name(name)[0]}"] = value
    for name, value in model.model.language_model.state_dict().items():
        state[f"llm.model.{name}"] = value
    state["llm.lm_head.weight"] = model.lm_head.weight.detach()
    if ctc:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            decoder, words = Adaptor(AdaptorSizes(**CTC)), 256 + len(CTC_SPECIAL)
            for name, value in decoder.state_dict().items():
                state[f"ctc_decoder.{released_adaptor_name(name)[0]}"] = value
            state["ctc.ctc_lo.weight"] = torch.randn(words, CTC["llm_dim"])
            state["ctc.ctc_lo.bias"] = torch.zeros(words)
    return {name: value.clone() for name, value in state.items()}


def write_published_form(directory: Path, seed=0, *, ctc=True, wrapped=True, **changes):
    """The directory with config.yaml, model.pt, the CTC vocabulary and the folder of the language model."""
    write_config(directory, SANM, ADAPTOR, CTC, QWEN3, **changes)
    state = released(tiny_model(seed), seed, ctc=ctc)
    torch.save({"state_dict": state} if wrapped else state, directory / "model.pt")
    return directory


def write_config(directory: Path, sanm, adaptor, ctc, llm, **changes):
    """Everything but the weights."""
    config = {
        "model": "FunASRNano",
        "audio_encoder": "SenseVoiceEncoderSmall",
        "audio_encoder_conf": sanm,
        "llm_conf": {"init_param_path": "Qwen3-0.6B"},
        "audio_adaptor": "Transformer",
        "audio_adaptor_conf": {**adaptor, "use_low_frame_rate": True},
        "ctc_decoder": "Transformer",
        "ctc_decoder_conf": ctc,
        "ctc_vocab_size": 256 + len(CTC_SPECIAL),
        "frontend_conf": {"fs": 16000, "window": "hamming", "n_mels": 80, "lfr_m": 7, "lfr_n": 6, "cmvn_file": None},
        **changes,
    }
    folder = directory / "Qwen3-0.6B"
    folder.mkdir(parents=True, exist_ok=True)
    (directory / "config.yaml").write_text(yaml.safe_dump(config))
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}\n" for byte in range(256)]
    (directory / "multilingual.tiktoken").write_text("".join(lines))
    tokenizer().save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps(llm))


def write_qwen3(folder: Path, seed=0):
    """The folder of a Qwen3 of random weights, as Hugging Face has it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        llm = Qwen3ForCausalLM(Qwen3Config(**{**QWEN3, "num_hidden_layers": 1}))
        for parameter in llm.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.1)
    llm.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


# Of a model from nothing: options of task fun-asr.
SMALL = {
    "encoder_width": 32,
    "encoder_heads": 4,
    "encoder_units": 48,
    "encoder_layers": 1,
    "encoder_tp_layers": 1,
    "adaptor_layers": 1,
    "adaptor_units": 40,
    "adaptor_rate": 2,
    "low_frame_rate": False,
    "lora_dropout": 0.0,
    "dropout": 0.0,
}
