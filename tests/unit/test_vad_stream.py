"""Streaming detection: what it takes and refuses, that pieces of any size give the same, and how it ends."""

import numpy as np
import pytest
import torch
from support.paths import EGS

from firered import StreamVad
from firered.audio.config import AudioConfig
from firered.audio.framing import num_frames
from firered.audio.load import read
from firered.errors import AudioError, OptionError
from firered.output.published import published
from firered.results import StreamVadResult
from firered.vad.config import StreamVadConfig
from firered.vad.post import StreamSegmenter, smooth
from firered.vad.stream import VadStream

TALK = EGS / "mini/test/wav/talk-en-00000.flac"


@pytest.fixture(scope="module")
def detector():
    return StreamVad.from_pretrained(EGS / "mini/models/FireRedVAD/Stream-VAD", device="cpu")


@pytest.fixture(scope="module")
def tiny(tiny_vad_models):
    return StreamVad.from_pretrained(tiny_vad_models / "FireRedVAD/Stream-VAD", device="cpu")


@pytest.fixture(scope="module")
def talk():
    return read(TALK)[: 9 * 16000].astype(np.int16)


def all_of(stream: VadStream, pieces: list) -> tuple[list, list, np.ndarray]:
    """Events, frames and features of a stream's pieces, its end included."""
    events, frames, feats = [], [], []
    for piece in [*pieces, None]:
        events += stream.finish() if piece is None else stream.accept(piece)
        frames += stream.frames
        feats.append(stream.feats.numpy())
        assert len(stream.frames) == len(stream.probs) == len(stream.feats)
    return events, frames, np.concatenate(feats)


@pytest.mark.parametrize("largest", [48000, 5000, 700])
def test_pieces_of_any_size_give_the_same_to_the_last_bit(largest, tiny, talk):
    short = talk[: 4 * 16000]
    whole = all_of(tiny.stream(), [short])
    cuts = np.cumsum(np.random.default_rng(largest).integers(1, largest + 1, len(short)))
    for pieces in (np.split(short, cuts[cuts < len(short)]), np.split(short, range(1600, len(short), 1600))):
        events, frames, feats = all_of(tiny.stream(), pieces)
        assert (events, frames) == whole[:2]
        assert np.array_equal(feats, whole[2])


def test_pieces_of_one_sample_give_the_same(tiny, talk):
    short = talk[:4000]
    whole, single = (all_of(tiny.stream(), pieces) for pieces in ([short], list(short[:, None])))
    assert whole[:2] == single[:2]


def test_a_piece_may_hold_an_end_and_the_next_start(detector, talk):
    first, end, start, *_ = whole = detector(talk).events
    stream = detector.stream()
    pieces = np.split(talk, [160 * (end.frame - 9), 160 * (start.frame + 9)])
    events = [stream.accept(piece) for piece in pieces]
    assert events[:2] == [[first], [end, start]]
    assert [event for own in events for event in own] == list(whole)


def test_the_stream_is_the_recording(detector, talk):
    result = detector(talk)
    stream = detector.stream()
    events, frames, _ = all_of(stream, np.array_split(talk, 50))
    assert tuple(events) == tuple(result.all_events())
    assert tuple(stream.timestamps()) == result.timestamps
    probs = np.array([frame.prob for frame in frames])
    assert probs == pytest.approx(result.probs[:, 0], abs=1e-5)
    smoothed = smooth(probs, detector.config.smooth_window_size)
    assert [frame.smoothed for frame in frames] == pytest.approx(smoothed, abs=1e-12)
    assert [frame.speech for frame in frames] == [bool(p >= 0.5) for p in smoothed]
    assert [frame.frame for frame in frames] == list(range(1, len(probs) + 1))
    assert published(frames[2]) == {
        "frame_idx": 3,
        "is_speech": frames[2].speech,
        "raw_prob": round(frames[2].prob, 3),
        "smoothed_prob": round(frames[2].smoothed, 3),
    }


