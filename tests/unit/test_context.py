"""What is known of an utterance beforehand: from Python and from tables of a data directory to the recogniser."""

import numpy as np
import pytest
from support.made_up_family import LoudnessConfig, load, write_model
from support.signals import write_wav

from firered.audio.config import AudioConfig
from firered.data.datadir import read_table
from firered.runs.asr import run_asr
from firered.runs.config import RunConfig
from firered.runs.inputs import resolve
from firered.runs.over_utterances import Loader, contexts_of
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.runtime.windows import window_parts


@pytest.fixture
def asr(tmp_path):
    return load(write_model(tmp_path / "model"), LoudnessConfig(), "cpu")


@pytest.fixture
def data(tmp_path):
    """Two recordings, of one of which the language and of the other the prompt is known."""
    for name in ("one", "two"):
        write_wav(tmp_path / f"{name}.wav", np.full(8000, 3, np.int16))
    place = tmp_path / "data"
    place.mkdir()
    (place / "wav.scp").write_text("".join(f"{name} {tmp_path / name}.wav\n" for name in ("one", "two")))
    (place / "utt2lang").write_text("one loud\n")
    (place / "utt2prompt").write_text("two Names of stations follow.\n")
    return place


def test_tables_of_a_data_directory_become_contexts(data):
    inputs = resolve([str(data)], AudioConfig(), by_segment=True)
    contexts = contexts_of(inputs, Context(language="zh", hotwords=("Shanghai",)))
    assert contexts == {
        "one": Context(("Shanghai",), "loud"),
        "two": Context(("Shanghai",), "zh", prompt="Names of stations follow."),
    }
    speech = [Loader(AudioConfig(), contexts=contexts)(utterance) for utterance in inputs.utterances]
    assert [utterance.context for utterance in speech] == list(contexts.values())


def test_a_bad_line_of_a_table_is_reported(asr, data, tmp_path):
    (data / "utt2lang").write_text("one loud\ntwo\n")
    out = tmp_path / "out"
    assert run_asr([str(data)], out, tmp_path / "model", asr, AudioConfig(), RunConfig()) == 1
    assert "utt2lang" in (out / "failed").read_text()
    assert read_table(out / "text") == {"one": "AAAAA", "two": "aaaaa"}


def test_other_inputs_have_the_default(data, tmp_path):
    inputs = resolve([str(tmp_path / "one.wav"), str(data / "wav.scp")], AudioConfig(), by_segment=True)
    assert set(contexts_of(inputs, Context(language="en")).values()) == {Context(language="en")}


def test_it_reaches_the_recogniser_and_the_tables_stay_with_the_data(asr, data, tmp_path):
    out = tmp_path / "out"
    assert run_asr([str(data)], out, tmp_path / "model", asr, AudioConfig(), RunConfig()) == 0
    assert read_table(out / "text") == {"one": "AAAAA", "two": "aaaaa"}
    assert read_table(out / "utt2prompt") == {"two": "Names of stations follow."}
    assert run_asr([str(data)], out, tmp_path / "model", asr, AudioConfig(), RunConfig(), Context(language="loud")) == 0
    assert read_table(out / "text") == {"one": "AAAAA", "two": "AAAAA"}


def test_results_say_what_was_used(asr, tmp_path):
    write_wav(tmp_path / "a.wav", np.full(8000, 3, np.int16))
    plain, given = asr(tmp_path / "a.wav"), asr(tmp_path / "a.wav", context=Context(language="loud", prefix="before"))
    assert (plain.context_used, given.context_used) == ((), ("language",))
    assert (plain.text, given.text) == ("aaaaa", "AAAAA")


def test_windows_keep_the_context_of_their_utterance():
    import torch

    context = Context(prompt="long")
    speech = Speech("u", torch.zeros(1000, 80), 10.015, context)
    parts = window_parts(speech, 2.0, 10)
    assert len(parts) > 4
    assert all(part.context == context for part in parts)
