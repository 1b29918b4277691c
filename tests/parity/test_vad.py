"""The detectors against the published results, and their own identities on the released weights."""

import json

import numpy as np
import pytest
import soundfile
from support.paths import EGS, GOLDENS

from firered import Mvad, StreamVad, Vad
from firered.audio.frames import of_samples
from firered.audio.load import read
from firered.output.published import published
from firered.vad.config import MvadConfig, StreamVadConfig, VadConfig

KINDS = {
    "vad": (Vad, VadConfig, "VAD"),
    "stream": (StreamVad, StreamVadConfig, "Stream-VAD"),
    "mvad": (Mvad, MvadConfig, "AED"),
}


def golden_path(shared, name):
    return GOLDENS / f"tiny/{name}" if name.startswith("wav/") else shared(f"audio/firered/{name}")


def detectors(models):
    return {kind: cls.from_pretrained(models / name) for kind, (cls, _, name) in KINDS.items()}


@pytest.fixture(scope="module")
def released(shared):
    return detectors(shared("models/FireRedVAD"))


@pytest.fixture(scope="module")
def bundled():
    """The detectors of egs/mini, trained but small: what holds of these holds of the released ones."""
    return detectors(EGS / "mini/models/FireRedVAD")


@pytest.mark.parametrize("kind", KINDS)
def test_every_published_case(kind, released, shared):
    cls, config_class, _ = KINDS[kind]
    cases = json.loads((GOLDENS / "tiny/vad_expected.json").read_text())[kind]
    posteriors = np.load(GOLDENS / "tiny/vad_probs.npz")
    assert len(cases) >= 12
    for case in cases:
        detector = cls(released[kind].classifier, config_class(**case["config"]))
        result = detector(golden_path(shared, case["wav"]))
        got = json.loads(json.dumps(published(result)))
        for name in case.keys() & {"dur", "timestamps", "event2timestamps", "event2ratio"}:
            assert got[name] == case[name], (case["wav"], case["config"], name)
        if "events" in case:
            events = [[e.frame, e.kind == "start", e.kind == "end", e.start_frame, e.end_frame] for e in result.events]
            assert events == case["events"], (case["wav"], case["config"])
        golden = posteriors[f"{kind}_{case['wav'].split('/')[-1]}"].reshape(result.probs.shape)
        rounding = 5e-4 if kind == "stream" else 0  # these are stored with three decimals
        assert np.abs(result.probs - golden).max() <= 1e-4 + rounding, case["wav"]


@pytest.mark.parametrize("kind", KINDS)
def test_published_posteriors_and_segments_of_real_recordings(kind, released, shared):
    posteriors = np.load(GOLDENS / "golden_probs.npz")
    segments = json.loads((GOLDENS / "golden_segments.json").read_text())
    found = 0
    for name, expected in segments.items():
        path = shared("audio/firered") / f"{name}.wav"
        if not path.exists():
            continue  # two of the recordings behind the goldens are not published
        found += 1
        detector = released[kind]
        if kind == "stream":
            detector = StreamVad(detector.classifier, StreamVadConfig(speech_threshold=0.4))
        result = detector(path)
        prefix = "aed" if kind == "mvad" else kind
        golden = posteriors[f"{prefix}_{name}"].reshape(result.probs.shape)
        assert np.abs(result.probs - golden).max() <= 1e-4, name
        got = json.loads(json.dumps(published(result)))
        assert got["dur"] == expected["dur"]
        if kind == "mvad":
            assert got["event2timestamps"] == expected["aed"]
            assert got["event2ratio"] == expected["aed_ratio"]
        else:
            assert got["timestamps"] == expected["vad" if kind == "vad" else "stream_thr0.4"]
    assert found == 7


def test_normalised_features_of_real_recordings(released, shared):
    from firered.audio.frontend import fbank

    goldens = np.load(GOLDENS / "golden_probs.npz")
    for name in ("hello_zh", "hello_en", "event", "BAC009S0764W0121"):
        golden = goldens[f"feat_{name}"]
        feats = released["vad"].classifier.cmvn(fbank(read(shared(f"audio/firered/{name}.wav")))).numpy()
        assert np.abs(feats[: len(golden)] - golden).max() < 2e-3


def test_float_recordings_equal_their_16_bit_copies(released, shared, tmp_path):
    for path in sorted(shared("audio/ami").glob("*.wav")):
        samples, rate = soundfile.read(path, dtype="float32")
        copy = tmp_path / path.name
        soundfile.write(copy, samples, rate, subtype="PCM_16")
        assert released["vad"](path).timestamps == released["vad"](copy).timestamps