def test_speech_that_is_on_ends_with_the_audio(detector, talk):
    first = detector.stream().accept(talk)[0]
    stream = detector.stream()
    (start,) = stream.accept(talk[: int(16000 * first.known_at_s) + 8000])
    (end,) = stream.finish()
    assert (start.kind, end.kind, end.start_frame) == ("start", "end", start.start_frame)
    assert stream.timestamps() == [(start.time_s, end.time_s)]
    assert end.end_frame == end.frame == num_frames(int(16000 * first.known_at_s) + 8000)
    assert stream.finish() == []
    with pytest.raises(AudioError, match="finished"):
        stream.accept(talk)


def test_nothing_ends_where_nothing_is_on(detector, talk):
    assert detector.stream().finish() == []
    stream = detector.stream()
    stream.accept(np.zeros(16000, np.int16))  # digital silence is a pause, not an error
    assert stream.finish() == []
    segmenter = StreamSegmenter(StreamVadConfig(smooth_window_size=1, min_speech_frame=2, max_speech_frame=5))
    assert [event.kind for _ in range(5) for event in segmenter.accept(0.9)] == ["start", "end"]
    assert segmenter.finish() == []  # the end was forced on the last frame


def test_the_events_of_a_recording_have_the_end_only_in_files(detector, talk):
    first = detector.stream().accept(talk)[0]
    result = detector(talk[: int(16000 * first.known_at_s) + 8000])
    assert [event.kind for event in result.events] == ["start"]
    assert [event["event"] for event in published(result)["events"]] == ["speech_start", "speech_end"]
    assert published(result)["events"][1]["time"] == result.timestamps[0][1]
    assert published(StreamVadResult("x", 1.0, []))["events"] == []


FORMS = {
    "float32": lambda x: x / np.float32(32768),
    "float64": lambda x: x / 32768,
    "float16 tensor": lambda x: torch.from_numpy(x / 32768).to(torch.float16),
    "int32": lambda x: x.astype(np.int32) * 65536,
    "tensor": torch.from_numpy,
    "(n, 1)": lambda x: x[:, None],
    "stereo": lambda x: np.stack([x, x], 1),
    "stereo tensor": lambda x: torch.from_numpy(np.stack([x, x])),
    "with its rate": lambda x: (x, 16000),
}


@pytest.mark.parametrize("form", FORMS)
def test_samples_of_any_form(form, tiny, talk):
    short = talk[16000:32000]
    as_recording = tiny(FORMS[form](short))
    _, frames, _ = all_of(tiny.stream(), [FORMS[form](piece) for piece in np.array_split(short, 11)])
    assert [frame.prob for frame in frames] == pytest.approx(as_recording.probs[:, 0], abs=1e-5)


