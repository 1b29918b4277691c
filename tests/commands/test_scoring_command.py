"""firered-score on recognised text: its files, what it says of bad input, its exit status."""

import re
import subprocess

import pytest
import yaml
from support.paths import EGS
from support.scoring_sides import call, rows_of, score_of, write_side

from firered.cli import score as cli
from firered.data.speed import Speed
from firered.models.parameters import parameters_of

REF = {"a-1": "你好，世界", "a-2": "打开 Wi-Fi", "b-1": "再见", "b-2": ""}
HYP = {"a-1": "你号世界啊", "a-2": "打开 wi-fi", "b-2": "嗯", "c-1": "多余"}


@pytest.fixture
def sides(tmp_path):
    """References, hypotheses (b-1 missing, c-1 extra) and the folder for the report."""
    reference = write_side(tmp_path / "ref", text=REF, utt2spk={key: key[0] for key in REF})
    hypothesis = write_side(tmp_path / "hyp", text=HYP, utt2conf={"a-1": 0.9, "a-2": 0.95, "b-2": 0.2})
    return reference, hypothesis, tmp_path / "out"


def test_everything_is_counted_and_written(sides, monkeypatch, caplog):
    assert call(monkeypatch, *sides) == 1
    out = sides[2]
    assert {path.name for path in out.iterdir()} == {
        *("score.json", "score.txt", "errors.html", "config.yaml", "ref.trn", "hyp.trn", "per_utt", "confusions.tsv"),
        *("by_speaker.tsv", "by_length.tsv", "by_confidence.tsv", "calibration.png", "missing", "extra"),
        "counts.tsv",
    }
    assert (out / "counts.tsv").read_text().splitlines() == [
        *("id\terrors\ttokens", "a-1\t2\t4", "a-2\t0\t3", "b-1\t2\t2", "b-2\t1\t0"),
    ]
    score = score_of(out)
    integers = {"errors": 5, "substitutions": 1, "deletions": 2, "insertions": 2, "tokens": 9, "correct": 6}
    assert {name: score[name] for name in integers} == integers
    assert all(type(score[name]) is int for name in integers)
    assert score["metrics"]["MER%"]["value"] == pytest.approx(500 / 9)
    low, high = score["metrics"]["MER%"]["interval"]
    assert low <= 500 / 9 <= high
    assert score["unit"] == "characters (88.9%) and words, in one stream"
    others = ("utterances", "missing", "extra", "empty_references", "sentence_errors", "normalizer")
    assert [score[name] for name in others] == [4, 1, 1, 1, 3, "firered"]
    assert score["kinds"]["words"] == dict.fromkeys(integers, 0) | {"tokens": 1, "correct": 1}
    assert ((out / "missing").read_text(), (out / "extra").read_text()) == ("b-1\n", "c-1\n")
    assert "1 hypotheses have no reference and are not scored: c-1" in caplog.text
    assert "1 references have no hypothesis: b-1" in caplog.text


def test_score_txt_says_what_was_done(sides, monkeypatch):
    call(monkeypatch, *sides, "--normalizer", "speechio", "--test-set", "aishell1", "--system", "FireRedASR2-AED")
    text = (sides[2] / "score.txt").read_text(encoding="utf-8")
    assert re.search(r"^test set +aishell1$", text, re.M)
    assert re.search(r"^normaliser +speechio$", text, re.M)
    assert re.search(r"^CER +\d+\.\d\d %   95% interval \[\d+\.\d\d, \d+\.\d\d\]$", text, re.M)
    assert "1 missing hypotheses, counted as deletions: b-1" in text
    assert "1 hypotheses without a reference, not counted: c-1" in text
    assert re.search(r"^ +1  好 -> 号$", text, re.M)
    boxes = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in boxes)


def test_groups_add_up_to_the_whole(sides, monkeypatch):
    call(monkeypatch, *sides)
    score = score_of(sides[2])
    for name in ("speaker", "length", "confidence"):
        rows = rows_of(sides[2] / f"by_{name}.tsv").values()
        for column in ("tokens", "errors", "substitutions", "deletions", "insertions", "missing"):
            assert sum(int(row[column]) for row in rows) == score[column]
    assert rows_of(sides[2] / "by_speaker.tsv")["b"]["rate"] == "150.00"


