"""Encoder, adapter and language model as one: published tensors, loading, LoRA, and stepping through it."""

import argparse
import inspect
import itertools
import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from support.tiny_llm import HIDDEN, RANK, tiny_llm, tiny_tokenizer, write_tiny_llm
from torch.nn.utils.rnn import pad_sequence
from transformers import Qwen2ForCausalLM

from firered.asr.families.speech_llm_loaded import LoadedLlm, llm_dtype, llm_folder, model_paths
from firered.asr.llm_config import LlmConfig
from firered.errors import ModelError, OptionError
from firered.models.adapters import LinearAdapter
from firered.models.bfloat16 import WidenedLinear, cpu_has_bfloat16
from firered.models.causal_lm import LORA_TARGETS, load_llm, with_lora
from firered.models.checkpoint import load_checkpoint
from firered.models.llm_stepper import LlmSteps, keep_rows
from firered.models.speech_llm import SpeechLlm, positions_of, splice
from firered.runtime.speech import Speech
from firered.search.config import GenerateConfig
from firered.search.generate import search
from firered.text.llm_tokenizer import LlmTokenizer

FOLDER = "Qwen2-7B-Instruct"


def read_package(path):
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, weights_only=True)


def change(path, edit):
    """Rewrite a checkpoint with its state dict edited in place."""
    package = read_package(path)
    edit(package["model_state_dict"])
    torch.save(package, path)


def load(directory, dtype=torch.float32):
    tokenizer = LlmTokenizer.from_dir(llm_folder(directory))
    return SpeechLlm.load(directory, llm_folder(directory), tokenizer.speech_id, dtype=dtype), tokenizer


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """Not to be written to."""
    return write_tiny_llm(tmp_path_factory.mktemp("llm") / "FireRedASR2-LLM")


@pytest.fixture
def own_dir(model_dir, tmp_path):
    """A copy to break."""
    shutil.copytree(model_dir, tmp_path / "m")
    return tmp_path / "m"


