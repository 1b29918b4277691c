"""GRPO: the loss and its gradient beside plain ones, rollouts and their probabilities, and whole trainings."""

import re
from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import torch
from support.tiny_fun_asr import write_published_form, write_transformers_form
from support.tiny_llm import write_tiny_llm
from support.train_corpus import make_corpus, run, values

from firered.asr.families.fun_asr_loaded import LoadedFunAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.errors import FireRedError, ModelError, OptionError
from firered.models.checkpoint import load_checkpoint, load_tensors
from firered.models.speech_llm import SpeechLlm
from firered.text.llm_tokenizer import LlmTokenizer
from firered.train.config import OptimConfig
from firered.train.meter import Meter
from firered.train.objectives.policies import Prompts
from firered.train.objectives.policy_loss import LossConfig, grouped, k3, token_losses
from firered.train.optimiser import optimiser_of
from firered.train.rehearsal import dry_run
from firered.train.rewards import table
from firered.train.settings import settings_of
from firered.train.tasks import TASKS

KINDS = ("llm", "fun")  # FireRedASR-LLM, Fun-ASR-Nano
SMALL = {"group_size": 4, "tokens_per_second": 6.0}
LETTERS = {"accuracy": 0, "keywords": 0, "hallucination": 0, "language": 0, "more": "letters"}


def letters(rollout, wanted):
    """Share of ASCII letters: what a model of random weights can learn."""
    return sum(map(str.isascii, filter(str.isalpha, rollout.text))) / max(len(rollout.text), 1)


@pytest.fixture(scope="module", autouse=True)
def reward():
    with pytest.MonkeyPatch.context() as patch:
        point = EntryPoint("letters", f"{__name__}:letters", table.GROUP)
        patch.setattr(table, "entry_points", lambda group: [point])
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("grpo")
    make_corpus(root / "data")
    write_tiny_llm(root / "llm")
    write_published_form(root / "fun")
    return root


def content(root, out, kind="llm", *, steps=1, grpo=None, model=None, rewards=None, **more):
    model = {"init": str(root / kind)} | (model or {})
    more = {"data": {"batch_frames": 300}} | more
    return values(
        "grpo", root, out, steps=steps, model=model, grpo=SMALL | (grpo or {}), rewards=rewards or LETTERS, **more
    )


def task_of(root, out, kind="llm", **more):
    torch.manual_seed(1)
    return TASKS["grpo"].build(settings_of(content(root, out, kind, **more), "test"))


def prepared(task, indices=(0, 1), seed=3):
    """Rollouts of examples, for a policy that is learning."""
    task.objective.train()
    batch = task.train.collate([task.train.item(index, None) for index in indices])
    with torch.no_grad():
        return task.objective.prepare(batch, seed, Meter())


def gradients(objective, loss):
    objective.zero_grad()
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in objective.named_parameters() if parameter.requires_grad}


def plain_loss(task, batch, indices, config):
    """The loss by its definition, a rollout and a token at a time, from sequences without padding."""
    policy, tensors = task.objective.model, batch.tensors
    scores = []
    for row, number in enumerate(tensors["group"].tolist()):
        alone = task.train.collate([task.train.item(indices[number], None)]).tensors
        with torch.no_grad():
            embeds = policy.prompts(alone).embeds
        count = int(tensors["there"][row].sum())
        ids = tensors["tokens"][row, :count]
        logits = policy.llm(inputs_embeds=torch.cat([embeds, policy.llm.get_input_embeddings()(ids[None])], 1)).logits
        chosen = (logits[0, embeds.shape[1] - 1 : -1] / config.temperature).log_softmax(-1)
        scores.append([chosen[place, token] for place, token in enumerate(ids.tolist())])
    totals, every = [], 0
    for row, own in enumerate(scores):
        mine = tensors["rewards"].sum(1)[tensors["group"] == tensors["group"][row]]
        advantage = tensors["rewards"].sum(1)[row] - mine.mean()
        if config.scales:
            advantage = advantage / (mine.std() + 1e-4)
        terms = []
        for place, score in enumerate(own):
            ratio = torch.exp(score - tensors["old"][row, place])
            high = config.epsilon if config.epsilon_high is None else config.epsilon_high
            bounded = min(max(ratio, torch.tensor(1 - config.epsilon)), torch.tensor(1 + high))
            term = -min(ratio * advantage, bounded * advantage)
            if config.beta:
                d = tensors["reference"][row, place] - score
                term = term + config.beta * (torch.exp(d) - d - 1)
            terms.append(term)
        every += len(terms)
        totals.append(sum(terms) / len(terms) if config.loss == "grpo" else sum(terms))
    weights = {"grpo": len(scores), "dapo": every, "dr_grpo": int(tensors["limits"].sum())}
    return sum(totals) / weights[config.loss]


