"""Recognition and alignment: the published cases, behaviour in company and under fire."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
import torch

from firered.align.aligner import Aligner
from firered.align.config import AlignConfig
from firered.asr.config import AsrConfig
from firered.asr.families.aed import Asr
from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.errors import AudioError, ModelError
from firered.output.published import published
from firered.runtime.batches import plan, run_batch
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of, windows
from firered.text.joining import join_texts

BIN = Path(sys.executable).parent


def command(name: str, *args: object) -> subprocess.CompletedProcess:
    return subprocess.run([BIN / f"firered-{name}", *map(str, args)], capture_output=True, text=True)


def table(path: Path) -> dict[str, str]:
    return {line.split(maxsplit=1)[0]: line.partition(" ")[2] for line in path.read_text().splitlines()}


def speech_of(path: Path, key: str = "") -> Speech:
    return Speech.of(of_samples(key or path.stem, read_blocks(str(path), AudioConfig())))


@pytest.fixture(scope="module")
def tiny():
    from conftest import SHARED

    if not (SHARED / "goldens/tiny").is_dir():
        pytest.skip("the golden models are not beside the repository")
    return SHARED / "goldens/tiny"


def recogniser(tiny: Path, **options: object) -> Asr:
    return Asr.from_pretrained(tiny / "FireRedASR2-AED", AsrConfig(**options), "cpu")


FOX = "the quick brown fox jumps over the lazy dog"
CASES = ["greedy", "default_b1", "default_b6", "beam5_eos2", "maxlen5", "elm03", "eos0.1", "eos10", "eos30", "elm_neg"]


@pytest.mark.parametrize("name", CASES)
def test_every_published_case(name, tiny):
    cases = {
        **json.loads((tiny / "aed_expected.json").read_text()),
        **json.loads((tiny / "aed_extra_expected.json").read_text()),
    }
    options = dict(cases[name]["config"])
    batch, stamps = options.pop("batch_size"), options.pop("return_timestamp", False)
    if options.pop("use_elm"):
        options["elm_dir"] = str(tiny / "ELM")
    asr = recogniser(tiny, timestamps="reference" if stamps else "none", **options)
    expected = cases[name]["results"]
    speech = [speech_of(tiny / one["wav"], one["uttid"]) for one in expected]
    groups = [speech] if batch > 1 else [[one] for one in speech]
    got = [published(result) for group in groups for result in asr.recognise(group)]
    assert len(got) == 18
    for one, golden in zip(got, expected, strict=True):
        assert one["uttid"] == golden["uttid"]
        assert one["text"] == golden["text"], golden["uttid"]
        assert one["confidence"] == pytest.approx(golden["confidence"], abs=2e-3), golden["uttid"]
        assert one["dur_s"] == golden["dur_s"]
        assert one.get("timestamp") == golden.get("timestamp"), golden["uttid"]


def test_published_n_best(tiny):
    golden = json.loads((tiny / "aed_expected.json").read_text())["nbest4"]
    asr = recogniser(tiny, beam_size=4, nbest=4)
    results = asr.recognise([speech_of(tiny / f"wav/{name}.wav") for name in golden["utts"]])
    for result, hypotheses in zip(results, golden["hyps"], strict=True):
        ids = [asr.loaded.tokenizer.ids_of(one.tokens) for one in result.nbest]
        assert ids == [one["yseq"] for one in hypotheses]
        for one, expected in zip(result.nbest, hypotheses, strict=True):
            assert one.confidence == pytest.approx(expected["confidence"], abs=2e-3)
        scores = [one.score for one in result.nbest]
        assert scores == sorted(scores, reverse=True)
        for one in result.nbest:
            assert one.score == pytest.approx(sum(one.scores.values()) / one.length, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_company_changes_nothing(dtype, tiny):
    asr = recogniser(tiny, timestamps="pauses", dtype=dtype)
    speech = [speech_of(path) for path in sorted((tiny / "wav").glob("utt0*.wav"))]
    together = asr.recognise(speech)
    for one, result in zip(speech, together, strict=True):
        (alone,) = asr.recognise([one])
        assert published(alone) == published(result)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_other_number_formats_give_nearly_the_same_text(dtype, tiny):
    speech = [speech_of(path) for path in sorted((tiny / "wav").glob("utt*.wav"))]
    exact = [one.text for one in recogniser(tiny).recognise(speech)]
    other = [one.text for one in recogniser(tiny, dtype=dtype).recognise(speech)]
    differing = sum(a != b for a, b in zip(exact, other, strict=True))
    assert differing <= 1, [(a, b) for a, b in zip(exact, other, strict=True) if a != b]


def test_number_formats_that_are_not_to_be_had(tiny):
    with pytest.raises(Exception, match="float16 is for CUDA"):
        recogniser(tiny, dtype="float16")


def test_geometric_confidence(tiny):
    (mean,) = recogniser(tiny).recognise([speech_of(tiny / "wav/utt01.wav")])
    (geometric,) = recogniser(tiny, confidence="geometric").recognise([speech_of(tiny / "wav/utt01.wav")])
    assert mean.confidence == pytest.approx(np.mean(mean.token_confidence))
    assert geometric.confidence == pytest.approx(np.exp(np.mean(np.log(mean.token_confidence))))
    assert geometric.confidence < mean.confidence


def test_call_with_a_path_or_an_array(tiny):
    asr = recogniser(tiny)
    path = tiny / "wav/utt05.wav"
    samples, _ = soundfile.read(path, dtype="int16")
    assert asr(path).text == FOX
    assert asr(samples, "x").text == asr(path).text
    with pytest.raises(AudioError):
        asr(np.zeros(16000, np.int16))


def first_generation(tiny: Path, out: Path) -> Path:
    """The golden model without its CTC head, as the first generation was published."""
    with torch.serialization.safe_globals([__import__("argparse").Namespace]):
        package = torch.load(tiny / "FireRedASR2-AED/model.pth.tar", weights_only=True)
    state = package["model_state_dict"]
    package["model_state_dict"] = {name: value for name, value in state.items() if not name.startswith("ctc.")}
    out.mkdir()
    torch.save(package, out / "model.pth.tar")
    for name in ("cmvn.ark", "dict.txt", "train_bpe1000.model"):
        (out / name).write_bytes((tiny / "FireRedASR2-AED" / name).read_bytes())
    return out


def test_first_generation_transcribes_and_refuses_time_stamps(tiny, tmp_path):
    model = first_generation(tiny, tmp_path / "FireRedASR-AED-L")
    assert Asr.from_pretrained(model)(tiny / "wav/utt07.wav").text == "speech recognition is fun"
    with pytest.raises(ModelError, match=r"no time stamps from this model.*no CTC head"):
        Asr.from_pretrained(model, AsrConfig(timestamps="pauses"))
    done = command("align", tiny / "wav/utt07.wav", tiny / "text", tmp_path / "out", "--model", model)
    assert done.returncode == 1
    assert "no CTC head" in done.stderr


def test_windows_are_cut_at_quiet_places():
    feats = torch.full((3000, 80), 10.0)
    feats[700:760] = 1.0  # quiet, in the second half of the first ten seconds
    feats[1500:1580] = 2.0
    feats[2400:2480] = 0.0  # in the first half of its stretch: too early to be used
    found = windows(Speech("u", feats, 30.01), 10.0, 4)
    assert found[0][0] == 0
    assert 700 < found[0][1] < 760
    assert 1500 < found[1][1] < 1580
    assert [end for _, end in found[:-1]] == [start for start, _ in found[1:]]
    assert found[-1][1] == 3000
    assert all(0 < end - start <= 1000 for start, end in found)
    assert all((end - start) % 4 == 0 for start, end in found[:-1])
    parts = [part_of(Speech("u", feats, 30.01), window) for window in found]
    assert sum(part.duration_s for part in parts) == pytest.approx(30.01)
    assert windows(Speech("u", feats[:1000], 10.0), 10.0) == [(0, 1000)]


def test_batches_hold_what_was_allowed():
    lengths = [(name, float(length)) for name, length in zip("abcdefg", (3, 10, 2, 9, 30, 1, 4), strict=True)]
    batches = plan([*lengths, ("?", float("nan"))], 20.0)
    assert batches == [["e"], ["b", "d"], ["g", "a", "c", "f"], ["?"]]
    assert plan([], 20.0) == []
    assert [plan([(name, dict(lengths)[name]) for name in batch], 20.0) for batch in batches[:-1]] == [
        [batch] for batch in batches[:-1]
    ]


def test_out_of_memory_halves_the_batch():
    tried = []

    def process(items: list[int]) -> list[int]:
        tried.append(list(items))
        if len(items) > 2 or 7 in items:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [10 * item for item in items]

    results = run_batch([1, 2, 3, 7], process)
    assert results[:3] == [10, 20, 30]
    assert isinstance(results[3], MemoryError)
    assert tried == [[1, 2, 3, 7], [1, 2], [3, 7], [3], [7]]
    assert run_batch([], process) == []


def test_a_batch_that_fails_otherwise_is_tried_item_by_item():
    tried = []

    def process(items: list[int]) -> list[int]:
        tried.append(list(items))
        if 7 in items:
            raise ValueError("a fault of 7")
        return [10 * item for item in items]

    results = run_batch([1, 7, 3], process)
    assert (results[0], str(results[1]), results[2]) == (10, "a fault of 7", 30)
    assert tried == [[1, 7, 3], [1], [7], [3]]


def test_a_batch_that_fails_loses_only_the_culprit(tmp_path):
    from firered.results import AsrResult
    from firered.runs.config import JobConfig
    from firered.runs.inputs import resolve
    from firered.runs.journal import Run
    from firered.runs.over_utterances import Loader, run_utterances

    for name in "abc":
        soundfile.write(
            tmp_path / f"{name}.wav", (np.random.default_rng(0).standard_normal(16000) * 99).astype(np.int16), 16000
        )
    inputs = resolve([str(tmp_path)], AudioConfig(), by_segment=True)

    def process(batch: list[Speech]) -> list[AsrResult]:
        if any(one.key == "b" for one in batch):
            raise ValueError("nobody foresaw this")
        return [AsrResult(one.key, "x", 1.0, one.duration_s, ["x"], [1.0]) for one in batch]

    with Run(tmp_path / "out", "x", JobConfig()) as run:
        run.take(inputs)
        run_utterances(inputs.utterances, Loader(AudioConfig()), run, 100.0, process)
        assert run.results.keys() == {"a", "c"}
        assert run.problems["b"].reason == "unexpected ValueError: nobody foresaw this"
        assert run.finish() == 1


def test_long_audio_is_decoded_in_windows(tiny, caplog):
    asr = recogniser(tiny, timestamps="pauses", window_seconds=7, decode_max_len=30)
    speech = speech_of(tiny / "wav/long.wav")
    (result,) = asr.recognise([speech])
    assert "worked on in" in caplog.text
    times = [time for word in result.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[-1] > 55
    assert times[-1] <= 62.443
    found = windows(speech, 7, 4)
    parts = asr.recognise([part_of(speech, window) for window in found])
    assert result.text == join_texts(part.text for part in parts)
    assert list(result.tokens) == [token for part in parts for token in part.tokens]
    assert result.confidence == pytest.approx(np.mean(result.token_confidence))
    expected = [
        (word.text, round(start / 100 + word.start_s, 3), round(start / 100 + word.end_s, 3))
        for part, (start, _) in zip(parts, found, strict=True)
        for word in part.words
    ]
    assert [(word.text, word.start_s, word.end_s) for word in result.words] == expected


def test_joined_texts():
    assert join_texts(["hello", "world", "", "你好", "世界", "ok"]) == "hello world你好世界ok"


def test_twenty_minutes_do_not_crash(tiny):
    samples = np.tile(soundfile.read(tiny / "wav/long.wav", dtype="int16")[0], 20)
    result = recogniser(tiny, timestamps="pauses", decode_max_len=40)(samples)
    assert result.dur_s == pytest.approx(20 * 62.443, abs=0.01)
    assert result.words[-1].end_s > 1000


def test_command_on_a_data_directory(tiny, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/wav.scp").write_text(f"long {tiny}/wav/long.wav\n")
    (tmp_path / "data/segments").write_bytes((tiny / "long.segments").read_bytes())
    flags = ["--model", tiny / "FireRedASR2-AED", "--timestamps", "pauses", "--nbest", 2]
    done = command("asr", tmp_path / "data", tmp_path / "a", *flags)
    assert done.returncode == 0, done.stderr
    text, tokens = table(tmp_path / "a/text"), table(tmp_path / "a/token")
    assert len(text) == 12
    assert list(text) == sorted(text)
    assert text["long_utt05"] == FOX
    assert tokens["long_utt00"].split() == list(text["long_utt00"])
    token_conf = table(tmp_path / "a/token_conf")
    assert all(len(token_conf[key].split()) == len(tokens[key].split()) for key in tokens)
    assert np.mean([float(p) for p in token_conf["long_utt00"].split()]) == pytest.approx(
        float(table(tmp_path / "a/utt2conf")["long_utt00"]), abs=2e-3
    )
    confidences = table(tmp_path / "a/utt2conf")
    results = [json.loads(line) for line in (tmp_path / "a/asr.jsonl").read_text().splitlines()]
    assert [one["uttid"] for one in results] == sorted(text)
    assert all(f"{one['confidence']:.3f}" == confidences[one["uttid"]] for one in results)
    assert all(set(one) == {"uttid", "text", "confidence", "dur_s", "timestamp"} for one in results)
    ctm = [line.split() for line in (tmp_path / "a/ctm").read_text().splitlines()]
    assert all(fields[:2] == ["long", "1"] and len(fields) == 5 for fields in ctm)
    starts = [float(fields[2]) for fields in ctm]
    assert starts == sorted(starts)  # on the recording's axis
    assert starts[-1] > 55
    nbest = [json.loads(line) for line in (tmp_path / "a/nbest.jsonl").read_text().splitlines()]
    assert [one["nbest"][0]["text"] for one in nbest] == [text[one["uttid"]] for one in nbest]
    assert (tmp_path / "a/failed").read_text() == ""
    assert (tmp_path / "a/segments").exists()
    # from stored features: the same
    assert command("fbank", tmp_path / "data", tmp_path / "f").returncode == 0
    assert command("asr", tmp_path / "f", tmp_path / "b", *flags).returncode == 0
    for name in ("text", "token", "utt2conf", "asr.jsonl", "ctm", "nbest.jsonl"):
        assert (tmp_path / "a" / name).read_text() == (tmp_path / "b" / name).read_text(), name


def test_bad_utterances_harm_nobody(tiny, tmp_path):
    wav = tmp_path / "wav"
    wav.mkdir()
    good = {"a": "utt00", "z": "utt05"}
    lines = {key: f"{tiny}/wav/{name}.wav" for key, name in good.items()}
    noise = (np.random.default_rng(0).standard_normal(16000 * 185) * 300).astype(np.int16)
    broken = np.full(16000, 0.1, np.float32)
    broken[100] = np.nan
    soundfile.write(wav / "short.wav", noise[:200], 16000)
    soundfile.write(wav / "silence.wav", np.zeros(16000, np.int16), 16000)
    soundfile.write(wav / "nan.wav", broken, 16000, subtype="FLOAT")
    soundfile.write(wav / "threeminutes.wav", noise, 16000)
    for name in ("short", "silence", "nan", "threeminutes", "missing"):
        lines[name] = f"{wav}/{name}.wav"
    (tmp_path / "wav.scp").write_text("".join(f"{key} {value}\n" for key, value in lines.items()))
    done = command(
        "asr", tmp_path / "wav.scp", tmp_path / "out", "--model", tiny / "FireRedASR2-AED", "--decode-max-len", 60
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    text = table(tmp_path / "out/text")
    assert text.keys() == {"a", "z", "threeminutes"}
    assert (text["a"], text["z"]) == ("你好世界", FOX)
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"short", "silence", "nan", "missing"}
    assert "too short" in failed["short"]
    assert "longer than 60 s" in done.stderr


def test_killed_and_run_again(tiny, tmp_path):
    scp = [f"{path.stem} {path}\n" for path in sorted((tiny / "wav").glob("utt*.wav"))]
    wait = f"zz test -e {tmp_path}/go || sleep 60; cat {tiny}/wav/utt00.wav |\n"  # of unknown length, so it comes last
    (tmp_path / "wav.scp").write_text("".join(scp) + wait)
    flags = ["--model", tiny / "FireRedASR2-AED", "--timestamps", "reference", "--batch-seconds", "12"]
    process = subprocess.Popen(
        [BIN / "firered-asr", tmp_path / "wav.scp", tmp_path / "out", *flags],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    journal, deadline = tmp_path / "out/.journal.jsonl", time.monotonic() + 100
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text().count("\n") > 5):
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out/text").exists()
    (tmp_path / "go").touch()
    again = command("asr", tmp_path / "wav.scp", tmp_path / "out", *flags)
    assert again.returncode == 0, again.stderr
    assert "of an earlier run" in again.stderr
    assert command("asr", tmp_path / "wav.scp", tmp_path / "fresh", *flags).returncode == 0
    for name in ("text", "token", "utt2conf", "asr.jsonl", "ctm", "failed", "wav.scp"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes(), name


def test_alignment_of_given_text(tiny, tmp_path):
    (tmp_path / "text").write_text(
        "utt00 你好世界\nutt05 The quick, brown fox jumps over the lazy dog.\nutt07 \nutt01 "
        + "好" * 400
        + "\nextra 你\n"
    )
    scp = "".join(f"{name} {tiny}/wav/{name}.wav\n" for name in ("utt00", "utt01", "utt02", "utt05", "utt07"))
    (tmp_path / "wav.scp").write_text(scp)
    done = command(
        "align", tmp_path / "wav.scp", tmp_path / "text", tmp_path / "out", "--model", tiny / "FireRedASR2-AED"
    )
    assert done.returncode == 1
    ctm = [line.split() for line in (tmp_path / "out/ctm").read_text().splitlines()]
    words = {key: [fields[4] for fields in ctm if fields[0] == key] for key in ("utt00", "utt05")}
    assert words == {
        "utt00": list("你好世界"),
        "utt05": ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"],
    }
    labels = kaldiio.load_scp(str(tmp_path / "out/ali.scp"))
    assert sorted(labels) == ["utt00", "utt05"]
    assert labels["utt00"].dtype == np.int32
    assert len(labels["utt00"]) == -(-275 // 4)
    scores = {key: float(value) for key, value in table(tmp_path / "out/utt2score").items()}
    assert all(score <= 0 for score in scores.values())
    failed = table(tmp_path / "out/failed")
    assert failed.keys() == {"utt01", "utt02", "utt07", "extra"}
    assert "no tokens" in failed["utt07"]
    assert "has no line for this utterance" in failed["utt02"]
    assert "no utterance of this id" in failed["extra"]


def test_a_wrong_text_aligns_worse(tiny):
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(), "cpu")
    speech = speech_of(tiny / "wav/utt00.wav")
    right, wrong = aligner.align([speech, speech], ["你好世界", "请把音量"])
    assert right.alignment.mean_log_prob > wrong.alignment.mean_log_prob


def test_alignment_times_agree_with_those_of_recognition(tiny):
    asr = recogniser(tiny, timestamps="reference")
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(timestamps="reference"), "cpu")
    speech = speech_of(tiny / "wav/utt05.wav")
    (heard,) = asr.recognise([speech])
    (aligned,) = aligner.align([speech], [heard.text])
    assert aligned.words == heard.words


def test_missing_model_says_how_to_get_it(tmp_path):
    done = command("asr", tmp_path, tmp_path / "out", "--model", tmp_path / "nowhere")
    assert done.returncode == 1
    assert "hf download FireRedTeam/FireRedASR2-AED" in done.stderr


def test_a_dict_of_another_model_is_refused(tiny, tmp_path):
    model = first_generation(tiny, tmp_path / "m")
    lines = (model / "dict.txt").read_text().splitlines()
    (model / "dict.txt").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(ModelError, match=r"129 tokens in dict\.txt, the model has 130"):
        Asr.from_pretrained(model)


def test_a_model_with_a_lead_of_its_own(tiny):
    speech = speech_of(tiny / "wav/utt00.wav")
    asr = recogniser(tiny, timestamps="pauses")
    aligner = Aligner.from_pretrained(tiny / "FireRedASR2-AED", AlignConfig(timestamps="pauses"), "cpu")
    (before,) = asr.recognise([speech])
    for model in (asr.loaded.model, aligner.loaded.model):
        model.config = replace(model.config, ctc_lead_s=0.03)
    (after,) = asr.recognise([speech])
    assert after.words[1].start_s - before.words[1].start_s == pytest.approx(0.03)
    assert aligner.align([speech], [after.text])[0].words == after.words