def test_groups_are_in_the_json_the_text_and_the_page(sides, monkeypatch):
    write_side(sides[0], utt2env={"a-1": "park", "a-2": "park", "b-1": "shop", "b-2": "shop"})
    call(monkeypatch, *sides, "--by", "env")
    score = score_of(sides[2])
    assert list(score["groups"]) == ["env", "length", "confidence"]
    park, shop = score["groups"]["env"].values()
    assert park["errors"] + shop["errors"] == score["errors"]
    assert (park["utterances"], shop["missing"]) == (2, 1)
    text = (sides[2] / "score.txt").read_text(encoding="utf-8")
    assert re.search(rf"^\| park +\| +2 +{park['tokens']} ", text, re.M)
    page = (sides[2] / "errors.html").read_text(encoding="utf-8")
    assert f'["park", 2, {park["tokens"]}, ' in page
    assert (sides[2] / "by_env.tsv").is_file()


def test_alignments_for_other_tools(sides, monkeypatch):
    call(monkeypatch, *sides)
    out = sides[2]
    assert (out / "ref.trn").read_text(encoding="utf-8").splitlines() == [
        "你 好 世 界 (a-1)",
        "打 开 WI-FI (a-2)",
        "再 见 (b-1)",
        "(b-2)",
    ]
    assert (out / "hyp.trn").read_text(encoding="utf-8").splitlines()[2:] == ["(b-1)", "嗯 (b-2)"]
    assert (out / "per_utt").read_text(encoding="utf-8").splitlines()[:4] == [
        "a-1 ref   你  好  世  界  ***",
        "a-1 hyp   你  号  世  界  啊",
        "a-1 op    C   S   C   C   I",
        "a-1 #csid 3 1 1 0",
    ]
    confusions = (out / "confusions.tsv").read_text(encoding="utf-8").splitlines()
    assert confusions == ["count\treference\thypothesis", "1\t\t啊", "1\t\t嗯", "1\t再\t", "1\t好\t号", "1\t见\t"]


def test_without_anything_extra_it_succeeds_and_extras_can_be_allowed(sides, monkeypatch):
    reference, hypothesis, out = sides
    assert call(monkeypatch, reference, hypothesis, out, "--allow-extra") == 0
    write_side(hypothesis, text={key: text for key, text in HYP.items() if key != "c-1"})
    assert call(monkeypatch, reference, hypothesis, out) == 0
    assert (out / "extra").read_text() == ""


def test_files_instead_of_directories(sides, monkeypatch):
    call(monkeypatch, sides[0] / "text", sides[1] / "text", sides[2])
    assert score_of(sides[2])["errors"] == 5


def test_the_released_tool_leaves_missing_ones_out(sides, monkeypatch):
    call(monkeypatch, *sides, "--normalizer", "firered-released")
    score = score_of(sides[2])
    assert (score["tokens"], score["errors"], score["utterances"], score["missing_left_out"]) == (7, 3, 3, True)
    assert "left out, as the released tool does: b-1" in (sides[2] / "score.txt").read_text()


def test_the_settings_can_be_given_again(sides, monkeypatch):
    arguments = ("--normalizer", "speechio", "--bootstrap", "50", "--page-utterances", "1")
    call(monkeypatch, *sides, *arguments)
    first, settings = score_of(sides[2]), sides[2] / "config.yaml"
    assert yaml.safe_load(settings.read_text())["normalizer"] == "speechio"
    call(monkeypatch, *sides[:2], sides[2] / "again", "--config", settings)
    assert score_of(sides[2] / "again")["metrics"] == first["metrics"]


def test_english_has_words(tmp_path, monkeypatch):
    sides = [write_side(tmp_path / name, text=text) for name, text in (("r", {"u": "A B CAT"}), ("h", {"u": "AB DOG"}))]
    call(monkeypatch, *sides, tmp_path / "out")
    assert score_of(tmp_path / "out")["metrics"]["WER%"]["value"] == 50


def test_references_without_any_words_have_no_rate(tmp_path, monkeypatch):
    sides = [write_side(tmp_path / name, text=text) for name, text in (("r", {"u": "。"}), ("h", {"u": "嗯"}))]
    assert call(monkeypatch, *sides, tmp_path / "out") == 0
    score = score_of(tmp_path / "out")
    assert (score["metrics"]["WER%"]["value"], score["insertions"], score["tokens"]) == (None, 1, 0)
    assert "empty references" in (tmp_path / "out/score.txt").read_text()


