"""What a training prompt says of an utterance beforehand, and utterances as a stream gives them."""

import json
from collections import Counter

import numpy as np
import pytest
from support.tiny_fun_asr import write_published_form
from support.train_corpus import TEXTS, make_corpus, values

from firered.data.datadir import DataDir, write_table
from firered.data.partition import subset
from firered.errors import OptionError
from firered.punc.text import bare
from firered.results import Word
from firered.train.data.ask_config import GrowingConfig, KnownConfig
from firered.train.data.batch import NO_TARGET
from firered.train.data.fun_asr_asked import Asked
from firered.train.data.growing import Growing, beginning_of, cut_text, word_ends
from firered.train.data.known import Drawing, plain
from firered.train.rehearsal import preview
from firered.train.settings import settings_of
from firered.train.tasks import TASKS

SAID = Asked(
    "u1",
    "Metformin helps in March",
    history="Before. " * 100,
    one_pass="met four mean",
    hotwords=("metformin", "March", "insulin"),
    contexts=("own one", "own two"),
    foreign=("not mine",),
)
OTHERS = [Asked(f"o{number}", "x", hotwords=(f"word{number}",), contexts=(f"text {number}",)) for number in range(8)]


def drawing(**options):
    return Drawing(KnownConfig(share=1.0, **options), [SAID, *OTHERS])


def draws(made, count=200, asked=SAID):
    return [made.known(asked, np.random.default_rng(number)) for number in range(count)]


def test_own_context_alone():
    found = draws(drawing())
    assert {known.text for known in found} == {"own one", "own two"}
    assert {frozenset(known.hotwords) for known in found} == {frozenset(SAID.hotwords)}
    assert len({known.hotwords[0] for known in found}) == 3  # shuffled
    assert {(len(known.history), known.first_pass) for known in found} == {(500, "met four mean")}


def test_shares_of_utterances_with_context_and_with_their_own():
    known = draws(drawing(), 1000)
    assert None not in known
    share = Drawing(KnownConfig(share=0.3), [SAID])
    assert 250 < sum(own is not None for own in draws(share, 1000)) < 350
    irrelevant = draws(drawing(relevant=0.0, irrelevant=2))
    for own in irrelevant:
        assert set(own.hotwords) == {"insulin"}  # which is not said
        lines = own.text.split("\n")
        assert len(set(lines)) == 2
        assert "not mine" in lines
        assert not {"own one", "own two"} & set(lines)
    half = draws(drawing(relevant=0.5), 1000)
    assert 420 < sum("metformin" in own.hotwords for own in half) < 580


def test_contexts_and_hotwords_of_others_are_mixed_in():
    found = draws(drawing(irrelevant=5, distractors="2 4"))
    counts = Counter(len(own.hotwords) - 3 for own in found)
    assert set(counts) == {2, 3, 4}
    first = Counter()
    for own in found:
        lines = own.text.split("\n")
        assert len(set(lines)) == 6
        first[lines.index("own one" if "own one" in lines else "own two")] += 1
    assert set(first) == set(range(6))  # its own stands anywhere


def test_long_lists_keep_what_is_said():
    asked = Asked("u", "a metformin b", hotwords=(*(f"w{number}" for number in range(100)), "Metformin"))
    for own in draws(Drawing(KnownConfig(share=1.0, most_hotwords=10), [asked]), 20, asked):
        assert len(own.hotwords) == 10
        assert "Metformin" in own.hotwords


def test_an_utterance_of_which_nothing_is_known_is_asked_without():
    plain = Asked("p", "x")
    assert draws(Drawing(KnownConfig(share=1.0), [plain]), 3, plain) == [None] * 3
    assert draws(drawing(distractors="1 1"), 1, plain)[0].hotwords
    assert draws(drawing(uses="one_pass"), 1)[0].text == ""


def test_phrases_are_found_whatever_case_and_spaces():
    assert plain("Python 写") in plain("我在用python写代码")
    assert plain("pan d b") not in plain("panda")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (KnownConfig, {"uses": "history words"}, "words: known are history, hotwords"),
        (KnownConfig, {"distractors": "3"}, "not two numbers"),
        (KnownConfig, {"distractors": "3 1"}, "the fewest and then the most"),
        (GrowingConfig, {"chunk_seconds": "a b"}, "not two numbers of seconds"),
        (GrowingConfig, {"chunk_seconds": "0.01 1"}, "from 0.06 on"),
    ],
)
def test_bad_options(kind, options, message):
    with pytest.raises(OptionError, match=message):
        kind(**options)