VARIANTS = [
    ("llm", "lora", {"loss": "grpo"}),
    ("llm", "lora", {"loss": "dapo", "epsilon": 0.05, "epsilon_high": 0.4, "beta": 0.04}),
    ("llm", "lora", {"loss": "dr_grpo", "temperature": 0.7}),
    ("llm", "lora", {"loss": "grpo", "scale": "none", "beta": 0.04}),
    ("llm", "full", {"loss": "dapo"}),
    ("fun", "lora", {"loss": "grpo", "beta": 0.04}),
    ("fun", "full", {"loss": "dr_grpo", "scale": "group"}),
]


@pytest.mark.parametrize(("kind", "trains", "grpo"), VARIANTS, ids=[f"{k}-{t}-{g['loss']}" for k, t, g in VARIANTS])
def test_gradient_is_that_of_the_plain_loss(root, tmp_path, kind, trains, grpo):
    task = task_of(root, tmp_path, kind, grpo=grpo, model={"trains": trains})
    objective, indices = task.objective, (0, 3)
    if trains == "lora":
        with torch.no_grad():  # B begins with zeros: A would have no gradient
            for name, parameter in objective.named_parameters():
                if ".lora_" in name:
                    parameter += 0.05 * torch.randn_like(parameter)
    batch = prepared(task, indices)
    objective.update = 1  # one of several of these rollouts: the policy is no longer the one that drew them
    batch.tensors["old"] = batch.tensors["old"] + 0.3 * torch.randn_like(batch.tensors["old"])
    result = objective(batch.tensors)
    assert 0.1 < float(result.counts["clipped"] / result.counts["counted"]) < 0.9
    plain = plain_loss(task, batch, indices, objective.config)
    loss = result.loss / batch.weight
    assert float(loss.detach()) == pytest.approx(float(plain.detach()), rel=1e-4, abs=1e-6)
    found, wanted = gradients(objective, loss), gradients(objective, plain)
    largest = max(float(value.abs().max()) for value in wanted.values())
    assert largest > 0
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-4 * largest, msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_first_ratio_is_one_and_training_stops_where_it_is_not(root, tmp_path, kind):
    objective = (task := task_of(root, tmp_path, kind, grpo={"beta": 0.04})).objective
    batch = prepared(task, (0, 1, 4))
    prompts = Prompts(*(batch.tensors[name] for name in Prompts._fields))
    asked = batch.tensors["group"], batch.tensors["tokens"], batch.tensors["there"], 1.0
    off = (objective.model.scores(prompts, *asked).log_probs.detach() - batch.tensors["old"]).exp() - 1
    assert float(off[batch.tensors["there"]].abs().max()) < 1e-4
    first = objective(batch.tensors)
    assert float(first.counts["clipped"]) == 0.0
    assert float(first.counts["kl"]) == pytest.approx(0.0, abs=1e-6)
    gradients(objective, first.loss)
    optimiser_of(OptimConfig(lr=0.05), objective).step()
    with pytest.raises(FireRedError, match="a ratio is off 1 by"):
        objective(batch.tensors)
    objective.update = 1
    assert float(objective(batch.tensors).counts["kl"]) > 1e-4
    objective.update = 0
    objective.config = replace(objective.config, ratio_tolerance=0.0)
    objective(batch.tensors)


def test_training_stops_where_it_has_one_text_left(root, tmp_path):
    task = task_of(root, tmp_path, grpo={"min_entropy": 100.0})
    with pytest.raises(FireRedError, match="collapsed to one text"):
        task.objective(prepared(task).tensors)


