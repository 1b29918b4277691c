"""The hotword test set of egs/mini_hotwords: names that were never heard, lists, scores, and the whole recipe."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from firered.data.datadir import DataDir, read_table, write_lines, write_table
from firered.data.validate import validate
from firered.errors import DataError
from firered.text.tokenizer import Tokenizer

TOP = Path(__file__).resolve().parents[2]
MINI, HERE = TOP / "egs/mini", TOP / "egs/mini_hotwords"
sys.path[:0] = [str(MINI / "local"), str(HERE / "local")]  # recipes' scripts are no package

import echoes  # noqa: E402
import false_alarms  # noqa: E402
import hotword_results  # noqa: E402
import synth  # noqa: E402
from make_corpus import Script, planned  # noqa: E402
from make_lists import FEW, SIZES, Others, common_characters, sound, spans  # noqa: E402
from make_lists import main as write_the_lists  # noqa: E402
from make_set import VOICES, spoken  # noqa: E402
from names import TARGETS, Names, Target, compact, read_targets, training_texts  # noqa: E402


@pytest.fixture(scope="module")
def seen():
    """What the training of egs/mini has."""
    return training_texts()


@pytest.fixture(scope="module")
def drawn(seen):
    """The targets of the full set, and the recordings that are made of them."""
    rng = random.Random(1)
    names = Names(rng)
    targets = names.targets(seen)
    return targets, spoken(names, Script(1), targets, 1.0, rng)


class TestNames:
    def test_no_target_is_in_anything_that_the_models_were_trained_on(self, drawn, seen):
        everything = "\n".join(seen)
        assert "我们去公园" in everything
        assert "coffee" in everything
        for target in drawn[0]:
            assert compact(target.text) not in everything, target

    def test_there_are_as_many_of_each_kind_as_wanted_and_none_is_part_of_another(self, drawn):
        targets, _ = drawn
        for grammar, topics in TARGETS.items():
            for topic, count in topics.items():
                assert sum((one.grammar, one.topic) == (grammar, topic) for one in targets) == count
        texts = [compact(target.text) for target in targets]
        assert not [(one, other) for one in texts for other in texts if one != other and one in other]
        assert len(set(texts)) == len(texts)

    def test_every_target_can_be_written_by_the_bundled_recogniser(self, drawn):
        tokenizer = Tokenizer.from_dir(MINI / "models/FireRedASR2-AED")
        for target in drawn[0]:
            tokens = tokenizer.tokenize(target.text.upper()).tokens
            assert "<unk>" not in tokenizer.tokens_of(tokenizer.ids_of(tokens)), target

    def test_no_voice_was_heard_in_training_or_when_models_were_chosen(self, drawn):
        sets, _ = planned(1, scale=0.2)
        heard = {line.voice.variant for name, tasks in sets.items() if "test" not in name for task in tasks
                 for line in task.lines}  # fmt: skip
        speaking = {line.voice.variant for task in drawn[1] for line in task.lines}
        assert len(heard) > 50
        assert speaking == set(VOICES)
        assert not speaking & heard

    def test_a_target_is_said_by_several_voices_and_in_different_sentences(self, drawn):
        targets, tasks = drawn
        for target in targets:
            of_target = [task.lines[0] for task in tasks if target.text in task.lines[0].text]
            assert len({line.voice.variant for line in of_target}) >= 4, target
            assert len({line.text for line in of_target}) == len(of_target) >= 5, target

    def test_sentences_without_a_name_have_none(self, drawn):
        targets, tasks = drawn
        plain = [compact(task.lines[0].text) for task in tasks if "-none-" in task.key]
        assert len(plain) == 80
        assert not [text for text in plain if any(compact(target.text) in text for target in targets)]

    def test_too_small_a_grammar_is_told(self):
        with pytest.raises(DataError, match=r"zh.txt: no more names of the kind person"):
            Names(random.Random(1)).targets(["x" for _ in range(3)], scale=1000.0)

    def test_the_same_seed_gives_the_same_texts_and_another_gives_others(self, drawn, seen):
        def texts(seed):
            rng = random.Random(seed)
            names = Names(rng)
            return spoken(names, Script(seed), names.targets(seen), 1.0, rng)

        assert texts(1) == drawn[1]
        assert texts(2) != drawn[1]


TARGET_NAMES = (
    Target("米京音", "zh", "person"),
    Target("Snowford", "en", "place"),
    Target("小明 Parker", "cs", "person"),
)
SAID = ("米京音去香海公园", "which train goes to Snowford", "小明 Parker 喜欢喝 tea")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A set of three names and its lists."""
    data = tmp_path_factory.mktemp("hotwords")
    write_lines(data / "targets.tsv", [f"{one.text}\t{one.grammar}\t{one.topic}" for one in TARGET_NAMES])
    write_lines(data / "test/text", [f"u{number} {text}" for number, text in enumerate(SAID)])
    write_lines(data / "test/wav.scp", [f"u{number} x.wav" for number in range(len(SAID))])
    write_the_lists(data, data / "lists", seed=1, largest=10_000)
    return data


