"""egs/mini_funaudio: shares of the labels, the section on Best-RQ, and the whole recipe on tones."""

import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.signals import noise, sine, write_digits, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import DataError, FireRedError
from firered.text.bpe_tokenizer import BpeTokenizer
from firered.text.fun_asr import Request, around_speech

TOP = Path(__file__).resolve().parents[2]
# The recipe's scripts, and those that it shares with egs/mini, are no package.
sys.path[:0] = [str(TOP / folder) for folder in ("egs/mini_funaudio/local", "egs/mini/local", "egs/common")]

import best_rq_results  # noqa: E402
import characters  # noqa: E402
import chat_qwen3  # noqa: E402
import context_data  # noqa: E402
import context_results  # noqa: E402
import context_sets  # noqa: E402
import figures  # noqa: E402
import first_pass  # noqa: E402
import given_beginnings  # noqa: E402
import grpo_killed  # noqa: E402
import grpo_results  # noqa: E402
import grpo_sets  # noqa: E402
import hallucination_results  # noqa: E402
import hallucination_sets  # noqa: E402
import homophones  # noqa: E402
import in_a_row  # noqa: E402
import inventions  # noqa: E402
import labels  # noqa: E402
import language_texts  # noqa: E402
import mandarin  # noqa: E402
import multilingual_results  # noqa: E402
import noise_results  # noqa: E402
import noise_test  # noqa: E402
import page  # noqa: E402
import sft_results  # noqa: E402
import small_qwen3  # noqa: E402
import streaming_results  # noqa: E402


def test_a_smaller_share_of_the_labels_is_part_of_a_larger_one(tmp_path):
    keys = [f"u{number:03d}" for number in range(200)]
    few, many = (labels.chosen(keys, percent, 1) for percent in (1, 10))
    assert (len(few), len(many), len(labels.chosen(keys, 0.1, 1))) == (2, 20, 1)
    assert set(few) < set(many)
    assert labels.chosen(keys, 10, 2) != many
    write_table(tmp_path / "data/text", dict.fromkeys(keys, "a"))
    write_table(tmp_path / "data/wav.scp", {key: f"{key}.wav" for key in keys})
    labels.main(tmp_path / "data", tmp_path / "some", 10, 1)
    assert sorted(read_table(tmp_path / "some/text")) == sorted(read_table(tmp_path / "some/wav.scp")) == many


def test_texts_become_characters_and_ends():
    tokens, vocabulary = small_qwen3.tokens_of(["aab", "a"])
    assert (tokens, vocabulary) == ([2, 2, 3, 1, 2, 1], 4)


def write_pretraining(folder, losses):
    folder.mkdir(parents=True)
    common = {"kind": "dev", "epoch": 0, "masked": 0.498, "code_entropy": 3.21, "codes_used": 0.4, "accuracy": 0.123}
    lines = [{"kind": "train", "step": 5, "epoch": 0, "loss": 9.0}]
    lines += [{"step": 10 * number, "loss": loss, **common} for number, loss in enumerate(losses, 1)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "config.yaml").write_text("model:\n  codes: 64\n  code_dim: 16\n")


def write_score(exp, name, rate, metric="WER%"):
    folder = exp / "best_rq/score" / name
    folder.mkdir(parents=True)
    figure = {"value": rate, "interval": [rate - 5, rate + 5]}
    (folder / "score.json").write_text(json.dumps({"metrics": {metric: figure}, "utterances": 300}))


@pytest.fixture
def exp(tmp_path):
    write_pretraining(tmp_path / "best_rq/fsdd/1/random", [4.0, 3.0])
    write_pretraining(tmp_path / "best_rq/fsdd/1/llm", [3.9, 2.8])
    for share, rate in ((1, 70.0), (10, 30.0)):
        write_score(tmp_path, f"fsdd_1_{share}_none", rate)
        write_score(tmp_path, f"fsdd_1_{share}_llm", rate / 2)
    (tmp_path / "best_rq/fsdd/1/aed_1_none").mkdir()
    (tmp_path / "best_rq/fsdd/1/aed_1_none/config.yaml").write_text("model:\n  d_model: 64\n")
    (tmp_path / "seconds").write_text("llm 9 5 1\nrq_fsdd_1_llm 100 59 1\naed_fsdd_1_1_none 70 60 0\nfbank 1 1 0\n")
    return tmp_path