@pytest.mark.parametrize("kind", KINDS)
def test_other_audio_changes_how_likely_rollouts_are(root, tmp_path, kind):
    task = task_of(root, tmp_path, kind)
    policy, batch = task.objective.model, prepared(task, (1,))
    other = task.train.collate([task.train.item(1, None)]).tensors
    asked = batch.tensors["group"], batch.tensors["tokens"], batch.tensors["there"], 1.0
    with torch.no_grad():
        same = policy.scores(policy.prompts(other), *asked).log_probs
        other["feats"] = other["feats"].flip(1) + torch.linspace(-3, 3, other["feats"].shape[2])
        changed = policy.scores(policy.prompts(other), *asked).log_probs
    torch.testing.assert_close(same, batch.tensors["old"], atol=1e-4, rtol=1e-4)
    assert float((changed - same).abs().max()) > 1e-2


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_its_utterances_give_alone(root, tmp_path, kind):
    """Prompts are padded on the left: 0.9 to 1.4 seconds."""
    task = task_of(root, tmp_path, kind)
    batch = prepared(task, (0, 3, 5))
    together = batch.tensors
    for number, index in enumerate((0, 3, 5)):
        alone = prepared(task, (index,)).tensors
        own = together["group"] == number
        length = alone["tokens"].shape[1]
        assert torch.equal(together["tokens"][own][:, :length], alone["tokens"])
        torch.testing.assert_close(together["old"][own][:, :length], alone["old"], atol=1e-4, rtol=1e-4)
    assert not bool(together["mask"][0, 0])
    assert bool(together["mask"][2, 0])


def test_order_of_rollouts_does_not_matter_and_their_groups_do(root, tmp_path):
    task = task_of(root, tmp_path, grpo={"loss": "dapo", "beta": 0.04})
    objective, batch = task.objective, prepared(task)
    wanted = float(objective(batch.tensors).loss)
    order = torch.randperm(len(batch.tensors["group"]), generator=torch.Generator().manual_seed(0))
    of_utterances = (*Prompts._fields, "lengths")
    shuffled = {name: value if name in of_utterances else value[order] for name, value in batch.tensors.items()}
    shuffled["advantages"], shuffled["equal"] = objective.advantages(shuffled["rewards"], shuffled["group"])
    assert float(objective(shuffled).loss) == pytest.approx(wanted, abs=1e-5)
    wrong = objective.advantages(batch.tensors["rewards"], shuffled["group"])[0]
    assert float((wrong - batch.tensors["advantages"]).abs().max()) > 0.1


def test_truncated_rollouts_are_counted_and_can_be_masked(root, tmp_path):
    task = task_of(root, tmp_path, grpo={"max_length": 2, "loss": "dapo"})
    batch = prepared(task)
    cut = int((~batch.tensors["finished"]).sum())
    assert cut > 0
    assert float(task.objective(batch.tensors).counts["truncated"]) == cut
    task.objective.config = replace(task.objective.config, mask_truncated=True)
    again = prepared(task)
    kept = again.tensors["there"] & again.tensors["finished"][:, None]
    assert again.weight == float(kept.sum()) < float(again.tensors["there"].sum())
    again.tensors["finished"][:] = False
    result = task.objective(again.tensors)
    assert float(result.counts["counted"]) == 0.0
    assert all(not value.any() for value in gradients(task.objective, result.loss).values())


def test_a_step_in_which_nothing_counts_changes_nothing(root, tmp_path):
    out = tmp_path / "out"
    more = {"max_length": 1, "mask_truncated": True}
    lines = run(content(root, out, grpo=more, steps=2, optim={"lr": 0.1}))
    assert [line["loss"] for line in lines if line["kind"] == "train"] == [0.0, 0.0]
    before, after = (load_checkpoint(path / "model.pth.tar")[1] for path in (root / "llm", out))
    assert all(torch.equal(value, before[name]) for name, value in after.items())


def test_groups_whose_rewards_are_equal_teach_nothing_and_are_counted(root, tmp_path):
    task = task_of(root, tmp_path)
    batch = prepared(task)
    rewards = torch.cat([torch.full((4, 1), 0.1), torch.tensor([[0.1], [0.2], [0.1], [0.1]])]).double()
    batch.tensors["advantages"], batch.tensors["equal"] = task.objective.advantages(rewards, batch.tensors["group"])
    assert not batch.tensors["advantages"][:4].any()
    assert batch.tensors["advantages"][4:].all()
    assert float(task.objective(batch.tensors).counts["equal_groups"]) == 1.0
    same = torch.full((8, 1), 0.1, dtype=torch.float64)
    batch.tensors["advantages"], batch.tensors["equal"] = task.objective.advantages(same, batch.tensors["group"])
    result = task.objective(batch.tensors)
    assert float(result.counts["equal_groups"]) == float(result.counts["groups"]) == 2.0
    assert all(not value.any() for value in gradients(task.objective, result.loss).values())


