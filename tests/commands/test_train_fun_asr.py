"""Training of Fun-ASR-Nano: from nothing and from a published directory, its stages, its data, killed and resumed."""

import json
from dataclasses import replace

import pytest
import torch
from support.tiny_fun_asr import SMALL, write_published_form, write_qwen3
from support.train_corpus import NO_MASKS, TEXTS, losses, make_corpus, run, values

from firered.asr.families.fun_asr import FunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.corpora.indexed import training_sets
from firered.data.datadir import DataDir, write_table
from firered.errors import FireRedError, ModelError, OptionError
from firered.models.checkpoint import load_tensors
from firered.models.fun_asr import Adaptor, FunAsrEncoder, sanm_encoder
from firered.models.fun_asr_config import CheckpointConfig
from firered.models.fun_asr_publish import published
from firered.train.data.batch import NO_TARGET
from firered.train.fun_asr_config import FunAsrTaskConfig
from firered.train.objectives.fun_asr import prompts
from firered.train.run import train
from firered.train.settings import settings_of
from firered.train.tasks import TASKS


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("fun")
    make_corpus(root / "data")
    write_qwen3(root / "Qwen3-tiny")
    write_published_form(root / "fun")
    return root


def content(corpus, out, steps, model, **more):
    return values("fun-asr", corpus, out, steps=steps, model=model, **({"specaugment": NO_MASKS} | more))


def new_model(corpus, **more):
    return {"llm": str(corpus / "Qwen3-tiny"), **SMALL, **more}


def tensors_of(directory):
    return dict(load_tensors(directory / "model.pt"))


def changed_parts(before, after):
    """The parts of a model of which any tensor differs; a number format is no difference."""
    names = [name for name in after if name in before and not torch.equal(before[name].float(), after[name].float())]
    return {name.split(".")[0] for name in names}


@pytest.fixture(scope="module")
def trained(corpus):
    """A model from nothing, whose language model learns to write, too."""
    out = corpus / "all"
    train = {"eval_steps": 8, "error_rate_utterances": 6, "average": "last", "keep_last": 1}
    more = {"optim": {"lr": 1e-2}, "train": train}
    lines = run(content(corpus, out, 40, new_model(corpus, trains="encoder adaptor llm"), **more))
    return out / "model", lines


def test_a_batch_by_heart_and_recognised(trained, corpus):
    directory, lines = trained
    assert losses(lines)[0] > 4.0
    assert losses(lines)[-1] < 0.1
    asr = FunAsr.from_pretrained(directory, FunAsrConfig(dtype="float32"), "cpu")
    written = {key: asr(corpus / f"data/{key}.wav").text for key in TEXTS}
    assert written == TEXTS
    early, *_, late = (line for line in lines if line["kind"] == "dev")
    assert early["error_rate"] > late["error_rate"] == 0.0


def test_what_is_written_is_the_published_layout(trained, corpus):
    directory, _ = trained
    assert {path.name for path in directory.iterdir()} == {"config.yaml", "model.pt", "Qwen3-tiny"}
    assert not list((directory / "Qwen3-tiny").glob("*.safetensors"))
    state = tensors_of(directory)
    assert {name.split(".")[0] for name in state} == {"audio_encoder", "audio_adaptor", "llm"}
    assert torch.equal(state["llm.lm_head.weight"], state["llm.model.embed_tokens.weight"])  # tied as they were


STAGES = {1: {"audio_adaptor"}, 2: {"audio_adaptor", "audio_encoder"}, 3: {"llm"},
          4: {"audio_adaptor", "audio_encoder", "llm"}}  # fmt: skip


def test_stages_change_their_part_alone_and_go_on_from_one_another(trained, corpus, tmp_path):
    directory, _ = trained
    before, loss = tensors_of(directory), None
    for stage, parts in STAGES.items():
        model = {"init": str(directory), "stage": stage, "lora_dropout": 0.0, "dropout": 0.0}
        lines = run(content(corpus, tmp_path / str(stage), 2, model, prompt={"language_share": 0.0}))
        directory = tmp_path / str(stage) / "model"
        after = tensors_of(directory)
        assert changed_parts(before, after) == parts, stage
        assert before.keys() == after.keys()
        if loss is not None:
            assert losses(lines)[0] == pytest.approx(loss, rel=1e-3)
        loss, before = lines[-1]["loss"], after  # of the dev set, which is the training set