def test_the_section_has_losses_by_step_and_rates_by_labels(exp):
    page = "\n".join(best_rq_results.section(exp))
    assert "49.8% of its frames are hidden, where 40% of the codes come up." in page
    assert "costs 4.16, knowing how often each comes 3.21" in page
    assert "| Encoder | Seed | 10 | 20 | Accuracy, % |" in page
    assert "| Best-RQ from random weights | 1 | 4.00 | 3.00 | 12.3 |" in page
    assert "Error rates of 300 test utterances, in percent, with 95% intervals" in page
    assert "| The encoder begins with | 1% | 10% |" in page
    assert "| random weights | 70.0 [65.0, 75.0] | 30.0 [25.0, 35.0] |" in page
    assert "| Best-RQ from layers of a language model | 35.0 [30.0, 40.0] | 15.0 [10.0, 20.0] |" in page
    assert page.endswith("processor time: language model 0.1, Best-RQ on fsdd 1.0, recognition of fsdd 1.0.")


def test_several_seeds_are_a_mean_and_its_interval(exp):
    for share in (1, 10):
        write_score(exp, f"fsdd_2_{share}_none", 72.0)
    page = "\n".join(best_rq_results.section(exp))
    assert "| random weights | 71.0 ± 12.7 | 51.0 ± 266.9 |" in page
    assert "| Best-RQ from layers of a language model | 35.0 | 15.0 |" in page


def test_a_score_of_another_kind_is_refused(exp):
    write_score(exp, "fsdd_3_1_none", 1.0, metric="F1%")
    with pytest.raises(DataError, match=r"fsdd_3_1_none/score.json: no error rate in it"):
        list(best_rq_results.section(exp))


def counts(errors, tokens=100):
    return {"errors": errors, "tokens": tokens}


def test_means_of_seeds_have_the_interval_of_students_t():
    assert [figures.of_seeds(count) for count in (1, 3)] == ["one seed", "3 seeds, with 95% intervals of the mean"]
    assert figures.over_seeds([]) == "–"
    assert figures.over_seeds([3.0]) == "3.00"
    assert figures.over_seeds([1.0, 2.0, 3.0]) == "2.00 ± 2.48"  # 4.303 / sqrt(3)


def test_noise_is_told_by_ratio_and_by_kind(tmp_path):
    for name, errors in (("before", 40), ("1_none", 30), ("2_none", 34), ("1_both", 10), ("2_both", 10)):
        groups = {"snr": {"0": counts(errors), "20": counts(1), "clean": counts(0)},
                  "env": {"clean": counts(0), "music": counts(errors + 1, 200)}}  # fmt: skip
        folder = tmp_path / "noise/score" / name
        folder.mkdir(parents=True)
        (folder / "score.json").write_text(json.dumps({**counts(errors + 1, 300), "groups": groups}))
    page = "\n".join(noise_results.section(tmp_path))
    assert "|  | clean | 20 dB | 0 dB | all |" in page
    assert "| trained further without noise | 0.00 ± 0.00 | 1.00 ± 0.00 | 32.00 ± 25.42 | 11.00 ± 8.47 |" in page
    assert "| both | 0.00 ± 0.00 | 1.00 ± 0.00 | 10.00 ± 0.00 |" in page
    assert "|  | clean | music | all |" in page


def test_clean_and_mixed_are_one_test_set(tmp_path):
    for folder, audio in ((tmp_path / "clean", "a.wav"), (tmp_path / "mixes/sim-music-5/data", "m.wav")):
        write_table(folder / "wav.scp", {"u1": audio})
        write_table(folder / "text", {"u1": "你好"})
        write_table(folder / "utt2lang", {"u1": "zh"})
    write_table(tmp_path / "mixes/sim-music-5/data/utt2env", {"u1": "music"})
    write_table(tmp_path / "mixes/sim-music-5/data/utt2snr", {"u1": "5"})
    (tmp_path / "mixes/sets").write_text("sim-music-5\n")
    noise_test.main(tmp_path / "clean", tmp_path / "mixes", tmp_path / "out")
    assert read_table(tmp_path / "out/wav.scp") == {"u1-clean": "a.wav", "u1-sim-music-5": "m.wav"}
    assert read_table(tmp_path / "out/utt2snr") == {"u1-clean": "clean", "u1-sim-music-5": "5"}


