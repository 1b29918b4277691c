"""Damaged model directories of every family: each loads and gives finite results, or is refused with the file's name.

The same seed makes the same damage. FIRERED_FUZZ_SEED and FIRERED_FUZZ_CASES ask for others.
"""

import logging
import math
import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from support.damage import damage
from support.paths import GOLDENS
from support.tiny_fun_asr import write_published_form, write_transformers_form
from support.tiny_llm import write_tiny_llm
from support.tiny_punc import write_tiny
from support.tiny_transformers import write_ctc, write_whisper
from support.tiny_vad import write_tiny_models

import firered
from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.asr.families.fun_asr import FunAsr
from firered.asr.families.speech_llm import LlmAsr
from firered.asr.families.transformers import TransformersAsr
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.asr.transformers_config import TransformersConfig
from firered.errors import FireRedError, NoNumbersError
from firered.lid.config import LidConfig

SEED = int(os.environ.get("FIRERED_FUZZ_SEED", "0"))
MORE_MEMORY = 500 << 20  # bytes that a case may take beyond what was taken before

OUTCOMES = ("finite", "refused", "no numbers")
SPEECH = (np.random.default_rng(0).normal(0, 1000, 9600).astype(np.int16), 16000)


def detector(name):
    def use(directory):
        result = firered.load(directory / name)(SPEECH)
        assert np.isfinite(result.probs).all()

    return use


def lid(directory):
    result = firered.Lid.from_pretrained(directory, LidConfig(beam_size=2), "cpu")(SPEECH)
    assert math.isfinite(result.confidence)


def finite(result):
    assert math.isfinite(result.confidence)
    assert all(math.isfinite(hypothesis.score) for hypothesis in result.nbest)


def aed(directory):
    config = AsrConfig(
        beam_size=2, decode_max_len=3, timestamps="pauses", elm_dir=str(directory / "lm"), elm_weight=0.3
    )
    finite(Asr.from_pretrained(directory, config, "cpu")(SPEECH))


def llm(directory):
    finite(LlmAsr.from_pretrained(directory, LlmConfig(beam_size=2, decode_max_len=3, dtype="float32"), "cpu")(SPEECH))


def fun_asr(directory):
    finite(FunAsr.from_pretrained(directory, FunAsrConfig(max_length=3, dtype="float32"), "cpu")(SPEECH))


def transformers(directory):
    config = TransformersConfig(max_length=3, split_truncated=False)
    finite(TransformersAsr.from_pretrained(directory, config, "cpu")(SPEECH))


def punc(directory):
    assert isinstance(firered.Punc.from_pretrained(directory, device="cpu")("hello world 你好").punc_text, str)


USES = {
    "VAD": (detector("VAD"), 1.0),
    "Stream-VAD": (detector("Stream-VAD"), 1.0),
    "AED": (detector("AED"), 1.0),
    "lid": (lid, 1.0),
    "aed": (aed, 1.5),
    "llm": (llm, 0.5),
    "fun-asr": (fun_asr, 1.0),
    "fun-asr-hf": (fun_asr, 0.5),
    "whisper": (transformers, 0.5),
    "ctc": (transformers, 0.5),
    "punc": (punc, 1.0),
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A directory of each family, to be damaged and repaired."""
    top = tmp_path_factory.mktemp("models")
    for name in ("VAD", "Stream-VAD", "AED"):
        shutil.copytree(write_tiny_models(tmp_path_factory.mktemp("vad")) / "FireRedVAD" / name, top / name / name)
    shutil.copytree(GOLDENS / "tiny/FireRedLID", top / "lid")
    shutil.copytree(GOLDENS / "tiny/FireRedASR2-AED", top / "aed")
    shutil.copytree(GOLDENS / "tiny/ELM", top / "aed/lm")
    write_tiny_llm(top / "llm")
    write_published_form(top / "fun-asr")
    write_transformers_form(top / "fun-asr-hf")
    write_whisper(top / "whisper", seconds=2)
    write_ctc(top / "ctc")
    write_tiny(top / "punc")
    return top


def one_case(directory, use, rng):
    """Damage a file, use the model, put the file back: what came of it, and what was done."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    path = rng.choice([*paths, *(path for path in paths if path.suffix in (".tar", ".pt", ".yaml"))])
    whole = path.read_bytes()
    done = f"{directory.name}: "
    try:
        done += damage(path, rng)
        use(directory)
        return "finite", done
    except NoNumbersError:
        return "no numbers", done
    except FireRedError as error:
        return ("refused" if str(directory) in str(error) else f"refused without the file's name: {error}"), done
    finally:
        if path.is_dir():
            path.rmdir()
        path.unlink(missing_ok=True)
        path.write_bytes(whole)


def run_cases(directory, name, cases):
    use, share = USES[name]
    use(directory)  # whole, it works
    Path("/proc/self/clear_refs").write_text("5")  # begin to measure the peak anew
    before, counts = memory("VmRSS"), Counter()
    for number in range(round(share * cases)):
        seed = f"{SEED}-{name}-{number}"
        signal.alarm(60)  # ends the process where something never returns
        try:
            outcome, done = one_case(directory, use, random.Random(seed))
        except Exception as error:
            raise AssertionError(f"case {seed}") from error
        finally:
            signal.alarm(0)
        assert outcome in OUTCOMES, f"case {seed}: {done}: {outcome}"
        counts[outcome] += 1
        assert memory("VmHWM") - before < MORE_MEMORY, f"case {seed} took {memory('VmHWM') - before} bytes"
    return counts


def memory(name):
    """Bytes of this process by their name in /proc."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name)).split()[1])


FEW, MANY = "50", "1000"  # cases of a family, if FIRERED_FUZZ_CASES does not say


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("cases", [FEW, pytest.param(MANY, marks=pytest.mark.nightly)])
def test_a_damaged_model_is_refused_by_name_or_gives_finite_results(models, name, cases, caplog):
    caplog.set_level(logging.ERROR)
    torch.set_num_threads(1)
    counts = run_cases(models / name, name, int(os.environ.get("FIRERED_FUZZ_CASES", cases)))
    print(name, dict(counts))
    assert counts["refused"] > counts["finite"] / 4  # most damage is seen
