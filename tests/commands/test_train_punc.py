"""Training of punctuation: texts with marks as tokens and tags, joined at random, and the model itself."""

import numpy as np
import pytest
from support.paths import GOLDENS
from support.train_corpus import losses, run, values

from firered.errors import DataError, ModelError, OptionError
from firered.models.checkpoint import load_checkpoint
from firered.punc.punctuate import Punc
from firered.punc.tokens import PieceTokenizer
from firered.train.data.config import PuncDataConfig
from firered.train.data.marked import MarkedCorpus, cut_marks, learn_vocabulary, tagged

LINES = ["你好，天气好。", "天天好吗？我们去！", "hello world, how are you? fine.", "去不去？"]
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64, "dropout": 0.0,
         "pieces": 80, "max_position_embeddings": 60}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "bare", "marks"),
    [
        ("你好，世界。", "你好 世界 ", [(2, 1), (4, 2)]),
        ("Is it 3.14, or 1,000? Yes!", "Is it 3.14  or 1,000  Yes ", [(8, 1), (15, 3), (18, 4)]),
        ("等等……好；对：是、不", "等等  好 对 是 不", [(2, 2), (3, 1), (4, 1), (5, 1)]),
        ("“什么？！”他说。", " 什么   他说 ", [(2, 3), (4, 2)]),
        ("don’t stop (now) - firered.ai", "don't stop  now    firered.ai", []),
        ("well-known, 'quoted'", "well-known   quoted ", [(10, 1)]),
        ("。没有开头的点", " 没有开头的点", []),
    ],
)
def test_marks_are_cut_out(text, bare, marks):
    assert cut_marks(text) == (bare, marks)


def test_tags_stand_after_their_words():
    tokenizer = PieceTokenizer(["[UNK]", "hel", "##lo", "你", "好", "3", ".", "5"])
    ids, tags = tagged(["Hello, 你好？3.5谢!"], tokenizer)[0]
    assert ids.tolist() == [1, 2, 3, 4, 5, 6, 7, 0]
    assert tags.tolist() == [0, 1, 0, 3, 0, 0, 0, 4]


def test_vocabulary_has_all_there_is_to_read():
    words = learn_vocabulary(LINES, 80)
    assert words[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(words) <= 80
    tokenizer = PieceTokenizer(words)
    assert all(tokenizer.unknown not in ids for ids, _ in tagged(LINES, tokenizer))


def test_texts_are_joined_once_an_epoch_within_the_limit():
    rng = np.random.default_rng(0)
    examples = {f"t{n}": (np.full(size, n, np.int32), np.zeros(size, np.int8)) for n, size in
                enumerate(rng.integers(1, 20, 300).tolist())}  # fmt: skip
    corpus = MarkedCorpus(examples, PuncDataConfig(join=3, max_tokens=30), cls_id=7, seed=1)
    for epoch in (0, 1, None):
        groups = corpus.groups(epoch)
        assert sorted(index for group in groups for index in group) == list(range(300))
        sizes = corpus.sizes(epoch)
        assert {len(group) for group in groups} == {1, 2, 3}
        assert sizes.max() <= 31
        assert sizes.sum() == len(groups) + sum(len(ids) for ids, _ in examples.values())
    assert corpus.groups(0) != corpus.groups(1)
    again = MarkedCorpus(examples, PuncDataConfig(join=3, max_tokens=30), cls_id=7, seed=1)
    assert again.groups(0) == corpus.groups(0)
    apart = MarkedCorpus(examples, PuncDataConfig(join=1), cls_id=7, seed=1)
    assert {len(group) for group in apart.groups(0)} == {1}


def test_batches_by_value():
    examples = {"a": (np.array([5, 6]), np.array([0, 1])), "b": (np.array([8]), np.array([2]))}
    corpus = MarkedCorpus(examples, PuncDataConfig(join=1), cls_id=3, seed=1)
    items = sorted(corpus.item(index, 0) for index in range(2))
    batch = corpus.collate(items)
    assert batch.keys == ["a", "b"]
    assert batch.weight == 3
    assert batch.tensors["ids"].tolist() == [[3, 5, 6], [3, 8, 0]]
    assert batch.tensors["mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch.tensors["targets"].tolist() == [[0, 1], [2, -100]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("punc") / "lines.txt"
    path.write_text("\n".join(LINES) + "\n")
    return {"train": str(path), "dev": str(path), "join": 2, "max_tokens": 40}


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("punc") / "exp"
    content = values("punc", out, out, steps=150, data=data, model=SMALL, optim={"lr": 5e-3})
    content["train"]["best_by"] = "f1"
    return out, run(content)


def test_texts_by_heart_and_punctuated(trained):
    out, lines = trained
    assert losses(lines)[0] > 1.0
    assert (lines[-1]["loss"], lines[-1]["f1"]) == (pytest.approx(0.0, abs=0.02), 1.0)
    punc = Punc.from_pretrained(out, device="cpu")
    assert punc("你好天气好天天好吗我们去").punc_text == "你好，天气好。天天好吗？我们去！"
    assert punc("hello world how are you fine").punc_text == "Hello world, how are you? Fine."


def test_fine_tuning_continues_where_training_stopped(trained, data, tmp_path):
    lines = run(values("punc", tmp_path, tmp_path, steps=1, data=data, model={"init": str(trained[0]), "dropout": 0.0}))
    assert losses(lines)[0] < 0.1  # other texts meet than before
    for name in ("chinese-bert-wwm-ext_vocab.txt", "out_dict", "chinese-lert-base/config.json"):
        assert (tmp_path / name).read_text() == (trained[0] / name).read_text()


def test_starting_from_a_bert(data, tmp_path):
    from safetensors.torch import load_file

    bert = GOLDENS / "tiny/FireRedPunc/chinese-lert-base"
    model = {"bert": str(bert), "dropout": 0.0}
    lines = run(values("punc", tmp_path, tmp_path, steps=40, data=data | {"max_tokens": 30}, model=model))
    assert losses(lines)[-1] < 0.5 * losses(lines)[0]
    before = load_file(bert / "model.safetensors")["embeddings.word_embeddings.weight"]
    after = load_checkpoint(tmp_path / "model.pth.tar")[1]["bert.embeddings.word_embeddings.weight"]
    # tokens that do not come in the data stay, the others move
    moved = (before != after).any(1)
    assert 0 < moved.sum() < len(moved) / 2
    assert Punc.from_pretrained(tmp_path, device="cpu")("你好")


@pytest.mark.parametrize(
    ("lines", "data", "model", "error", "message"),
    [
        ("没有标点\n", {}, {}, DataError, "data.train: no punctuation in .*lines.txt"),
        ("。。\n", {}, {}, DataError, "no text is left .*lines.txt:1 no text but punctuation"),
        ("好。\n", {"max_tokens": 60}, {}, OptionError, "max_tokens: 60, a window of this model has 59"),
        ("好。\n", {}, {"bert": "nowhere"}, ModelError, "nowhere: no such model directory"),
        ("好。\n", {}, {"bert": "a", "init": "b"}, OptionError, "give one of them"),
        ("好。\n", {}, {"num_attention_heads": 5}, ModelError, "a BERT of 32 dimensions cannot have 5 attention heads"),
    ],
)
def test_bad_input(tmp_path, lines, data, model, error, message):
    path = tmp_path / "lines.txt"
    path.write_text(lines)
    data = {"train": str(path), "dev": str(path), "max_tokens": 40} | data
    with pytest.raises(error, match=message):
        run(values("punc", tmp_path, tmp_path / "exp", steps=1, data=data, model=SMALL | model))