TEXT = "Hello, world. 你好吗？"
ENDS = word_ends(TEXT, [Word(text, 0.0, end) for text, end in
                        (("hello", 0.5), ("world", 1.0), ("你", 1.5), ("好", 1.8), ("吗", 2.0))], bare)  # fmt: skip


def test_the_text_so_far():
    assert [TEXT[:place] for place, _ in ENDS] == ["Hello", "Hello, world", TEXT[:15], TEXT[:16], TEXT[:17]]
    by_times = [cut_text(TEXT, 0.5, ENDS, time) for time in (0.2, 0.6, 1.0, 1.9)]
    assert by_times == ["", "Hello", "Hello, world", "Hello, world. 你好"]
    assert cut_text(TEXT, 1.0, ENDS, 0.0) == TEXT
    by_share = [cut_text(TEXT, share, (), 0.0) for share in (0.1, 0.3, 0.6, 0.9)]
    assert by_share == ["", "Hello", "Hello,", "Hello, world. 你好"]
    assert cut_text("", 0.5, (), 1.0) == ""


def test_what_is_given_of_it_has_whole_characters():
    def ids_of(text):
        return list(text.encode())

    def decode(ids):
        return bytes(ids).decode(errors="replace")

    assert beginning_of("Hello world", ids_of, decode, 5) == "Hello "
    assert beginning_of("你好吗", ids_of, decode, 5) == "你"
    assert beginning_of("你", ids_of, decode, 5) == ""


