"""Correction of finished text: what is replaced, and tokens, words and times that follow the text."""

import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.commands import command
from support.paths import EGS, GOLDENS
from support.tiny_fun_asr import write_published_form

from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.asr.corrected import corrected
from firered.asr.families.aed import Asr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.errors import OptionError
from firered.optional import advice_for
from firered.output.published import published
from firered.results import AsrResult, TokenTime, Word
from firered.runs.depends import fingerprint
from firered.text.fun_asr import without_marks
from firered.text.pieces import places_of
from firered.text.replacing import Replacer, replaced
from firered.text.timed_words import words

TINY = GOLDENS / "tiny"


def after(text, given, threshold=0.85):
    return replaced(text, Replacer.of(given, threshold).matches(text))


def result_of(text, tokens=None, said=None):
    """A result with times of a second a word and a token."""
    tokens, said = tokens or list(text), said or words(text)
    return AsrResult(
        uttid="u",
        text=text,
        confidence=0.9,
        dur_s=60.0,
        tokens=tokens,
        token_confidence=[0.5 + number / 100 for number in range(len(tokens))],
        words=[Word(word, float(at), at + 0.8, -0.1) for at, word in enumerate(said)],
        token_times=[TokenTime(token, float(at), at + 0.8, -0.1) for at, token in enumerate(tokens)],
        plain_text=without_marks(text),
    )


def spans(timed):
    return [(part.text if isinstance(part, Word) else part.token, part.start_s, part.end_s) for part in timed]


@pytest.mark.parametrize("arrow", ["=>", "->", "→", " => "])
def test_pairs_are_replaced_as_they_stand(arrow):
    assert after("我想知道开饭时间", f"开饭{arrow}开放") == "我想知道开放时间"


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("abcabc", "ab=>X\nabc=>Y", "YY"),  # the longest first
        ("aaa", "aa=>b", "ba"),  # from left to right
        ("ab", "a=>b\nb=>a", "ba"),  # what was put in is not looked at again
        ("去北经", "北经=>北方", "去北方"),
        ("use the pithon code", "python", "use the pithon code"),
        ("我要去北京看看", "北京", "我要去北京看看"),  # what is there already stays, with the character before it
        ("我要去北经，看看", "北京", "我要去北京，看看"),  # and so do marks
        ("他在东北，京城很远", "北京", "他在东北，京城很远"),
        ("北 经", "北京", "北京"),
        ("用4G网络", "5G网络", "用4G网络"),
        ("用5g王洛", "5G网络", "用5G网络"),
        ("𠮷", "𡃁", "𠮷"),  # both may be without pinyin
        ("", "北京\na=>b", ""),
    ],
)
def test_what_is_replaced(text, given, expected):
    assert after(text, given) == expected


def test_of_equally_good_targets_the_first_is_taken():
    assert after("章三", ["张三", "张叁"]) == "张三"
    assert after("章三", ["张叁", "张三"]) == "张叁"


@pytest.mark.parametrize(("threshold", "expected"), [(0.9, "长城"), (0.91, "长成")])
def test_the_threshold_itself_is_enough(threshold, expected):
    assert after("长成", ["长城"], threshold) == expected


def test_mappings_and_lists():
    assert after("去北经看长成", {"长成": "长城", "": "北京"}) == "去北京看长城"
    assert after("去北经看长成", {"北京": "北京", "长成": ""}) == "去北京看长成"
    assert after("去北经", ["北经=>北方"]) == "去北方"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a=>b=>c", "several arrows"),
        ("嗯=>", "nothing to the right"),
        ("=>", "nothing to the right"),
        ("a\x00b", "control characters"),
        ("a=>c", "'a' becomes 'c' here and 'b' in an earlier line"),
    ],
)
def test_bad_lines_are_named_by_file_and_number(tmp_path, line, message):
    path = tmp_path / "fixes"
    path.write_text(f"a=>b\n\n{line}\n", encoding="utf-8")
    with pytest.raises(OptionError, match=message) as caught:
        AsrConfig(replace=str(path))
    assert f"{path}:3: " in str(caught.value)


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "fixes"
    path.write_bytes(b"a=>b\n\xff\xfe\n")
    with pytest.raises(OptionError, match=f"{path}:2: not UTF-8"):
        Replacer.from_file(path)
    with pytest.raises(OptionError, match="No such file"):
        FunAsrConfig(replace=str(tmp_path / "none"))
    path.write_bytes("\ufeffa=>b\r\n".encode())
    assert replaced("a", Replacer.from_file(path).matches("a")) == "b"


