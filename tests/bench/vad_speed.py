"""Speed of VAD on one thread, from audio file to segments, beside other detectors in the same run.

    python tests/bench/vad_speed.py --model pretrained_models/FireRedVAD/VAD [--audio FILE...] [--minutes 5]

The audio is repeated to one long wav and cut into short ones. "unfused" is the released network computed layer by
layer as published (kaldi-native-fbank sample list, two convolutions a memory block, one file at a time): the baseline,
and the oracle of the posteriors. silero-vad and webrtcvad are measured if they are installed
(`pip install -e .[bench]`).
Real time factor = seconds of work / seconds of audio; the best of a few rounds, rounds of all detectors in turn.
"""

import argparse
import importlib.util
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from torch.nn import functional

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.frontend import SAMPLE_RATE
from firered.audio.load import read, read_blocks
from firered.vad.detect import Vad
from firered.vad.post import segment, to_seconds

HERE = Path(__file__).resolve().parent
Detect = Callable[[list[Path]], object]


def make_files(sources: list[Path], minutes: float, folder: Path) -> dict[str, list[Path]]:
    """One long wav, and the same audio as wavs of 3 seconds."""
    signal = np.concatenate([read(path) for path in sources]).astype(np.int16)
    long = np.resize(signal, int(minutes * 60 * SAMPLE_RATE))
    soundfile.write(folder / "long.wav", long, SAMPLE_RATE)
    short = []
    for number, start in enumerate(range(0, len(long), 3 * SAMPLE_RATE)):
        short.append(folder / f"short{number:04d}.wav")
        soundfile.write(short[-1], long[start : start + 3 * SAMPLE_RATE], SAMPLE_RATE)
    return {f"one file of {minutes:g} min": [folder / "long.wav"], f"{len(short)} files of 3 s": short}


def firered_detect(vad: Vad) -> Detect:
    def detect(paths: list[Path]) -> list[np.ndarray]:
        recordings = (of_samples(path.name, read_blocks(str(path), AudioConfig())) for path in paths)
        return [result.probs[:, 0] for _, result in vad.detect(recordings)]

    return detect


def unfused_detect(vad: Vad) -> Detect:
    """The released network as published, one file at a time."""
    import kaldi_native_fbank

    model, cmvn = vad.classifier.model, vad.classifier.cmvn

    def feats_of(samples: np.ndarray) -> np.ndarray:
        options = kaldi_native_fbank.FbankOptions()
        options.frame_opts.dither, options.mel_opts.num_bins = 0, 80
        front_end = kaldi_native_fbank.OnlineFbank(options)
        front_end.accept_waveform(SAMPLE_RATE, samples.tolist())
        front_end.input_finished()
        return np.stack([front_end.get_frame(i) for i in range(front_end.num_frames_ready)])

    def memory(fsmn: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        x = x.transpose(1, 2)
        back = functional.conv1d(functional.pad(x, (19, 0)), fsmn.lookback_filter.weight, groups=x.shape[1])
        ahead = functional.conv1d(functional.pad(x, (0, 20)), fsmn.lookahead_filter.weight, groups=x.shape[1])[..., 1:]
        return (x + back + ahead).transpose(1, 2)

    @torch.inference_mode()
    def one(path: Path) -> np.ndarray:
        samples, _ = soundfile.read(path, dtype="int16")
        x = cmvn(torch.from_numpy(feats_of(samples)))[None]
        body = model.dfsmn
        x = memory(body.fsmn1, body.fc2(body.fc1(x)))
        for block in body.fsmns:
            x = memory(block.fsmn, block.fc2(block.fc1(x))) + x
        probs = model.out(body.dnns(x)).sigmoid()[0, :, 0].numpy()
        rules = vad.rules()
        to_seconds(segment(probs, rules), len(probs), len(samples) / SAMPLE_RATE)
        return probs

    return lambda paths: [one(path) for path in paths]


def silero_detect() -> Detect:
    from silero_vad import get_speech_timestamps, load_silero_vad

    model = load_silero_vad()

    def one(path: Path) -> list:
        samples = torch.from_numpy(soundfile.read(path, dtype="float32")[0])
        return get_speech_timestamps(samples, model, sampling_rate=SAMPLE_RATE)

    return lambda paths: [one(path) for path in paths]


def webrtc_detect() -> Detect:
    import webrtcvad

    def one(path: Path) -> list[bool]:
        vad, data = webrtcvad.Vad(2), soundfile.read(path, dtype="int16")[0].tobytes()
        size = 2 * SAMPLE_RATE * 30 // 1000
        return [vad.is_speech(data[i : i + size], SAMPLE_RATE) for i in range(0, len(data) - size + 1, size)]

    return lambda paths: [one(path) for path in paths]


def main() -> None:
    """Print one table row per detector and kind of input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("pretrained_models/FireRedVAD/VAD"))
    parser.add_argument("--audio", type=Path, nargs="+", default=sorted((HERE.parent / "data/wav").glob("*.wav")))
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    vad = Vad.from_pretrained(args.model, device="cpu")
    detectors = {"firered": firered_detect(vad), "unfused": unfused_detect(vad)}
    if importlib.util.find_spec("silero_vad"):
        detectors["silero-vad"] = silero_detect()
        torch.set_num_threads(1)
    if importlib.util.find_spec("webrtcvad"):
        detectors["webrtcvad"] = webrtc_detect()
    with tempfile.TemporaryDirectory() as folder:
        for kind, paths in make_files(args.audio, args.minutes, Path(folder)).items():
            report(kind, paths, detectors, args.minutes * 60, args.rounds)


def report(kind: str, paths: list[Path], detectors: dict[str, Detect], audio_s: float, rounds: int) -> None:
    """Measure and print one kind of input."""
    best = dict.fromkeys(detectors, float("inf"))
    outputs = {}
    for _ in range(rounds):
        for name, detect in detectors.items():
            begun = time.perf_counter()
            outputs[name] = detect(paths)
            best[name] = min(best[name], time.perf_counter() - begun)
    difference = max(float(np.abs(a - b).max()) for a, b in zip(outputs["firered"], outputs["unfused"], strict=True))
    for name, seconds in best.items():
        ratio = seconds / best["firered"]
        print(
            f"{kind:24} {name:12} real time factor {seconds / audio_s:.5f}   {ratio:6.2f} x firered's time", flush=True
        )
    print(f"{kind:24} largest difference of posteriors, firered - unfused: {difference:.1e}")


if __name__ == "__main__":
    main()