def test_the_fifth_stage_puts_a_ctc_head_on_the_encoder(trained, corpus, tmp_path):
    directory, _ = trained
    model = {"init": str(directory), "stage": 5, "ctc_pieces": 258, "ctc_layers": 1, "ctc_units": 40, "dropout": 0.0}
    more = {"optim": {"lr": 3e-2}, "train": {"eval_steps": 60, "error_rate_utterances": 6}}
    lines = run(content(corpus, tmp_path / "ctc", 60, model, **more))
    before, after = tensors_of(directory), tensors_of(tmp_path / "ctc/model")
    assert {name.split(".")[0] for name in after.keys() - before.keys()} == {"ctc", "ctc_decoder"}
    assert changed_parts(before, after) == set()
    assert losses(lines)[-1] < 0.1 * losses(lines)[0]
    assert lines[-1]["error_rate"] < 90
    asr = FunAsr.from_pretrained(tmp_path / "ctc/model", FunAsrConfig(dtype="float32"), "cpu")
    result = asr(corpus / "data/a3.wav")
    assert result.text == TEXTS["a3"]
    assert result.ctc_text is not None
    assert result.words
    again = run(content(corpus, tmp_path / "more", 1, {"init": str(tmp_path / "ctc/model"), "stage": 5}))
    assert again[-1]["loss"] < losses(lines)[0]  # goes on with the head that is there


def test_encoder_and_ctc_head_learn_together_before_the_stages(corpus, tmp_path):
    model = {**new_model(corpus), "trains": "encoder ctc", "ctc_pieces": 258, "ctc_layers": 0, "ctc_units": 40}
    directories = []
    for steps in (1, 2):
        run(content(corpus, tmp_path / str(steps), steps, model, train={"average": "last", "keep_last": 1}))
        directories.append(tmp_path / str(steps) / "model")
    assert changed_parts(*map(tensors_of, directories)) == {"audio_encoder", "ctc_decoder", "ctc"}
    memory = tensors_of(directories[0])["audio_encoder.encoders0.0.self_attn.fsmn_block.weight"]
    assert memory.std() > 0.1  # as torch draws 11 weights, not 0.02 as at any size


def test_a_new_model_has_the_published_sizes():
    config = FunAsrTaskConfig(llm="Qwen3-0.6B")
    with torch.device("meta"):
        adaptor, head = Adaptor(config.adaptor_of(512, 1024)), Adaptor(config.ctc_of(512))
        encoder = FunAsrEncoder(sanm_encoder(config.sanm, 80, 7), adaptor, head, torch.nn.Linear(512, 60515))
        state = published({f"encoder.{name}": value for name, value in encoder.state_dict().items()}, config.sanm)
    counts = {}
    for name, value in state.items():
        tensors, numbers = counts.get(name.split(".")[0], (0, 0))
        counts[name.split(".")[0]] = tensors + 1, numbers + value.numel()
    assert counts == {
        "audio_encoder": (914, 221_136_992), "audio_adaptor": (36, 12_604_928),
        "ctc_decoder": (84, 8_021_632), "ctc": (2, 31_044_195),
    }  # fmt: skip


def test_a_published_directory_is_trained_on(corpus, tmp_path):
    lines = run(content(corpus, tmp_path, 3, {"init": str(corpus / "fun")}, optim={"lr": 1e-2}))
    assert losses(lines)[-1] < losses(lines)[0]
    before, after = tensors_of(corpus / "fun"), tensors_of(tmp_path / "model")
    assert before.keys() == after.keys()
    different = [name for name in before if not torch.equal(before[name], after[name])]
    assert different
    assert all(name.rpartition(".")[0].endswith(("q_proj", "v_proj")) for name in different)  # LoRA's, merged


def test_small_memory_settings_train_too(corpus, tmp_path):
    model = {"init": str(corpus / "fun"), "stage": 4, "llm_dtype": "bfloat16"}
    plain, small = (
        run(content(corpus, tmp_path / str(number), 6, model, optim={"lr": 1e-2}, train=train))
        for number, train in enumerate([{}, {"dtype": "bfloat16", "gradient_checkpointing": True}])
    )
    assert losses(small)[0] == pytest.approx(losses(plain)[0], rel=0.05)
    assert losses(small)[-1] < 0.8 * losses(small)[0]
    state = tensors_of(tmp_path / "1/model")
    assert state["audio_encoder.after_norm.weight"].dtype == torch.float32


