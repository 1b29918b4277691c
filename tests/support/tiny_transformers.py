"""Recognisers of transformers with random weights, each in a directory as `save_pretrained` writes it."""

import json

import torch
from transformers import (
    HubertConfig,
    HubertForCTC,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2Processor,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
)

from support.tiny_llm import tiny_tokenizer

LANGUAGES = ("en", "zh", "de")
WHISPER_TOKENS = [
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    "<|translate|>",
    "<|transcribe|>",
    "<|startofprev|>",
    "<|notimestamps|>",
]


def opinionated(kind, config, seed=0, scale=0.2):
    """A network whose weights are large enough that its answers depend on what it hears."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = kind(config).eval()
        for name, parameter in network.named_parameters():
            if parameter.dim() > 1 and "conv" not in name and name != "model.encoder.embed_positions.weight":
                parameter.data.normal_(0, scale * (3 if "encoder_attn" in name else 1))
    return network


def write_whisper(directory, seconds=30, multilingual=True, seed=0):
    """A Whisper of two layers that hears so many seconds."""
    tokenizer = tiny_tokenizer()
    languages = WHISPER_TOKENS if multilingual else [token for token in WHISPER_TOKENS if token[2:4] not in LANGUAGES]
    tokenizer.add_special_tokens({"additional_special_tokens": languages})
    ids = {token: tokenizer.convert_tokens_to_ids(token) for token in languages}
    end = tokenizer.eos_token_id
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=32,
        encoder_layers=2,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=48,
        decoder_ffn_dim=48,
        max_source_positions=50 * seconds,
        max_target_positions=64,
        decoder_start_token_id=ids["<|startoftranscript|>"],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )
    network = opinionated(WhisperForConditionalGeneration, config, seed, 0.5)
    settings = network.generation_config
    settings._from_model_config = False  # else reading it makes it anew
    settings.suppress_tokens, settings.begin_suppress_tokens = letters_alone(tokenizer), [end]
    settings.no_timestamps_token_id = ids["<|notimestamps|>"]
    settings.prev_sot_token_id = ids["<|startofprev|>"]
    settings.is_multilingual = multilingual
    settings.max_length = 64
    settings.alignment_heads = [[1, 0], [1, 2]]
    if multilingual:
        settings.lang_to_id = {f"<|{code}|>": ids[f"<|{code}|>"] for code in LANGUAGES}
        settings.task_to_id = {"transcribe": ids["<|transcribe|>"], "translate": ids["<|translate|>"]}
    network.save_pretrained(directory)
    WhisperProcessor(WhisperFeatureExtractor(chunk_length=seconds), _whisper_tokenizer(tokenizer)).save_pretrained(
        directory
    )
    return directory


def letters_alone(tokenizer):
    """The tokens other than lower-case letters, the space and the end, so that a text has words."""
    written = {*"abcdefghijklmnopqrstuvwxyz", "Ġ", tokenizer.eos_token}
    return sorted(index for token, index in tokenizer.get_vocab().items() if token not in written)


def _whisper_tokenizer(tokenizer):
    """The same, as what a Whisper processor takes."""
    from transformers import WhisperTokenizer

    made = object.__new__(WhisperTokenizer)
    made.__dict__.update(tokenizer.__dict__)
    return made


def write_ctc(directory, kind=Wav2Vec2ForCTC, config=Wav2Vec2Config, layer_norm=True, seed=0):
    """A CTC model of letters in the way of Wav2Vec2."""
    directory.mkdir(parents=True, exist_ok=True)
    tokens = ["<pad>", "<s>", "</s>", "<unk>", "|", *"abcdefghijklmnopqrstuvwxyz'"]
    (directory / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    tokenizer = Wav2Vec2CTCTokenizer(str(directory / "vocab.json"))
    network = opinionated(
        kind,
        config(
            vocab_size=len(tokens),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=48,
            conv_dim=(32,) * 7,
            num_conv_pos_embeddings=16,
            num_conv_pos_embedding_groups=4,
            feat_extract_norm="layer" if layer_norm else "group",
            do_stable_layer_norm=layer_norm,
            pad_token_id=0,
        ),
        seed,
        0.5,
    )
    network.save_pretrained(directory)
    extractor = Wav2Vec2FeatureExtractor(return_attention_mask=layer_norm)
    Wav2Vec2Processor(extractor, tokenizer).save_pretrained(directory)
    return directory


def write_hubert(directory, **changes):
    """The same as a HuBERT."""
    return write_ctc(directory, HubertForCTC, HubertConfig, **changes)


def write_parakeet(directory, seed=0):
    """A Parakeet with a CTC head, of letters; its features need librosa."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        ParakeetCTCConfig,
        ParakeetFeatureExtractor,
        ParakeetForCTC,
        ParakeetProcessor,
        ParakeetTokenizer,
    )

    tokens = ["<unk>", "▁", *"abcdefghijklmnopqrstuvwxyz", "<pad>"]
    spelt = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, [], unk_token="<unk>"))
    spelt.pre_tokenizer, spelt.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    tokenizer = ParakeetTokenizer(tokenizer_object=spelt, unk_token="<unk>", pad_token="<pad>")
    config = ParakeetCTCConfig(
        vocab_size=len(tokens),
        pad_token_id=len(tokens) - 1,
        encoder_config={
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "subsampling_conv_channels": 8,
        },
    )
    opinionated(ParakeetForCTC, config, seed, 0.5).save_pretrained(directory)
    ParakeetProcessor(ParakeetFeatureExtractor(feature_size=80), tokenizer).save_pretrained(directory)
    return directory