def test_rewards_are_summed_before_or_after_they_are_compared(root, tmp_path):
    rewards = LETTERS | {"accuracy": 1.0}
    task = task_of(root, tmp_path, rewards=rewards)
    group = torch.tensor([0, 0, 0])
    table_ = torch.tensor([[0.0, 10.0], [0.5, 0.0], [1.0, 5.0]], dtype=torch.float64)
    before = task.objective.advantages(table_, group)[0]
    torch.testing.assert_close(before, grouped(table_.sum(1), group, deviation=True)[0])
    task.objective.config = replace(task.objective.config, rewards="normalize_then_sum")
    after = task.objective.advantages(table_, group)[0]
    torch.testing.assert_close(after, torch.tensor([0.0, -1.0, 1.0], dtype=torch.float64), atol=1e-3, rtol=0)
    assert float((before - after).abs().max()) > 0.1


def test_advantages_without_deviation():
    found, equal = grouped(torch.tensor([0.0, 1.0, 5.0, 7.0]), torch.tensor([0, 0, 1, 1]), deviation=False)
    assert found.tolist() == [-0.5, 0.5, -1.0, 1.0]
    assert not equal.any()


def test_k3_does_not_overflow():
    log_probs = torch.tensor([[-1e4, -0.1, -1e30, -2.0]], requires_grad=True)
    reference = torch.tensor([[-0.1, -1e4, -0.1, -2.0]])
    found = k3(log_probs, reference)
    assert bool(found.isfinite().all())
    assert float(found[0, 3]) == 0.0
    mask, advantage = torch.ones(1, 4, dtype=torch.bool), torch.tensor([-1.0])
    config = LossConfig(beta=0.04)
    losses = token_losses(log_probs, torch.tensor([[-1e4 - 500, -0.1, 0.0, -2.0]]), reference, advantage, mask, config)
    losses.loss.sum().backward()
    assert bool(losses.loss.isfinite().all())
    assert bool(log_probs.grad.isfinite().all())


@pytest.mark.parametrize("kind", KINDS)
def test_training_raises_the_reward(root, tmp_path, kind):
    lines = run(content(root, tmp_path / "out", kind, steps=24, optim={"lr": 0.01}, grpo={"group_size": 6}))
    rewards = [line["reward"] for line in lines if line["kind"] == "train"]
    assert sum(rewards[-4:]) > sum(rewards[:4]) + 0.6
    last = next(line for line in reversed(lines) if line["kind"] == "train")
    assert last["reward"] == last["reward_letters"]
    assert {"length", "entropy", "clipped", "equal_groups", "truncated"} < set(last)
    dev = lines[-1]
    parts = sum(dev[name] for name in ("substitutions", "deletions", "insertions"))
    assert parts == pytest.approx(dev["loss"])


@pytest.mark.parametrize(
    ("kind", "trains", "updates"), [("llm", "lora", 2), ("llm", "full", 1), ("fun", "lora", 1), ("fun", "full", 2)]
)
def test_a_resumed_training_is_that_of_an_unbroken_run(root, tmp_path, kind, trains, updates):
    grpo = {"beta": 0.04, "updates": updates}
    make = lambda out, steps: content(  # noqa: E731 - twice, with these settings
        root, out, kind, steps=steps, grpo=grpo, model={"trains": trains}, optim={"lr": 0.01}
    )
    whole = run(make(tmp_path / "whole", 4))
    run(make(tmp_path / "parts", 2))
    parts = run(make(tmp_path / "parts", 4))
    of_training = [[line for line in lines if line["kind"] == "train"] for lines in (whole, parts)]
    assert len(of_training[0]) == 4
    assert of_training[0] == of_training[1]
    assert whole[-1] == parts[-1]
    speed = (tmp_path / "whole/speed.jsonl").read_text()
    for phase in ("encoding_s", "rollout_s", "rewards_s", "reference_s", "update_s", "switching_s", "real_time_factor"):
        assert phase in speed


def logits_of(policy_llm, embeds):
    with torch.no_grad():
        return policy_llm(inputs_embeds=embeds).logits


