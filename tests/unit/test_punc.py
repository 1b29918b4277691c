"""Punctuation: the published cases, single and in batches, long texts, and directories that are no model."""

import json
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tiny_punc import BASE, TOKENS, WINDOW, punc_of, write_model, write_tiny

from firered.errors import ModelError, OptionError
from firered.hub.catalogue import CHECKPOINT
from firered.models.bert import BertSizes
from firered.models.checkpoint import load_checkpoint
from firered.models.punc_bert import BERT_CONFIG, PuncArgs, PuncBert
from firered.output.published import published
from firered.punc.punctuate import TAGS, Punc
from firered.punc.text import bare
from firered.punc.tokens import VOCABULARY
from firered.results import Word


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_tiny(tmp_path_factory.mktemp("m") / "FireRedPunc")


TEXTS = [
    "",
    "a",
    "好",
    "今天天气很好我们去公园散步吧" * 5,
    "hello world ok",
    "안안 안",
    "👨\u200d👩\u200d👧",
    "？！。，",
    "a b " * 90,
]


@pytest.mark.parametrize("overlap", [0, 7])
def test_results_are_batch_invariant(overlap, tiny):
    punc = punc_of(tiny, overlap=overlap, batch_size=60)
    single = [punc(text, str(number)) for number, text in enumerate(TEXTS)]
    ids = [str(number) for number in range(len(TEXTS))]
    assert punc.punctuate(TEXTS, ids) == single
    assert punc_of(tiny, overlap=overlap, batch_size=10**6).punctuate(TEXTS, ids) == single
    cut = punc.tokenizer.cut(TEXTS)
    for pieces, probs in zip(cut, punc._probs(cut), strict=True):
        assert probs == pytest.approx(punc._probs([pieces])[0], abs=1e-6)


def test_tags_are_those_of_the_plain_model(tiny):
    """Token by token against a direct pass of the network: [CLS] in front, cut in stretches of its whole length."""
    punc = punc_of(tiny)
    (pieces,) = punc.tokenizer.cut(["今天天气很好我们去公园散步吧" * 5])
    assert len(pieces) == 70
    expected = []
    for start in range(0, 70, WINDOW):
        ids = torch.tensor([[2, *(piece.id for piece in pieces[start : start + WINDOW])]])
        with torch.no_grad():
            logits = punc.model(ids, torch.ones_like(ids))
        expected.append(logits[0, 1:].softmax(-1))
    expected = torch.cat(expected).numpy()
    assert punc._probs([pieces])[0] == pytest.approx(expected, abs=1e-6)
    assert len(set(expected.argmax(1))) > 1  # the weights tell tags apart


def test_overlapping_windows_predict_away_from_their_edges(tiny):
    punc, whole = punc_of(tiny, overlap=10), punc_of(tiny)
    (pieces,) = punc.tokenizer.cut(["今天天气很好我们去公园散步吧" * 3])
    (probs,) = punc._probs([pieces])
    for window, taken in [((0, 23), (0, 18)), ((13, 36), (18, 31)), ((26, 42), (31, 42))]:
        (direct,) = whole._probs([pieces[slice(*window)]])
        assert probs[slice(*taken)] == pytest.approx(direct[taken[0] - window[0] : taken[1] - window[0]], abs=1e-6)
    with pytest.raises(OptionError, match="overlap: 23 tokens, a window of this model has 23"):
        punc_of(tiny, overlap=23)


@settings(max_examples=40)
@given(
    st.lists(
        st.text(
            st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("aiI' ok，。.안你饕\u200d\u0301İ")),
            max_size=40,
        ),
        max_size=8,
    )
)
def test_nothing_is_lost(tiny, texts):
    punc = _cached(tiny)
    for result, text in zip(punc.punctuate(texts), texts, strict=True):
        assert bare(result.punc_text) == bare(text)
    words = [[Word(word, n, n + 1) for n, word in enumerate(text.split())] for text in texts]
    for result, text in zip(punc.sentences(words), texts, strict=True):
        assert bare(result.punc_text) == bare(text)
        assert bare("".join(sentence.text for sentence in result.sentences)) == bare(text)


def _cached(directory: Path, made: dict = {}) -> Punc:  # noqa: B006 - remembers the models made
    return made.setdefault(directory, punc_of(directory))


@pytest.mark.parametrize("text", ["", " ", "\t\u3000\n"])
def test_empty_text_stays_empty(text, tiny):
    assert published(punc_of(tiny)(text, "u")) == {"punc_text": "", "origin_text": text, "uttid": "u"}
    (result,) = punc_of(tiny).sentences([[Word(text, 0, 1)]])
    assert (result.punc_text, result.sentences) == ("", ())


def test_ten_thousand_characters(tiny):
    text = "今天天气很好ok" * 1250
    assert bare(punc_of(tiny, overlap=8)(text).punc_text) == bare(text)
    assert bare(punc_of(tiny)("한" * 10000).punc_text) == "한" * 10000


