"""Memory of `firered serve` under load for half an hour: what it holds, minute by minute.

    python tests/bench/serve_memory.py                   the bundled models, on a server that is started for it
    python tests/bench/serve_memory.py --seconds 600 --models pretrained_models -- --asr-dtype int8

What stands behind -- goes to `firered serve`. All the while clients send recordings, each with hotwords of its own,
streams of speech come at their own pace, of which every third leaves in the middle, and jobs follow each other. Only
this machine is called, and the server ends with the script.
"""

import asyncio
import contextlib
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import soundfile
from serve_frame import Server, client, head, parser, serving, show
from serve_live_load import RATE, stream
from serve_load import POST
from websockets.exceptions import WebSocketException

_ROW_S = 60.0
_STREAM_S, _LEAVES_AFTER_S = 20.0, 7.0
_PATIENCE_S = 600.0  # delays are not measured here
_COLUMNS = ("minute", "requests", "streams", "streams left", "jobs", "errors", "MB", "open files", "threads")


def main() -> None:
    """Print a table, a row for each minute."""
    options = parser(__doc__ or "", "*.flac", 1800.0)
    options.add_argument("--clients", type=int, default=4)
    options.add_argument("--streams", type=int, default=4)
    with serving(options, "--jobs", "jobs") as (asked, server):
        head(_COLUMNS)
        done, counts = threading.Event(), Counter[str]()
        threads = [
            *(threading.Thread(target=send, args=(server, asked.audio, n, done, counts)) for n in range(asked.clients)),
            *(
                threading.Thread(target=speak, args=(server, asked.audio, n, done, counts))
                for n in range(asked.streams)
            ),
            threading.Thread(target=hand_in, args=(server, asked.audio, done, counts)),
        ]
        show(row(0, server, counts))
        for thread in threads:
            thread.start()
        began, minute = time.monotonic(), 0
        while (now := time.monotonic()) < began + asked.seconds:
            time.sleep(min(_ROW_S, began + asked.seconds - now))
            minute += 1
            show(row(minute, server, counts))
        done.set()
        for thread in threads:
            thread.join()
        time.sleep(2.0)
        show(row("after", server, counts))


def row(when: object, server: Server, counts: Counter[str]) -> list[object]:
    """One row of the table."""
    own = [counts[name] for name in ("requests", "streams", "left", "jobs", "errors")]
    return [when, *own, f"{server.memory():.0f}", server.open_files(), server.threads()]


def send(server: Server, audio: list[Path], number: int, done: threading.Event, counts: Counter[str]) -> None:
    """Send recordings until all is done, each with hotwords that were never there before."""
    turn = 0
    with client(server) as http:
        while not done.is_set():
            turn += 1
            words = [f"word{number}x{turn}x{one}" for one in range(5)]
            content = audio[(number + turn) % len(audio)]
            answer = http.post(POST, files={"file": (content.name, content.read_bytes())}, data={"keywords[]": words})
            counts["requests" if answer.status_code == 200 else "errors"] += 1


def speak(server: Server, audio: list[Path], number: int, done: threading.Event, counts: Counter[str]) -> None:
    """Send streams until all is done, of which every third leaves in the middle."""
    turn = 0
    while not done.is_set():
        turn += 1
        samples = np.concatenate([soundfile.read(path, dtype="int16")[0] for path in audio[(number + turn) % 5 :: 5]])
        leaves = (number + turn) % 3 == 0
        try:
            asyncio.run(_speak(server, samples[: round(_STREAM_S * RATE)], leaves))
            counts["left" if leaves else "streams"] += 1
        except (OSError, ValueError, WebSocketException):
            counts["errors"] += 1


async def _speak(server: Server, samples: np.ndarray, leaves: bool) -> None:
    late: dict[str, list[float]] = {}
    if not leaves:
        await stream(server, samples, late, rest_s=_PATIENCE_S)
        return
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(stream(server, samples, late), _LEAVES_AFTER_S)


def hand_in(server: Server, audio: list[Path], done: threading.Event, counts: Counter[str]) -> None:
    """Hand in one job after the other until all is done, and forget each with its result."""
    with client(server) as http:
        while not done.is_set():
            longest = max(audio, key=lambda path: path.stat().st_size)
            id = http.post("/v1/jobs", files={"file": (longest.name, longest.read_bytes())}).json()["id"]
            while http.get(f"/v1/jobs/{id}").json()["status"] not in ("completed", "failed"):
                time.sleep(0.2)
            done_well = http.get(f"/v1/jobs/{id}/result").status_code == 200
            http.delete(f"/v1/jobs/{id}")
            counts["jobs" if done_well else "errors"] += 1


if __name__ == "__main__":
    main()
