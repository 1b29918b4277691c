"""firered-context: keywords of transcripts, and contexts that hold them."""

import json
from pathlib import Path

import pytest
from support.chat_endpoint import chat_endpoint
from support.commands import command

from firered.corpora.made.context_config import ContextConfig
from firered.corpora.made.contexts import make_contexts
from firered.corpora.made.endpoint import Unreachable
from firered.corpora.made.keywords import holds
from firered.data.datadir import read_table, write_table
from firered.data.lines import read_lines
from firered.errors import DataError, OptionError
from firered.runs.config import RunConfig

RECORDED = json.loads((Path(__file__).parents[1] / "data/endpoint/contexts.json").read_text(encoding="utf-8"))
TEXTS = {f"u{number}": text for number, text in enumerate(RECORDED["keywords"])}
WITH_ENDPOINT = {"keywords": "endpoint", "write": "endpoint", "endpoint_model": "tiny", "tries": 2}


@pytest.fixture
def data(tmp_path):
    write_table(tmp_path / "data/text", TEXTS)
    write_table(tmp_path / "data/wav.scp", {key: f"{key}.wav" for key in TEXTS})
    return tmp_path / "data"


def recorded(instruction, text):
    said = text.removeprefix("Utterance: ").partition("\n")[0]
    return RECORDED["contexts" if text.startswith("Utterance: ") else "keywords"][said]


def make(data, out, status=0, **options):
    assert make_contexts(data, out, ContextConfig(**options), RunConfig()) == status
    lines = [json.loads(line) for _, line in read_lines(out / "contexts.jsonl")]
    return {key: [line for line in lines if line["utterance"] == key] for key in TEXTS}


def test_an_endpoint_finds_keywords_and_writes_contexts(data, tmp_path):
    with chat_endpoint(recorded) as chat:
        made = make(data, tmp_path / "out", endpoint=chat.url, irrelevant=1, **WITH_ENDPOINT)
    # What the transcript does not say is no keyword.
    assert read_table(tmp_path / "out/keywords") == {
        "u0": "metformin; March", "u1": "Anneliese; Duisburg", "u3": "transformer; 张伟",
    }  # fmt: skip
    assert [line["text"] for line in made["u0"] if line["kind"] == "relevant"] == [
        "The nurse noted metformin in March.", "March: metformin again.",
    ]  # fmt: skip
    assert [line["kind"] for line in made["u2"]] == ["conversation", "irrelevant"]
    assert [line["text"] for line in made["u3"]] == ["张伟在读关于 Transformer 的文章。"]  # alone in its language
    dropped = [line for _, line in read_lines(tmp_path / "out/contexts_dropped")]
    assert dropped == ["u0 lacks March: He has diabetes and takes metformin.", "u3 lacks transformer: 张伟明天来。"]
    assert read_table(tmp_path / "out/text") == TEXTS
    assert (tmp_path / "out/wav.scp").read_text() == (data / "wav.scp").read_text()


def test_sentences_name_the_keywords_of_a_list(data, tmp_path):
    (tmp_path / "list").write_text("Duisburg\nmetformin\n张伟\nnever said\n", encoding="utf-8")
    made = make(data, tmp_path / "out", keywords="list", keyword_list=str(tmp_path / "list"), contexts=2, irrelevant=5)
    assert read_table(tmp_path / "out/keywords") == {"u0": "metformin", "u1": "Duisburg", "u3": "张伟"}
    relevant = {key: [line["text"] for line in own if line["kind"] == "relevant"] for key, own in made.items()}
    assert [len(relevant[key]) for key in TEXTS] == [2, 2, 0, 2]
    assert all("Duisburg" in text for text in relevant["u1"])
    for key, own in made.items():
        for line in own:
            if line["kind"] == "irrelevant":
                assert line["text"] not in relevant[key]
                assert not any(holds(line["text"], word, "") for word in line["keywords"])
    assert [line["text"] for line in made["u2"] if line["kind"] == "irrelevant"]


