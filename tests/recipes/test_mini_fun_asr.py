"""Parts sft, context and streaming of egs/mini_funaudio."""

import json
import random

import pytest
from support.mini_funaudio import counts, score_of, write_json
from support.signals import noise, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import DataError
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.fun_asr import Request, around_speech

import characters  # isort: skip
import chat_qwen3  # isort: skip
import context_data  # isort: skip
import context_results  # isort: skip
import context_sets  # isort: skip
import first_pass  # isort: skip
import given_beginnings  # isort: skip
import homophones  # isort: skip
import in_a_row  # isort: skip
import mandarin  # isort: skip
import sft_results  # isort: skip
import streaming_results  # isort: skip


def test_names_that_sound_alike_are_told_apart_by_titles_alone():
    train, test = homophones.Homophones("train"), homophones.Homophones("test")
    assert len(train.sounds) + len(test.sounds) == 24 * 23
    assert not {*train.sounds} & {*test.sounds}
    rng = random.Random(1)
    one, other = (train.sentence(rng, (0, 1), column, titled=True) for column in (0, 2))
    assert (one.name, other.name) == ("书明", "叔鸣")
    assert "书明老师" in one.text
    assert one.spoken == one.text
    assert other.spoken == other.text.replace("叔鸣", "书明")  # a title is heard, the characters are not
    assert train.sound("书明") == train.sound("叔鸣") != train.sound("明书")
    assert train.alike()["铭"] == ("明", "铭", "鸣")


def test_a_small_qwen3_looks_back_at_lists_and_reads_at_the_pace_of_speech():
    names, rng = homophones.Homophones("train"), random.Random(1)
    texts = [names.line(rng).text for _ in range(300)]
    tokenizer = chat_qwen3.new_tokenizer([*texts, *names.alike()], chat_qwen3.fixed_texts())
    before, after = around_speech(str(Request(hotwords=["书明"], history="书明在北京")))
    assert len(tokenizer.encode(before, add_special_tokens=False)) < 25
    assert tokenizer.decode(tokenizer.encode(before + after, add_special_tokens=False)) == before + after
    examples = chat_qwen3.Examples(tokenizer, texts, names, rng)
    for _ in range(20):
        given, answer = examples.looking_back()
        listed, heard, _ = tokenizer.decode(given).split("\n")
        text = tokenizer.decode(answer)
        assert len(heard) == len(text)
        assert [names.alike().get(one, one) for one in heard] == [names.alike().get(one, one) for one in text]
        assert any(name in text for name in listed.split(", "))
    ids, labels = examples.draw()
    learnt = labels[labels >= 0].tolist()
    assert learnt == ids[-len(learnt) :].tolist()
    assert learnt[-1] == examples.eos


def test_pieces_of_the_ctc_head_are_characters(tmp_path):
    write_table(tmp_path / "text", {"u1": "你好 tom", "u2": "你们"})
    characters.main([tmp_path, tmp_path / "pieces"])
    tokenizer = BpeTokenizer.from_file(tmp_path / "pieces")
    assert [len(tokenizer.encode(text)) for text in ("你好们", "tom")] == [3, 3]


def test_mandarin_sentences_are_chosen_by_their_ids():
    keys = ["f1-zh-00001", "f1-zh-named-00001", "f1-en-00001", "iven3-zh-00002"]
    assert mandarin.chosen(keys) == ["f1-zh-00001", "iven3-zh-00002"]


def test_what_the_ctc_head_reads_becomes_a_table(tmp_path):
    path = tmp_path / "asr.jsonl"
    path.write_text(json.dumps({"uttid": "u1", "text": "你", "ctc_text": "好"}) + "\n")
    assert first_pass.first_texts(path) == {"u1": "好"}
    path.write_text(json.dumps({"uttid": "u1", "text": "你"}) + "\n")
    with pytest.raises(DataError, match="u1: no ctc_text"):
        first_pass.first_texts(path)


def write_named(folder, said):
    """A data directory of what context_data makes, without audio, and what firered-context adds to it."""
    write_table(folder / "wav.scp", {own.key: f"{own.key}.wav" for own in said})
    write_table(folder / "text", {own.key: own.said.spoken for own in said})
    context_data.write_texts(folder, said)
    lines = [(own.key, kind, text) for own in said for kind, text in (("relevant", f"笔记：{own.said.name}。"),
             *(("irrelevant", f"其他{number}") for number in range(6)))]  # fmt: skip
    rows = [json.dumps({"utterance": key, "kind": kind, "text": text}) + "\n" for key, kind, text in lines]
    (folder / "contexts.jsonl").write_text("".join(rows))