class TestLists:
    def entries(self, made, name):
        return (made / f"lists/{name}.txt").read_text(encoding="utf-8").splitlines()

    def test_lists_have_their_sizes_and_each_entry_once(self, made):
        for size in SIZES[:-1]:
            for kind in ("with", "without"):
                entries = self.entries(made, f"{kind}/{size}")
                assert len({compact(entry) for entry in entries}) == len(entries) == size
        for size in FEW:
            assert len(set(self.entries(made, f"few/{size}"))) == size
        assert not (made / "lists/with/100000.txt").exists()

    def test_targets_are_in_the_one_kind_of_list_and_in_no_way_in_the_other(self, made):
        targets = {one.text for one in TARGET_NAMES}
        for size in SIZES[:-1]:
            assert targets <= set(self.entries(made, f"with/{size}"))
            others = [compact(entry) for entry in self.entries(made, f"without/{size}")]
            for target in map(compact, targets):
                assert not [entry for entry in others if target in entry or entry in target]
            assert not {sound(entry) for entry in others} & {sound(target) for target in targets}

    def test_nothing_of_the_others_is_said(self, made):
        said = [compact(text) for text in SAID]
        others = [compact(entry) for entry in self.entries(made, "without/10000")]
        whole = [entry for entry in others if any(entry in text for text in said)]
        assert all(entry.isascii() for entry in whole)  # inside of a longer word, at most
        assert not set(whole) & spans(SAID)

    def test_others_are_chinese_english_and_mixed_and_some_are_like_the_targets(self, made):
        others = self.entries(made, "without/10000")
        latin = [entry for entry in others if entry.isascii()]
        han = [entry for entry in others if all("\u4e00" <= character <= "\u9fff" for character in entry)]
        assert len(latin) > 2000
        assert len(han) > 4000
        assert len(others) - len(latin) - len(han) > 1000
        tokenizer = Tokenizer.from_dir(MINI / "models/FireRedASR2-AED")
        known = {token for token in tokenizer.texts() if token}
        assert 200 < sum(set(entry) <= known for entry in han) < 1000

    def test_the_targets_list_has_their_topics(self, made):
        assert self.entries(made, "targets") == [
            "# topic: person",
            "米京音",
            "小明 Parker",
            "# topic: place",
            "Snowford",
        ]

    def test_the_same_seed_gives_the_same_list_and_a_short_list_begins_a_longer_one(self, made):
        targets = read_targets(made / "targets.tsv")
        again = list(Others(targets, SAID, seed=1).draw(1000))
        assert again == self.entries(made, "without/1000") == self.entries(made, "without/10000")[:1000]
        assert list(Others(targets, SAID, seed=2).draw(100)) != again[:100]

    def test_common_characters(self):
        characters = common_characters()
        assert len(set(characters)) == len(characters) == 3755
        assert (characters[0], characters[-1]) == ("啊", "座")


