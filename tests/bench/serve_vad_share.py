"""Where the processor time of live streams goes in `firered serve`, and what voice detection in batches would save.

    python tests/bench/serve_vad_share.py --streams 20 --seconds 60

The server runs in this process, with one thread for torch, as do its clients, whose time does not count: times are
those of each thread by itself. Then the network of the voice detector is timed alone: the blocks of so many streams one
by one, as they are computed, and in one batch, which is the most that waiting for each other could bring.
"""

import argparse
import asyncio
import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from serve_frame import TOP, Server, head, show
from serve_live_load import all_of

from firered.live.session import LiveSession
from firered.models.dfsmn import Dfsmn, DfsmnCache
from firered.serve.config import ServeConfig
from firered.serve.engine import Engine
from firered.serve.server import Listening, application
from firered.serve.session import Session
from firered.system.system import System
from firered.vad import stream as vad_stream
from firered.vad.detect import StreamVad

MODELS = TOP / "egs/mini/models"
_TIMES = 50


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument("--streams", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    shares(asked.models, asked.streams, asked.seconds)
    print()
    batches(StreamVad.from_pretrained(asked.models / "FireRedVAD/Stream-VAD", device="cpu"), asked.streams)


def shares(models: Path, streams: int, length_s: float) -> None:
    """The processor time of each part of a server with so many streams, as a share of a core."""
    used = Counter[str]()
    timed(used, "streams: all of it", Session, "_run")
    timed(used, "streams: live recognition without passes", LiveSession, "accept")
    timed(used, "streams: voice detection", vad_stream._Posteriors, "accept")
    timed(used, "streams: its network", Dfsmn, "forward")
    timed(used, "engine: passes", Engine, "_answer")
    config = ServeConfig(port=0, jobs="", probe_s=0.0)
    detector = partial(StreamVad.from_pretrained, models / "FireRedVAD/Stream-VAD", device="cpu")
    app = application(
        config, partial(System.from_pretrained, models, device="cpu"), "asr", ("zh", "en"), detector=detector
    )
    listening = Listening(config, app)
    thread = threading.Thread(target=listening.run)
    thread.start()
    while not app.state.services.keeper.ready:
        time.sleep(0.1)
    used.clear()
    loop_before, began = cpu_s(thread), time.monotonic()
    audio = [soundfile.read(path, dtype="int16")[0] for path in sorted((TOP / "egs/mini/test/wav").glob("talk*.flac"))]
    server = Server(f"http://127.0.0.1:{listening.port}", 0)
    asyncio.run(all_of(server, audio, streams, length_s, {"partial": [], "final": []}))
    wall_s = time.monotonic() - began
    used["event loop"] = cpu_s(thread) - loop_before
    listening.should_exit = True
    thread.join()
    head((f"{streams} streams", "share of a core"))
    for name, seconds in sorted(used.items()):
        show((name, f"{seconds / wall_s:.3f}"))


def timed(used: Counter[str], name: str, kind: type, method: str) -> None:
    """Add up the processor time of a method, in the threads that call it."""
    real: Callable[..., Any] = getattr(kind, method)

    def wrapped(*given: Any, **more: Any) -> Any:
        began = time.thread_time()
        try:
            return real(*given, **more)
        finally:
            used[name] += time.thread_time() - began  # type: ignore[assignment]

    setattr(kind, method, wrapped)


def cpu_s(thread: threading.Thread) -> float:
    """Seconds of processor time of a thread so far."""
    fields = Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@torch.inference_mode()
def batches(detector: StreamVad, streams: int) -> None:
    """The network on a block of each stream, one by one and together."""
    model, block = detector.classifier.model, vad_stream._BLOCK
    feats = torch.randn(streams, block, 80, generator=torch.Generator().manual_seed(0))
    took: dict[str, list[float]] = {"one by one": [], "one batch": []}
    for _ in range(_TIMES):
        began = time.thread_time()
        single = [model(feats[number : number + 1], cache=DfsmnCache(), last=False) for number in range(streams)]
        took["one by one"].append(time.thread_time() - began)
        began = time.thread_time()
        together = model(feats, cache=DfsmnCache(), last=False)
        took["one batch"].append(time.thread_time() - began)
    same = torch.equal(torch.cat(single), together)
    head((f"blocks of {streams} streams", "ms"))
    for name, seconds in took.items():
        show((name, f"{1000 * float(np.median(seconds)):.1f}"))
    print(f"equal to the last bit: {same}")


if __name__ == "__main__":
    main()