def test_words_where_nothing_is_said_are_counted_by_the_minute(tmp_path):
    write_wav(tmp_path / "noise/street/s.wav", noise(16000 * 9, amplitude=0.1))
    write_wav(tmp_path / "noise/music/m.wav", sine(9.0))
    write_wav(tmp_path / "u1.wav", noise(32000, amplitude=0.1))
    write_table(tmp_path / "data/wav.scp", {"u1": str(tmp_path / "u1.wav")})
    (tmp_path / "ctm").write_text("".join(f"u1 1 {0.4 * at:.1f} 0.4 {word}\n" for at, word in enumerate("医生在北京")))
    hallucination_sets.main(tmp_path / "data", tmp_path / "ctm", tmp_path / "noise", tmp_path / "sets")
    kinds = read_table(tmp_path / "sets/utt2kind")
    assert set(kinds.values()) == set(hallucination_results.KINDS) | {"cut"}
    texts = read_table(tmp_path / "sets/text", empty_value_ok=True)
    assert {key: text for key, text in texts.items() if text} == {"cut-u1": "医生在"}
    assert float(read_table(tmp_path / "sets/utt2dur")["cut-u1"]) == pytest.approx(1.4 + 1.5)
    written = {
        key: "医生在北京" if key == "cut-u1" else "two words" if key.startswith("music-8") else "" for key in texts
    }
    write_table(tmp_path / "asr/text", written)
    for name in ("before_aed", "1_with_aed", "2_with_aed", "1_before_fun-asr"):
        out = tmp_path / f"exp/hallucination/count/{name}.json"
        inventions.main(tmp_path / "sets", tmp_path / "asr", out)
    found = json.loads(out.read_text())
    assert found["cut"] == {"utterances": 1, "with": 1, "words": 2, "minutes": pytest.approx(2.9 / 60)}
    assert found["music"]["words"] == 2
    assert found["silence"]["words"] == 0
    page = "\n".join(hallucination_results.section(tmp_path / "exp"))
    assert "| AED | the same, zeros and noise alone | 0.0 ± 0.0 (0%) |" in page
    rates = f"| {2 / found['music']['minutes']:.1f} (17%) | 41.4 (100%) |"
    assert rates in page
    assert rates in next(
        line for line in page.splitlines() if line.startswith("| Fun-ASR-Nano | as it is | 0.0 (0%) |")
    )


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


def score_of(errors, **more):
    return json.dumps(
        {"tokens": 200, "errors": errors, "substitutions": errors, "deletions": 0, "insertions": 0, **more}
    )


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


def write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


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


def test_sentences_of_one_set_are_in_no_other(tmp_path):
    rules = tmp_path / "es.txt"
    rules.write_text("S = ¡{WHO} {WHO} {WHO}!\nWHO = A | bé | C | d | e | f\n", encoding="utf-8")
    language_texts.main(rules, tmp_path / "out", train=60, dev=5, test=9, seed=1)
    texts = {name: set(read_table(tmp_path / "out" / name / "text").values()) for name in ("train", "dev", "test")}
    assert [len(own) for own in texts.values()] == [60, 5, 9]
    assert len(set.union(*texts.values())) == 74
    assert set("".join(texts["train"])) == set(" abécdef")
    assert set(read_table(tmp_path / "out/dev/utt2lang").values()) == {"es"}
    with pytest.raises(DataError, match="of 300 different sentences for train: grammar too small"):
        language_texts.sentences(language_texts.Grammar(rules), "train", 300, 1)


def test_languages_have_rates_of_their_own_and_a_mean(tmp_path):
    for name, errors in (("1_natural", 40), ("2_natural", 44), ("1_balanced", 20), ("2_balanced", 20)):
        groups = {"language": {"de": counts(2), "ru": counts(errors, 50)}}
        folder = tmp_path / "multilingual/score" / name
        folder.mkdir(parents=True)
        (folder / "score.json").write_text(json.dumps({"groups": groups}))
    page = "\n".join(multilingual_results.section(tmp_path))
    assert "| languages are drawn | German (100 words) | Russian (50 words) | mean |" in page
    assert "| as often as they come (natural) | 2.0 ± 0.0 | 84.0 ± 50.8 | 43.0 ± 25.4 |" in page
    assert "| all alike (balanced) | 2.0 ± 0.0 | 40.0 ± 0.0 | 21.0 ± 0.0 |" in page