class TestEchoes:
    def test_words_of_the_list_are_found_whatever_their_spaces_and_capitals(self):
        texts = {"a": "i SAW snow  park", "b": "", "c": "雪海 phone", "d": "no"}
        assert echoes.echoes(texts, ["Snowpark", "雪海phone", "x", "now", "hepa"]) == {
            "a": ["Snowpark"],
            "c": ["雪海phone"],
        }

    def test_a_run_without_a_list_is_looked_through_for_the_longest(self, tmp_path):
        for size, words in ((3, "a"), (50, "snow")):
            write_lines(tmp_path / f"few/{size}.txt", [words])
        write_lines(tmp_path / "none/text", ["u1 snow", "u2"])
        (tmp_path / "none").rename(tmp_path / "found-none")
        echoes.main(tmp_path / "few", tmp_path / "found-none", tmp_path / "score")
        score = json.loads((tmp_path / "score/score.json").read_text())
        assert (score["recordings"], score["with_text"], score["echoes"]) == (2, 1, {"u1": ["snow"]})


class TestFalseAlarms:
    def test_entries_that_nobody_said_count_by_their_length(self, tmp_path):
        (tmp_path / "data").mkdir()
        write_table(tmp_path / "data/text", {"u1": "他去海边", "u2": "see the park"})
        write_table(tmp_path / "data/wav.scp", {"u1": "a.wav", "u2": "b.wav"})
        write_table(tmp_path / "data/utt2dur", {"u1": "1200", "u2": "600"})
        write_lines(tmp_path / "found/text", ["u1 他去海星", "u2 see Snow Park"])
        write_lines(tmp_path / "list.txt", ["海星", "他去", "snowpark", "park", "x y z w"])
        false_alarms.main(tmp_path / "list.txt", tmp_path / "data", tmp_path / "found", tmp_path / "alarms.json")
        rows = json.loads((tmp_path / "alarms.json").read_text())
        assert rows["1"] == {"entries": 2, "an hour": 2.0}  # snowpark; park was said
        assert rows["2"] == {"entries": 2, "an hour": 2.0}  # 海星; 他去 was said
        assert rows["3 or more"] == {"entries": 1, "an hour": 0.0}