REFUSED = {
    "one NaN": (np.where(np.arange(1600) == 800, np.nan, 0), "holds NaN or infinite samples, the first at 0.150 s"),
    "infinite": (np.full(1600, -np.inf, np.float32), "holds NaN or infinite samples, the first at 0.100 s"),
    "beyond float32": (np.full(10, 1e300), "holds NaN or infinite"),
    "scale of int16": (np.full(10, 9000.0), "full scale is 1.0; divide by 32768"),
    "uint8": (np.zeros(10, np.uint8), "got uint8"),
    "uint16": (np.zeros(10, np.uint16), "got uint16"),
    "int64": (np.zeros(10, np.int64), "got int64"),
    "bool": (np.zeros(10, bool), "got bool"),
    "complex": (np.zeros(10, np.complex64), "got complex64"),
    "objects": (np.array([None, 1]), "got object"),
    "text": (np.array(["a"]), "got <U1"),
    "3-d": (np.zeros((10, 2, 3), np.float32), r"of shape \(10, 2, 3\)"),
    "a number": (np.float32(1), "float32 is no piece of live audio"),
    "0-d": (np.array(1.0), r"of shape \(\)"),
    "bytes": (b"\0\0" * 10, r"bytes is no piece of live audio; .*np.frombuffer\(data, '<i2'\)"),
    "list": ([0.0, 0.1], r"list is no piece .*np.array\(samples, np.float32\)"),
    "None": (None, "NoneType is no piece"),
    "path": ("a.wav", "str is no piece"),
    "a row": (np.zeros((1, 160), np.float32), "transpose it"),
    "a column tensor": (torch.zeros(160, 1), "transpose it"),
    "bool tensor": (torch.zeros(9, dtype=torch.bool), "got bool"),
    "no rate": ((np.zeros(10), None), "None is no sample rate"),
    "rate 0": ((np.zeros(10), 0), "0 is no sample rate"),
    "a part rate": ((np.zeros(10), 16000.5), "16000.5 is no sample rate"),
    "another rate": ((np.zeros(10), 8000), "the pieces before have 16000 Hz, this one has 8000"),
    "three": ((np.zeros(10), 8000, 1), "a tuple of 3 is no audio"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_leaves_the_stream_as_it_was(what, tiny, talk):
    piece, message = REFUSED[what]
    stream = tiny.stream()
    stream.accept(talk[:1600])
    frames = stream.frames
    with pytest.raises(AudioError, match=message):
        stream.accept(piece)
    assert stream.duration_s == 0.1
    stream.accept(talk[1600:8000])
    assert frames + stream.frames == all_of(tiny.stream(), [talk[:8000]])[1]


@pytest.mark.parametrize("rate", [8000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_other_rates_are_resampled_as_recordings_are(rate, channels, tiny):
    random = np.random.default_rng(rate)
    signal = (random.standard_normal((rate, channels)) * 3000).astype(np.int16)
    result = tiny((signal, rate))
    cuts = np.cumsum(random.integers(1, rate // 10, 40))
    stream = tiny.stream()
    _, frames, _ = all_of(stream, [(piece, rate) for piece in np.split(signal, cuts[cuts < rate])])
    assert [frame.prob for frame in frames] == pytest.approx(result.probs[:, 0], abs=1e-5)
    assert stream.duration_s == pytest.approx(1.0, abs=1e-3)


def test_one_of_several_channels(tiny, talk):
    both = np.stack([talk[:8000], talk[8000:16000]], 1)
    second, alone = tiny.stream(AudioConfig(channel="2")), tiny.stream()
    second.accept(both)
    alone.accept(both[:, 1])
    assert np.array_equal(second.probs, alone.probs)
    with pytest.raises(AudioError, match="channel 2 requested, the number of channels is 1"):
        second.accept(talk)
    with pytest.raises(OptionError, match="'each' is for recordings"):
        tiny.stream(AudioConfig(channel="each"))


def test_empty_pieces_do_no_harm(tiny, talk):
    stream = tiny.stream()
    pieces = [talk[:0], talk[:500], talk[:0], np.zeros((0, 2), np.float32), talk[500:3000]]
    assert all_of(stream, pieces)[:2] == all_of(tiny.stream(), [talk[:3000]])[:2]


def test_time_does_not_drift_and_nothing_grows(tiny, talk, monkeypatch):
    """Of every piece the frames are counted, none is lost or comes twice, and no state grows."""
    stream = tiny.stream()
    monkeypatch.setattr(tiny.classifier, "model", lambda feats, **_: torch.zeros(1, feats.shape[1], 1))
    random = np.random.default_rng(0)
    noise = random.integers(-9, 9, 48000).astype(np.int16)
    received, last = 0, 0
    for size in random.integers(1, 48001, 60):
        received += size
        stream.accept(noise[:size])
        assert stream.frames[0].frame == last + 1 if stream.frames else True
        last += len(stream.frames)
        assert last == num_frames(received)
        assert len(stream._posteriors._signal) < 64 * 160 + 400
    assert stream.duration_s == received / 16000 > 60


def test_events_after_hours_are_at_their_frames():
    config = StreamVadConfig(smooth_window_size=1, pad_start_frame=0)
    segmenter = StreamSegmenter(config)
    hours = 3 * 360000
    segmenter.frame = hours - 100  # silence until then
    events = [event for prob in [0.0] * 100 + [0.9] * 50 + [0.0] * 30 for event in segmenter.accept(prob)]
    start, end = events
    assert (start.start_frame, end.end_frame) == (hours, hours + 70)
    assert (start.time_s, end.time_s) == ((hours - 1) / 100, (hours + 69) / 100)
