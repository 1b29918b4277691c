"""egs/mini_funaudio/local/growing.py: utterances recognised from the start with every chunk."""

import sys
from pathlib import Path

import numpy as np
import pytest
from support.signals import noise, write_wav

from firered.data.datadir import read_table, write_table
from firered.errors import AudioError, DataError, ModelError
from firered.results import AsrResult

TOP = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "egs/mini_funaudio/local"))  # the recipe's scripts are no package

import growing  # noqa: E402

CHUNK = 16000


def result(text):
    return AsrResult("", text, 1.0, 1.0, [], [])


class Clock:
    """Recognises how many whole chunks it was given: "1 2", and a word of its own for what is cut off."""

    def __init__(self):
        self.lengths = []

    def batch(self, audios):
        self.lengths += [len(own) for own in audios]
        return [self.one(own) for own in audios]

    @staticmethod
    def one(samples):
        if not samples.any():
            return AudioError("nothing but zeros")
        if abs(samples).max() > 30000:
            return ModelError("broken")
        heard = len(samples.nonzero()[0])
        guess = ["cut"] if heard % CHUNK == 0 and not samples[-1] else []
        return result(" ".join([*map(str, range(1, heard // CHUNK + 1)), *guess]))


def test_an_utterance_is_heard_up_to_each_chunk_and_whole_at_last():
    samples = np.arange(1, 2 * CHUNK + 6, dtype=np.int16)
    first, second, whole = growing.beginnings(samples, CHUNK)
    assert (first[:CHUNK] == samples[:CHUNK]).all()
    assert (len(first), len(second)) == (CHUNK + 3200, 2 * CHUNK + 3200)  # 0.2 s of silence
    assert not first[CHUNK:].any()
    assert first.dtype == np.int16
    assert whole is samples
    for length in (1, CHUNK):
        assert [len(own) for own in growing.beginnings(samples[:length], CHUNK)] == [length]
    assert [len(own) for own in growing.beginnings(samples[: CHUNK + 1], CHUNK)] == [CHUNK + 3200, CHUNK + 1]


@pytest.mark.parametrize(
    ("passes", "text"),
    [
        (["what is"], "what is"),
        (["what", "what is", "what is this"], "what is this"),
        (["what is", "what was", "what was that"], "what was that"),  # only what two passes agree on stands
        (["what is", "what is there", "that was"], "what is"),  # and is not taken back
        (["我的", "我的 credit", "我的 credit card 在"], "我的 credit card 在"),
        (["", "", ""], ""),
        ([AudioError("zeros"), "hello"], "hello"),
    ],
)
def test_what_two_passes_agree_on_stands_and_the_last_pass_has_the_rest(passes, text):
    assert growing.text_of([result(own) if isinstance(own, str) else own for own in passes]) == text


@pytest.mark.parametrize("passes", [[result("a"), AudioError("wrong")], [ModelError("wrong"), result("a")]])
def test_a_pass_that_fails_is_an_error_but_a_beginning_without_sound(passes):
    with pytest.raises((AudioError, ModelError), match="wrong"):
        growing.text_of(passes)


def test_an_utterance_that_fails_leaves_the_others_their_texts():
    recogniser, ones = Clock(), np.ones(3 * CHUNK, np.int16)
    short, broken, long = growing.streamed(recogniser, [ones[:CHUNK], ones * 32000, ones], CHUNK)
    assert (short, long) == ("1", "1 2 3")
    assert isinstance(broken, ModelError)
    assert recogniser.lengths == [CHUNK, *[CHUNK + 3200, 2 * CHUNK + 3200, 3 * CHUNK] * 2]


def write_data(folder, audio):
    write_table(folder / "wav.scp", {key: str(write_wav(folder / f"{key}.wav", own)) for key, own in audio.items()})


def test_texts_are_written_and_what_has_none_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(growing.firered, "load", lambda _: Clock())
    monkeypatch.setattr(growing, "_TOGETHER", 2)
    quiet = noise(2 * CHUNK, amplitude=0.1) + 0.3  # no sample is zero
    write_data(tmp_path / "data", {"a": quiet, "b": quiet[:CHUNK], "c": quiet})
    growing.main(tmp_path / "model", tmp_path / "data", tmp_path / "out", chunk_seconds=1.0)
    assert read_table(tmp_path / "out/text") == {"a": "1 2", "b": "1", "c": "1 2"}
    assert not (tmp_path / "out/failed").exists()
    write_data(tmp_path / "data", {"a": quiet, "b": np.zeros(CHUNK), "c": quiet})
    with pytest.raises(SystemExit, match=r"growing.py: 1 utterances have no text: see .*/out/failed"):
        growing.main(tmp_path / "model", tmp_path / "data", tmp_path / "out", chunk_seconds=1.0)
    assert (tmp_path / "out/failed").read_text() == "b nothing but zeros\n"
    assert sorted(read_table(tmp_path / "out/text")) == ["a", "c"]


def test_a_recording_of_another_kind_is_refused(tmp_path):
    write_wav(tmp_path / "a.wav", noise(8000), 8000)
    with pytest.raises(DataError, match=r"a.wav: expected one channel at 16000 Hz"):
        growing.read(tmp_path / "a.wav")
    (tmp_path / "b.wav").write_text("no audio")
    with pytest.raises(DataError, match=r"b.wav: "):
        growing.read(tmp_path / "b.wav")
    with pytest.raises(DataError, match=r"expected wav.scp, and no segments"):
        growing.transcribed(Clock(), growing.DataDir(tmp_path), CHUNK)
