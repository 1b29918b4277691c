"""firered-rl-data: which utterances are chosen, why, and what is written of them."""

import pytest

from firered.data.datadir import read_table, write_table
from firered.errors import DataError, OptionError
from firered.train.data.rl_config import PromptConfig
from firered.train.prompts import REASONS, Utterances, candidates, choose_prompts, chosen

TEXT = {
    "hard": "we took the early train to the coast on monday morning",
    "apart": "nobody agrees on what was said here at all",
    "easy": "all of them are right about this",
    "runs": "good morning",
    "again": "turn left at the station",
    "truly": "no no no no no he said",
    "named": "please call doctor lee now",
    "given": "the weather in kyoto is mild",
    "long": "a long story",
}
OURS = TEXT | {
    "hard": "we took the early rain to the toast on monday morning",
    "apart": "nobody agrees on what was sad here",
    "runs": "good morning and welcome to the evening news tonight",
    "again": "turn left left left left left at the station",
}
OTHERS = [TEXT, TEXT | {"apart": "somebody degrees on watt was said hear at all"}]
SECONDS = dict.fromkeys(TEXT, 5.0) | {"long": 20.5, "hard": 20.0}


@pytest.fixture
def sets(tmp_path):
    data = tmp_path / "data"
    write_table(data / "wav.scp", {key: f"{key}.wav" for key in TEXT})
    write_table(data / "utt2dur", {key: str(seconds) for key, seconds in SECONDS.items()})
    write_table(data / "text", TEXT)
    write_table(data / "keywords", {"given": "Kyoto; mild weather"})
    write_table(tmp_path / "ours/text", OURS)
    for number, other in enumerate(OTHERS):
        write_table(tmp_path / f"other{number}/text", other)
    (tmp_path / "list").write_text("doctor Lee\nmars\n")
    return tmp_path


def config_of(sets, **changes):
    others = tuple(str(sets / f"other{number}") for number in range(2))
    return PromptConfig(**{"other": others, "keywords": str(sets / "list"), **changes})


def known(**changes):
    languages = dict.fromkeys(TEXT, "other")
    return Utterances(**{
        "references": TEXT, "ours": OURS, "others": OTHERS, "languages": languages, "seconds": SECONDS,
        "keywords": {"named": ("doctor lee",)}, **changes,
    })  # fmt: skip


def test_each_reason_has_what_is_published():
    found = candidates(known(), PromptConfig())
    assert found == {
        "hard": {"hard", "runs", "again"},
        "hallucination": {"runs", "again", "truly"},
        "keywords": {"named"},
        "long": {"long"},
        "regular": set(TEXT),
    }


def test_bounds_of_hard():
    """2 of 11 words: 18%."""
    assert "hard" not in candidates(known(), PromptConfig(differ=19.0))["hard"]
    assert "apart" in candidates(known(), PromptConfig(agree=60.0))["hard"]
    assert candidates(known(others=OTHERS[:1]), PromptConfig())["hard"] == set()


def test_what_a_side_lacks_is_not_compared():
    some = {key: text for key, text in TEXT.items() if key != "hard"}
    assert "hard" not in candidates(known(others=[TEXT, some]), PromptConfig())["hard"]
    assert "hard" not in candidates(known(ours=some), PromptConfig())["hard"]
    assert "hard" not in candidates(known(references=some), PromptConfig())["hard"]


def test_one_reason_each_and_the_rare_ones_first():
    by_reason = {
        "hard": {"a", "b"},
        "hallucination": {"a"},
        "keywords": set(),
        "long": set("abcd"),
        "regular": set("abcdefgh"),
    }
    reasons = chosen(by_reason, 2, 1)
    assert (reasons["a"], reasons["b"]) == ("hallucination", "hard")
    assert [sum(own == reason for own in reasons.values()) for reason in REASONS] == [1, 1, 0, 2, 2]
    assert reasons == chosen(by_reason, 2, 1)
    assert any(reasons != chosen(by_reason, 2, seed) for seed in range(2, 12))


def test_the_data_directory(sets):
    out = sets / "out"
    assert choose_prompts(sets / "data", sets / "ours", out, config_of(sets, each=3)) == 0
    reasons = read_table(out / "utt2reason")
    assert {key: reasons[key] for key in ("hard", "named", "given", "long", "truly")} == {
        "hard": "hard", "named": "keywords", "given": "keywords", "long": "long", "truly": "hallucination"
    }  # fmt: skip
    assert reasons["easy"] == "regular"
    assert read_table(out / "text") == {key: TEXT[key] for key in reasons}
    assert read_table(out / "keywords") == {"given": "Kyoto; mild weather", "named": "doctor Lee"}
    assert read_table(out / "wav.scp").keys() == read_table(out / "utt2dur").keys() == reasons.keys()


def test_without_transcripts_the_other_systems_are_believed_where_they_agree(sets, caplog):
    (sets / "data/text").unlink()
    choose_prompts(sets / "data", sets / "ours", sets / "out", config_of(sets))
    assert read_table(sets / "out/text") == {key: text for key, text in TEXT.items() if key != "apart"}
    with pytest.raises(OptionError, match="--other of two systems"):
        choose_prompts(sets / "data", sets / "ours", sets / "out", config_of(sets, other=()))


def test_what_cannot_be_used(sets):
    with pytest.raises(OptionError, match="the same system twice"):
        PromptConfig(other=("a", "a"))
    with pytest.raises(OptionError, match="give another folder"):
        choose_prompts(sets / "data", sets / "ours", sets / "data", config_of(sets))
    write_table(sets / "data/text", {"nobody": "a b"})
    with pytest.raises(DataError, match="no utterance has a transcript"):
        choose_prompts(sets / "data", sets / "ours", sets / "out", config_of(sets))
