"""egs/punc/train.sh: documents that are held out as a whole, the table in the report's layout, the whole recipe."""

import json
import subprocess
from pathlib import Path

import pytest
from support.recipe_scripts import load_local

from firered.data.datadir import read_table, write_lines
from firered.errors import DataError
from firered.punc.tokens import VOCABULARY

TOP = Path(__file__).resolve().parents[2]
RECIPE = TOP / "egs/punc"
prepare, table = load_local("punc", "prepare_train", "table")

WORDS = {
    "zh": ("今天天气很好", "我们去公园", "他说什么", "明天再来"),
    "en": ("we go home", "it rains", "who is it", "they sing"),
}
MARKS = {"zh": "，。？", "en": ",.?"}


def lay_out(folder, domains=("news", "talks"), documents=10, lines=4):
    """Documents of different lines; each also has one line that all documents of its language have."""
    number = 0
    for language, words in WORDS.items():
        comma, period, question = MARKS[language]
        for domain in domains:
            for document in range(documents):
                texts = []
                for _ in range(lines):
                    first, second = words[number % 4], words[number // 4 % 4]
                    texts.append(f"{first}{comma} {number} {second}{period if number % 3 else question}")
                    number += 1
                write_lines(folder / f"{language}/{domain}/part/{document}.txt", [*texts, "", f"{words[0]}{period}"])
    return folder


class TestHeldOut:
    def test_no_document_and_no_line_is_in_two_sets(self, tmp_path):
        found, left_out = prepare.read(lay_out(tmp_path))
        texts = {part: prepare.joined(sets) for part, sets in found.items()}
        documents = {part: {key.rpartition("-")[0] for key in of_part} for part, of_part in texts.items()}
        lines = {part: set(of_part.values()) for part, of_part in texts.items()}
        for sets in (documents, lines):
            assert sum(map(len, sets.values())) == len(set.union(*sets.values()))
        assert {part: len(names) for part, names in documents.items()} == {"train": 32, "dev": 4, "test": 4}
        assert {len(names) for names in (found["test"]["punc-zh-news"], found["test"]["punc-en-news"])} == {5}
        # the line that all have stays in the test documents alone
        assert len(left_out) == 2 * 2 * 9
        assert all(line.endswith(" the same line is in test") for line in left_out)

    def test_what_is_written(self, tmp_path):
        prepare.main(lay_out(tmp_path / "corpus"), tmp_path / "data")
        sets = (tmp_path / "data/sets").read_text().split()
        assert sets == ["punc-en", "punc-en-news", "punc-en-talks", "punc-zh", "punc-zh-news", "punc-zh-talks"]
        read = {name: read_table(tmp_path / "data" / name / "text") for name in sets}
        assert read["punc-zh"] == {**read["punc-zh-news"], **read["punc-zh-talks"]}
        plain = read_table(tmp_path / "data/punc-zh-news/plain/text")
        assert plain.keys() == read["punc-zh-news"].keys()
        assert not set("，。？") & set("".join(plain.values()))

    def test_too_few_documents(self, tmp_path):
        lay_out(tmp_path, domains=("news",), documents=2)
        with pytest.raises(DataError, match=r"en/news: 2 documents \*.txt; training, dev and test each need one"):
            prepare.read(tmp_path)

    def test_another_layout(self, tmp_path):
        write_lines(tmp_path / "zh.txt", ["好。"])
        with pytest.raises(DataError, match=r"expected are texts of your own, <language>/<domain>/<document>\.txt"):
            prepare.read(tmp_path)
        write_lines(tmp_path / "zh-tw/news/a.txt", ["好。"])
        with pytest.raises(DataError, match="give the language without a dash"):
            prepare.read(tmp_path)


def write_score(folder, system, name, rates):
    metrics = {metric: {"value": rate} for metric, rate in zip(("precision%", "recall%", "F1%"), rates, strict=True)}
    score = {"task": "punc", "system": system, "test_set": name, "metrics": metrics}
    write_lines(folder / system / name / "score.json", [json.dumps(score)])


def test_the_layout_of_the_report(tmp_path):
    write_score(tmp_path, "ours", "punc-zh", (90.0, 80.0, 84.705))
    write_score(tmp_path, "ours", "punc-en", (70.0, 60.0, 64.615))
    write_score(tmp_path, "ours", "punc-zh-news", (50.0, None, None))
    assert [*table.table(table.scores_below(tmp_path))] == [
        "| Test set \\ Model | ours | FireRedPunc (printed) | FunASR-Punc (printed) |",
        "|---|---|---|---|",
        "| punc-en | 70.00 / 60.00 / 64.61 | 78.40 / 71.57 / 74.83 | 55.79 / 45.15 / 49.91 |",
        "| punc-zh | 90.00 / 80.00 / 84.70 | 82.84 / 83.08 / 82.96 | 77.27 / 74.03 / 75.62 |",
        "| Average F1 | 74.66 | 78.90 | 62.77 |",
        "| punc-zh-news | 50.00 / - / - | - | - |",
    ]
    write_lines(tmp_path / "x/score.json", ['{"task": "asr"}'])
    with pytest.raises(DataError, match="no score of punctuation"):
        table.scores_below(tmp_path)


def test_what_is_missing_is_told_before_anything_is_done(tmp_path):
    def said(*options):
        done = subprocess.run(["bash", RECIPE / "train.sh", *options], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stderr.strip().splitlines()[-1]

    assert said("--settings", "sample") == (1, "train.sh: --corpus: stage 0 needs it")
    assert said("--corpus", ".")[1].endswith("starts from a BERT or LERT; --settings sample from nothing")


@pytest.mark.nightly
@pytest.mark.parametrize("from_bert", [False, True])
def test_a_model_is_trained_and_scored(tmp_path, from_bert):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    corpus = lay_out(tmp_path / "corpus", domains=("news",))
    run = ["bash", RECIPE / "train.sh", "--corpus", corpus, "--dir", tmp_path / "out", "--ngpu", "0"]
    options = "train.max_epochs=60 train.eval_steps=100 model.pieces=100 data.batch_tokens=400 optim.lr=3e-3"
    options += " optim.warmup_steps=20"
    if from_bert:
        options = "train.max_steps=3 data.batch_tokens=400 data.max_tokens=20"
        run += ["--bert", write_bert(tmp_path / "bert")]
    else:
        run += ["--settings", "sample"]
    done = subprocess.run([*run, "--train-options", options], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    assert "| Test set \\ Model | Punc trained here | FireRedPunc (printed) |" in results
    for name in ("punc-en", "punc-zh-news", "Average F1"):
        assert f"| {name} |" in results
    if from_bert:
        vocabulary = (tmp_path / "out/exp/punc" / VOCABULARY).read_text(encoding="utf-8")
        assert vocabulary == (tmp_path / "bert/vocab.txt").read_text(encoding="utf-8")
    else:
        score = json.loads((tmp_path / "out/exp/score/punc/punc-zh/score.json").read_text())
        assert score["metrics"]["F1%"]["value"] > 20  # the last mark of every line is easy


def write_bert(folder):
    """A BERT of random weights, in the layout of transformers."""
    import torch
    from transformers import BertConfig, BertModel

    characters = sorted(
        {char for words in WORDS.values() for word in words for char in word if char != " "} | set("0123456789")
    )
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *(f"##{char}" for char in characters)]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    write_lines(folder / "vocab.txt", vocabulary)
    return folder
