"""Other systems' models of a few parameters, of their packages' own classes, laid out as theirs are published."""

import json

import torch
import yaml

ECAPA = """
pretrained_path: speechbrain/lang-id-voxlingua107-ecapa
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: 20
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: 20
    channels: [16, 16, 16, 16, 48]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    lin_neurons: 8
    res2net_scale: 4
    se_channels: 8
classifier: !new:speechbrain.lobes.models.Xvector.Classifier
    input_shape: [null, null, 8]
    activation: !name:torch.nn.LeakyReLU
    lin_blocks: 1
    lin_neurons: 8
    out_neurons: 3
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
label_encoder: !new:speechbrain.dataio.encoder.CategoricalEncoder
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
        label_encoder: !ref <label_encoder>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
        label_encoder: !ref <pretrained_path>/label_encoder.txt
"""
LABELS = ("th: Thai", "iw: Hebrew", "zh: Chinese")


def write_ecapa(folder):
    """SpeechBrain's classifier of languages; it needs the package."""
    from hyperpyyaml import load_hyperpyyaml

    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(ECAPA)
    torch.manual_seed(0)
    made = load_hyperpyyaml(ECAPA)
    for name in ("embedding_model", "classifier"):
        torch.save(made[name].state_dict(), folder / f"{name}.ckpt")
    lines = [f"'{label}' => {number}" for number, label in enumerate(LABELS)]
    (folder / "label_encoder.txt").write_text("\n".join([*lines, "=" * 16, "'starting_index' => 0", ""]))


MARKS = ["<unk>", "_", "，", "。", "？", "、"]
_SANM = {"attention_heads": 2, "num_blocks": 1, "kernel_size": 3, "sanm_shfit": 0, "selfattention_layer_type": "sanm"}
_SANM |= {"input_layer": "pe"}


def write_ct_transformer(folder, always="，"):
    """FunASR's punctuation that puts one mark everywhere; it needs the package."""
    tokens = ["<unk>", "<s>", "</s>", *"一二三四五", "hello"]
    encoder = {"input_size": 8, "output_size": 8, "linear_units": 8, **_SANM}
    model = {"punc_list": MARKS, "punc_weight": [1.0] * len(MARKS), "embed_unit": 8, "att_unit": 8}
    model |= {"sentence_end_id": 3}
    config = {"model": "CTTransformer", "model_conf": model, "encoder": "SANMEncoder", "encoder_conf": encoder}
    config |= {"tokenizer": "CharTokenizer", "tokenizer_conf": {"unk_symbol": "<unk>"}}
    folder.mkdir()
    (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")
    network = _network(folder, config, vocab_size=len(tokens))
    with torch.no_grad():
        network.decoder.weight.zero_()
        network.decoder.bias.copy_(torch.nn.functional.one_hot(torch.tensor(MARKS.index(always)), len(MARKS)) * 9.0)
    torch.save(network.state_dict(), folder / "model.pt")


def write_sense_voice(folder, units):
    """FunASR's SenseVoice with random weights, over the pieces of the SentencePiece model `units`."""
    from sentencepiece import SentencePieceProcessor

    encoder = {"output_size": 16, "linear_units": 16, "tp_blocks": 1, **_SANM}
    frontend = {
        "fs": 16000,
        "window": "hamming",
        "n_mels": 80,
        "lfr_m": 7,
        "lfr_n": 6,
        "cmvn_file": None,
        "dither": 0.0,
    }
    model = {"length_normalized_loss": True, "sos": 1, "eos": 2, "ignore_id": -1}
    config = {"model": "SenseVoiceSmall", "model_conf": model}
    config |= {"encoder": "SenseVoiceEncoderSmall", "encoder_conf": encoder}
    config |= {"frontend": "WavFrontend", "frontend_conf": frontend}
    config |= {"tokenizer": "SentencepiecesTokenizer", "tokenizer_conf": {"bpemodel": None, "unk_symbol": "<unk>"}}
    folder.mkdir()
    (folder / "bpe.model").write_bytes(units.read_bytes())
    pieces = SentencePieceProcessor(str(units)).vocab_size()
    torch.save(_network(folder, config, vocab_size=pieces, input_size=560).state_dict(), folder / "model.pt")


def _network(folder, config, **sizes):
    """Write config.yaml, and make the network that it describes, with weights that are always the same."""
    import funasr  # noqa: F401 - it fills the tables
    from funasr.register import tables

    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    torch.manual_seed(0)
    kind = tables.model_classes[config["model"]]
    return kind(encoder=config["encoder"], encoder_conf=config["encoder_conf"], **config["model_conf"], **sizes)


def write_whisper(folder):
    """Whisper of three languages with random weights."""
    from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    sizes = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 8, "vocab_size": 20, "num_mel_bins": 80}
    sizes |= {f"{part}_{what}": size for part in ("encoder", "decoder") for what, size in (("attention_heads", 2),)}
    special = {"pad_token_id": 1, "bos_token_id": 1, "eos_token_id": 1, "decoder_start_token_id": 2}
    torch.manual_seed(0)
    network = WhisperForConditionalGeneration(WhisperConfig(**sizes, **special, max_target_positions=8))
    network.save_pretrained(folder)
    languages = {"<|en|>": 3, "<|he|>": 4, "<|yue|>": 5}
    GenerationConfig(lang_to_id=languages, **special).save_pretrained(folder)
    WhisperFeatureExtractor().save_pretrained(folder)