def test_the_rule_takes_rare_words_numbers_and_times_and_draws_the_same_again(tmp_path):
    usual = {f"a{number:02d}": "we talk about the weather of today" for number in range(40)}
    texts = usual | {"b1": "we talk about the weather of samarkand at 10:30", "b2": "今天我们聊聊撒马尔罕的天气2026年"}
    write_table(tmp_path / "data/text", texts)
    make(tmp_path / "data", tmp_path / "out")
    found = read_table(tmp_path / "out/keywords")
    assert found.keys() == {"b1", "b2"}
    assert found["b1"] == "10:30; samarkand"
    assert found["b2"].split("; ")[:2] == ["2026年", "撒马尔罕"]
    make(tmp_path / "data", tmp_path / "again")
    assert (tmp_path / "again/contexts.jsonl").read_bytes() == (tmp_path / "out/contexts.jsonl").read_bytes()
    make(tmp_path / "data", tmp_path / "other", seed=2)
    assert (tmp_path / "other/contexts.jsonl").read_bytes() != (tmp_path / "out/contexts.jsonl").read_bytes()


def test_keywords_of_the_data_directory_come_first(data, tmp_path):
    write_table(data / "keywords", {"u1": "anneliese", "u2": "Of  Course"})
    make(data, tmp_path / "out", rare=0.0)
    found = read_table(tmp_path / "out/keywords")
    assert (found["u1"], found["u2"]) == ("anneliese", "Of Course")
    assert "metformin" in found["u0"]


def test_what_fails_is_listed_and_done_again(data, tmp_path):
    def fails(instruction, text):
        if "duisburg" in text:
            return (400, {})
        return "no list" if "course" in text else recorded(instruction, text)

    with chat_endpoint(fails) as chat:
        make(data, tmp_path / "out", 1, endpoint=chat.url, **WITH_ENDPOINT)
    failed = dict(line.split(" ", 1) for _, line in read_lines(tmp_path / "out/failed"))
    assert failed.keys() == {"u1", "u2"}
    assert "400" in failed["u1"]
    assert "no JSON list" in failed["u2"]
    assert read_table(tmp_path / "out/keywords").keys() == {"u0", "u3"}


def test_an_interrupted_run_asks_for_the_rest_alone(data, tmp_path):
    config = {"endpoint": "", "parallel": 1, **WITH_ENDPOINT}

    def breaks(instruction, text):
        if "yes" in text:
            raise ConnectionResetError  # the server closes the connection
        return recorded(instruction, text)

    with chat_endpoint(breaks) as chat:
        config["endpoint"] = chat.url
        with pytest.raises(Unreachable, match="no answer"):
            make(data, tmp_path / "out", **config)
        chat.answer, chat.asked = recorded, []
        make(data, tmp_path / "out", **config)
    assert not any("metformin" in text for text in chat.asked)
    with chat_endpoint(recorded) as chat:
        make(data, tmp_path / "whole", **config | {"endpoint": chat.url})
    assert (tmp_path / "whole/contexts.jsonl").read_bytes() == (tmp_path / "out/contexts.jsonl").read_bytes()


def test_a_busy_endpoint_is_asked_again_and_a_key_goes_nowhere_else(data, tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "secret")
    busy = iter([(429, {"Retry-After": "0"})])

    def once_busy(instruction, text):
        return next(busy, None) or recorded(instruction, text)

    with chat_endpoint(once_busy) as chat:
        make(data, tmp_path / "out", endpoint=chat.url, endpoint_key="TEST_KEY", **WITH_ENDPOINT)
        assert set(chat.keys) == {"Bearer secret"}
        assert len(chat.asked) == 2 * len(TEXTS) + 1
    with chat_endpoint(recorded) as other:
        with chat_endpoint(lambda *_: (307, {"Location": other.url})) as chat:
            make(data, tmp_path / "led", 1, endpoint=chat.url, endpoint_key="TEST_KEY", **WITH_ENDPOINT)
        assert not other.asked


def test_what_cannot_work_is_said_at_once(data, tmp_path):
    for options, message in (
        ({"keywords": "list"}, "keyword_list"),
        ({"write": "endpoint"}, "endpoint: belongs"),
        ({"endpoint": "http://host/v1", "endpoint_model": "m"}, "endpoint: belongs"),
        ({"endpoint": "host", "endpoint_model": "m", "write": "endpoint"}, "is not the address"),
        ({"endpoint": "http://host/v1", "write": "endpoint"}, "endpoint_model"),
    ):
        with pytest.raises(OptionError, match=message):
            ContextConfig(**options)
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="empty: has no words"):
        make(data, tmp_path / "out", keywords="list", keyword_list=str(tmp_path / "empty"))
    (data / "text").unlink()
    done = command("context", data, tmp_path / "out")
    assert done.returncode == 1
    assert "no text; contexts are written for transcripts" in done.stderr