@pytest.mark.parametrize("task", ["fun-asr", "grpo"])
def test_the_multilingual_checkpoint_keeps_its_languages(corpus, tmp_path, monkeypatch, task):
    size = (corpus / "fun/model.pt").stat().st_size
    monkeypatch.setattr("firered.asr.families.fun_asr_loaded.MLT_WEIGHTS", (size, ""))
    TASKS[task].build(settings_of(values(task, corpus, tmp_path, steps=1, model={"init": str(corpus / "fun")}), "test"))
    assert "vi" in CheckpointConfig.read(tmp_path / "model/config.yaml").languages


def test_only_the_text_counts_and_padding_changes_nothing(corpus, tmp_path):
    model = new_model(corpus, trains="encoder adaptor lora")
    task = TASKS["fun-asr"].build(settings_of(content(corpus, tmp_path, 1, model), "test"))
    items = [task.dev.item(index, None) for index in range(3)]
    batch = task.dev.collate(items)
    for row, (key, _, made) in enumerate(items):
        learnt = [number for number in batch.tensors["labels"][row].tolist() if number != NO_TARGET]
        assert task.text_of(learnt) == TEXTS[key]
        assert int(batch.tensors["speech"][row].sum()) == len(made.speech)
    task.objective.eval()
    with torch.no_grad():
        alone = [float(task.objective(task.dev.collate([item]).tensors).loss) for item in items]
        assert float(task.objective(batch.tensors).loss) == pytest.approx(sum(alone), rel=1e-5)


def test_published_lines_are_read_as_they_are(corpus, tmp_path):
    asked = "Speech transcription:\nHotword list: x\n"
    lines = []
    for key in ("a1", "a2", "b1"):
        user = f"{asked}<|startofspeech|>!{corpus}/data/{key}.wav<|endofspeech|>"
        answer = {"role": "assistant", "content": "Good day.", "prev_content": "Well."}
        lines.append({"messages": [{"role": "user", "content": user}, answer], "speech_length": 80})
    lines.append({"messages": []})
    path = tmp_path / "train.jsonl"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    both = content(corpus, tmp_path / "out", 2, new_model(corpus), data={"train": f"{path} {corpus / 'data'}",
                                                                        "dev": str(path)})  # fmt: skip
    # Ids of the two sets must differ: that of a data directory and that of a file are one.
    settings = training_sets(settings_of(both, "test"), lambda write: write())
    with pytest.raises(FireRedError, match="ids must differ"):
        TASKS["fun-asr"].build(settings)
    settings = replace(settings, sections=settings.sections | {
        "data": replace(settings.sections["data"], train=settings.sections["data"].dev)})  # fmt: skip
    task = TASKS["fun-asr"].build(settings)
    assert task.train.keys == ["a1", "a2", "b1"]
    _, _, made = task.train.item(0, 1)
    text = task.text_of(made.ids)
    assert asked in text
    assert text.endswith("Well.Good day.")
    assert task.text_of([label for label in made.labels if label != NO_TARGET]) == "Good day."
    index = DataDir(settings.sections["data"].dev)
    assert (index.path / "skipped.txt").read_text().startswith("train.jsonl:4 ")
    train(settings)
    assert (settings.out / "model/model.pt").is_file()
    grpo = values("grpo", corpus, tmp_path / "grpo", steps=1, model={"init": str(corpus / "fun")}, data={
        "train": settings.sections["data"].dev, "dev": settings.sections["data"].dev})  # fmt: skip
    task = TASKS["grpo"].build(settings_of(grpo, "test"))
    batch = task.train.collate([task.train.item(2, 1)])
    assert [wanted.text for wanted in batch.about] == ["Good day."]
    ids, speech, mask = prompts(batch.tensors)
    assert task.train._asking.tokenizer.decode(ids[0].tolist()).endswith("assistant\nWell.")
    assert asked in task.train._asking.tokenizer.decode(ids[0].tolist())
    assert int(speech.sum()) > 0
    assert bool(mask.all())