class TestResults:
    def score(self, folder, recall, rate, unbiased):
        metrics = {"MER%": rate, "hotword recall%": recall, "hotword precision%": None}
        score = {
            "metrics": {name: {"value": value} for name, value in metrics.items()},
            "hotwords": {
                "unbiased": {"rate": unbiased},
                "biased": {"rate": 80.0},
                "parts": {"topic place": {"precision": None, "recall": recall}},
            },
            "groups": {"topic": {"place": {"rate": rate}}},
            "speed": {"rtf": 0.01},
            "utterances": 380,
        }
        write_lines(folder / "score.json", [json.dumps(score)])
        counts = ["Snowford\tplace\t-\t5\t4\t4", "新生医院\tplace\t-\t5\t5\t5", "小明 Parker\tperson\t-\t4\t1\t1"]
        write_lines(folder / "hotwords.tsv", ["phrase\ttopics\tr1\treference\thypothesis\tright", *counts])

    def test_the_first_row_is_without_a_list_and_others_are_compared_with_it(self, tmp_path):
        self.score(tmp_path / "scores/aed/test/auto/with-100", 91.5, 8.0, 9.5)
        self.score(tmp_path / "scores/aed/test/graph/with-10000", 85.0, 9.0, 9.3)
        self.score(tmp_path / "scores/aed/test/none/none", 0.0, 29.7, 9.3)
        self.score(tmp_path / "scores/aed/test/auto/without-1000", 0.0, 29.9, 9.3)
        sounds = {"recordings": 125, "with_text": 40, "list": "x", "echoes": {"noise-001": ["Snowford"]}}
        write_lines(tmp_path / "scores/aed/sounds/auto/few-50/score.json", [json.dumps(sounds)])
        write_lines(tmp_path / "targets.tsv", ["Snowford\ten\tplace", "新生医院\tzh\tplace", "小明 Parker\tcs\tperson"])
        write_lines(tmp_path / "lists/with/100.txt", ["新生医院", "a", "b", "Snowford", "小明 Parker", "c"])
        hotword_results.main(tmp_path / "scores", tmp_path, tmp_path / "lists", tmp_path / "RESULTS.md")
        page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8").splitlines()
        rows = [line for line in page if line.startswith("| ")]
        assert rows[1] == "| without a list | - | 0.0 | - | 29.70 | 9.30 |  | 80.00 | 0.0100 |"
        assert "| all | 100 | 91.5 | - | 8.00 | 9.50 | +0.20 | 80.00 | 0.0100 |" in rows
        assert "| 100 | 100.0 | 80.0 | 25.0 | 100.0 | 80.0 | 25.0 |" in rows
        assert "| place | 29.7 / - / 0.0 | 8.0 / - / 91.5 |" in rows
        assert "| 1000 | 29.90 | +0.20 | - | - | - |" in rows
        assert "| AED of egs/mini | 50 | 125 | 40 | 1 |" in rows
        assert any("no such way, or not asked for: prompt, correction" in line for line in page)
        for name in ("recall", "harm"):
            assert (tmp_path / f"{name}.png").stat().st_size > 1000
            assert f"![{name}]({name}.png)" in page

    def test_scores_that_are_not_there(self, tmp_path):
        with pytest.raises(DataError, match="no scores; stage 6"):
            hotword_results.read_runs(tmp_path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The same small set, made by one process and by two."""
    try:
        synth.Synthesiser()
    except synth.FireRedError as error:
        pytest.skip(str(error))
    folders = [tmp_path_factory.mktemp(f"set{nj}") / "data" for nj in (1, 2)]
    for nj, folder in enumerate(folders, start=1):
        command = [sys.executable, HERE / "local/make_set.py", folder, "--scale", "0.01", "--nj", str(nj)]
        subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": str(MINI / "local")})
    return folders


class TestSet:
    def test_it_is_the_same_on_any_number_of_processes(self, small):
        first, second = small
        files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        for path in files:
            made, again = ((folder / path).read_bytes() for folder in small)
            assert made.replace(bytes(first), bytes(second)) == again, path

    def test_its_data_directories_are_sound_and_every_target_is_said(self, small):
        test = DataDir(small[0] / "test")
        assert validate(test.path, feats=False) == []
        targets = read_targets(small[0] / "targets.tsv")
        assert len(targets) == 9
        for target in targets:
            assert any(target.text in text for text in test.text.values()), target
        third = DataDir(small[0] / "third")
        assert third.text.items() <= test.text.items()
        assert len(third.text) == -(-len(test.text) // 3)

    def test_sounds_are_of_each_kind_and_clips_are_short(self, small):
        kinds = read_table(small[0] / "sounds/utt2kind")
        assert set(kinds.values()) == {"silence", "noise", "music", "singing", "short"}
        lengths = read_table(small[0] / "sounds/utt2dur")
        assert all(0.2 <= float(lengths[key]) <= 0.5 for key, kind in kinds.items() if kind == "short")


@pytest.mark.nightly
def test_the_recipe_from_nothing_to_its_results(tmp_path):
    if not (TOP / ".venv/bin/firered-asr").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    try:
        synth.Synthesiser()
    except synth.FireRedError as error:
        pytest.skip(str(error))
    run = ["bash", HERE / "run.sh", "--quick", "true", "--dir", tmp_path]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page in done.stdout
    assert "| without a list | - |" in page
    assert "| all | 100 |" in page
    assert "| AED of egs/mini | 3 | 5 |" in page
    again = subprocess.run([*run, "--stage", "2"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "RESULTS.md").read_text(encoding="utf-8") == page
