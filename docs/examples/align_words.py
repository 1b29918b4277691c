"""Prints when each word of a known text is spoken.

python docs/examples/align_words.py hello_zh.wav 你好世界 [models]
"""

import sys
from pathlib import Path

import firered


def main(audio: str, text: str, models: str = "pretrained_models") -> None:
    """Align the text to the recording by the CTC head of the recognition model."""
    aligner = firered.load(Path(models) / "FireRedASR2-AED", as_="aligner")
    for word in aligner(audio, text).words:
        print(f"{word.start_s:7.3f} {word.end_s:7.3f} {word.text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
