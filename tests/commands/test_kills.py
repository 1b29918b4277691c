"""Every command killed at any of its writes and run again: the same files, byte for byte, as if nothing had been."""

import functools
import os
import random
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from zlib import crc32

import pytest
import soundfile
from support.commands import command
from support.kills import differences, events_of
from support.paths import EGS, TOP
from support.train_corpus import SMALL_AED, SMALL_VAD, make_all, run, values

MODELS, WAV = EGS / "mini/models", EGS / "mini/test/wav"
FEW, MANY = 1, 20  # kills of a command, in the usual run and in the nightly one
RECORDINGS = ("f3-zh-00000", "f3-en-00000", "f5-zh-00002", "talk-zh-00001", "talk-yue-00000")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Recordings, their features, texts and statistics, and a corpus to train on."""
    top = tmp_path_factory.mktemp("data")
    (top / "wav").mkdir()
    for name in RECORDINGS:
        shutil.copy(WAV / f"{name}.flac", top / "wav")
    samples, rate = soundfile.read(WAV / "f3-zh-00000.flac")
    soundfile.write(top / "wav/cut.wav", samples, rate)
    with (top / "wav/cut.wav").open("r+b") as file:  # fails when half of it has been read
        file.truncate(len(samples))
    assert command("fbank", top / "wav", top / "fbank").returncode == 1
    assert command("asr", top / "wav", top / "asr", *MODEL, "--keep-going").returncode == 0
    make_all(top / "corpus")
    return top


MODEL = ("--model", MODELS, "--num-threads", 1)
SMALL = (*MODEL, "--batch-seconds", 8)  # several batches
LABELLED = ("--system", MODELS / "FireRedASR2-AED", "--system", MODELS / "FireRedASR2-AED-Stream")
LABELLED += ("--vad-model", MODELS, "--num-threads", 1)
NIGHTLY = pytest.mark.nightly
COMMANDS = {
    "prepare-data": ("wav", "OUT"),
    "fbank": ("wav", "OUT"),
    "cmvn": ("fbank", "OUT"),
    "vad": ("wav", "OUT", *MODEL, "--textgrid"),
    "mvad": ("wav", "OUT", *MODEL),
    "stream-vad": ("fbank", "OUT", *MODEL),
    "lid": ("wav", "OUT", *SMALL),
    "asr": ("fbank", "OUT", *SMALL, "--timestamps", "pauses"),
    "align": ("asr", "asr/text", "OUT", *SMALL),
    "encode": ("wav", "OUT", *SMALL),
    "punc": ("asr/text", "OUT", *MODEL, "--batch-size", 4),
    "pseudo-label": ("wav", "OUT", *LABELLED),
}
AT_NIGHT = {"pseudo-label"}  # three models
TRANSCRIBE = ("wav", "-o", "OUT", "--models", MODELS, "--num-threads", 1, "--share-seconds", 20, "--format", "srt,txt")


def work_of(name, data, out):
    """What a command does into the folder `out`, as a function."""
    if name.startswith("train"):
        task, model = {"train-aed": ("aed", SMALL_AED | {"dropout": 0.2}), "train-vad": ("vad", SMALL_VAD)}[name]
        train = {"save_steps": 2, "eval_steps": 4}
        content = values(task, data / "corpus", out, steps=8, model=model, train=train)
        return functools.partial(run, content)
    words = TRANSCRIBE if name == "transcribe" else COMMANDS[name]
    places = {"OUT": out} | {word: data / word for word in ("wav", "fbank", "asr", "asr/text")}
    given = [places.get(word, word) for word in words]
    script = ("firered", "transcribe") if name == "transcribe" else (name,)

    def call():
        done = command(*script, *given)
        assert done.returncode in (0, 1), done.stderr  # one recording is broken

    return call


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=NIGHTLY) if name in AT_NIGHT else name for name in COMMANDS),
        *("transcribe", "train-aed", "train-vad"),
    ],
)
@pytest.mark.parametrize("kills", [FEW, pytest.param(MANY, marks=NIGHTLY)])
def test_a_command_that_was_killed_gives_the_same_files(name, kills, data, tmp_path):
    whole = tmp_path / "whole"
    count = events_of(work_of(name, data, whole), whole)
    points = random.Random(crc32(name.encode())).sample(range(1, count + 1), min(kills, count))
    wrong = {}
    for point in points:
        out = tmp_path / f"at{point:04d}"
        work = work_of(name, data, out)
        assert events_of(work, out, point) is None
        events_of(work, out)
        if found := differences(out, whole):
            wrong[point] = found
        shutil.rmtree(out)
    print(f"{name}: {len(points)} kills among {count} writes, {len(wrong)} with other files")
    assert wrong == {}


# A launcher that has run.sh killed in the call of this number: before it, as soon as it runs, or after it.
KILLER = """#!/bin/bash
calls=$(($(cat "$COUNT") + 1))
echo "$calls" >"$COUNT"
end() {{ [ "$calls" -ne "$KILL_IN" ] || [ "$1" != "$KILL_WHEN" ] || kill -KILL "${{FIRERED_PARENTS##*:}}"; }}
end before
"{top}/utils/run.py" "$@" &
launcher=$!
end during
wait "$launcher"
status=$?
end after
exit "$status"
"""
STAGES, MOMENTS = 6, ("before", "during", "after")


def run_sh(folder, out, **killing):
    """Exit status of run.sh on two of the recordings, with two jobs a stage."""
    words = ["bash", TOP / "run.sh", "--data", folder / "few", "--models", MODELS, "--nj", "2"]
    words += ["--cmd", folder / "killer", "--exp", out]
    count = out.with_suffix(".count")
    count.write_text("0")
    given = os.environ | {"COUNT": str(count), "KILL_IN": "0", "KILL_WHEN": ""} | killing
    return subprocess.run(list(map(str, words)), capture_output=True, env=given, check=False).returncode


@NIGHTLY
def test_run_sh_that_was_killed_gives_the_same_files(data):
    (data / "few").mkdir()
    for name in RECORDINGS[:2]:
        shutil.copy(WAV / f"{name}.flac", data / "few")
    (data / "killer").write_text(KILLER.format(top=TOP))
    (data / "killer").chmod(0o755)
    assert run_sh(data, data / "whole") == 0
    points = [(stage, moment) for stage in range(1, STAGES + 1) for moment in MOMENTS]
    points = random.Random(0).sample(points, int(os.environ.get("FIRERED_RUN_SH_KILLS", len(points))))
    wrong = {}
    for stage, moment in points:
        out = data / f"{stage}{moment}"
        assert run_sh(data, out, KILL_IN=str(stage), KILL_WHEN=moment) == -signal.SIGKILL
        assert run_sh(data, out) == 0
        found = differences(out, data / "whole")
        # Logs have times, splits and parts what another run does not make again.
        found = [path for path in found if not {"log", "split", "parts"}.intersection(Path(path).parts)]
        found = [path for path in found if Path(path).name not in (".stage", ".stage.lock", "feats.scp", "probs.scp")]
        if found:
            wrong[stage, moment] = found
        shutil.rmtree(out)
    print(f"run.sh: {len(points)} kills, {len(wrong)} with other files")
    assert wrong == {}


@NIGHTLY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_of_transcribe_and_their_pipes_end_with_it(number, tmp_path):
    for key in "ab":
        os.mkfifo(tmp_path / key)  # a reader waits for its writer
    scp = "".join(f"{key} echo $PPID $BASHPID >{tmp_path}/{key}; sleep 60 |\n" for key in "ab")
    (tmp_path / "wav.scp").write_text(scp)
    words = [Path(sys.executable).with_name("firered"), "transcribe", tmp_path / "wav.scp", "-o", tmp_path / "out"]
    words += ["--models", MODELS, "--nj", "2", "--num-threads", "1"]
    process = subprocess.Popen(
        list(map(str, words)),
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pids = [int(pid) for key in "ab" for pid in (tmp_path / key).read_text().split()]
    watched = [os.pidfd_open(pid) for pid in pids]
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert b"Traceback" not in errors
    assert all(select.select([one], [], [], 30)[0] for one in watched)
