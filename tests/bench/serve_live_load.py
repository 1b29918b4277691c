"""Load of `firered serve` by live streams: how late their texts are at several numbers of streams at real time.

    python tests/bench/serve_live_load.py                     the bundled models, on a server that is started for it
    python tests/bench/serve_live_load.py --models pretrained_models --audio talk.wav -- --asr-dtype int8

What stands behind -- goes to `firered serve`. Each stream sends recordings, one after the other, in pieces of 0.1 s at
their own pace to /v1/stream. A text is late by the time from when it could be known at the earliest, as the stream has
been sent so far then (`known_s`), to when it has come back. Only this machine is called; so many seconds a row, and the
server ends with the script.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import soundfile
from serve_load import TOP, memory, split, start
from websockets.asyncio.client import ClientConnection, connect

_RATE, _PIECE_S, _REST_S = 16000, 0.1, 30.0
_COLUMNS = (
    *("streams", "seconds", "partials", "finals", "partial P50 s", "P95 s", "P99 s", "final P50 s", "P95 s", "P99 s"),
    *("latest s", "skipped", "/health max s", "cores", "MB"),
)


def main() -> None:
    """Print a table, a row for each number of streams."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=str(TOP / "egs/mini/models"))
    parser.add_argument(
        "--audio", nargs="+", default=[str(path) for path in sorted((TOP / "egs/mini/test/wav").glob("talk*.flac"))]
    )
    parser.add_argument("--streams", default="1,5,10,20")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each row")
    own, server = (sys.argv[1:], []) if "--" not in sys.argv else split(sys.argv[1:])
    asked = parser.parse_args(own)
    audio = [soundfile.read(path, dtype="int16")[0] for path in asked.audio]
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(asked.models, server, Path(folder))
        try:
            print(" | ".join(_COLUMNS))
            print("|".join(["---"] * len(_COLUMNS)))
            for streams in map(int, asked.streams.split(",")):
                print(asyncio.run(row(url, audio, streams, asked.seconds, process.pid)), flush=True)
        finally:
            process.terminate()
            process.wait(60)


async def row(url: str, audio: list[np.ndarray], streams: int, seconds: float, pid: int) -> str:
    """One row of the table."""
    late: dict[str, list[float]] = {"partial": [], "final": []}
    ends: list[dict] = []
    slowest, began, used = [0.0], time.monotonic(), cpu_s(pid)
    watcher = asyncio.create_task(look(url, slowest))
    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            group.create_task(one(url, audio, number, streams, seconds, late, ends))
    cores = (cpu_s(pid) - used) / (time.monotonic() - began)
    watcher.cancel()
    assert len(ends) == streams, "a stream did not come to its end"
    cells = [f"{np.percentile(late[kind] or [0], share):.2f}" for kind in late for share in (50, 95, 99)]
    latest = max(late["partial"] + late["final"], default=0.0)
    skipped = sum(end["skipped"] for end in ends)
    return " | ".join(
        [
            *(str(streams), f"{seconds:.0f}", str(len(late["partial"])), str(len(late["final"])), *cells),
            *(f"{latest:.2f}", str(skipped), f"{slowest[0]:.2f}", f"{cores:.2f}", f"{memory(pid):.0f}"),
        ]
    )


async def one(
    url: str,
    audio: list[np.ndarray],
    number: int,
    streams: int,
    seconds: float,
    late: dict[str, list[float]],
    ends: list[dict],
) -> None:
    """One stream."""
    await asyncio.sleep(_PIECE_S * number / streams)  # so that pieces do not come all at once
    samples = np.concatenate([audio[(number + turn) % len(audio)] for turn in range(len(audio))])
    samples = np.tile(samples, 1 + round(seconds * _RATE) // len(samples))[: round(seconds * _RATE)]
    async with connect(f"{url.replace('http', 'ws')}/v1/stream?rate={_RATE}", proxy=None) as socket:
        await socket.recv()
        began = time.monotonic()
        reader = asyncio.create_task(read(socket, began, late))
        step = round(_PIECE_S * _RATE)
        for begin in range(0, len(samples), step):
            await asyncio.sleep(max(0.0, began + (begin + step) / _RATE - time.monotonic()))
            await socket.send(samples[begin : begin + step].tobytes())
        await socket.send("END")
        ends.append(await asyncio.wait_for(reader, _REST_S))


async def read(socket: ClientConnection, began: float, late: dict[str, list[float]]) -> dict:
    """Take lines until the last, which is returned."""
    async for text in socket:
        line, now = json.loads(text), time.monotonic() - began
        if line["type"] in late:
            sent_s = _PIECE_S * np.ceil(line["known_s"] / _PIECE_S - 1e-6)  # the end of the piece that told it
            late[line["type"]].append(now - sent_s)
        elif line["type"] == "end":
            return line
    raise ConnectionError("it ended early")


async def look(url: str, slowest: list[float]) -> None:
    """Ask for /health ten times a second."""
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        while True:
            began = time.monotonic()
            await http.get("/health")
            slowest[0] = max(slowest[0], time.monotonic() - began)
            await asyncio.sleep(0.1)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
