"""Training of the speech-LLM: the stages, what each leaves as it was, and what it is taught to write."""

import pytest
import torch
from support.byte_llm import make_llm
from support.train_corpus import NO_MASKS, SMALL_AED, TEXTS, losses, make_all, run, values

from firered.asr.families.speech_llm import LlmAsr
from firered.asr.llm_config import LlmConfig
from firered.errors import OptionError
from firered.models.aed import Aed
from firered.models.checkpoint import load_checkpoint
from firered.train.settings import settings_of
from firered.train.tasks import TASKS
from firered.train.tasks.llm import clean

GREEDY = LlmConfig(beam_size=1, dtype="float32")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    make_llm(folder / "qwen")
    run(values("aed", folder, folder / "aed", steps=1, model=SMALL_AED))
    return folder


def first_model(corpus):
    return {"encoder": str(corpus / "aed"), "llm": str(corpus / "qwen"), "dropout": 0.0}


def content(corpus, out, steps, model, **more):
    return values("llm", corpus, out, steps=steps, model=model, **({"specaugment": NO_MASKS} | more))


def state_of(out):
    return load_checkpoint(out / "model.pth.tar")[1]


@pytest.fixture(scope="module")
def trained(corpus):
    out = corpus / "all"
    train = {"eval_steps": 60, "error_rate_utterances": 6}
    return out, run(content(corpus, out, 120, first_model(corpus), optim={"lr": 5e-3}, train=train))


def test_a_batch_by_heart_and_recognised(trained, corpus):
    out, lines = trained
    assert losses(lines)[0] > 5.0
    assert losses(lines)[-1] < 0.03
    recogniser = LlmAsr.from_pretrained(out, GREEDY, "cpu")
    written = {key: recogniser(corpus / f"data/{key}.wav").text for key in TEXTS}
    assert [written[key] for key in ("a2", "a3", "b2")] == ["好天气", "你们好", "气你"]
    early, late = (line for line in lines if line["kind"] == "dev")
    wrong = sum(written[key] != text for key, text in TEXTS.items())
    assert early["error_rate"] > late["error_rate"]
    assert (late["error_rate"] == 0.0) == (wrong == 0)


def test_checkpoint_holds_what_is_trained_and_no_more(trained, corpus):
    args, state = load_checkpoint(trained[0] / "model.pth.tar")
    assert (args.freeze_encoder, args.freeze_llm, args.use_lora) == (False, False, True)
    prefixes = {name.split(".")[0] for name in state}
    assert prefixes == {"encoder", "encoder_projector", "llm"}
    assert all(".lora_A.default." in name or ".lora_B.default." in name for name in state if name.startswith("llm."))
    assert "llm.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight" in state
    assert (trained[0] / "Qwen2-7B-Instruct").resolve() == (corpus / "qwen").resolve()


# each continues the one before
STAGES = [{"encoder_projector"}, {"encoder", "encoder_projector"}, {"llm"}, {"encoder", "encoder_projector", "llm"}]


def test_stages_change_their_part_alone_and_go_on_from_one_another(corpus, tmp_path):
    aed = {n: v for n, v in state_of(corpus / "aed").items() if n.startswith("encoder.") and not n.endswith(".pe")}
    before, loss, model = aed, None, first_model(corpus)
    for stage, parts in enumerate(STAGES, 1):
        out = tmp_path / str(stage)
        lines = run(content(corpus, out, 3, model | {"stage": stage}, optim={"lr": 1e-3}))
        after = state_of(out)
        changed = {
            name.split(".")[0] for name in after if name in before and not torch.equal(before[name], after[name])
        }
        assert changed == (parts & {name.split(".")[0] for name in before}), stage
        if stage > 1:
            assert losses(lines)[0] == pytest.approx(loss, rel=1e-3)  # LoRA has a dropout of its own
        loss, before, model = lines[-1]["loss"], after, {"init": str(out), "dropout": 0.0}
    assert set(before) == set(after)


def test_fifth_stage_puts_a_ctc_head_on_the_encoder(trained, corpus, tmp_path):
    model = {"init": str(trained[0]), "encoder": str(corpus / "aed"), "stage": 5}
    run(values("llm", corpus, tmp_path, steps=2, model=model))
    of_llm, of_ctc = state_of(trained[0]), state_of(tmp_path)
    names = [name for name in of_llm if name.startswith("encoder.")]
    assert [name for name in names if not torch.equal(of_llm[name], of_ctc[name])] == []
    assert not torch.equal(of_ctc[names[0]], state_of(corpus / "aed")[names[0]])
    assert Aed.load(tmp_path / "model.pth.tar").has_ctc


def test_only_the_transcript_counts_and_padding_changes_nothing(corpus, tmp_path):
    task = TASKS["llm"].build(settings_of(content(corpus, tmp_path, 1, first_model(corpus)), "test"))
    items = [task.train.item(index, None) for index in range(3)]
    batched = task.train.collate(items)
    eos = task.train.collate(items[:1]).tensors["ids"][0, -1]
    for row, (_, feats, ids) in enumerate(items):
        labels = batched.tensors["labels"][row]
        assert labels[labels != -100].tolist() == [*ids, int(eos)]
        assert (batched.tensors["ids"][row] == task.objective.model.speech_id).sum() == -(-len(feats) // 4) // 2
    task.objective.eval()
    alone = [task.objective(task.train.collate([item]).tensors).loss.item() for item in items]
    assert task.objective(batched.tensors).loss.item() == pytest.approx(sum(alone), rel=1e-5)
    # the model's own loss, which is the mean over all labels
    single = task.train.collate(items[:1])
    out = task.objective.model(*(single.tensors[name] for name in ("feats", "lengths", "ids", "mask", "labels")))
    assert alone[0] == pytest.approx(out.loss.item() * single.weight, rel=1e-5)


def test_small_memory_settings_train_too(corpus, tmp_path):
    model = first_model(corpus) | {"llm_dtype": "bfloat16"}
    more = {"train": {"dtype": "bfloat16", "gradient_checkpointing": True}, "optim": {"lr": 5e-3}}
    curve = losses(run(content(corpus, tmp_path, 15, model, **more)))
    assert curve[-1] < 0.7 * curve[0]
    assert {value.dtype for value in state_of(tmp_path).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天，我 想 USE  Python3。", "今天我想use python3"),
        ("HELLO, World! I'm here.", "hello world i'm here"),
        ("《书》（一）·“二”、a\\b/c", "书一二abc"),
        (" ", ""),
    ],
)
def test_transcripts_are_cleaned_as_published(text, expected):
    assert clean(text) == expected


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({}, "give one"),
        ({"init": "a", "encoder": "b"}, "give one"),
        ({"init": "a", "stage": 5}, "stage 5: needs init, the speech-LLM, and encoder"),
        ({"init": "a", "stage": 1, "trains": "lora"}, "stage 1 and trains lora: give one"),
        ({"encoder": "b"}, "model.llm: the folder of the language model is not given"),
    ],
)
def test_bad_models(corpus, tmp_path, model, message):
    with pytest.raises(OptionError, match=message):
        run(content(corpus, tmp_path, 1, model))