def test_no_mark_falls_into_a_character(tiny):
    assert bare(punc_of(tiny)("안" * 40).punc_text) == "안" * 40  # of three tokens each


def test_sentences_share_marks_and_times_with_the_whole(tiny):
    words = [Word(text, n / 2, (n + 1) / 2) for n, text in enumerate([*"今天天气很好", "hello", "world", *"去公园"])]
    for longest in (-1, 3):
        (result,) = punc_of(tiny, sentence_max_length=longest).sentences([words])
        assert len(result.sentences) > 1
        assert result.sentences[0].start_s == 0
        assert result.sentences[-1].end_s == words[-1].end_s
        for before, after in zip(result.sentences, result.sentences[1:], strict=False):
            assert before.end_s == after.start_s
        joined = "".join(sentence.text for sentence in result.sentences)
        assert plain(joined) == plain(result.punc_text)


def plain(text: str) -> str:
    """All marks in one width, no spaces and capitals."""
    return text.translate(str.maketrans("，。？！", ",.?!")).replace(" ", "").lower()


def test_strip_takes_old_marks_out_first(tiny):
    punc = punc_of(tiny, strip=True)
    assert punc("今天，天气很好。hello, world 3.14").punc_text == punc("今天天气很好hello world 3.14").punc_text
    words = [Word("今", 0, 1), Word("，", 1, 2), Word("天。", 2, 3)]
    assert punc.sentences([words]) == punc.sentences([[Word("今", 0, 1), Word("天。", 2, 3)]])


def test_bfloat16_gives_nearly_the_same(tiny):
    text = "今天天气很好我们去公园散步吧" * 5
    exact, rounded = (punc_of(tiny, dtype=dtype)._probs for dtype in ("float32", "bfloat16"))
    cut = punc_of(tiny).tokenizer.cut([text])
    assert rounded(cut)[0] == pytest.approx(exact(cut)[0], abs=0.05)


def test_published_size_loads(tmp_path, tiny):
    with torch.device("meta"):
        model = PuncBert(BertSizes(**BASE), PuncArgs(5, 2))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(102e6, rel=0.01)
    config = BertSizes(**{**BASE, "num_hidden_layers": 1})  # of the twelve, so that the file is small
    with torch.device("meta"):
        model = PuncBert(config, PuncArgs(5, 2))
    state = {name: torch.full(weight.shape, 0.01, dtype=torch.half) for name, weight in model.state_dict().items()}
    state["bert.embeddings.position_ids"] = torch.arange(512)[None]  # older checkpoints have it
    tokens = [*TOKENS, *(f"[unused{n}]" for n in range(21128 - len(TOKENS)))]
    punc = punc_of(write_model(tmp_path / "base", tokens, config, state))
    assert punc.model.max_tokens == 511
    assert punc("hello world").punc_text == "Hello world"  # all tags are alike: the first counts


def break_model(directory: Path, what: str) -> None:
    config = json.loads((directory / BERT_CONFIG).read_text())
    args, state = load_checkpoint(directory / CHECKPOINT)
    package = {"args": args, "model_state_dict": {name: value.clone() for name, value in state.items()}}
    if what in ("hidden_size", "hidden_act"):
        (directory / BERT_CONFIG).write_text(json.dumps({**config, what: {"hidden_size": 17, "hidden_act": "?"}[what]}))
    elif what == "no size":
        del config["hidden_size"]
        (directory / BERT_CONFIG).write_text(json.dumps(config))
    elif what == "json":
        (directory / BERT_CONFIG).write_text("{")
    elif what == "args":
        torch.save({**package, "args": Namespace(idim=80)}, directory / CHECKPOINT)
    elif what == "weights":
        del package["model_state_dict"]["classifier.bias"]
        torch.save(package, directory / CHECKPOINT)
    elif what == "vocabulary":
        (directory / VOCABULARY).write_text("[UNK]\n")
    elif what == "tags":
        (directory / TAGS).write_text("，\n。\n")
    else:
        (directory / what).unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (TAGS, "not a complete model directory, out_dict missing"),
        (BERT_CONFIG, "not a complete model directory, chinese-lert-base/config.json missing"),
        ("hidden_size", "17 dimensions cannot have 2 attention heads"),
        ("hidden_act", "config.json: hidden_act: .* is not one of"),
        ("no size", "these are not the arguments of a BERT: hidden_size not given"),
        ("json", "not readable as JSON"),
        ("args", "not the arguments of a punctuation model: cls_id, odim not given"),
        ("weights", "weights of another model .*missing: classifier.bias"),
        ("vocabulary", f"{VOCABULARY}: 1 tokens, the model has {len(TOKENS)}"),
        ("tags", "out_dict: not <space> and then the model's 4 marks"),
    ],
)
def test_directories_that_are_not_a_model(what, message, tiny, tmp_path):
    directory = Path(shutil.copytree(tiny, tmp_path / "m"))
    break_model(directory, what)
    with pytest.raises(ModelError, match=message):
        punc_of(directory)
