"""Sets that a corpus has no partition of itself for: whole songs, files or documents held out, the same every time."""

import zlib
from collections.abc import Iterable

TRAIN, DEV, TEST = "train", "dev", "test"


def held_out(names: Iterable[str], *, dev: float = 0.1, test: float = 0.1) -> dict[str, str]:
    """The set (train, dev or test) of each name: these shares, by the order of a hash of the names.

    From three names on each set has one at least. Of two the second is held out as test; one alone is for training.
    """
    ordered = sorted(set(names), key=lambda name: (zlib.crc32(name.encode()), name))
    spare = len(ordered) - 1  # one is trained on
    tests = min(spare, max(1, round(test * len(ordered)))) if test else 0
    devs = min(spare - tests, max(1, round(dev * len(ordered)))) if dev else 0
    parts = [TEST] * tests + [DEV] * devs
    return dict(zip(ordered, parts + [TRAIN] * (len(ordered) - len(parts)), strict=True))
