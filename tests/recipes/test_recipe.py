"""run.sh and its options, stages and failures."""

import json
import shutil
import subprocess
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from support.paths import GOLDENS

from firered.asr.aed_config import AsrConfig
from firered.data.datadir import read_table
from firered.system.system import System

TOP = Path(__file__).resolve().parents[2]


WAV = TOP / "tests/data/wav"


def recipe(*args: object, cwd: Path = TOP) -> subprocess.CompletedProcess:
    return subprocess.run(["bash", TOP / "run.sh", *map(str, args)], capture_output=True, text=True, cwd=cwd)


@pytest.fixture(autouse=True)
def installed():
    if not (TOP / ".venv/bin/firered-vad").exists():
        pytest.skip("run.sh works in .venv, which is not set up here")


def test_two_jobs_give_what_one_gives(shared, tmp_path):
    for nj in (1, 2):
        done = recipe(
            *("--data", shared("audio/firered"), "--models", shared("models")),
            *("--stop-stage", 1, "--nj", nj, "--exp", tmp_path / f"nj{nj}"),
        )
        assert done.returncode == 0, done.stderr
        assert "stage -1" in done.stdout
        assert "stage 1" in done.stdout
    one, two = tmp_path / "nj1", tmp_path / "nj2"
    names = {
        "data": ["wav.scp", "utt2spk", "spk2utt", "reco2dur"],
        "fbank": ["wav.scp", "utt2num_frames", "utt2dur", "cmvn.ark", "failed", "config.yaml"],
        "vad": [
            "wav.scp",
            "segments",
            "utt2spk",
            "spk2utt",
            "utt2dur",
            "reco2dur",
            "rttm",
            "vad.jsonl",
            "failed",
            "config.yaml",
        ],
    }
    for folder, files in names.items():
        for name in files:
            assert (one / folder / name).read_bytes() == (two / folder / name).read_bytes(), f"{folder}/{name}"
    for scp in ("fbank/feats.scp", "vad/probs.scp"):
        left, right = kaldiio.load_scp(str(one / scp)), kaldiio.load_scp(str(two / scp))
        assert sorted(left) == sorted(right)
        assert all(np.abs(left[key] - right[key]).max() < 1e-5 for key in left)
    assert len(list((two / "vad/log").glob("vad.*.log"))) == 2
    assert "hello_zh-0000440-0001820 hello_zh 0.440 1.820\n" in (one / "vad/segments").read_text()


@pytest.mark.parametrize("form", ["data directory", "wav.scp", "folder", "files"])
def test_forms_of_data(form, tmp_path):
    folder = tmp_path / "my audio"
    folder.mkdir()
    for name in ("一", "b c"):
        soundfile.write(
            folder / f"{name}.wav", (np.random.default_rng(0).standard_normal(16000) * 900).astype(np.int16), 16000
        )
    scp = tmp_path / "data/wav.scp"
    scp.parent.mkdir()
    scp.write_text(f"b_c {folder / 'b c.wav'}\n一 {folder / '一.wav'}\n")
    args = {
        "data directory": ["--data", scp.parent],
        "wav.scp": ["--data", scp],
        "folder": ["--data", folder],
        "files": [folder / "b c.wav", folder / "一.wav"],
    }[form]
    done = recipe("--stop-stage", -1, "--exp", tmp_path / "exp", *args)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "exp/data/reco2dur").read_text() == "b_c 1\n一 1\n"
    assert f"一 {folder / '一.wav'}\n" in (tmp_path / "exp/data/wav.scp").read_text()


def test_one_stage_alone_and_a_stage_that_is_not_there(tiny_vad_models, tmp_path):
    args = ["--models", tiny_vad_models, "--exp", tmp_path / "exp", "--data", WAV]
    assert recipe("--stop-stage", 0, *args).returncode == 0
    assert not (tmp_path / "exp/vad").exists()
    done = recipe("--stage", 1, "--stop-stage", 1, *args)
    assert done.returncode == 0, done.stderr
    assert "stage 0" not in done.stdout
    assert (tmp_path / "exp/vad/segments").exists()
    later = recipe("--stage", 6, "--stop-stage", 6, *args)
    assert later.returncode == 1
    assert "stage 6 needs a reference text" in later.stderr


