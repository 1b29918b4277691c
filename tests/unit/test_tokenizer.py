"""Tokens, ids and text: the published cases, dictionaries that are broken, and text without a SentencePiece model."""

import pickle
import subprocess
import sys

import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from firered.errors import ModelError
from firered.text.tokenizer import PIECES_MODEL, SPECIAL, UNK_ID, Tokenizer, is_speech, read_dict

SPECIAL_LINES = "".join(f"{symbol} {number}\n" for number, symbol in enumerate(SPECIAL))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ'"


def write_dict(path, content):
    path.mkdir(exist_ok=True)
    (path / "dict.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model directory with a small SentencePiece model of its own."""
    path = tmp_path_factory.mktemp("model")
    (path / "text").write_text("HELLO WORLD\nHELP THE WORD\nTHE HELD WORLD'S END\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(path / "text"),
        model_prefix=str(path / "train_bpe1000"),
        model_type="bpe",
        vocab_size=40,
        minloglevel=2,
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path / PIECES_MODEL))
    names = [pieces.id_to_piece(number) for number in range(3, pieces.vocab_size())]
    return write_dict(path, "\n".join([*SPECIAL, *names, "你", "好"]) + "\n")


def test_loading_does_not_wait_for_torch(trained):
    code = "import sys, firered.text.tokenizer as t; t.Tokenizer.from_dir(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, trained], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_pieces_and_characters(trained):
    tokenizer = Tokenizer.from_dir(trained)
    tokens, ids = tokenizer.tokenize("Hello, 你们  the WORLD！好")
    assert [t for t in tokens if not t.isascii() and "▁" not in t] == ["你", "们", "好"]
    assert ids[tokens.index("们")] == UNK_ID
    assert "".join(tokens).replace("▁", " ") == " HELLO你们 THE WORLD好"
    assert tokenizer.text_of(tokens) == "hello你们 the world好"
    assert tokenizer.text_of(ids) == "hello你<unk> the world好"
    assert tokenizer.ids_of(tokens) == ids
    assert tokenizer.tokens_of(ids) == ["<unk>" if t == "们" else t for t in tokens]


@pytest.mark.parametrize("text", ["", " ", "，。？！,.?!", "\n\t"])
def test_nothing_to_say_is_no_tokens(text, trained):
    tokenizer = Tokenizer.from_dir(trained)
    assert tokenizer.tokenize(text) == ([], [])
    assert tokenizer.text_of([]) == ""


@pytest.mark.parametrize(
    ("char", "alone"), [("㐀", True), ("䶿", True), ("一", True), ("鿿", True), ("䷀", False), ("ꀀ", False)]
)
def test_the_ranges_of_chinese_characters(char, alone):
    tokenizer = Tokenizer([*SPECIAL, "▁"])
    assert tokenizer.tokenize(f"{char}{char}").tokens == ([char, char] if alone else ["▁", char, char])


def test_a_tokenizer_goes_to_worker_processes(trained):
    tokenizer = Tokenizer.from_dir(trained)
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.tokenize("the 好 word") == tokenizer.tokenize("the 好 word")


def test_text_as_results_show_it():
    tokenizer = Tokenizer([*SPECIAL, "<sil>", "▁A", "B", "▁", "好"])
    assert tokenizer.text_of(["▁A", "B", "好", "▁", "▁A"]) == "ab好  a"
    assert tokenizer.text_of(["<sil>", "▁A", "<blank>", "<unk>"]) == " a<unk>"  # stripped first, then dropped
    assert tokenizer.raw_text_of(["<sil>", "▁A"]) == "<sil> A"
    assert [is_speech(text) for text in ("<sil> A", "A<blank>", "<unk>", "")] == [False, False, True, True]


def test_ids_of_another_model_are_named():
    tokenizer = Tokenizer([*SPECIAL, "A"], source="m/dict.txt")
    for number in (6, -1):
        with pytest.raises(ModelError, match=rf"^m/dict.txt: has 6 tokens, so none with the id {number}$"):
            tokenizer.text_of([5, number])


