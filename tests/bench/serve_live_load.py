"""Load of `firered serve` by live streams: how late their texts are at several numbers of streams at real time.

    python tests/bench/serve_live_load.py                     the bundled models, on a server that is started for it
    python tests/bench/serve_live_load.py --models pretrained_models --audio talk.wav -- --asr-dtype int8

What stands behind -- goes to `firered serve`. Each stream sends recordings, one after the other, in pieces of 0.1 s at
their own pace to /v1/stream. A text is late by the time from when it could be known at the earliest, as the stream has
been sent so far then (`known_s`), to when it has come back. Only this machine is called; so many seconds a row, and the
server ends with the script.
"""

import asyncio
import json
import time

import numpy as np
import soundfile
from serve_frame import Server, head, parser, seconds, serving, show, slowest_health
from websockets.asyncio.client import ClientConnection, connect

RATE, _PIECE_S, _REST_S = 16000, 0.1, 30.0
_COLUMNS = (
    *("streams", "partials", "finals", "partials P50, P95, P99 s", "finals P50, P95, P99 s", "latest s", "skipped"),
    *("slowest `/health` s", "cores used", "MB"),
)


def main() -> None:
    """Print a table, a row for each number of streams."""
    options = parser(__doc__ or "", "talk*.flac", 60.0)
    options.add_argument("--streams", default="1,5,10,20")
    with serving(options, "--jobs", "") as (asked, server):
        audio = [soundfile.read(path, dtype="int16")[0] for path in asked.audio]
        head(_COLUMNS)
        for streams in map(int, asked.streams.split(",")):
            show(row(server, audio, streams, asked.seconds))


def row(server: Server, audio: list[np.ndarray], streams: int, length_s: float) -> list[object]:
    """One row of the table."""
    late: dict[str, list[float]] = {"partial": [], "final": []}
    began, used = time.monotonic(), server.cpu_s()
    with slowest_health(server) as slowest:
        ends = asyncio.run(all_of(server, audio, streams, length_s, late))
    cores = (server.cpu_s() - used) / (time.monotonic() - began)
    return [
        *(streams, len(late["partial"]), len(late["final"])),
        *(seconds(late[kind], 50, 95, 99) for kind in late),
        f"{max(late['partial'] + late['final'], default=0.0):.2f}",
        *(sum(end["skipped"] for end in ends), f"{slowest[0]:.2f}", f"{cores:.2f}", f"{server.memory():.0f}"),
    ]


async def all_of(
    server: Server, audio: list[np.ndarray], streams: int, length_s: float, late: dict[str, list[float]]
) -> list[dict]:
    """Send so many streams at a time; the last line of each."""
    size = round(length_s * RATE)

    async def begin(number: int) -> dict:
        await asyncio.sleep(_PIECE_S * number / streams)  # so that pieces do not come all at once
        samples = np.concatenate([audio[(number + turn) % len(audio)] for turn in range(len(audio))])
        return await stream(server, np.tile(samples, 1 + size // len(samples))[:size], late)

    return await asyncio.gather(*(begin(number) for number in range(streams)))


async def stream(server: Server, samples: np.ndarray, late: dict[str, list[float]], *, rest_s: float = _REST_S) -> dict:
    """Send a stream at its own pace; its last line, which has to come so soon after its end."""
    async with connect(f"{server.url.replace('http', 'ws')}/v1/stream?rate={RATE}", proxy=None) as socket:
        await socket.recv()
        began = time.monotonic()
        reader = asyncio.create_task(read(socket, began, late))
        step = round(_PIECE_S * RATE)
        try:
            for begin in range(0, len(samples), step):
                await asyncio.sleep(max(0.0, began + (begin + step) / RATE - time.monotonic()))
                await socket.send(samples[begin : begin + step].tobytes())
            await socket.send("END")
            return await asyncio.wait_for(reader, rest_s)
        finally:
            reader.cancel()


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


if __name__ == "__main__":
    main()