def test_failures_are_gathered_and_tell_in_the_exit_status(tiny_vad_models, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    soundfile.write(
        folder / "good.wav", (np.random.default_rng(0).standard_normal(16000) * 900).astype(np.int16), 16000
    )
    soundfile.write(folder / "zero.wav", np.zeros(16000, np.int16), 16000)
    (folder / "text.wav").write_text("no audio")
    args = ["--stop-stage", 1, "--models", tiny_vad_models, "--exp", tmp_path / "exp", "--data", folder]
    done = recipe(*args)
    assert done.returncode == 1
    failed = (tmp_path / "exp/failed").read_text().splitlines()
    assert [line.split()[0] for line in failed] == ["text", "zero"]
    assert "2 failed" in done.stderr
    assert (tmp_path / "exp/vad/vad.jsonl").read_text().count("good") == 1
    assert recipe("--stage", 1, *args, "--keep-going", "true").returncode == 0


def test_missing_models_are_named_with_the_command_that_gets_them(tmp_path):
    done = recipe("--exp", tmp_path / "exp", "--models", tmp_path / "nothing", "--data", WAV)
    assert done.returncode == 1
    assert "firered-download FireRedVAD" in done.stderr


def test_options(tmp_path):
    assert "--stop-stage" in recipe("--help").stdout
    unknown = recipe("--no-such-option", 1)
    assert unknown.returncode == 1
    assert "--stage" in unknown.stderr
    assert recipe("--nj=2").returncode == 1


def test_kaldis_own_launcher_drops_in(tiny_vad_models, tmp_path):
    """Whatever follows run.pl's calling convention can stand in for it."""
    launcher = tmp_path / "run.pl"
    launcher.write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\nexec {TOP}/utils/run.py "$@"\n')
    launcher.chmod(0o755)
    args = ["--stop-stage", 1, "--models", tiny_vad_models, "--exp", tmp_path / "exp", "--data", WAV]
    done = recipe(*args, "--cmd", f"{launcher} --mem 1G", "--nj", 2)
    assert done.returncode == 0, done.stderr
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(calls) == 2
    assert all(call.startswith("--mem 1G JOB=1:2 ") for call in calls)


def test_the_bundled_tour(tmp_path):
    """What the first command of the README does: every stage on the bundled models and recordings, their error rate.

    Few errors, no wrong language, and no word too short to be said.
    """
    done = recipe("--exp", tmp_path / "exp", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for stage in range(-1, 7):
        assert f"stage {stage}: " in done.stdout
    score = json.loads((tmp_path / "exp/score/score.json").read_text())
    assert score["tokens"] > 100
    assert score["missing"] == 0
    assert f"MER   {100 * score['errors'] / score['tokens']:.2f} %" in done.stdout
    assert score["errors"] <= 0.03 * score["tokens"]
    spoken = read_table(TOP / "egs/mini/test/utt2lang")
    found = read_table(tmp_path / "exp/lid/utt2lang")
    segments = read_table(tmp_path / "exp/lid/segments")
    assert len(segments) > 40
    wrong = {key: found[key] for key, at in segments.items() if found[key] != spoken[at.split()[0]].replace(" ", "-")}
    assert wrong == {}
    words = (tmp_path / "exp/align/ctm").read_text(encoding="utf-8").splitlines()
    assert len(words) > 300
    assert [line for line in words if float(line.split()[3]) < 0.03] == []


def test_set_up_is_done_once():
    assert shutil.which("bash")
    done = subprocess.run([TOP / "utils/setup.sh"], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_stage(shared, tmp_path):
    """Stages 0 to 5 with the golden models; on real speech they talk nonsense, in the right files and order.

    On what they were made for, the recipe's files say what `System` says.
    """
    models = tmp_path / "models"
    models.mkdir()
    (models / "FireRedVAD").symlink_to(shared("models/FireRedVAD"))
    for name in ("FireRedLID", "FireRedASR2-AED", "FireRedPunc"):
        (models / name).symlink_to(GOLDENS / "tiny" / name)
    settings = tmp_path / "asr.yaml"
    settings.write_text("decode_max_len: 20\n")
    inputs = [shared("audio/firered"), GOLDENS / "tiny/wav"]
    args = ["--models", models, "--exp", tmp_path / "exp", "--asr-config", settings]
    done = recipe("--stop-stage", 5, "--nj", 2, "--keep-going", "true", *args, *inputs)
    assert done.returncode == 0, done.stderr
    for stage in range(-1, 6):
        assert f"stage {stage}: " in done.stdout
    asr, align = tmp_path / "exp/asr", tmp_path / "exp/align"
    utterances = [line.split()[0] for line in (tmp_path / "exp/vad/segments").read_text().splitlines()]
    for name in ("text", "token", "utt2conf", "segments", "utt2spk"):
        assert [line.split()[0] for line in (asr / name).read_text().splitlines()] == utterances, name
    assert (asr / "asr.jsonl").read_text().count("\n") == len(utterances)
    failed = [line.split()[0] for line in (align / "failed").read_text().splitlines()]
    aligned = [line.split()[0] for line in (align / "utt2score").read_text().splitlines()]
    assert sorted(failed + aligned) == utterances
    ctm = [line.split() for line in (align / "ctm").read_text().splitlines()]
    assert ctm == sorted(ctm, key=lambda fields: (fields[0], fields[1], float(fields[2])))
    words = sum(len(line.split(" ", 1)[1].replace(" ", "")) > 0 for line in (align / "text").read_text().splitlines())
    assert words == len(aligned)
    langs = [line.split() for line in (tmp_path / "exp/lid/utt2lang").read_text().splitlines()]
    assert [key for key, _ in langs] == utterances
    punctuated = [line.partition(" ") for line in (tmp_path / "exp/punc/text").read_text().splitlines()]
    assert [key for key, _, _ in punctuated] == utterances
    sentences = [json.loads(line) for line in (tmp_path / "exp/punc/sentences.jsonl").read_text().splitlines()]
    assert {utterance["uttid"] for utterance in sentences} == set(utterances)
    for folder in ("lid", "punc"):
        assert (tmp_path / "exp" / folder / "segments").read_text() == (tmp_path / "exp/vad/segments").read_text()
    texts = {}
    for line in (asr / "text").read_text().splitlines():
        key, _, text = line.partition(" ")
        texts.setdefault(key.rsplit("-", 2)[0], []).append(text)
    reference = tmp_path / "text"
    reference.write_text("".join(f"{key} {' '.join(own)} 外\n" for key, own in sorted(texts.items())))
    scored = recipe("--stage", 6, "--ref", reference, "--keep-going", "true", *args, *inputs)
    assert scored.returncode == 0, scored.stderr
    score = json.loads((tmp_path / "exp/score/score.json").read_text())
    assert (score["errors"], score["deletions"], score["insertions"]) == (len(texts), len(texts), 0)
    system = System.from_pretrained(models, device="cpu", asr=AsrConfig(timestamps="pauses", decode_max_len=20))
    for path in sorted(inputs[1].glob("*.wav")):
        assert_same(system(path), tmp_path / "exp")


def assert_same(transcript, exp):
    """A recording's transcript and what the recipe wrote of it."""
    segments = [line.split() for line in (exp / "vad/segments").read_text().splitlines()]
    spans = [(start, end) for _, recording, start, end in segments if recording == transcript.uttid]
    assert transcript.segments == tuple((float(start), float(end)) for start, end in spans)
    ctm = [line.split() for line in (exp / "align/ctm").read_text().splitlines()]
    ctm = [fields for fields in ctm if fields[0] == transcript.uttid]
    assert [word.text for word in transcript.words] == [fields[4] for fields in ctm]
    starts = [float(fields[2]) for fields in ctm]
    assert [word.start_s for word in transcript.words] == pytest.approx(starts, abs=0.0015)
    sentences = [json.loads(line) for line in (exp / "punc/sentences.jsonl").read_text().splitlines()]
    of_segment = [utterance for utterance in sentences if utterance["uttid"].startswith(f"{transcript.uttid}-")]
    assert [sentence.text for sentence in transcript.sentences] == [
        s["text"] for utterance in of_segment for s in utterance["sentences"]
    ]
    languages = (exp / "lid/utt2lang").read_text().splitlines()
    found = {line.split()[1] for line in languages if line.startswith(f"{transcript.uttid}-")}
    assert {sentence.lang.replace(" ", "-") for sentence in transcript.sentences} == found