@pytest.mark.parametrize(
    ("extra", "text", "tokens"),
    [
        ("▁\n", "ok go你a", ["▁", "O", "K", "▁", "G", "O", "你", "▁", "A"]),
        ("<space>\n", "ok go你a b", ["O", "K", " ", "G", "O", "你", " ", "A", " ", "B"]),
        ("", "ok go你a", ["O", "K", "G", "O", "你", "A"]),
    ],
)
def test_without_a_model_text_is_characters(extra, text, tokens, tmp_path):
    directory = write_dict(tmp_path, SPECIAL_LINES + extra + "\n".join([*LETTERS, "你"]) + "\n")
    tokenizer = Tokenizer.from_dir(directory)
    assert tokenizer.tokenize(text).tokens == tokens
    assert UNK_ID not in tokenizer.tokenize(text).ids


@given(st.lists(st.text(st.sampled_from(LETTERS + "你好"), min_size=1, max_size=5), max_size=6))
def test_characters_come_back_as_the_text(words):
    tokenizer = Tokenizer([*SPECIAL, "▁", *LETTERS, "你", "好"])
    text = " ".join(words)
    back = tokenizer.text_of(tokenizer.tokenize(text).ids)
    assert back.replace(" ", "") == text.lower().replace(" ", "")
    assert tokenizer.tokenize(back) == tokenizer.tokenize(tokenizer.text_of(tokenizer.tokenize(back).ids))
    if "你" not in text and "好" not in text:
        assert back == text.lower()


def test_lines_with_and_without_ids(tmp_path):
    content = "\ufeff" + SPECIAL_LINES.replace("\n", "\r\n") + "A\n\u3000\t6\n<space> 7\n7 8\n"
    assert read_dict(write_dict(tmp_path, content) / "dict.txt") == [*SPECIAL, "A", "\u3000", " ", "7"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SPECIAL_LINES + "A 5\nB 7\n", ":7: ids count from 0 without a gap, 6 belongs here, not 7"),
        (SPECIAL_LINES + "A 5\nA 6\n", ":7: 'A' a second time (line 6 has it)"),
        (SPECIAL_LINES + "A five\n", ":6: the id of 'A' is no number but 'five'"),
        (SPECIAL_LINES + "A -5\n", ":6: the id of 'A' is no number but '-5'"),
        (SPECIAL_LINES + "A B 5\n", ":6: `token id` or `token` expected, not 'A B 5'"),
        (SPECIAL_LINES + "\nA 6\n", ":6: `token id` or `token` expected, not ''"),
        (SPECIAL_LINES.encode() + b"\xe4\xbd 5\n", ":6: not valid UTF-8 (invalid continuation byte at byte 0)"),
        ("<blank> 0\n<pad> 1\n", ":2: '<unk>' belongs here, not '<pad>'"),
        ("<blank>\n<unk>\n<pad>\n", ":4: the dictionary ends here, <sos>, <eos> missing"),
        ("", ":1: the dictionary ends here, <blank>, <unk>, <pad>, <sos>, <eos> missing"),
    ],
)
def test_a_broken_dictionary_is_named_with_its_line(content, message, tmp_path):
    directory = write_dict(tmp_path, content)
    with pytest.raises(ModelError) as caught:
        Tokenizer.from_dir(directory)
    assert str(caught.value) == f"{directory / 'dict.txt'}{message}"


def test_missing_and_damaged_files_are_named(tmp_path, trained):
    with pytest.raises(ModelError, match="gone: no such model directory"):
        Tokenizer.from_dir(tmp_path / "gone")
    with pytest.raises(ModelError, match=r"dict.txt: cannot be read \(No such file"):
        Tokenizer.from_dir(tmp_path)
    write_dict(tmp_path, (trained / "dict.txt").read_bytes())
    with pytest.raises(ModelError, match=r"train_bpe1000.model: not there, but .*dict.txt:\d+ has the piece '▁"):
        Tokenizer.from_dir(tmp_path)
    whole = (trained / PIECES_MODEL).read_bytes()
    for damaged in (b"", b"version https://git-lfs.github.com/spec/v1\n", whole[: len(whole) // 2], bytes(1000)):
        (tmp_path / PIECES_MODEL).write_bytes(damaged)
        wrong = "not a readable SentencePiece model|empty|a pointer of Git LFS"
        with pytest.raises(ModelError, match=rf"train_bpe1000.model: ({wrong})"):
            Tokenizer.from_dir(tmp_path)
    (tmp_path / PIECES_MODEL).write_bytes(whole)
    assert Tokenizer.from_dir(tmp_path).tokenize("hello").tokens