def test_without_pypinyin_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    assert after("a", "a=>b") == "b"
    with pytest.raises(ModuleNotFoundError) as caught:
        Replacer.of(["从未见过的词"])
    assert "firered[replace]" in advice_for(caught.value)


def test_words_that_are_not_touched_keep_their_times_and_the_others_have_those_of_what_they_replace():
    before = result_of("use the pithon code", ["▁USE", "▁THE", "▁PI", "THON", "▁CODE"])
    result = corrected(before, Replacer.of("pithon=>python\ncode=>my code base"))
    assert result.text == "use the python my code base"
    assert result.tokens == ("▁USE", "▁THE", "▁python", "▁my", "▁code", "▁base")
    assert result.words[:2] == before.words[:2]
    assert spans(result.words)[2:] == [
        ("python", 2.0, 2.8),
        ("my", 3.0, 3.16),
        ("code", 3.16, 3.48),
        ("base", 3.48, 3.8),
    ]
    assert spans(result.token_times)[2] == ("▁python", 2.0, 3.8)  # of both tokens
    assert result.token_confidence[:3] == (0.5, 0.51, pytest.approx(0.525))
    assert result.words[0].score == -0.1
    assert result.words[2].score is None  # nobody has aligned it


def test_as_many_words_have_a_time_each():
    before = result_of("道开饭时间")
    result = corrected(before, Replacer.of(["开放时间"]))
    assert spans(result.words) == [
        (word, start, end) for word, (_, start, end) in zip(result.text, spans(before.words), strict=True)
    ]


def test_what_grows_together_is_one_word():
    result = corrected(result_of("用派森3写，好"), Replacer.of("派森=>python"))
    assert spans(result.words) == [("用", 0.0, 0.8), ("python3", 1.0, 3.8), ("写，", 4.0, 4.8), ("好", 5.0, 5.8)]
    assert "".join(result.tokens) == result.text == "用python3写，好"


def test_tokens_of_less_than_a_character():
    result = corrected(result_of("你好", ["<0xE4>", "<0xBD>", "<0xA0>", "好"]), Replacer.of("你=>您"))
    assert spans(result.token_times) == [("您", 0.0, 2.8), ("好", 3.0, 3.8)]
    result = corrected(result_of("你 hello", ["�", "�", " hel", "lo"]), Replacer.of("hello=>world wide"))
    assert spans(result.token_times) == [("�", 0.0, 0.8), ("�", 1.0, 1.8), (" world", 2.0, 2.8), (" wide", 3.0, 3.8)]


def test_places_of_pieces_that_the_text_does_not_show():
    assert places_of(["<sil>", "▁HELLO", "<unk>", "好"], "hello好") == [(0, 0), (0, 5), (5, 5), (5, 6)]
    assert places_of(["a"], "  a,b ") == [(2, 5)]
    assert places_of([], "text") == []


def test_every_replacement_is_in_the_result_and_its_json():
    result = corrected(result_of("道开饭时间"), Replacer.of(["开放时间"]))
    assert published(result)["replaced"] == [
        {"start": 1, "end": 5, "original": "开饭时间", "replacement": "开放时间", "score": 0.963}
    ]
    assert AsrResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result
    assert result.plain_text == "道开放时间"
    untouched = result_of("别的")
    assert corrected(untouched, Replacer.of(["开放时间"])) is untouched
    assert "replaced" not in published(untouched)


TEXT = st.lists(st.sampled_from(["北", "经", "京", "a", "b", "，", " ", "3"]), min_size=1, max_size=14).map("".join)