def test_keywords_are_neither_rare_nor_common_and_halved_alike_whatever_the_texts():
    rare = [f"the {letter * 4} is red" for letter in "abcdefghijklmnop"]
    common = ["the hotel is red"] * 84
    listed, unlisted = grpo_sets.halves(rare + common)
    assert sorted(listed + unlisted) == [letter * 4 for letter in "abcdefghijklmnop"]
    assert listed
    assert unlisted
    fewer = grpo_sets.halves([*rare[:8], *common, *common])
    assert fewer == ([word for word in listed if word < "hzzz"], [word for word in unlisted if word < "hzzz"])
    assert grpo_sets.halves([*rare, *common * 20]) == ([], [])


def test_sentences_in_a_row_and_sets_put_together(tmp_path):
    keys = [f"u{number}" for number in range(5)]
    write_wav(tmp_path / "u.wav", sine(4.0))
    for name, content in {
        "wav.scp": str(tmp_path / "u.wav"),
        "text": "hello there",
        "utt2lang": "en",
        "utt2spk": "f3",
    }.items():
        write_table(tmp_path / "data" / name, dict.fromkeys(keys, content))
    in_a_row.main(tmp_path / "data", tmp_path / "long", seconds=10.0, rows=1)
    assert read_table(tmp_path / "long/text") == {"u0-long": "hello there hello there hello there"}
    assert float(read_table(tmp_path / "long/utt2dur")["u0-long"]) == pytest.approx(12.6)
    grpo_sets.together(tmp_path / "all", [f"clean={tmp_path / 'data'}", f"long={tmp_path / 'long'}"])
    kinds = read_table(tmp_path / "all/utt2kind")
    assert (kinds["u0-clean"], kinds["u0-long-long"], len(kinds)) == ("clean", "long", 6)


WRITES = """
import sys, time
from pathlib import Path
out = Path(sys.argv[-1].removeprefix("out="))
out.mkdir(parents=True, exist_ok=True)
for step in range(1, int(sys.argv[1]) + 1):
    with open(out / "train.jsonl", "a") as log:
        log.write(f'{{"kind": "train", "step": {step}}}\\n')
    time.sleep(0.1)
"""


def test_a_training_is_killed_at_its_step_and_not_after_its_end(tmp_path):
    command = [sys.executable, "-c", WRITES]
    last = grpo_killed.killed_at([*command, "100", f"out={tmp_path / 'a'}"], tmp_path / "a", 2)
    assert 2 <= last < 100
    with pytest.raises(FireRedError, match="ended by itself before it could be killed at step 9"):
        grpo_killed.killed_at([*command, "2", f"out={tmp_path / 'b'}"], tmp_path / "b", 9)


def write_rewarded(exp, name, errors, words):
    kinds = {kind: {**counts(errors), "substitutions": errors, "deletions": 0, "insertions": 0}
             for kind in grpo_results.KINDS}  # fmt: skip
    for listed in ("listed", "unlisted", "stream_clean", "stream_noisy"):
        folder = exp / "grpo/score" / listed / name
        folder.mkdir(parents=True)
        score = {**kinds["clean"], "groups": {"kind": kinds}, "hotwords": {"recall": 80.0, "precision": 50.0}}
        (folder / "score.json").write_text(json.dumps(score))
    (exp / "grpo/count").mkdir(exist_ok=True)
    found = {kind: {"words": words, "minutes": 0.5} for kind in hallucination_results.KINDS}
    (exp / f"grpo/count/{name}.json").write_text(json.dumps(found))