def test_ways_of_asking_differ_in_what_the_prompt_has_of_the_name(tmp_path):
    rng = random.Random(1)
    said = context_data.utterances("test", 12, rng)
    assert not any(own.said.titled for own in said)
    write_named(tmp_path / "written", said)
    talks = context_data.conversations(0.01, rng)
    talk = [own for _, sentences in talks.values() for own in sentences]
    write_named(tmp_path / "sentences", talk)
    lengths = {own.key: length.replace(" ", "_") for length, sentences in talks.values() for own in sentences}
    write_table(tmp_path / "conversations/utt2span", lengths)
    assert [own.said.titled for own in talk] == [True, False] * 3
    context_sets.test(tmp_path / "written", tmp_path / "sentences", tmp_path / "sets")
    prompts = read_table(tmp_path / "sets/asked/utt2prompt")
    own = said[0]
    assert f"{own.key}-none" not in prompts
    assert prompts[f"{own.key}-relevant"] == f"笔记：{own.said.name}。"
    assert own.said.name in prompts[f"{own.key}-five"]
    assert prompts[f"{own.key}-five"].count("其他") == prompts[f"{own.key}-irrelevant"].count("其他") == 5
    assert own.said.name not in prompts[f"{own.key}-irrelevant"]
    listed = (tmp_path / f"sets/asked/hotwords/{own.key}-list.txt").read_text().split()
    assert own.said.name in listed
    assert len(listed) == 8
    assert prompts[f"{talk[1].key}-talk_reference"] == f"历史转写结果：{talk[0].said.text}"
    told = read_table(tmp_path / "sets/talk_none/utt2span")
    assert told == {f"{key}-talk_none": length for key, length in lengths.items()}
    context_sets.train(tmp_path / "written", tmp_path / "kinds")
    kept = [json.loads(line) for line in (tmp_path / "kinds/contexts.jsonl").read_text().splitlines()]
    own_kept = {line["utterance"] for line in kept if line["kind"] == "relevant"}
    listed_kept = read_table(tmp_path / "kinds/keywords").keys()
    assert own_kept | listed_kept == {own.key for own in said}
    assert own_kept != listed_kept


def test_stages_have_steps_seconds_and_errors(tmp_path):
    for seed, errors in ((1, 20), (2, 24)):
        for name in ("stage1", "stage5-ctc", "full"):
            folder = tmp_path / f"sft/score/{seed}_{name}"
            folder.mkdir(parents=True)
            (folder / "score.json").write_text(score_of(errors))
        (tmp_path / f"sft/{seed}/stage1").mkdir(parents=True)
        (tmp_path / f"sft/{seed}/stage1/train.jsonl").write_text('{"step": 100}\n{"step": 200}\n')
    (tmp_path / "seconds").write_text("sft_1_stage1 9 5 1\nsft_2_stage1 9 5 1\ndecode_sft_1_stage1 1 1 1\n")
    page = "\n".join(sft_results.section(tmp_path))
    assert "| stage 1: adaptor | 200 | 6 ± 0 | language model | 11.00 ± 12.71 | 22 ± 25 | 0 ± 0 | 0 ± 0 |" in page
    assert "|  |  |  | CTC head | 11.00 ± 12.71 |" in page


def test_context_is_told_by_way_of_asking_and_by_length(tmp_path):
    metrics = {"hotword recall%": {"value": 33.3}, "U-CER%": {"value": 2.0}, "B-CER%": {"value": 60.0}}
    groups = {"span": {name: counts(errors) for errors, name in enumerate(context_results.LENGTHS)}}
    for name in ("1_with-none", "1_without-none", "1_with-talk_recognised"):
        folder = tmp_path / f"context/score/{name}"
        folder.mkdir(parents=True)
        (folder / "score.json").write_text(score_of(20, metrics=metrics, groups=groups))
    page = "\n".join(context_results.section(tmp_path))
    assert "| no context | without context | 10.0 | 33.3 | 2.0 | 60.0 |" in page
    assert "| recognised (`--context-carry 1`) | with context | 0.0 | 1.0 | 2.0 |" in page