def batch_of(tokenizer, frame_counts, seed=0, padding_side="left"):
    """Features, lengths, ids and mask of random utterances."""
    generator = torch.Generator().manual_seed(seed)
    feats = [torch.randn(count, 80, generator=generator) for count in frame_counts]
    prompts = [torch.tensor(tokenizer.prompt(-(-count // 4) // 2)) for count in frame_counts]
    ids = pad_sequence(prompts, batch_first=True, padding_value=tokenizer.pad_id, padding_side=padding_side)
    mask = pad_sequence([torch.ones_like(prompt) for prompt in prompts], batch_first=True, padding_side=padding_side)
    return pad_sequence(feats, batch_first=True), torch.tensor(frame_counts), ids, mask.bool()


# The parts


def test_adapter_is_two_frames_side_by_side_and_two_linear_layers():
    adapter = LinearAdapter(3, 5)
    frames = torch.randn(2, 7, 3)
    speech, counts = adapter(frames, torch.tensor([7, 4]))
    assert speech.shape == (2, 3, 5)
    assert counts.tolist() == [3, 2]  # a frame left over at the end is dropped
    pair = torch.cat([frames[1, 2], frames[1, 3]])
    expected = adapter.linear2.weight @ (adapter.linear1.weight @ pair + adapter.linear1.bias).relu()
    assert torch.allclose(speech[1, 1], expected + adapter.linear2.bias, atol=1e-6)


def test_splice_puts_speech_in_its_places_and_counts():
    embeds = torch.zeros(2, 4, 3)
    placeholder = torch.tensor([[0, 1, 1, 0], [0, 0, 1, 0]]).bool()
    speech = torch.arange(9.0).view(3, 3)
    out = splice(embeds, placeholder, speech)
    assert torch.equal(out[placeholder], speech)
    assert out[~placeholder].abs().sum() == 0
    with pytest.raises(ValueError, match="2 speech embeddings for 3 places"):
        splice(embeds, placeholder, speech[:2])


def test_positions_count_tokens_on_whichever_side_the_padding_is():
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 0, 0]]).bool()
    assert positions_of(mask).tolist() == [[0, 0, 0, 1, 2], [0, 1, 2, 2, 2]]


@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_a_batch_gives_what_each_gives_alone(padding_side, model_dir):
    model, tokenizer = load(model_dir)
    feats, lengths, ids, mask = batch_of(tokenizer, [150, 41, 98], padding_side=padding_side)
    with torch.no_grad():
        batched = model(feats, lengths, ids, mask).logits
        for row, length in enumerate(lengths.tolist()):
            own = ids[row : row + 1][mask[row : row + 1]][None]
            single = model(feats[row : row + 1, :length], lengths[row : row + 1], own, torch.ones_like(own).bool())
            assert torch.allclose(batched[row][mask[row]], single.logits[0], atol=1e-3)  # logits reach 10


def test_the_loss_is_over_the_labels_that_count(model_dir):
    model, tokenizer = load(model_dir)
    feats, lengths, ids, mask = batch_of(tokenizer, [60])
    labels = torch.full_like(ids, -100)
    labels[0, -2:] = ids[0, -2:]
    with torch.no_grad():
        out = model(feats, lengths, ids, mask, labels)
    log_probs = out.logits[0].log_softmax(-1)
    expected = -(log_probs[-3, ids[0, -2]] + log_probs[-2, ids[0, -1]]) / 2
    assert float(out.loss) == pytest.approx(float(expected), abs=1e-5)


def test_merging_lora_changes_nothing(model_dir):
    model, tokenizer = load(model_dir)
    inputs = batch_of(tokenizer, [150, 41, 98])
    with torch.no_grad():
        before = model(*inputs).logits
        with model.llm.disable_adapter():
            without = model(*inputs).logits
        model.merge()
        after = model(*inputs).logits
    mask = inputs[3]
    scale = before[mask].abs().max()
    assert (before - without)[mask].abs().max() > 0.3 * scale  # LoRA does something here
    assert (before - after)[mask].abs().max() < 1e-4 * scale
    assert not any("lora" in name for name, _ in model.named_parameters())
    model.merge()  # a second time: nothing to do


# Loading


def test_released_names_load_and_the_trained_encoder_wins(model_dir, tmp_path):
    model, _ = load(model_dir)
    state = read_package(model_dir / "model.pth.tar")["model_state_dict"]
    mine = model.state_dict()
    name = "llm.base_model.model.model.layers.1.mlp.up_proj.lora_B.default.weight"
    assert torch.equal(mine[name], state[name])
    assert {f"layers.0.{part}" for part in ("self_attn.q_proj", "mlp.down_proj")} <= {
        name.partition("model.model.model.")[2].partition(".lora_A")[0] for name in state if ".lora_A." in name
    }
    assert model.llm.peft_config["default"].r == RANK
    assert set(model.llm.peft_config["default"].target_modules) == set(LORA_TARGETS)
    weight = "encoder.input_preprocessor.out.weight"
    assert torch.equal(mine[weight], state[weight])
    given = read_package(model_dir / "asr_encoder.pth.tar")["model_state_dict"]
    assert not torch.equal(given[weight], state[weight])
    frozen = write_tiny_llm(tmp_path / "frozen", trained_encoder=False)
    given = read_package(frozen / "asr_encoder.pth.tar")["model_state_dict"]
    assert torch.equal(load(frozen)[0].state_dict()[weight], given[weight])


def test_a_model_without_lora_is_the_base_model(tmp_path):
    model, _ = load(write_tiny_llm(tmp_path / "m", lora=False))
    assert not isinstance(model.llm, PeftModel)
    model.merge()


def test_the_language_model_is_read_into_the_wanted_format(model_dir):
    weights = load_file(model_dir / FOLDER / "model.safetensors")
    for dtype in (torch.bfloat16, torch.float32):
        llm = load_llm(model_dir / FOLDER, dtype, "cpu")
        assert {value.dtype for value in llm.parameters()} == {dtype}
        assert not llm.training
        for name, value in llm.named_parameters():
            assert torch.equal(value, weights[name].to(dtype))


def test_encoder_and_language_model_have_their_own_formats(model_dir):
    loaded = LoadedLlm.load(model_dir, LlmConfig(dtype="bfloat16"), "cpu")
    assert {value.dtype for value in loaded.model.encoder.parameters()} == {torch.float32}
    assert {value.dtype for value in loaded.model.llm.parameters()} == {torch.bfloat16}
    loaded = LoadedLlm.load(model_dir, LlmConfig(dtype="float32", encoder_dtype="bfloat16", llm_device="auto"), "cpu")
    assert {value.dtype for value in loaded.model.encoder_projector.parameters()} == {torch.bfloat16}
    assert {value.dtype for value in loaded.model.llm.parameters()} == {torch.float32}
    embeds, mask = loaded.prompts([Speech("a", torch.randn(50, 80), 0.5)])
    assert embeds.dtype == torch.float32
    assert embeds.shape[:2] == mask.shape


def test_float16_is_refused_with_the_reason():
    with pytest.raises(OptionError, match=r"float16 overflows.*take bfloat16"):
        LlmConfig(dtype="float16")


@pytest.mark.parametrize("native", [True, False])
def test_the_automatic_format(tmp_path, monkeypatch, native):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: native)
    for name in ("auto", "float16"):
        assert llm_dtype(name, torch.device("cuda:0")) == (torch.bfloat16 if native else torch.float32)
    assert llm_dtype("float32", torch.device("cuda:0")) == torch.float32
    for text, expected in (("flags\t: fpu avx2 avx512_bf16 sse\n", True), ("flags : avx2\n", False), ("", False)):
        (tmp_path / "cpuinfo").write_text(text)
        assert cpu_has_bfloat16(tmp_path / "cpuinfo") == expected
    assert not cpu_has_bfloat16(tmp_path / "nowhere")
    for has, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr("firered.models.dtype.cpu_has_bfloat16", lambda has=has: has)
        assert llm_dtype("auto", torch.device("cpu")) == dtype