@pytest.mark.parametrize("trains", ["lora", "full"])
def test_what_is_written_is_what_was_trained_fire_red(root, tmp_path, trains):
    out = tmp_path / "out"
    run(content(root, out, steps=2, model={"trains": trains}, optim={"lr": 0.01}))
    folder = out / "Qwen2-7B-Instruct"
    assert folder.is_symlink() == (trains == "lora")
    speech_id = LlmTokenizer.from_dir(folder).speech_id
    model = SpeechLlm.load(out, folder, speech_id).eval()
    first = SpeechLlm.load(root / "llm", root / "llm/Qwen2-7B-Instruct", speech_id).eval()
    for name in ("encoder", "encoder_projector"):
        given, now = (getattr(own, name).state_dict() for own in (first, model))
        assert all(torch.equal(value, now[key]) for key, value in given.items())
    state = torch.load(sorted((out / "checkpoints").glob("*.pt"))[-1], weights_only=True)
    trained = state.get("trained", state)
    key = next(name for name in trained if "q_proj" in name)
    saved = dict(model.llm.named_parameters())[key.removeprefix("speech_llm.llm.")]
    torch.testing.assert_close(saved.detach(), trained[key])
    assert not torch.equal(logits_of(model.llm, torch.ones(1, 3, 48)), logits_of(first.llm, torch.ones(1, 3, 48)))


@pytest.mark.parametrize("trains", ["lora", "full"])
def test_what_is_written_is_what_was_trained_fun_asr(root, tmp_path, trains):
    out = tmp_path / "out"
    task = task_of(root, out, "fun", model={"trains": trains})
    objective, batch = task.objective, prepared(task)
    gradients(objective, objective(batch.tensors).loss)
    optimiser_of(OptimConfig(lr=0.05), objective).step()
    state = objective.exported() | objective.trained()
    torch.save(objective.package({name: value.detach() for name, value in state.items()}), out / "model/model.pt")
    before, after = (load_tensors(path / "model.pt") for path in (root / "fun", out / "model"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert set(before) == set(after)
    assert changed
    assert all(name.startswith("llm.") for name in changed)
    if trains == "lora":
        assert {name.split(".")[-2] for name in changed} == {"q_proj", "v_proj"}
    loaded = LoadedFunAsr.load(out / "model", FunAsrConfig(dtype="float32"), "cpu")
    embeds = torch.randn(1, 5, 64)
    torch.testing.assert_close(logits_of(loaded.llm, embeds), logits_of(objective.model.llm, embeds))


def test_dev_errors_are_those_of_greedy_texts(root, tmp_path):
    task = task_of(root, tmp_path)
    objective = task.objective.eval()
    batch = task.dev.collate([task.dev.item(index, None) for index in range(3)])
    with torch.no_grad():
        made = objective.prepare(batch, 0, Meter())
        result = objective(made.tensors)
    assert made.weight == sum(len(wanted.text) for wanted in batch.about)  # Chinese: characters
    assert float(result.loss) == float(made.tensors["errors"].sum())
    objective.train()
    with torch.no_grad():
        assert "group" in objective.prepare(batch, 0, Meter()).tensors


def test_keywords_and_languages_come_from_the_data_directory(root, tmp_path):
    data = make_corpus(tmp_path / "data")
    (data / "keywords").write_text("a1 你好\na2 天气;  好 \n")
    task = task_of(tmp_path, tmp_path / "out", model={"init": str(root / "llm")})
    wanted = {key: task.train.item(number, None)[2] for number, key in enumerate(task.train.keys)}
    assert wanted["a1"].keywords == ("你好",)
    assert wanted["a2"].keywords == ("天气", "好")
    assert wanted["a3"].keywords == ()
    assert (wanted["a1"].language, wanted["a2"].language) == ("zh", "yue")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dry_run_measures_the_memory_of_rollouts(root, tmp_path, kind):
    few, many = (
        dry_run(settings_of(content(root, tmp_path, kind, grpo={"group_size": size}), "test"))[-2] for size in (2, 8)
    )
    least, most = (float(re.search(r"activations of the largest batch ([\d.]+)", told)[1]) for told in (few, many))
    assert most > 2 * least > 0


def test_what_cannot_be_trained_says_why(root, tmp_path):
    write_transformers_form(tmp_path / "form")
    for model, error, message in (
        ({"init": None}, OptionError, "model.init"),
        ({"init": str(tmp_path / "form")}, ModelError, "in its published form"),
    ):
        with pytest.raises(error, match=message):
            task_of(root, tmp_path / "out", model=model)
    with pytest.raises(OptionError, match="weights that are trained need float32"):
        task_of(root, tmp_path / "out", model={"trains": "full", "llm_dtype": "bfloat16"})