def test_sentences_in_a_row_keep_the_times_of_their_words(tmp_path):
    for number in range(5):
        write_wav(tmp_path / f"u{number}.wav", noise(16000, amplitude=0.1))
    keys = [f"u{number}" for number in range(5)]
    data = tmp_path / "data"
    write_table(data / "wav.scp", {key: str(tmp_path / f"{key}.wav") for key in keys})
    write_table(data / "text", {key: f"你{key[1]}" for key in keys})
    write_table(data / "utt2spk", {key: "b" if key == "u4" else "a" for key in keys})
    (data / "ctm").write_text("".join(f"{key} 1 0.2 0.3 你\n{key} 1 0.5 0.4 {key[1]}\n" for key in keys))
    in_a_row.main(data, tmp_path / "rows", 2, 2, 100, 1)
    texts = read_table(tmp_path / "rows/text")
    assert sorted("".join(texts.values())) == sorted("你0你1你2你3")  # a speaker with one sentence has no row
    (name, text), *_ = texts.items()
    assert name == f"u{text[1]}-row"
    assert read_table(tmp_path / "rows/utt2dur")[name] == "2.300"
    said = [line.split() for line in (tmp_path / "rows/ctm").read_text().splitlines() if line.startswith(name)]
    assert "".join(word for *_, word in said) == text
    assert [(start, length) for _, _, start, length, _ in said] == [
        ("0.200", "0.300"), ("0.500", "0.400"), ("1.500", "0.300"), ("1.800", "0.400")]  # fmt: skip
    with pytest.raises(SystemExit, match="no speaker has 5 utterances"):
        in_a_row.main(data, tmp_path / "none", 5, 6, 100, 1)


def write_stream(folder, key, *shown, final):
    lines = [{"kind": "partial", "heard_s": at, "stable": "", "unstable": text} for at, text in shown]
    lines.append({"kind": "final", "heard_s": final[0], "text": final[1]})
    with (folder / "live.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"reco": key, **line}, ensure_ascii=False) + "\n" for line in lines)


def test_texts_that_go_on_from_a_wrong_one_are_told_from_those_that_do_not(tmp_path, monkeypatch):
    class Characters:
        ids_of, decode = staticmethod(list), staticmethod("".join)

    monkeypatch.setattr(given_beginnings.ChatTokenizer, "from_dir", lambda folder: Characters)
    write_table(tmp_path / "data/text", dict.fromkeys(("u1", "u2", "u3"), "abcdefgh"))
    write_table(tmp_path / "asr/text", {"u1": "abcdefgh", "u2": "abcdefgx", "u3": "axcdefgh"})
    # The last step of u2 is given "ab", that of u3 "ax"; what the last step itself shows is given to none.
    write_stream(tmp_path / "asr", "u1", (0.7, "abc"), final=(1.0, "abcdefgh"))
    write_stream(tmp_path / "asr", "u2", (0.7, "x"), (1.4, "abxxxxx"), (2.0, "axxxxxxxx"), final=(2.0, "abcdefgx"))
    write_stream(tmp_path / "asr", "u3", (0.7, "axcdefg"), final=(1.4, "axcdefgh"))
    stream = "=".join(str(tmp_path / name) for name in ("out/counts.json", "data", "asr"))
    given_beginnings.main(tmp_path / "llm", [stream])
    assert json.loads((tmp_path / "out/counts.json").read_text()) == {"utterances": 3, "wrong": 2, "given_wrong": 1}


def test_streams_are_told_by_training_and_steps(tmp_path):
    for seed, errors in ((1, 20), (2, 24)):
        for way in ("base", "without", "both"):
            for heard in ("whole", "720"):
                wrong = errors * (1 + (heard == "720")) - 10 * (way == "both")
                content = json.loads(score_of(wrong, utterances=9))
                write_json(tmp_path / f"streaming/score/{seed}_{way}-one-{heard}/score.json", content)
            live = {"shown_before_their_start": 5, "words": 50, "flicker": {"normalised_erasure": 0.25},
                    "delays_s": {"final, heard": {"p50": 0.5 * seed if way == "both" else None}}}  # fmt: skip
            write_json(tmp_path / f"streaming/live/{seed}_{way}-one-720/score.json", live)
            counts = {"utterances": 9, "wrong": 3, "given_wrong": seed}
            write_json(tmp_path / f"streaming/given/{seed}_{way}-one-720.json", counts)
    page = "\n".join(streaming_results.section(tmp_path))
    assert "9 utterances of 200 characters; 2 seeds" in page
    assert "| trained | sentences, whole | sentences, 0.72 s |" in page
    assert "| as it is | 11.0 ± 12.7 (22/0/0) | 22.0 ± 25.4 (44/0/0) |" in page
    assert "| both | -46 ± 53 | -23 ± 26 |" in page
    assert "| sentences, 0.72 s | as it is | 10.0 ± 0.0 | 25 ± 0 | – |" in page
    assert "| sentences, 0.72 s | both | 10.0 ± 0.0 | 25 ± 0 | 0.75 ± 3.18 | 33.3 ± 0.0 | 3 of 6 |" in page