@pytest.mark.parametrize("rows", [1, 3, 4, 40])
@pytest.mark.parametrize("bias", [True, False])
def test_widened_products_are_those_of_float32_rounded(rows, bias):
    torch.manual_seed(rows)
    layer = torch.nn.Linear(96, 1100, bias=bias, dtype=torch.bfloat16)
    x = torch.randn(2, rows, 96).bfloat16() if rows > 3 else torch.randn(rows, 96).bfloat16()
    with torch.inference_mode():
        got = WidenedLinear(layer)(x)
        exact = x.double() @ layer.weight.double().T + (layer.bias.double() if bias else 0)
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.double(), exact, rtol=2**-8, atol=2**-10)


@pytest.mark.parametrize("has", [True, False])
def test_linear_layers_are_widened_where_bfloat16_is_emulated(model_dir, monkeypatch, has):
    monkeypatch.setattr("firered.asr.families.speech_llm_loaded.cpu_has_bfloat16", lambda: has)
    for dtype in ("bfloat16", "float32"):
        llm = LoadedLlm.load(model_dir, LlmConfig(dtype=dtype), "cpu").model.llm
        widened = [module for module in llm.modules() if isinstance(module, WidenedLinear)]
        assert bool(widened) == (dtype == "bfloat16" and not has)
        assert not widened or not any(isinstance(module, torch.nn.Linear) for module in llm.modules())


def drop(name):
    return lambda state: state.pop(name)


def add(name):
    return lambda state: state.update({name: torch.zeros(1)})


