"""Every console script starts, and shows all its options."""

import os
import re
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import distribution
from pathlib import Path

import pytest

from firered import __version__
from firered.align.config import AlignConfig
from firered.asr.aed_config import AsrConfig
from firered.audio.config import AudioConfig
from firered.corpora.made.context_config import ContextConfig
from firered.corpora.made.mixed_config import MixedTextConfig, SpeakConfig
from firered.labelling.config import LabelConfig
from firered.lid.config import LidConfig
from firered.punc.config import PuncConfig
from firered.runs.config import EncodeConfig, FbankConfig, NoisyConfig, RunConfig, ShardConfig, VadOutputConfig
from firered.runtime.config import ComputeConfig
from firered.scoring.config import ErrorRateConfig, NormalizerConfig, SampleConfig, SourceConfig, TableConfig
from firered.train.data.config import TokensConfig
from firered.train.data.rl_config import PromptConfig
from firered.vad.config import MvadConfig, StreamVadConfig, VadConfig

BIN = Path(sys.executable).parent
COMMANDS = {
    "firered-prepare-data": [AudioConfig, RunConfig],
    "firered-fbank": [FbankConfig, AudioConfig, RunConfig],
    "firered-cmvn": [],
    "firered-vad": [VadConfig, VadOutputConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-mvad": [MvadConfig, VadOutputConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-stream-vad": [StreamVadConfig, VadOutputConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-asr": [AsrConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-lid": [LidConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-punc": [PuncConfig, ComputeConfig, RunConfig],
    "firered-peer": [],
    "firered-quantize": [],
    "firered-download": [],
    "firered-score": [NormalizerConfig, ErrorRateConfig, SampleConfig, SourceConfig],
    "firered-table": [TableConfig],
    "firered-train": [],
    "firered-tokens": [TokensConfig],
    "firered-rl-data": [PromptConfig],
    "firered-pseudo-label": [LabelConfig, NormalizerConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-noisy": [NoisyConfig, AudioConfig, RunConfig],
    "firered-context": [ContextConfig, RunConfig],
    "firered-mixed-text": [MixedTextConfig, RunConfig],
    "firered-speak": [SpeakConfig, RunConfig],
    "firered-shards": [ShardConfig, AudioConfig, RunConfig],
    "firered-encode": [EncodeConfig, AudioConfig, ComputeConfig, RunConfig],
    "firered-align": [AlignConfig, AudioConfig, ComputeConfig, RunConfig],
}


def call(name, *arguments):
    environment = {**os.environ, "COLUMNS": "120"}
    return subprocess.run([BIN / name, *map(str, arguments)], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(("name", "groups"), COMMANDS.items(), ids=list(COMMANDS))
def test_help_shows_every_option(name, groups):
    done = call(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"\s+", " ", re.sub(r"-\s*\n\s+", "-", done.stdout))  # lines are broken after hyphens, too
    for group in groups:
        for field in fields(group):
            flag = "--" + field.name.replace("_", "-")
            assert flag in shown
            assert field.metadata["help"] in shown
            default = getattr(group(), field.name)
            if type(default) is bool:
                assert f"{flag} / --no-{flag[2:]}" in shown
                default = flag[2:] if default else f"no-{flag[2:]}"
            choices = f" ({', '.join(field.metadata['choices'])})" if field.metadata["choices"] else ""
            assert default in (None, "", ()) or f"{field.metadata['help']}{choices} [default: {default}]" in shown
    assert ("--config" in shown) == bool(groups)
    assert call(name, "-h").stdout == done.stdout


def test_no_command_is_forgotten_here():
    scripts = [script for script in distribution("firered").entry_points if script.group == "console_scripts"]
    assert {script.name for script in scripts} - {"firered"} == set(COMMANDS)
    assert all(callable(script.load()) for script in scripts)


def test_version():
    for name in ("firered-vad", "firered-cmvn"):
        assert call(name, "--version").stdout == f"firered {__version__}\n"


def test_commands_load_no_network_before_they_work():
    code = (
        "import importlib, pkgutil, sys, firered.cli\n"
        "for module in pkgutil.iter_modules(firered.cli.__path__, 'firered.cli.'):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = 'torch', 'transformers', 'torchaudio', 'matplotlib', 'scipy', 'fastapi', 'uvicorn'\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_mistakes_on_a_real_command_line(tmp_path):
    (tmp_path / "c.yaml").write_text("speech_treshold: 0.3\n")
    for arguments, reason in (
        (["--config", tmp_path / "c.yaml"], f"{tmp_path}/c.yaml: unknown options speech_treshold; known: "),
        (["--config", tmp_path / "none.yaml"], f"{tmp_path}/none.yaml: No such file or directory"),
        (["--speech-threshold", 2], "speech_threshold: 2.0 is more than 1"),
    ):
        done = call("firered-vad", tmp_path, tmp_path / "out", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("firered-vad: error ")
        assert reason in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