def test_texts_of_segments_are_joined_by_recording(tmp_path, monkeypatch):
    reference = write_side(tmp_path / "ref", text={"rec": "今天天气好 ok bye"})
    segments = {"rec-1": "rec 2.0 3.0", "rec-2": "rec 0.0 1.5", "rec-3": "rec 14 15"}
    texts = {"rec-1": "好 ok", "rec-2": "今天天气", "rec-3": "bye"}
    hypothesis = write_side(tmp_path / "hyp", text=texts, segments=segments)
    assert call(monkeypatch, reference, hypothesis, tmp_path / "out", "--by-recording") == 0
    assert score_of(tmp_path / "out")["errors"] == 0
    (hypothesis / "text").write_text("rec-9 你\n", encoding="utf-8")
    assert call(monkeypatch, reference, hypothesis, tmp_path / "out", "--by-recording") == 1


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda ref, hyp: (ref / "text").unlink(), "ref/text: no such file"),
        (lambda ref, hyp: (ref / "text").write_text(""), "ref/text: empty, there is nothing to compare"),
        (lambda ref, hyp: (hyp / "text").write_bytes(b"a-1 \xff\n"), "hyp/text:1"),
        (lambda ref, hyp: (hyp / "text").write_text("a-1 x\na-1 y\n"), "hyp/text:2: id a-1 is already on line 1"),
        (lambda ref, hyp: (hyp / "utt2conf").write_text("a-1 high\n"), "hyp/utt2conf: a-1: 'high' is not a number"),
        (lambda ref, hyp: (hyp / "utt2conf").write_text("a-1 1.5\n"), "hyp/utt2conf: a-1: 1.5 is not a probability"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_input_that_cannot_be_used(sides, monkeypatch, caplog, damage, reason):
    damage(*sides[:2])
    assert call(monkeypatch, *sides) == 1
    assert reason in caplog.text
    assert not (sides[2] / "score.json").exists()


def test_a_model_that_is_named_but_not_there(sides, monkeypatch, caplog):
    assert call(monkeypatch, *sides, "--model", sides[0]) == 1
    assert f"{sides[0]}/model.pth.tar: no such checkpoint" in caplog.text


def test_what_made_the_result_is_noted(sides, monkeypatch):
    (sides[1] / "model.pth.tar").write_bytes(b"weights")
    call(monkeypatch, *sides, "--model", sides[1])
    digest = subprocess.run(["sha256sum", sides[1] / "model.pth.tar"], capture_output=True, text=True, check=True)
    made_by = score_of(sides[2])["provenance"]
    assert made_by["model_sha256"] == digest.stdout.split()[0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made_by["date"])


# Its other names


@pytest.mark.parametrize("task", ["text", "vad", "lid", "punc"])
def test_the_first_word_chooses_the_command(monkeypatch, capsys, task):
    assert call(monkeypatch, task, "--help") == 0
    shown = capsys.readouterr().out
    assert f"firered-score {task} [OPTIONS]" in shown
    assert getattr(cli, f"{task}_command").__doc__.splitlines()[0] in " ".join(shown.split())


def test_the_command_has_its_line_in_lists():
    assert cli.score.__doc__.startswith("Score recognised text")


def test_speed_and_parameters_are_copied_from_what_made_the_hypothesis(sides, monkeypatch):
    (sides[1] / "speed.json").write_text("\n".join(Speed(3, 10.0, 2.5, 100.0, None, "a machine", 2).lines()))
    vad = EGS / "mini/models/FireRedVAD/VAD"
    call(monkeypatch, *sides, "--model", vad)
    score = score_of(sides[2])
    assert (score["speed"]["rtf"], score["speed"]["peak_memory_mb"]) == (0.25, 100.0)
    assert score["provenance"]["parameters"] == parameters_of(vad, vad / "model.pth.tar") > 1000
    text = (sides[2] / "score.txt").read_text(encoding="utf-8")
    assert "speed       real-time factor 0.2500, 100 MB at most, a machine, threads 2" in text
    (sides[1] / "speed.json").unlink()
    call(monkeypatch, *sides)
    score = score_of(sides[2])
    assert (score["speed"], score["provenance"]["parameters"]) == (None, None)