def test_rewards_are_told_beside_supervised_training(tmp_path):
    write_rewarded(tmp_path, "before", 40, 3)
    for seed in (1, 2):
        write_rewarded(tmp_path, f"{seed}_rewards", 20, 1)
    (tmp_path / "seconds").write_text("grpo_1_rewards 9 60 1\ngrpo_2_rewards 9 61 0\ngrpo_test 5 5 5\n")
    folder = tmp_path / "grpo/1/rewards"
    folder.mkdir(parents=True)
    lines = [{"kind": "train", "step": step, "reward": step / 10, "entropy": 2.0} for step in (5, 10, 15)]
    (folder / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "speed.jsonl").write_text('{"rollout_s": 2.0, "real_time_factor": 0.1}\n' * 2)
    (tmp_path / "grpo/killed").mkdir()
    killed = {"killed": 7, "steps": 20, "same_log": True, "same_weights": False}
    (tmp_path / "grpo/killed/killed.json").write_text(json.dumps(killed))
    page = "\n".join(grpo_results.section(tmp_path))
    assert "| the speech-LLM of egs/mini, as it is | 40.0 (40, 0, 0) |" in page
    assert "| rewards (GRPO) | 20.0 ± 0.0 (40, 0, 0) |" in page
    assert "| 61 ± 0 |" in page
    assert "| rewards (GRPO) | 80.0 ± 0.0 | 50.0 ± 0.0 | 80.0 ± 0.0 | 50.0 ± 0.0 | 2.0 ± 0.0 | 2.0 ± 0.0 |" in page
    assert "| rewards (GRPO) | 15 | 1.5 | – |" in page
    assert "| rewards (GRPO) | 0.0 | 4.0 | 0.0 | 0.0 | 0.0 | 0.0 | 0.100 |" in page
    assert "killed (SIGKILL) at step 7" in page
    assert "**not** the same weights" in page


def test_a_part_that_is_there_for_others_alone_has_no_section(tmp_path):
    (tmp_path / "sft/1/full").mkdir(parents=True)
    write_json(tmp_path / "multilingual/score/1_natural/score.json", {"groups": {"language": {"de": counts(2)}}})
    lines = page.page(tmp_path, TOP / "egs/mini_funaudio/parts")
    assert [line for line in lines if line.startswith("## ")] == ["## Several languages", "## Time"]


def test_the_time_of_each_step_is_its_parts(tmp_path):
    (tmp_path / "seconds").write_text(
        "noise_1_both 9 50 10\nnoise_1_both 9 25 5\ngrpo_noisy 1 6 0\nfbank_mini_dev 1 12 0\n"
    )
    seconds = figures.processor_seconds(tmp_path)
    expressions = {"noise": noise_results.STEPS, "grpo": grpo_results.STEPS}
    rows = [line.split(" | ") for line in page.time_section(seconds, expressions) if line.startswith("| ")][1:]
    assert rows == [["| noise", "1.5 |"], ["| grpo", "0.1 |"], [rows[2][0], "0.2 |"], ["| all", "1.8 |"]]


HEADINGS = ("Noise in training", "Invented words", "Code-switching", "Five stages", "Context", "Streams",
            "Learning by rewards (GRPO)")  # fmt: skip


@pytest.mark.nightly
def test_everything_is_trained_decoded_and_scored(tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    write_digits(tmp_path / "corpus")
    espeak = shutil.which("espeak-ng") is not None
    mini = ["--dir", tmp_path / "mini", "--quick", "true", "--stop-stage", "0"]
    if espeak:
        subprocess.run(["bash", TOP / "egs/mini/run.sh", *mini], check=True)
    run = ["bash", TOP / "egs/mini_funaudio/run.sh", "--fsdd", tmp_path / "corpus", "--dir", tmp_path / "out"]
    run += ["--mini", tmp_path / "mini"]
    done = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "out/RESULTS.md").read_text(encoding="utf-8")
    assert "| Best-RQ from layers of a language model | 1 |" in page
    assert "| random weights | **" in page
    assert ("| all alike (balanced) | " in page) == espeak
    for heading in HEADINGS:
        assert (f"## {heading}\n" in page) == espeak, heading
    again = subprocess.run([*run, "--quick", "true"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert " s\n" not in again.stdout.split("# Results")[0]  # nothing was done again
    elsewhere = [*run[:-1], tmp_path / "nothing", "--quick", "true", "--dir", tmp_path / "other"]
    without = subprocess.run([*elsewhere, "--stage", "2", "--stop-stage", "2"], capture_output=True, text=True)
    for part in ("noise", "hallucination", "code_switching", "sft", "context", "streaming", "grpo"):
        assert f"part {part}: left out, without the corpus of egs/mini" in without.stdout
    wrong = subprocess.run([*run, "--parts", "nothing"], capture_output=True, text=True)
    assert wrong.returncode == 1
    assert "--parts: there is no part nothing" in wrong.stderr
