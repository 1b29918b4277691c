"""Speech language models and other recognisers that generate, of transformers, with random weights."""

import transformers

from support.tiny_llm import tiny_tokenizer
from support.tiny_transformers import letters_alone, opinionated

AUDIO, BEGIN, END = "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% if message.content is string %}"
    "{{ message.content }}{% else %}{% for part in message.content %}{% if part.type == 'audio' %}"
    + BEGIN + AUDIO + END
    + "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}"
    "{% if not (loop.last and message.role == 'assistant') %}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)  # fmt: skip
LLM = {
    "vocab_size": 272,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
    "eos_token_id": 2,
    "bos_token_id": 1,
    "pad_token_id": 0,
}
ENCODER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "num_mel_bins": 80,
}


def speech_tokenizer(*more):
    """A byte-level tokenizer that knows the place of audio."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens([AUDIO, BEGIN, END, *more], special_tokens=True)
    return named(tokenizer, audio_token=AUDIO, audio_bos_token=BEGIN, audio_eos_token=END)


def named(tokenizer, **tokens):
    """The tokenizer with special tokens that are its attributes."""
    tokenizer._set_model_specific_special_tokens(special_tokens=tokens)
    tokenizer.init_kwargs |= tokens
    return tokenizer


def _saved(directory, network, processor, tokenizer):
    settings = network.generation_config
    settings._from_model_config = False
    settings.eos_token_id, settings.pad_token_id, settings.suppress_tokens = 2, 0, letters_alone(tokenizer)
    network.save_pretrained(directory)
    processor.save_pretrained(directory)
    return directory


def write_qwen2_audio(directory, seed=0):
    """A Qwen2-Audio."""
    tokenizer = speech_tokenizer()
    config = transformers.Qwen2AudioConfig(
        audio_config={"model_type": "qwen2_audio_encoder", **ENCODER, "max_source_positions": 1500},
        text_config={"model_type": "qwen2", **LLM, "vocab_size": len(tokenizer)},
        audio_token_index=tokenizer.convert_tokens_to_ids(AUDIO),
    )
    network = opinionated(transformers.Qwen2AudioForConditionalGeneration, config, seed)
    extractor = transformers.WhisperFeatureExtractor(return_attention_mask=True)
    processor = transformers.Qwen2AudioProcessor(extractor, tokenizer, chat_template=TEMPLATE)
    return _saved(directory, network, processor, tokenizer)


def write_qwen3_asr(directory, seed=0):
    """A Qwen3-ASR."""
    tokenizer = speech_tokenizer()
    tokenizer.add_tokens(["<asr_text>", "<timestamp>"])
    config = transformers.Qwen3ASRConfig(
        audio_config={
            "model_type": "qwen3_asr_encoder", **ENCODER, "output_dim": 32, "downsample_hidden_size": 8,
        },
        text_config={"model_type": "qwen3", **LLM, "head_dim": 8, "vocab_size": len(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids(AUDIO),
        timestamp_token_id=tokenizer.convert_tokens_to_ids("<timestamp>"),
        pad_token_id=0,
        eos_token_id=2,
        tie_word_embeddings=False,
    )  # fmt: skip
    network = opinionated(transformers.Qwen3ASRForConditionalGeneration, config, seed)
    extractor = transformers.Qwen3ASRFeatureExtractor(feature_size=80)
    processor = transformers.Qwen3ASRProcessor(extractor, tokenizer, chat_template=TEMPLATE)
    return _saved(directory, network, processor, tokenizer)


def write_glm_asr(directory, seed=0):
    """A GLM-ASR."""
    tokenizer = speech_tokenizer()
    config = transformers.GlmAsrConfig(
        audio_config={
            "model_type": "glmasr_encoder", "hidden_size": 32, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_mel_bins": 80, "max_position_embeddings": 1500,
        },
        text_config={"model_type": "llama", **LLM, "vocab_size": len(tokenizer)},
        audio_token_id=tokenizer.convert_tokens_to_ids(AUDIO),
    )  # fmt: skip
    network = opinionated(transformers.GlmAsrForConditionalGeneration, config, seed)
    processor = transformers.GlmAsrProcessor(
        transformers.WhisperFeatureExtractor(return_attention_mask=True),
        tokenizer,
        chat_template=TEMPLATE,
        audio_token=AUDIO,
    )
    return _saved(directory, network, processor, tokenizer)


def write_granite_speech(directory, seed=0):
    """A Granite Speech."""
    tokenizer = speech_tokenizer("<|audio|>")
    named(tokenizer, audio_token="<|audio|>")
    tokenizer.chat_template = (
        "{% for message in messages %}USER: {{ message.content }}\n{% endfor %}"
        "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
    )
    config = transformers.GraniteSpeechConfig(
        text_config={"model_type": "granite", **LLM, "vocab_size": len(tokenizer)},
        encoder_config={
            "model_type": "granite_speech_encoder", "input_dim": 160, "num_layers": 2, "hidden_dim": 32,
            "feedforward_mult": 2, "num_heads": 4, "dim_head": 8, "output_dim": 42, "context_size": 200,
        },
        projector_config={
            "model_type": "blip_2_qformer", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
            "intermediate_size": 48, "encoder_hidden_size": 32, "cross_attention_frequency": 1,
        },
        audio_token_index=tokenizer.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
    )  # fmt: skip
    network = opinionated(transformers.GraniteSpeechForConditionalGeneration, config, seed)
    processor = transformers.GraniteSpeechProcessor(transformers.GraniteSpeechFeatureExtractor(), tokenizer)
    return _saved(directory, network, processor, tokenizer)


def write_moonshine(directory, seed=0):
    """A Moonshine."""
    tokenizer = tiny_tokenizer()
    config = transformers.MoonshineConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=48,
        encoder_num_hidden_layers=2,
        decoder_num_hidden_layers=2,
        encoder_num_attention_heads=4,
        decoder_num_attention_heads=4,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        decoder_start_token_id=1,
    )
    network = opinionated(transformers.MoonshineForConditionalGeneration, config, seed)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True)
    return _saved(directory, network, transformers.Wav2Vec2Processor(extractor, tokenizer), tokenizer)


def write_seamless(directory, seed=0):
    """A SeamlessM4T v2 that writes text of speech."""
    tokenizer = tiny_tokenizer()
    tokenizer.add_tokens(["__cmn__", "__eng__"], special_tokens=True)
    config = transformers.SeamlessM4Tv2Config(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, encoder_layers=1, encoder_ffn_dim=48,
        encoder_attention_heads=4, decoder_layers=2, decoder_ffn_dim=48, decoder_attention_heads=4,
        speech_encoder_layers=2, speech_encoder_attention_heads=4, speech_encoder_intermediate_size=48,
        t2u_encoder_layers=1, t2u_decoder_layers=1, feature_projection_input_dim=160, max_position_embeddings=512,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    network = opinionated(transformers.SeamlessM4Tv2ForSpeechToText, config, seed)
    network.generation_config.text_decoder_lang_to_code_id = {
        code: tokenizer.convert_tokens_to_ids(f"__{code}__") for code in ("cmn", "eng")
    }
    processor = transformers.SeamlessM4TProcessor(transformers.SeamlessM4TFeatureExtractor(), tokenizer)
    return _saved(directory, network, processor, tokenizer)


def write_qwen2_5_omni(directory, seed=0):
    """A Qwen2.5-Omni that does not talk; it needs torchvision, as its processor does."""
    tokenizer = speech_tokenizer("<|IMAGE|>", "<|VIDEO|>", "<|vision_bos|>", "<|vision_eos|>")
    vision = {"vision_bos_token": "<|vision_bos|>", "vision_eos_token": "<|vision_eos|>"}
    named(tokenizer, image_token="<|IMAGE|>", video_token="<|VIDEO|>", **vision)
    of = tokenizer.convert_tokens_to_ids
    config = transformers.Qwen2_5OmniThinkerConfig(
        audio_config={
            "model_type": "qwen2_5_omni_audio_encoder", **ENCODER, "output_dim": 32, "n_window": 50,
            "max_source_positions": 1500,
        },
        vision_config={
            "model_type": "qwen2_5_omni_vision_encoder", "depth": 1, "hidden_size": 32, "intermediate_size": 48,
            "num_heads": 4, "out_hidden_size": 32, "fullatt_block_indexes": [0],
        },
        text_config={
            "model_type": "qwen2_5_omni_text", **LLM, "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 1, 1]},
        },
        audio_token_index=of(AUDIO), image_token_index=of("<|IMAGE|>"), video_token_index=of("<|VIDEO|>"),
        audio_start_token_id=of(BEGIN), audio_end_token_id=of(END),
        vision_start_token_id=of("<|vision_bos|>"), vision_end_token_id=of("<|vision_eos|>"),
    )  # fmt: skip
    whole = transformers.Qwen2_5OmniConfig(thinker_config=config.to_dict(), enable_audio_output=False)
    network = opinionated(transformers.Qwen2_5OmniForConditionalGeneration, whole, seed)
    processor = transformers.Qwen2_5OmniProcessor(
        transformers.Qwen2VLImageProcessor(),
        transformers.Qwen2VLVideoProcessor(),
        transformers.WhisperFeatureExtractor(return_attention_mask=True),
        tokenizer,
        chat_template=TEMPLATE,
    )
    return _saved(directory, network, processor, tokenizer)