LORA_A = "llm.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight"


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (drop(LORA_A), "missing: base_model.model.model.layers.0.self_attn.q_proj.lora_A"),
        (add("llm.base_model.model.model.layers.9.self_attn.q_proj.lora_A.default.weight"), "unknown: .*layers.9"),
        (add("llm.base_model.model.lm_head.bias"), "unknown: base_model.model.lm_head.bias"),
        (lambda state: state.update({LORA_A: torch.zeros(RANK, 7)}), r"is \(4, 7\), expected \(4, 48\)"),
        (drop("encoder_projector.linear1.weight"), "missing: linear1.weight"),
        (drop("encoder_projector.linear2.weight"), "no encoder_projector"),
        (add("encoder.layer_stack.0.nonsense"), "unknown: layer_stack.0.nonsense"),
    ],
)
def test_weights_of_another_model_are_refused_by_name(edit, reason, own_dir):
    change(own_dir / "model.pth.tar", edit)
    with pytest.raises(ModelError, match=reason):
        load(own_dir)


def test_base_weights_in_the_checkpoint_win_over_the_folder(own_dir):
    name = "base_model.model.model.norm.weight"
    change(own_dir / "model.pth.tar", lambda state: state.update({f"llm.{name}": torch.full((HIDDEN,), 3.0)}))
    assert load(own_dir)[0].llm.state_dict()[name].unique().tolist() == [3.0]


def test_an_adapter_for_another_language_model_is_refused(own_dir):
    shutil.rmtree(own_dir / FOLDER)
    shutil.copytree(write_tiny_llm(own_dir.parent / "wide", hidden_size=64) / FOLDER, own_dir / FOLDER)
    with pytest.raises(ModelError, match=r"made for embeddings of 48 dimensions, .* has 64"):
        load(own_dir)


def test_a_checkpoint_cannot_run_code(own_dir, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"args": argparse.Namespace(), "model_state_dict": {"a": Evil()}}, own_dir / "model.pth.tar")
    with pytest.raises(ModelError, match="refused"):
        load(own_dir)
    assert not (tmp_path / "owned").exists()


def edit_config(folder, **values):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def cut_short(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")


def pickled(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def fewer(folder):
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.norm.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def index(*weight_map):
    def write(folder):
        (folder / "model.safetensors.index.json").write_text(
            json.dumps(dict(zip(["weight_map"], weight_map, strict=False)))
        )

    return write


def half_indexed(folder):
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "m-1-of-2.safetensors"}}))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (index(), "index.json: no `weight_map` from tensors to names of files in this folder"),
        (index([]), "index.json: no `weight_map`"),
        (index({}), "index.json: no `weight_map`"),
        (index({"a": ["x"]}), "index.json: no `weight_map`"),
        (index({"a": "../model.safetensors"}), "index.json: no `weight_map`"),
        (index({"a": "/etc/passwd"}), "index.json: no `weight_map`"),
        (lambda folder: edit_config(folder, num_hidden_layers=10**9), "num_hidden_layers is 1000000000, but its"),
        (lambda folder: edit_config(folder, hidden_size="48"), "config.json: the argument hidden_size of a Qwen2 is"),
        (lambda folder: edit_config(folder, num_attention_heads=0), "the argument num_attention_heads of a Qwen2 is"),
        (lambda folder: edit_config(folder, vocab_size=10**9), r"weight is \(272, 48\), by its config.json"),
        (lambda folder: (folder / "config.json").unlink(), "config.json: missing; a Hugging Face folder"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json: not readable as JSON"),
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json: not a JSON object"),
        (lambda folder: edit_config(folder, model_type="bert_"), "model_type is 'bert_', of which transformers has no"),
        (lambda folder: edit_config(folder, model_type=7), "model_type is 7, of which transformers has no"),
        (lambda folder: edit_config(folder, model_type="llama"), "6 tensors are not those of a llama, .*bias for one"),
        (lambda folder: edit_config(folder, use_sliding_window=True), "use_sliding_window"),
        (lambda folder: edit_config(folder, quantization_config={"bits": 4}), "quantised weights"),
        (
            lambda folder: edit_config(folder, intermediate_size=60),
            r"gate_proj.weight is \(64, 48\), by its config.json \(60, 48\)",
        ),
        (cut_short, "model.safetensors: damaged or cut short"),
        (pointer, "model.safetensors: a pointer of Git LFS, not the file itself"),
        (pickled, "no weights here .*could run code"),
        (fewer, "1 tensors are not in its files, model.norm.weight"),
        (half_indexed, "m-1-of-2.safetensors: no weights here"),
    ],
)
def test_a_damaged_folder_is_named_with_what_is_wrong(damage, reason, own_dir):
    damage(own_dir / FOLDER)
    with pytest.raises(ModelError, match=reason) as error:
        load_llm(own_dir / FOLDER, torch.float32, "cpu")
    assert str(own_dir / FOLDER) in str(error.value)