@pytest.mark.parametrize("form", ["8k", "stereo", "24-bit", "mp3", "48k", "flac"])
def test_other_forms_of_a_recording_give_its_segments(form, released, shared, tmp_path):
    import soxr

    samples, rate = soundfile.read(shared("audio/firered/hello_zh.wav"), dtype="float32")
    path = tmp_path / "hello.wav"
    if form in ("8k", "48k"):
        new_rate = 1000 * int(form[:-1])
        soundfile.write(path, soxr.resample(samples, rate, new_rate), new_rate)
    elif form == "stereo":
        soundfile.write(path, np.stack([samples, samples], 1), rate)
    elif form == "24-bit":
        soundfile.write(path, samples, rate, subtype="PCM_24")
    else:
        path = path.with_suffix(f".{form}")
        soundfile.write(path, samples, rate)
    (got,) = released["vad"](path).timestamps
    assert np.abs(np.subtract(got, (0.44, 1.82))).max() <= 0.03


@pytest.mark.parametrize("kind", KINDS)
def test_any_block_size_and_any_batch_give_the_same(kind, bundled):
    detector = bundled[kind]
    samples = {name: read(GOLDENS / f"tiny/wav/{name}.wav") for name in ("utt00", "utt05", "long", "utt07")}
    single = {name: detector(signal.astype(np.int16), name) for name, signal in samples.items()}
    for block in (64, 500, 2048, 100000):
        detector.classifier.block, kept = block, detector.classifier.block
        batched = list(detector.detect([of_samples(name, [signal]) for name, signal in samples.items()]))
        detector.classifier.block = kept
        assert [frames.key for frames, _ in batched] == list(samples)
        for frames, result in batched:
            assert np.abs(result.probs - single[frames.key].probs).max() <= 1e-5
            assert result == single[frames.key]


def test_recordings_over_the_references_chunk_length_have_no_seams(bundled):
    """Longer than 30,000 frames: the whole in one pass of the network equals what passes through in blocks."""
    import torch

    long = np.tile(read(GOLDENS / "tiny/wav/long.wav"), 6)
    result = bundled["vad"](long.astype(np.int16))
    assert len(result.probs) > 30000
    classifier = bundled["vad"].classifier
    from firered.audio.frontend import fbank

    with torch.inference_mode():
        whole = classifier.model(classifier.cmvn(fbank(long))[None]).sigmoid()[0].numpy()
    assert np.abs(result.probs - whole).max() <= 1e-5


@pytest.mark.parametrize("name", ["long", "utt05"])
def test_stream_in_random_pieces_is_the_whole(name, bundled):
    detector = bundled["stream"]
    signal = read(GOLDENS / f"tiny/wav/{name}.wav").astype(np.int16)
    whole = detector(signal)
    rng = np.random.default_rng(1)
    cuts = np.sort(rng.integers(0, len(signal), 60))
    for pieces in (np.split(signal, cuts), [signal], np.split(signal, range(160, len(signal), 3200))):
        stream, events, probs = detector.stream(), [], []
        for piece in pieces:
            events += stream.accept(piece)
            probs.append(stream.probs)
        assert np.abs(np.concatenate(probs) - whole.probs[:, 0]).max() <= 1e-5
        assert tuple(events) == whole.events
        assert tuple(stream.timestamps()) == whole.timestamps


def test_stream_events_come_at_their_frame(bundled):
    """Fed in 10 ms pieces, an event is known no later than when the window of its frame is complete."""
    detector = bundled["stream"]
    signal = read(GOLDENS / "tiny/wav/utt05.wav").astype(np.int16)
    stream, received = detector.stream(), 0
    seen = 0
    for start in range(0, len(signal), 160):
        piece = signal[start : start + 160]
        received += len(piece)
        for event in stream.accept(piece):
            assert received / 16000 - event.known_at_s < 0.01
            seen += 1
    assert seen == 2


@pytest.mark.parametrize("mode", [0, 1, 2, 3])
def test_stream_modes(mode, released, shared):
    config = StreamVadConfig.mode(mode)
    assert config.speech_threshold == [0.3, 0.5, 0.7, 0.9][mode]
    assert config.min_speech_frame == [8, 10, 15, 20][mode]
    assert config.min_silence_frame == [20, 15, 10, 5][mode]
    result = StreamVad(released["stream"].classifier, config)(shared("audio/firered/hello_zh.wav"))
    assert len(result.timestamps) >= 1