@given(
    TEXT,
    st.dictionaries(st.sampled_from(["北", "经", "a", "b3", "a b", "京，"]), st.sampled_from(["x", "北京", "c d"])),
)
def test_times_and_tokens_always_follow_the_text(text, pairs):
    if not words(text):
        return
    before = result_of(text)
    result = corrected(before, Replacer(pairs, ["北京"]))
    whole = "".join(result.text.split())
    assert "".join("".join(word.text.split()) for word in result.words) == whole
    assert "".join("".join(result.tokens).replace("▁", "").split()) == whole
    assert len(result.tokens) == len(result.token_confidence)
    edges = [edge for word in result.words for edge in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    for found in result.replaced:
        assert before.text[found.start : found.end] == found.original


@pytest.mark.parametrize("family", ["aed", "llm", "fun-asr"])
def test_every_kind_of_recogniser_corrects_its_text(family, tmp_path):
    kind = families.named(family)
    directory = TINY / kind.published[0] if family != "fun-asr" else write_published_form(tmp_path / "model")
    plain = kind.load(directory, kind.config(), "cpu")(TINY / "wav/utt05.wav")
    last = plain.text.split()[-1][-2:]
    (tmp_path / "fixes").write_text(f"{last}=>北京\n", encoding="utf-8")
    options = kind.config(replace=str(tmp_path / "fixes"))
    result = kind.load(directory, options, "cpu")(TINY / "wav/utt05.wav")
    assert result.text == plain.text.replace(last, "北京")
    assert "北京" in result.text
    assert {found.original for found in result.replaced} == {last}
    if result.words:
        assert "".join(word.text for word in result.words) == "".join(result.text.split())


def test_words_that_no_sound_can_find_are_named(tmp_path, caplog):
    (tmp_path / "fixes").write_text("python\n北京\n")
    asr = Asr.from_pretrained(TINY / "FireRedASR2-AED", AsrConfig(replace=str(tmp_path / "fixes")), "cpu")
    asr(TINY / "wav/utt05.wav")
    assert "1 words without Chinese characters have no pinyin and replace nothing (python)" in caplog.text


def test_the_command_writes_them(tmp_path):
    fixes, out = tmp_path / "fixes", tmp_path / "out"
    fixes.write_text("lazy dog=>busy cat\n")
    flags = ["--model", TINY / "FireRedASR2-AED", "--replace", fixes, "--timestamps", "pauses"]
    done = command("asr", TINY / "wav/utt05.wav", out, *flags)
    assert done.returncode == 0, done.stderr
    (line,) = [json.loads(line) for line in (out / "asr.jsonl").read_text().splitlines()]
    assert line["replaced"] == [
        {"start": 35, "end": 43, "original": "lazy dog", "replacement": "busy cat", "score": 1.0}
    ]
    assert [word for word, _, _ in line["timestamp"]] == line["text"].split()
    assert (out / "text").read_text().endswith("the busy cat\n")
    assert (out / "ctm").read_text().split()[-1] == "cat"


def test_a_changed_file_is_noticed_and_named_when_a_run_resumes(tmp_path):
    fixes = tmp_path / "fixes"
    fixes.write_text("lazy dog=>busy cat\n")
    for config in (AsrConfig, LlmConfig, FunAsrConfig):
        options = config(replace=str(fixes))
        before, state = fingerprint("firered-asr", options).to_dict(), fixes.stat()
        assert fingerprint("firered-asr", options).changed(before) == []
        fixes.write_text(fixes.read_text()[::-1].replace(">=", "=>"))
        os.utime(fixes, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert fingerprint("firered-asr", options).changed(before) == [str(fixes)]


@pytest.mark.parametrize("flag", ["--replace", "--asr-replace"])
def test_a_transcript_s_sentences_words_and_subtitles_follow_the_text(flag, tmp_path):
    (tmp_path / "fixes").write_text("功园\n去公=>去那个动物\n", encoding="utf-8")
    models, wav = EGS / "mini/models", EGS / "mini/test/wav/f3-zh-00003.flac"
    flags = ["--models", models, "--format", "srt", "--no-lid"]
    found = []
    for name, more in (("plain", []), ("fixed", [flag, tmp_path / "fixes"])):
        done = command("firered", "transcribe", wav, "-o", tmp_path / name, *flags, *more)
        assert done.returncode == 0, done.stderr
        found.append(json.loads((tmp_path / name / "result.jsonl").read_text(encoding="utf-8")))
    plain, fixed = found
    assert plain["text"].endswith("去公园？")
    assert fixed["text"].replace("，", "").endswith("去那个动物园？")
    times = {word["text"]: (word["start_ms"], word["end_ms"]) for word in plain["words"]}
    words_of = [(word["text"], (word["start_ms"], word["end_ms"])) for word in fixed["words"]]
    assert [word for word, _ in words_of[-6:]] == list("去那个动物园")
    assert words_of[:-6] == [(word, times[word]) for word, _ in words_of[:-6]]
    assert words_of[-1] == ("园", times["园"])
    assert (words_of[-6][1][0], words_of[-2][1][1]) == (times["去"][0], times["公"][1])
    assert "动物园" in (tmp_path / "fixed/f3-zh-00003.srt").read_text(encoding="utf-8")
