"""Speech-LLMs of other language models and adapters, merged models, and the sizes of the paper's table 1."""

import pytest
import torch
from support.commands import command
from support.paths import SHARED, TOP
from support.tiny_llm import tiny_tokenizer
from support.train_corpus import NO_MASKS, SMALL_AED, TEXTS, losses, make_all, run, values, write_config
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

from firered.asr.families.speech_llm import LlmAsr
from firered.asr.llm_config import LlmConfig
from firered.errors import OptionError
from firered.models.adapters import LinearAdapter
from firered.models.checkpoint import load_checkpoint
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer
from firered.train.settings import load_settings
from firered.train.tasks.conformer import sizes_of

SIZES = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SIZES |= {"num_key_value_heads": 2, "initializer_range": 0.2}
GREEDY = LlmConfig(beam_size=1, dtype="float32")


def llama_tokenizer():
    """One that knows nothing of the chat format: a beginning, an end, and bytes."""
    vocabulary = {token: number for number, token in enumerate(["<s>", "</s>", *bytes_to_unicode().values()])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The corpus, a recognition model of width 48, and language models of three kinds."""
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    run(values("aed", folder, folder / "aed", steps=1, model=SMALL_AED | {"d_model": 48}))
    torch.manual_seed(0)
    made = {
        "qwen2": Qwen2ForCausalLM(Qwen2Config(vocab_size=272, **SIZES)),
        "qwen3": Qwen3ForCausalLM(Qwen3Config(vocab_size=272, head_dim=24, **SIZES)),
        "llama": LlamaForCausalLM(LlamaConfig(vocab_size=272, **SIZES)),
    }
    for name, llm in made.items():
        llm.save_pretrained(folder / name)
        (llama_tokenizer() if name == "llama" else tiny_tokenizer()).save_pretrained(folder / name)
    return folder


def content(corpus, out, steps, llm, model=None, **train):
    model = {"encoder": str(corpus / "aed"), "llm": str(corpus / llm), "dropout": 0.0} | (model or {})
    return values("llm", corpus, out, steps=steps, model=model, specaugment=NO_MASKS, train=train, optim={"lr": 5e-3})


def read_by(out, corpus):
    """Texts, and probabilities of tokens, of all utterances."""
    asr = LlmAsr.from_pretrained(out, GREEDY, "cpu")
    results = {key: asr(corpus / f"data/{key}.wav") for key in TEXTS}
    return {key: result.text for key, result in results.items()}, [
        p for r in results.values() for p in r.token_confidence
    ]


@pytest.mark.parametrize(("llm", "adapter"), [("qwen3", "transformer"), ("llama", "conv")])
def test_language_models_and_adapters_of_other_kinds(corpus, tmp_path, llm, adapter):
    model = {"adapter": adapter, "adapter_layers": 1, "adapter_width": 32, "lora_targets": "q_proj v_proj"}
    lines = run(content(corpus, tmp_path / "exp", 40, llm, model, error_rate_utterances=6))
    assert losses(lines)[-1] < 0.7 * losses(lines)[0]
    adapted = {name.split(".")[-4] for name in load_checkpoint(tmp_path / "exp/model.pth.tar")[1] if ".lora_" in name}
    assert adapted == {"q_proj", "v_proj"}
    texts, probabilities = read_by(tmp_path / "exp", corpus)
    counts = total(found.counts for found in align_texts(TEXTS, texts, normalizer(NormalizerConfig())))
    assert lines[-1]["error_rate"] == pytest.approx(counts.rate)
    config = write_config(tmp_path / "train.yaml", content(corpus, tmp_path / "exp", 40, llm, model))
    done = command("train", config, "--merged", tmp_path / "merged")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "merged/Qwen2-7B-Instruct").is_symlink()
    args, state = load_checkpoint(tmp_path / "merged/model.pth.tar")
    assert not args.use_lora
    assert {name.split(".")[0] for name in state} == {"encoder", "encoder_projector"}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {
        p.name for p in (tmp_path / "merged/lora").iterdir()
    }
    again, others = read_by(tmp_path / "merged", corpus)
    assert again == texts
    assert others == pytest.approx(probabilities, abs=1e-4)


def test_names_and_shapes_are_the_published_ones(corpus, tmp_path):
    run(content(corpus, tmp_path, 1, "qwen2"))
    rows = (SHARED / "spec/state_dicts/llm_golden_tiny.tsv").read_text().split()
    published = dict(zip(rows[::2], rows[1::2], strict=True))
    state = load_checkpoint(tmp_path / "model.pth.tar")[1]
    own = {name: "x".join(map(str, value.shape)) for name, value in state.items() if not name.startswith("encoder.")}
    assert own == published


def test_names_that_are_no_layers_are_refused(corpus, tmp_path):
    with pytest.raises(OptionError, match=r"model.lora_targets: c_attn: known are down_proj, .*q_proj"):
        run(content(corpus, tmp_path, 1, "qwen2", {"lora_targets": "q_proj c_attn"}))


def test_merging_is_for_models_with_lora(corpus, tmp_path):
    config = write_config(tmp_path / "a.yaml", content(corpus, tmp_path / "exp", 1, "qwen2", {"trains": "adapter"}))
    assert command("train", config).returncode == 0
    done = command("train", config, "--merged", tmp_path / "merged")
    assert done.returncode != 0
    assert "has no LoRA" in done.stderr
    done = command("train", config, "--merged", tmp_path / "exp")
    assert "is the folder of the training itself" in done.stderr
    other = write_config(tmp_path / "b.yaml", values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED))
    assert "is for the task llm, not aed" in command("train", other, "--merged", tmp_path / "merged").stderr


# Millions of parameters by table 1 of the FireRedASR paper.
TABLE_1 = {"xs": (86, 17), "s": (256, 18), "m": (455, 20), "l": (710, 22)}


@pytest.mark.parametrize("size", TABLE_1)
def test_sizes_are_those_of_table_1(size):
    """Within 1% of what is printed, which is rounded to whole millions."""
    aed, llm = (load_settings(TOP / f"conf/train/{task}_{size}.yaml") for task in ("aed", "llm"))
    assert llm.sections["model"].encoder == str(aed.out)
    sizes = sizes_of(aed.sections["model"], 8667)
    with torch.device("meta"):
        parts = sizes.encoder(), LinearAdapter(sizes.d_model, 3584)
    for part, printed in zip(parts, TABLE_1[size], strict=True):
        count = sum(parameter.numel() for parameter in part.parameters()) / 1e6
        assert abs(count - printed) < 0.01 * printed + 0.5
