"""Windows of long utterances, batches, and batches that fail."""

import numpy as np
import pytest
import soundfile
import torch

from firered.audio.config import AudioConfig
from firered.runtime.batches import plan, run_batch
from firered.runtime.speech import Speech
from firered.runtime.windows import part_of, windows
from firered.text.joining import join_texts


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


def test_a_batch_that_fails_loses_only_the_culprit(tmp_path):
    from firered.results import AsrResult
    from firered.runs.config import RunConfig
    from firered.runs.depends import fingerprint
    from firered.runs.inputs import resolve
    from firered.runs.journal import Run
    from firered.runs.over_utterances import Loader, run_utterances

    for name in "abc":
        soundfile.write(
            tmp_path / f"{name}.wav", (np.random.default_rng(0).standard_normal(16000) * 99).astype(np.int16), 16000
        )
    inputs = resolve([str(tmp_path)], AudioConfig(), by_segment=True)

    def process(batch: list[Speech]) -> list[AsrResult]:
        if any(speech.key == "b" for speech in batch):
            raise ValueError("nobody foresaw this")
        return [AsrResult(speech.key, "x", 1.0, speech.duration_s, ["x"], [1.0]) for speech in batch]

    with Run(tmp_path / "out", fingerprint("x"), RunConfig()) as run:
        run.take(inputs)
        run_utterances(inputs.utterances, Loader(AudioConfig()), run, 100.0, process)
        assert run.results.keys() == {"a", "c"}
        assert run.problems["b"].reason == "unexpected ValueError: nobody foresaw this"
        assert run.finish() == 1


def test_joined_texts():
    assert join_texts(["hello", "world", "", "你好", "世界", "ok"]) == "hello world你好世界ok"


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
