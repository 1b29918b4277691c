#!/usr/bin/env python3
"""What silence behind speech that breaks off does to live text, on the recordings and with the models of egs/mini.

    python tests/bench/live_tail.py [SECONDS...]        by default 0 0.05 0.1 0.2 0.3

Prints for each `tail_s` the normalised erasure of partial text (words taken back over words of the finals, the unstable
part included), and how many stretches that end right with the last word of a sentence by the reference ctm have its
text.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from firered import LiveConfig, LiveSystem
from firered.results.live import Final, Partial
from firered.text.timed_words import words

MINI = Path(__file__).resolve().parents[2] / "egs/mini"
PAUSE_S, LEAD_S = 0.4, 0.3  # pauses between sentences are longer; what stands before a sentence


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tails", nargs="*", type=float, default=[0.0, 0.05, 0.1, 0.2, 0.3])
    loaded = LiveSystem.from_pretrained(MINI / "models", device="cpu")
    print("tail_s  erasure  right")
    for tail_s in parser.parse_args().tails:
        config = LiveConfig(tail_s=tail_s, behind_s=None)
        system = LiveSystem(loaded.detector, loaded.modules, config)
        right, count = complete(system)
        print(f"{tail_s:6.2f}  {erasure(system):7.3f}  {right} of {count}")


def heard(system: LiveSystem, samples: np.ndarray) -> list:
    """All results of a stream."""
    session = system.session()
    return [*session.accept(samples), *session.finish()]


def erasure(system: LiveSystem) -> float:
    """Words taken back over words of the finals, on the talks."""
    erased = total = 0
    for path in sorted((MINI / "test/wav").glob("talk-*.flac")):
        shown: dict[int, list[str]] = defaultdict(list)
        for result in heard(system, soundfile.read(path, dtype="int16")[0]):
            if not isinstance(result, Partial | Final):
                continue
            now = words(result.text) if isinstance(result, Partial) else [word.text for word in result.words]
            before = shown[result.segment]
            same = next((n for n, pair in enumerate(zip(before, now, strict=False)) if pair[0] != pair[1]), None)
            erased += len(before) - (min(len(before), len(now)) if same is None else same)
            total += len(now) if isinstance(result, Final) else 0
            shown[result.segment] = now
    return erased / total


def complete(system: LiveSystem) -> tuple[int, int]:
    """How many sentences cut off right behind their last word have all of their text, and how many there are."""
    right = count = 0
    for samples, text in sentences():
        finals = [result for result in heard(system, samples) if isinstance(result, Final)]
        right += "".join(word.text for final in finals for word in final.words).lower() == text.lower()
        count += 1
    return right, count


def sentences() -> Iterator[tuple[np.ndarray, str]]:
    """Samples (n,) of each sentence up to the end of its last word, and its words."""
    timed: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for line in (MINI / "test/ctm").read_text(encoding="utf-8").splitlines():
        name, _, start_s, duration_s, word, *_ = line.split()
        timed[name].append((float(start_s), float(start_s) + float(duration_s), word))
    for name, own in timed.items():
        samples, rate = soundfile.read(MINI / f"test/wav/{name}.flac", dtype="int16")
        first = 0
        for last in range(len(own)):
            if last + 1 == len(own) or own[last + 1][0] - own[last][1] > PAUSE_S:
                begin = int(max(0.0, own[first][0] - LEAD_S) * rate)
                yield samples[begin : int(own[last][1] * rate)], "".join(word for *_, word in own[first : last + 1])
                first = last + 1


if __name__ == "__main__":
    main()