def test_the_folder_of_the_language_model(own_dir):
    paths = model_paths(own_dir)
    names = {path.name for path in paths}
    assert {"model.pth.tar", "asr_encoder.pth.tar", "cmvn.ark", "config.json", "model.safetensors"} <= names
    assert {"tokenizer.json", "tokenizer_config.json"} <= names
    (own_dir / FOLDER).rename(own_dir / "Qwen2-0.5B-Instruct")
    assert llm_folder(own_dir) == own_dir / "Qwen2-0.5B-Instruct"
    shutil.copytree(own_dir / "Qwen2-0.5B-Instruct", own_dir / "another")
    with pytest.raises(ModelError, match="one folder of a language model is needed"):
        llm_folder(own_dir)
    for name in ("another", "Qwen2-0.5B-Instruct"):
        shutil.rmtree(own_dir / name)
    with pytest.raises(ModelError, match="there is none"):
        llm_folder(own_dir)


# The tokenizer


def test_prompt_and_tokens(model_dir):
    tokenizer = LlmTokenizer.from_dir(model_dir / FOLDER)
    ids = tokenizer.prompt(3)
    assert ids.count(tokenizer.speech_id) == 3
    start = ids.index(tokenizer.speech_id)
    assert ids[start : start + 3] == [tokenizer.speech_id] * 3
    assert ids[0] == 1  # <|im_start|>
    assert tokenizer.text_of(ids[start + 3 :]) == "请转写音频为文字 assistant"
    assert tokenizer.last_id == ids[-1]
    assert (tokenizer.eos_id, tokenizer.pad_id) == (2, 0)


def test_tokens_to_look_at_need_no_decoding(model_dir):
    tokenizer = LlmTokenizer.from_dir(model_dir / FOLDER)
    plain = tiny_tokenizer()
    ids = plain.encode("a 你\n", add_special_tokens=False)
    assert tokenizer.tokens_of(ids) == ["a", "▁", "<0xE4>", "<0xBD>", "<0xA0>", "<0x0A>"]
    assert tokenizer.text_of(ids) == "a 你"
    assert tokenizer.tokens_of([2, 9999]) == ["<|im_end|>", "<9999>"]
    assert not any(" " in token or "\n" in token for token in tokenizer.tokens_of(list(range(260))))
    plain.add_tokens(["user: \n"])  # as it is in the vocabulary, not by bytes
    assert LlmTokenizer(plain).tokens_of(plain.encode("user: \n", add_special_tokens=False)) == ["user:▁<0x0A>"]


def test_other_tokenizers_are_refused(tmp_path):
    with pytest.raises(ModelError, match="no tokenizer here"):
        LlmTokenizer.from_dir(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="no tokenizer that can be loaded"):
        LlmTokenizer.from_dir(tmp_path)
    tokenizer = tiny_tokenizer()

    class WithoutEnd:
        def get_vocab(self):
            return {name: number for name, number in tokenizer.get_vocab().items() if name != "<|im_end|>"}

    with pytest.raises(ModelError, match=r"the tokenizer has no <\|im_end\|>: not one of a Qwen chat model"):
        LlmTokenizer(WithoutEnd())


