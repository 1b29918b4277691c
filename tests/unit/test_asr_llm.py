"""Recognition by a language model of random weights: batches, windows, limits."""

from pathlib import Path

import numpy as np
import pytest
import torch
from support.tiny_llm import write_tiny_llm

from firered.asr.families.speech_llm import LlmAsr
from firered.asr.llm_config import LlmConfig
from firered.errors import AudioError
from firered.output.published import published
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of, windows
from firered.text.joining import join_texts

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory):
    """A model of random weights, which says something else about everything."""
    return write_tiny_llm(tmp_path_factory.mktemp("llm") / "FireRedASR2-LLM")


def random_asr(model_dir: Path, **options: object) -> LlmAsr:
    return LlmAsr.from_pretrained(model_dir, LlmConfig(dtype="float32", **options), "cpu")


def random_speech(count: int, seed: int = 0) -> Speech:
    feats = 10 + 3 * torch.randn(count, 80, generator=torch.Generator().manual_seed(seed))
    return Speech(f"u{seed}", feats, count / 100 + 0.015)


@pytest.mark.parametrize("beam", [1, 3])
def test_results_are_batch_invariant(beam, model_dir):
    """A short utterance gives the same result in a batch of long ones: padding has no influence."""
    asr = random_asr(model_dir, beam_size=beam, nbest=beam, batch_seconds=600)
    speech = [random_speech(count, seed) for seed, count in enumerate((9, 731, 60, 333, 64))]
    batched = asr.recognise(speech)
    assert len({result.text for result in batched}) == 5
    for utterance, result in zip(speech, batched, strict=True):
        (single,) = asr.recognise([utterance])
        assert [(hypothesis.text, hypothesis.tokens) for hypothesis in single.nbest] == [
            (hypothesis.text, hypothesis.tokens) for hypothesis in result.nbest
        ]
        scores = [[best.score, *given.token_confidence] for given in (single, result) for best in given.nbest[:1]]
        assert scores[0] == pytest.approx(scores[1], abs=1e-3)


def test_no_more_tokens_than_speech_embeddings_or_as_many_as_allowed(model_dir):
    speech = random_speech(100)  # 25 encoder frames, 12 embeddings
    for options, expected in (({}, 12), ({"decode_max_len": 30}, 30), ({"decode_max_len": 1}, 1)):
        (result,) = random_asr(model_dir, beam_size=1, decode_min_len=40, **options).recognise([speech])
        assert len(result.tokens) == expected
    (free,) = random_asr(model_dir, beam_size=1, decode_max_len=30).recognise([speech])
    (penalised,) = random_asr(model_dir, beam_size=1, decode_max_len=30, repetition_penalty=9.0).recognise([speech])
    assert len(set(penalised.tokens)) / len(penalised.tokens) > len(set(free.tokens)) / len(free.tokens)


def test_temperature_makes_it_less_sure(model_dir):
    speech = [random_speech(100)]
    (sure,) = random_asr(model_dir, beam_size=1).recognise(speech)
    (unsure,) = random_asr(model_dir, beam_size=1, temperature=3.0).recognise(speech)
    assert unsure.tokens == sure.tokens
    assert unsure.confidence < sure.confidence


@pytest.mark.parametrize("count", [1, 4])
def test_too_short_to_hear_anything(count, model_dir):
    """Less than one speech embedding: named, and the others of its batch are not lost."""
    asr = random_asr(model_dir, decode_max_len=5)
    short, good = asr.recognise([random_speech(count), random_speech(200, 1)])
    assert isinstance(short, AudioError)
    assert "too short: the LLM variant needs 65 ms" in str(short)
    assert len(good.tokens) == 5
    (enough,) = asr.recognise([random_speech(5)])
    assert enough.text or enough.tokens


def test_long_audio_is_decoded_in_windows(model_dir, caplog):
    asr = random_asr(model_dir, window_seconds=7, decode_max_len=8, nbest=2)
    speech = random_speech(3000)
    (result,) = asr.recognise([speech])
    assert "u0: longer than 7 s, processed in" in caplog.text
    parts = asr.recognise([part_of(speech, window) for window in windows(speech, 7, 4)])
    assert len(parts) >= 5
    assert result.text == join_texts(part.text for part in parts)
    assert list(result.tokens) == [token for part in parts for token in part.tokens]
    assert result.confidence == pytest.approx(np.mean(result.token_confidence))
    assert result.nbest == ()
    assert result.dur_s == speech.duration_s


def test_named_settings_are_the_published_examples():
    from firered.options import read_yaml

    values = read_yaml(TOP / "conf/asr_llm.yaml")
    assert values.keys() <= LlmConfig.names()
    config = LlmConfig.of(values)
    assert (config.beam_size, config.repetition_penalty, config.llm_length_penalty) == (3, 3.0, 1.0)


def recorded(result):
    """What the output files are written from, rounded as there."""
    confidences = [round(prob, 3) for prob in result.token_confidence]
    return published(result), result.tokens, confidences, [published(hypothesis) for hypothesis in result.nbest]