def test_chunks_grow_and_are_the_same_again():
    growing = Growing(GrowingConfig(share=0.5, chunk_seconds="0.5 1.0"), seed=1, count=400)
    frames = np.full(400, 300)
    heard = [growing.heard(index, 2, 300) for index in range(400)]
    cut = [own for own in heard if own is not None]
    assert 160 < len(cut) < 240
    for own in cut:
        assert 0 < own.frames <= 300
        assert 49 <= own.frames - own.before <= 101 or own.frames == 300
    assert {own.frames for own in cut if own.frames == 300}  # the last chunk, too
    assert growing.frames(2, frames).tolist() == [300 if own is None else own.frames for own in heard]
    again = Growing(GrowingConfig(share=0.5, chunk_seconds="0.5 1.0"), seed=1, count=400)
    assert [again.heard(index, 2, 300) for index in range(400)] == heard
    assert [again.heard(index, 3, 300) for index in range(400)] != heard


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("context")
    data = make_corpus(root / "data")
    write_published_form(root / "fun")
    (data / "hotwords").mkdir()
    (data / "hotwords/weather.txt").write_text("天气\n台风\n", encoding="utf-8")
    write_table(data / "utt2hotwords", {"a2": "weather"})
    write_table(data / "keywords", {"b2": "气; 你"})
    write_table(data / "previous", {"a3": "早上好"})
    write_table(data / "one_pass", {"a2": "好天汽"})
    lines = [("a2", "relevant", "a forecast"), ("a2", "irrelevant", "a recipe"), ("b1", "conversation", "each day")]
    rows = [{"id": f"{key}-{number}", "utterance": key, "kind": kind, "keywords": [], "text": text}
            for number, (key, kind, text) in enumerate(lines)]  # fmt: skip
    (data / "contexts.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return root


def task_of(corpus, out, task="fun-asr", **more):
    content = values(task, corpus, out, steps=1, model={"init": str(corpus / "fun")}, **more)
    return TASKS[task].build(settings_of(content, "test"))


def asked(task, key, epoch, corpus="train"):
    of = getattr(task, corpus)
    made = of.item(of.keys.index(key), epoch)[2]
    return of._asking.tokenizer.decode(made.ids[: made.speech.start]).rpartition("user\n")[2]


def test_prompts_to_look_at(corpus, tmp_path):
    options = {"context": {"share": 1.0, "uses": "history"}, "streaming": {"share": 1.0, "chunk_seconds": "0.5 0.5"}}
    content = values("fun-asr", corpus, tmp_path, steps=1, model={"init": str(corpus / "fun")}, **options)
    out = preview(settings_of(content, "test"), 6)
    lines = [json.loads(line) for line in (out / "prompts.jsonl").read_text().splitlines()]
    of_a3 = next(line for line in lines if line["uttid"].endswith("a3"))
    assert of_a3["prompt"] == f"{HEADER}历史转写结果：早上好\n语音转写："
    assert of_a3["seconds"] in (0.5, 1.0, 1.08)
    assert TEXTS["a3"].startswith(of_a3["given"] + of_a3["text"])


@pytest.fixture
def with_context(corpus, tmp_path):
    def build(task="fun-asr", **options):
        return task_of(corpus, tmp_path, task, context={"share": 1.0, **options})

    return build


HEADER = "请结合上下文信息，更加准确地完成语音转写任务。如果没有相关信息，我们会留空。\n\n\n**上下文信息：**\n\n\n"


def test_tables_of_a_data_directory_become_the_prompt(with_context):
    for kind in ("fun-asr", "grpo"):
        task = with_context(kind)
        found = {asked(task, "a2", epoch) for epoch in range(12)}
        lists = {"天气, 台风", "台风, 天气"}
        assert found == {f"{HEADER}a forecast\n一遍解码结果：好天汽\n热词列表：[{own}]\n语音转写：" for own in lists}
        assert asked(task, "a3", 1) == f"{HEADER}历史转写结果：早上好\n语音转写："
        assert asked(task, "b2", 1).partition("热词列表：")[2] in ("[气, 你]\n语音转写：", "[你, 气]\n语音转写：")
        assert asked(task, "a1", 1) == "语音转写："
        assert asked(task, "b1", None, "dev") == f"{HEADER}each day\n语音转写："
    assert task.train.collate([task.train.item(1, 1)]).about[0].text == TEXTS["a2"]


def test_published_forms_of_the_block(with_context):
    task = with_context(form="MultiContextPrompt", uses="hotwords")
    assert asked(task, "a2", 1).startswith("请结合下面提供的上下文信息")
    assert asked(task, "a2", 1).endswith("天气\n语音转写：") or asked(task, "a2", 1).endswith("台风\n语音转写：")
    task = with_context(form="MultiContextPromptNew", uses="history")
    assert asked(task, "a3", 1).endswith("**上下文信息：**\n历史转写结果：早上好\n语音转写：")


def test_the_segment_before_is_what_was_said_before(corpus, tmp_path):
    data = tmp_path / "cut"
    data.mkdir()
    (data / "wav.scp").write_text((corpus / "data/wav.scp").read_text().splitlines()[0] + "\n")
    write_table(data / "segments", {"s1": "a1 0.0 0.3", "s2": "a1 0.3 0.6", "s3": "a1 0.8 0.9"})
    write_table(data / "text", {"s1": "一", "s2": "二", "s3": "三"})
    sets = {"data": {"train": str(data), "dev": str(data), "min_frames": 1}}
    task = task_of(corpus, tmp_path / "out", context={"share": 1.0, "previous_gap": 0.1}, **sets)
    assert [own.history for own in task.train._targets] == ["", "一", ""]
    write_table(data / "previous", {"s2": "零", "s1": ""})
    task = task_of(corpus, tmp_path / "out", context={"share": 1.0}, **sets)
    assert [own.history for own in task.train._targets] == ["", "零", "二"]


def test_context_is_carried_by_tools_for_data_directories(corpus, tmp_path):
    subset(DataDir(corpus / "data"), ["a2", "b2"], tmp_path / "out")
    assert (tmp_path / "out/keywords").read_text() == "b2 气; 你\n"
    kept = (tmp_path / "out/contexts.jsonl").read_text().splitlines()
    assert [json.loads(line)["text"] for line in kept] == ["a forecast", "a recipe"]


def test_streams_are_beginnings_with_the_text_so_far(corpus, tmp_path):
    data = corpus / "data"
    (data / "ctm").write_text("a3 1 0.2 0.2 你\na3 1 0.4 0.2 们\na3 1 0.6 0.3 好\n", encoding="utf-8")
    try:
        task = task_of(corpus, tmp_path, streaming={"share": 1.0, "chunk_seconds": "0.2 0.2", "kept_back": 0})
    finally:
        (data / "ctm").unlink()
    index, decode = task.train.keys.index("a3"), task.train._asking.tokenizer.decode
    found = {}
    for epoch in range(60):
        _, feats, made = task.train.item(index, epoch)
        given = decode(made.ids[made.speech.stop :]).rpartition("assistant\n")[2]
        learnt = decode([label for label in made.labels if label != NO_TARGET])
        found[len(feats)] = (given.removesuffix(learnt) if learnt else given, learnt)
        assert len(made.speech) == task.train._asking.model.heard(-(-len(feats) // 6))
        assert task.train.sizes(epoch)[index] == len(feats)
    whole = len(task.dev.item(index, None)[1])
    times = {0.2: ("", ""), 0.4: ("", "你"), 0.6: ("你", "们"), 0.8: ("你们", ""), 1.0: ("你们", "好")}
    assert found == {round(100 * time): texts for time, texts in times.items()} | {whole: ("你们好", "")}
    assert decode(task.dev.item(index, None)[2].ids).endswith(TEXTS["a3"])  # the dev set is heard whole
