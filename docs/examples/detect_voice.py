"""Finds voice in a recording: first as a whole, then as if it came in live, a tenth of a second at a time.

python docs/examples/detect_voice.py meeting.flac [models]
"""

import sys
from pathlib import Path

import soundfile

import firered

PIECE_S = 0.1


def main(audio: str, models: str = "pretrained_models") -> None:
    """Print segments of the offline detector, then events of the streaming one."""
    vad = firered.load(Path(models) / "FireRedVAD/VAD", speech_threshold=0.5)
    for start_s, end_s in vad(audio).timestamps:
        print(f"voice from {start_s:.2f} to {end_s:.2f} s")

    samples, rate = soundfile.read(audio, dtype="float32")
    stream = firered.load(Path(models) / "FireRedVAD/Stream-VAD").stream()
    size = round(PIECE_S * rate)
    for begin in range(0, len(samples), size):
        for event in stream.accept((samples[begin : begin + size], rate)):
            print(f"{event.kind} at {event.time_s:.2f} s, known at {(begin + size) / rate:.2f} s")
    for event in stream.finish():  # of speech that is still on
        print(f"{event.kind} at {event.time_s:.2f} s, the end of the audio")


if __name__ == "__main__":
    main(*sys.argv[1:])
