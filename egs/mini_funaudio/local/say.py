"""Says what it reads from standard input, Chinese with English words in it, in a voice of espeak-ng, to a wav file.

    echo 我的 credit card 在哪里 | python say.py --voice f3 --pitch 60 out.wav

It is a command for firered-speak: --tts "python say.py --voice {voice} {wav}".
"""

import argparse
import sys

import numpy as np
import soundfile
from synth import SAMPLE_RATE, Synthesiser, Voice


def main() -> None:
    """Say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--voice", default="f2", help="variant of espeak-ng's voices")
    parser.add_argument("--language", default="zh", help="language of what is not in Latin letters")
    parser.add_argument("--speed", type=int, default=190, help="words a minute")
    parser.add_argument("--pitch", type=int, default=50, help="0 to 99")
    parser.add_argument("wav")
    args = parser.parse_args()
    voice = Voice(args.voice, args.pitch, args.speed)
    spoken = Synthesiser().say(args.language, sys.stdin.read().strip(), voice)
    soundfile.write(args.wav, np.clip(spoken.samples, -1, 1), SAMPLE_RATE)


if __name__ == "__main__":
    main()
