"""Rewards of recognised texts: what each gives and takes, and how they come together."""

from importlib.metadata import EntryPoint

import pytest
import torch

from firered.errors import DataError, FireRedError, OptionError
from firered.train.rewards import table
from firered.train.rewards.config import RewardConfig
from firered.train.rewards.hallucination import Hallucination
from firered.train.rewards.keywords import keywords
from firered.train.rewards.language import language
from firered.train.rewards.reward import Rollout, Wanted, accuracy
from firered.train.rewards.table import Rewards


@pytest.mark.parametrize(
    ("reference", "text", "value"),
    [
        ("the cat sat down", "The cat sat down.", 1.0),
        ("the cat sat down", "the cat sat", 0.75),
        ("你好世界", "你好世間", 0.75),
        ("a", "b c d", 0.0),  # an error rate of 300%
        ("", "", 1.0),
        ("", "anything", 0.0),
    ],
)
def test_accuracy_is_one_minus_the_error_rate_of_scoring(reference, text, value):
    assert accuracy(Rollout(text), Wanted(reference)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ask doctor Lee about Paris", 1.0),
        ("ask doctor lee", (0.5 + 1.0) / 2),
        ("ask doctor lee doctor lee about paris", (1.0 + 2 / 3) / 2),
        ("ask nobody", 0.0),
    ],
)
def test_keywords_by_recall_and_precision(text, value):
    wanted = Wanted("Ask Doctor Lee about Paris.", keywords=("doctor lee", "paris"))
    assert keywords(Rollout(text), wanted) == pytest.approx(value)


def test_keywords_that_are_not_said_or_not_given_are_worth_nothing():
    assert keywords(Rollout("a b"), Wanted("a b")) == 0.0
    assert keywords(Rollout("rome"), Wanted("a b", keywords=("rome",))) == 0.0


@pytest.mark.parametrize(
    ("text", "invented"),
    [
        ("we went home", ""),
        ("so good so good so good so good yes", "so good so good so good so good"),
        ("no no no", ""),  # three times is how people talk
        ("好的好的好的好的谢谢", "好的好的好的好的"),
        ("haaaaaaaaaa", "aaaaaaaaaa"),
        ("Thanks for watching! bye", "Thanks for watching"),
        ("请不吝点赞 订阅", "请不吝点赞 订阅"),
        ("謝謝大家收看", "謝謝大家收看"),
    ],
)
def test_invented_text_costs_its_share_of_the_text(text, invented):
    assert Hallucination()(Rollout(text), Wanted("other")) == pytest.approx(-len(invented) / len(text))


def test_what_the_reference_says_too_is_not_invented():
    said = "no no no no no"
    assert Hallucination()(Rollout(said), Wanted("No, no, no, no, no!")) == 0.0
    assert Hallucination()(Rollout(said), Wanted("no no")) == -1.0
    assert Hallucination()(Rollout(""), Wanted("no no")) == 0.0


def test_a_penalty_grows_with_what_is_invented():
    penalties = [Hallucination()(Rollout("we met " + "again " * times), Wanted("we met")) for times in (3, 5, 9, 50)]
    assert penalties[0] == 0.0
    assert penalties == sorted(penalties, reverse=True)
    assert len(set(penalties)) == 4


def test_own_patterns_are_of_a_language_or_of_all(tmp_path):
    path = tmp_path / "patterns"
    path.write_text("# mine\n\nzh\t喵+\n*\tmeow\n")
    penalty = Hallucination(str(path))
    assert penalty(Rollout("喵喵 meow"), Wanted("", "zh")) == pytest.approx(-6 / 7)
    assert penalty(Rollout("喵喵 meow"), Wanted("", "ja")) == pytest.approx(-4 / 7)
    for line, message in (("meow", "not a language or"), ("*\t(", "not a regular expression")):
        path.write_text(f"# mine\n{line}\n")
        with pytest.raises(DataError, match=f"{path}:2: {message}"):
            Hallucination(str(path))


@pytest.mark.parametrize(
    ("reference", "text", "value"),
    [
        ("你好", "hello", -1.0),
        ("hello", "привет", -1.0),
        ("打开 bluetooth", "turn on bluetooth", 0.0),  # code-switching
        ("hello", "你好 ok", 0.0),  # as many letters of each: the first counts for nothing
        ("hello", "你好吗 ok", -1.0),
        ("hello", "", 0.0),
        ("", "hello", 0.0),
        ("bonjour", "hello", 0.0),  # scripts are all that is told apart
    ],
)
def test_language_by_script(reference, text, value):
    if text == "你好 ok":
        text = "ok 你好"
    assert language(Rollout(text), Wanted(reference)) == value


def test_rewards_are_weighted_and_summed_but_for_another_language():
    rewards = Rewards(RewardConfig(accuracy=2.0, keywords=0.0, hallucination=0.5, language=3.0))
    assert rewards.names == ["accuracy", "hallucination", "language"]
    of = rewards.of([Rollout("a b"), Rollout("hahahahahahahaha"), Rollout("喵")], [Wanted("a b")] * 3)
    assert of.tolist() == [[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -3.0]]
    assert rewards.total(of).tolist() == [2.0, 0.0, -3.0]


def test_the_total_of_another_language_is_that_penalty_alone():
    rewards = Rewards(RewardConfig())
    column = {name: number for number, name in enumerate(rewards.names)}
    row = torch.zeros(1, 4, dtype=torch.float64)
    row[0, column["accuracy"]], row[0, column["language"]] = 0.5, -1.0
    assert rewards.total(row).tolist() == [-1.0]


def brevity(rollout, wanted):
    return -len(rollout.text) if rollout.text != "bad" else float("nan")


def test_a_reward_of_ones_own_is_an_entry_point(monkeypatch):
    point = EntryPoint("brevity", f"{__name__}:brevity", table.GROUP)
    broken = EntryPoint("broken", "no_such_module:reward", table.GROUP)
    monkeypatch.setattr(table, "entry_points", lambda group: [point, broken] if group == table.GROUP else [])
    rewards = Rewards(RewardConfig(more="brevity=0.5"))
    assert rewards.of([Rollout("four")], [Wanted("four")]).tolist()[0][-1] == -2.0
    with pytest.raises(FireRedError, match="reward brevity: nan"):
        rewards.of([Rollout("bad")], [Wanted("")])
    with pytest.raises(OptionError, match=r"no installed package has a reward length .* brevity, broken"):
        Rewards(RewardConfig(more="length"))
    with pytest.raises(OptionError, match="broken cannot be loaded"):
        Rewards(RewardConfig(more="broken"))


def test_settings_bring_no_code():
    with pytest.raises(OptionError, match="no installed package has a reward os:system"):
        Rewards(RewardConfig(more="os:system"))


@pytest.mark.parametrize("bad", [{"more": "a=b"}, {"more": "accuracy"}, {"more": "=1"}, {"more": "a=inf"}])
def test_bad_names_and_weights(bad):
    with pytest.raises(OptionError, match="more: "):
        RewardConfig(**bad)


def test_no_weight_at_all():
    with pytest.raises(OptionError, match="every weight is 0"):
        RewardConfig(accuracy=0, keywords=0, hallucination=0, language=0)
