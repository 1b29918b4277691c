"""No recipe reads the text of a test set before it decodes: not for a dictionary, a language model or a training."""

import subprocess

import pytest
import yaml
from support.paths import TOP

# The stages of egs/common/train.sh from features to speech-LLMs, with `task` and `parts` telling what they would run.
STAGES = r"""
set -euo pipefail
recipe=$1 common=$TOP/egs/common conf=$1/conf dir=$2
features=$3 systems="joint paper llm" init="" aed="" lm=true lm_text="" llm=small:2 ngpu=0 pieces=40 train_options=""
train_sets="train more" dev_sets=$4 test_sets="one-test two-test" hold_out=3 cmd="" nj=1
. "$common/train_stages.sh"
task() { printf '%s\n' "${@:2}"; }
parts() { printf '%s\n' "${@:2}"; }
check_options
name_sets
cd "$dir"
mkdir -p exp/tokens
make_features
make_tokens
train_lm
each_recogniser train_recogniser
each_recogniser train_head
each_speech_llm train_speech_llm
"""


@pytest.fixture
def recipe(tmp_path):
    """A recipe with a system of each kind, a head and a language model."""
    conf = tmp_path / "recipe/conf"
    conf.mkdir(parents=True)
    for name, task in (("joint", "aed"), ("paper", "aed"), ("paper_ctc", "ctc"), ("llm", "llm"), ("lm", "lm")):
        (conf / f"{name}.yaml").write_text(f"task: {task}\n")
    return conf.parent


@pytest.mark.parametrize("features", ["none", "fbank", "shards"])
@pytest.mark.parametrize("dev", ["dev", ""])  # without one, utterances of the training set are held out
def test_training_recipes_are_given_no_test_set(recipe, tmp_path, features, dev):
    (tmp_path / "out").mkdir()
    run = ["bash", "-c", STAGES, "stages", recipe, tmp_path / "out", features, dev]
    done = subprocess.run(run, capture_output=True, text=True, env={"TOP": str(TOP), "PATH": "/usr/bin:/bin"})
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert {"firered-tokens", "firered-train", f"{recipe}/conf/lm.yaml", f"{recipe}/conf/llm.yaml"} <= set(words)
    assert any("more" in word for word in words)
    assert [word for word in words if "-test" in word] == []


def test_settings_of_recipes_name_no_test_set():
    found = []
    for path in sorted(TOP.glob("egs/*/conf/**/*.yaml")):
        data = yaml.safe_load(path.read_text(encoding="utf-8")).get("data") or {}
        found += [(path, key, data[key]) for key in ("train", "dev", "weights") if key in data]
    assert len(found) > 20
    assert [entry for entry in found if "test" in str(entry[2])] == []