# Stepping and searching


@pytest.fixture(scope="module")
def llm():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return tiny_llm(vocabulary=40).eval()


def prompts_of(llm, lengths, seed, first):
    generator = torch.Generator().manual_seed(seed)
    last = llm.get_input_embeddings()(torch.tensor([first])).detach()
    return [torch.cat([torch.randn(n, HIDDEN, generator=generator) * 0.5, last]) for n in lengths]


def start(llm, prompts, beams, steps):
    mask = pad_sequence([torch.ones(len(prompt)) for prompt in prompts], batch_first=True, padding_side="left").bool()
    return LlmSteps(llm, pad_sequence(prompts, batch_first=True, padding_side="left"), mask, beams, steps)


@torch.inference_mode()
def test_steps_over_the_cache_are_the_whole_sequence_again(llm):
    """Every step's logits are those of a plain pass over prompt and tokens, while hypotheses change and leave."""
    prompts = prompts_of(llm, [3, 11, 6], 0, first=5)
    beams, table = 2, llm.get_input_embeddings()
    steps = start(llm, prompts, beams, 6)
    rows = [(utt, []) for utt in range(3) for _ in range(beams)]  # what each row has been fed
    generator = torch.Generator().manual_seed(1)
    for number in range(6):
        tokens = torch.full((len(rows),), 5) if number == 0 else torch.randint(40, (len(rows),), generator=generator)
        rows = [(utt, [*fed, token]) for (utt, fed), token in zip(rows, tokens.tolist(), strict=True)]
        logits = steps.step(tokens)
        for row, (utt, fed) in enumerate(rows):
            plain = llm(inputs_embeds=torch.cat([prompts[utt][:-1], table(torch.tensor(fed))])[None]).logits[0, -1]
            assert torch.allclose(logits[row], plain, atol=1e-4)
        parents = [beams * (row // beams) + (row + number) % 2 for row in range(len(rows))]
        steps.reorder(torch.tensor(parents))
        rows = [rows[parent] for parent in parents]
        if number == 2:
            steps.select([2, 1])
            rows = [*rows[4:6], *rows[2:4]]


def generated(llm, prompt, limit, config, eos):
    """Token sequences and their scores as Hugging Face generates them."""
    beams = {
        "num_beams": config.beam_size,
        "num_return_sequences": config.nbest,
        "length_penalty": config.length_penalty,
    }
    out = llm.generate(
        inputs_embeds=prompt[None],
        attention_mask=torch.ones(1, len(prompt)),
        max_new_tokens=limit,
        min_new_tokens=config.min_length or None,
        do_sample=False,
        repetition_penalty=config.repetition_penalty,
        eos_token_id=eos,
        pad_token_id=0,
        return_dict_in_generate=True,
        output_scores=True,
        **(beams if config.beam_size > 1 else {}),
    )
    sequences = [
        sequence[: sequence.index(eos)] if eos in sequence else sequence for sequence in out.sequences.tolist()
    ]
    return sequences, out.sequences_scores.tolist() if config.beam_size > 1 else None


SETTINGS = list(itertools.product((1, 3), (1.0, 3.0), (0.0, 1.0, -0.5), (0, 5)))


@pytest.mark.filterwarnings("ignore:Passing `repetition_penalty`")
@pytest.mark.parametrize("eos", [2, 9])
@pytest.mark.parametrize(("beam", "penalty", "length", "shortest"), SETTINGS)
@torch.inference_mode()
def test_the_search_is_that_of_generate(beam, penalty, length, shortest, eos, llm):
    """A batch of unequal lengths and limits gives, one by one, what `generate` gives alone."""
    config = GenerateConfig(
        beam_size=beam,
        nbest=beam,
        repetition_penalty=penalty,
        length_penalty=length,
        min_length=shortest,
    )
    for seed in range(2):
        prompts = prompts_of(llm, [3 + (seed * 7 + index * 5) % 17 for index in range(3)], seed, first=5)
        limits = [6 + (seed * 3 + index * 4) % 9 for index in range(3)]
        found = search(start(llm, prompts, beam, max(limits)), torch.tensor(limits), config, first=5, eos=eos)
        for hypotheses, prompt, limit in zip(found, prompts, limits, strict=True):
            sequences, scores = generated(llm, prompt, limit, config, eos)
            assert [list(hypothesis.tokens) for hypothesis in hypotheses] == sequences
            if scores:
                assert [hypothesis.score for hypothesis in hypotheses] == pytest.approx(scores, abs=1e-4)


@torch.inference_mode()
def test_confidence_is_the_models_own_whatever_the_penalty(llm):
    (prompt,) = prompts_of(llm, [7], 3, first=5)
    config = GenerateConfig(beam_size=1, repetition_penalty=3.0, temperature=2.0)
    ((best,),) = search(start(llm, [prompt], 1, 8), torch.tensor([8]), config, first=5, eos=39)
    table = llm.get_input_embeddings()
    embeds = torch.cat([prompt, table(torch.tensor(best.tokens[:-1]))])
    plain = (llm(inputs_embeds=embeds[None]).logits[0, len(prompt) - 1 :] / 2.0).log_softmax(-1)
    expected = plain.gather(1, torch.tensor(best.tokens)[:, None])[:, 0].tolist()
    assert best.log_probs == pytest.approx(expected, abs=1e-4)


class OldNames(torch.nn.Module):
    """The model as older versions of transformers have it, with the cache under its earlier name."""

    def __init__(self, llm):
        super().__init__()
        self.llm, self.config = llm, llm.config

    def get_input_embeddings(self):
        return self.llm.get_input_embeddings()

    def forward(self, past_key_values=None, **arguments):
        return self.llm(**{CACHE: past_key_values}, **arguments)


CACHE = "cache" if "cache" in inspect.signature(Qwen2ForCausalLM.forward).parameters else "past_key_values"


@pytest.mark.filterwarnings("error:.past_key_values.")
@torch.inference_mode()
def test_the_cache_goes_under_the_name_that_the_installed_transformers_has(llm):
    prompts = prompts_of(llm, [4, 6], 0, first=5)
    now, before = start(llm, prompts, 2, 3), start(OldNames(llm), prompts, 2, 3)
    for tokens in torch.tensor([[5, 5, 5, 5], [7, 8, 9, 10]]):
        assert torch.equal(now.step(tokens), before.step(tokens))


def test_rows_that_stay_are_not_copied():
    held = torch.arange(8.0).view(4, 2)
    kept = keep_rows(held, [0, 3, 2])
    assert kept.tolist() == [[0.0, 1.0], [6.0, 7.0], [4.0, 5.0]]
    assert kept.data_ptr() == held.data_ptr()


def test_only_lora_learns_in_training():
    model = with_lora(tiny_llm(), RANK)
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert learning == {name for name, _ in model.named_parameters() if ".lora_" in name}
    assert len(learning) == 2 * 2 * len(LORA_TARGETS)


@pytest.mark.parametrize(
    ("shape", "name", "reason"),
    [
        ((10**6, 1), None, "LoRA of rank 1000000, the language model is 48 wide"),
        ((), None, "LoRA of rank 0"),
        ((4, 48), "llm.base_model.model.model.layers.0.mlp.nothing.lora_A.default.weight", "model.pth.tar: "),
    ],
)
def test_lora_that_fits_no_language_model(own_dir, shape, name, reason):
    args, state = load_checkpoint(own_dir / "model.pth.tar")
    lora = [key for key in state if ".lora_" in key]
    kept = {key: value.clone() for key, value in state.items() if key not in lora}
    changed = {name or next(key for key in lora if ".lora_A." in key): torch.zeros(shape)}
    torch.save({"args": args, "model_state_dict": kept | changed}, own_dir / "model.pth.tar")
    with pytest.raises(ModelError, match=reason):
        load(own_dir)