def test_instructions_by_table_and_by_chance(corpus, tmp_path):
    write_table(corpus / "data/utt2itn", {"a1": "no"})
    try:
        more = {"prompt": {"language_share": 0.5, "english_share": 0.5}}
        task = TASKS["fun-asr"].build(settings_of(content(corpus, tmp_path, 1, new_model(corpus), **more), "test"))
    finally:
        (corpus / "data/utt2itn").unlink()
    numbers = {key: number for number, key in enumerate(task.train.keys)}

    def asked(key, epoch):
        _, _, made = task.train.item(numbers[key], epoch)
        before = task.text_of(made.ids[: made.speech.start])
        return before.rpartition("\n")[2]

    assert asked("a1", 3) == asked("a1", 3)
    assert {asked("a1", epoch) for epoch in range(30)} == {
        "语音转写，不进行文本规整：", "语音转写成中文，不进行文本规整：",
        "Speech transcription without text normalization:",
        "Transcribe speech into Chinese without text normalization:",
    }  # fmt: skip
    assert {asked("a3", epoch) for epoch in range(30)} == {
        "语音转写：", "语音转写成英文：", "Speech transcription:", "Transcribe speech into English:"
    }  # fmt: skip


def test_a_share_of_texts_is_learnt_from_a_later_place_on(corpus, tmp_path):
    data = {"use_dynamic_output_ratio": 0.5, "train": str(corpus / "data"), "dev": str(corpus / "data")}
    task = TASKS["fun-asr"].build(settings_of(content(corpus, tmp_path, 1, new_model(corpus), data=data), "test"))
    number = task.train.keys.index("a3")  # nine bytes and the end
    counts = [sum(label != NO_TARGET for label in task.train.item(number, epoch)[2].labels) for epoch in range(60)]
    assert set(counts) == {7, 8, 9, 10}
    assert 15 < counts.count(10) < 45
    short = task.train.keys.index("b3")  # three bytes and the end: none to spare
    assert {sum(label != NO_TARGET for label in task.train.item(short, e)[2].labels) for e in range(9)} == {4}
    assert sum(label != NO_TARGET for label in task.dev.item(number, None)[2].labels) == 10


def test_a_resumed_training_goes_on(corpus, tmp_path):
    model = {"init": str(corpus / "fun"), "lora_dropout": 0.1, "stage": 4}
    streams = {"share": 0.5, "chunk_seconds": "0.3 0.6"}
    more = {
        "train": {"average": "last", "keep_last": 1},
        "streaming": streams,
        "specaugment": {},
        "data": {"batch_frames": 300},
    }
    whole = run(content(corpus, tmp_path / "whole", 4, model, **more))
    run(content(corpus, tmp_path / "parts", 2, model, **more))
    resumed = run(content(corpus, tmp_path / "parts", 4, model, **more))
    assert losses(resumed)[-2:] == losses(whole)[-2:]
    one, other = (tensors_of(tmp_path / name / "model") for name in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("model", "kind", "message"),
    [
        ({}, OptionError, "model.init or model.llm"),
        ({"init": "a", "llm": "b"}, OptionError, "init is a whole model"),
        ({"init": "all", "stage": 1}, ModelError, "a training; its model is .*all/model"),
        ({"init": "fun", "stage": 1, "trains": "lora"}, OptionError, "stage 1 trains adaptor, trains says lora"),
        ({"init": "fun", "trains": "ctc adaptor"}, OptionError, "ctc is trained alone"),
        ({"init": "fun", "trains": "llm lora"}, OptionError, "lora has nothing to add"),
        ({"init": "fun", "trains": "adapter"}, OptionError, "adapter: known are encoder, adaptor"),
        ({"init": "fun", "trains": "llm", "llm_dtype": "bfloat16"}, OptionError, "need float32"),
        ({"init": "fun", "lora_targets": "w_q"}, OptionError, "w_q: known are"),
        ({"init": "fun", "stage": 5, "ctc_pieces": 300}, OptionError, "has a CTC head with its own pieces"),
        ({"init": "all/model", "stage": 5}, OptionError, "a new CTC head needs its pieces"),
    ],
)
def test_bad_models(trained, corpus, tmp_path, model, kind, message):
    if "init" in model and model["init"] != "a":
        model = model | {"init": str(corpus / model["init"])}
    with pytest.raises(kind, match=message):
        run(content(corpus, tmp_path, 1, model))
