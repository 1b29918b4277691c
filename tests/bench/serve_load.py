"""Load of `firered serve`: throughput and delay of file requests at several numbers of clients, and its memory.

    python tests/bench/serve_load.py                     the bundled models, on a server that is started for it
    python tests/bench/serve_load.py --models pretrained_models --audio talk.wav -- --asr-dtype int8

What stands behind -- goes to `firered serve`. Each client posts one recording after the other; only this machine is
called, so many requests and seconds a row at most, and the server ends with the script. Beside the requests a thread
asks for /health ten times a second. `--clients 10 --requests 1000000 --seconds 1800` looks at its memory for half an
hour.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx
import numpy as np

TOP = Path(__file__).resolve().parents[2]
POST = "/v1/audio/transcriptions"
_START_S = 600
_COLUMNS = (
    *("clients", "requests", "errors", "requests/s", "audio s/s", "P50 s", "P95 s", "P99 s", "/health max s"),
    "MB before, after",
)


def main() -> None:
    """Print a table, a row for each number of clients."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", default=str(TOP / "egs/mini/models"))
    parser.add_argument(
        "--audio", nargs="+", default=[str(path) for path in sorted((TOP / "egs/mini/test/wav").glob("f*.flac"))]
    )
    parser.add_argument("--clients", default="1,5,10,20")
    parser.add_argument("--requests", type=int, default=200, help="of each row, at most")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each row, at most")
    own, server = (sys.argv[1:], []) if "--" not in sys.argv else split(sys.argv[1:])
    asked = parser.parse_args(own)
    contents = [(Path(path).name, Path(path).read_bytes()) for path in asked.audio]
    with tempfile.TemporaryDirectory() as folder:
        process, url = start(asked.models, server, Path(folder))
        try:
            print(" | ".join(_COLUMNS))
            print("|".join(["---"] * len(_COLUMNS)))
            for clients in map(int, asked.clients.split(",")):
                print(row(url, contents, clients, asked.requests, asked.seconds, process.pid), flush=True)
        finally:
            process.terminate()
            process.wait(60)


def split(words: list[str]) -> tuple[list[str], list[str]]:
    """The words before and behind --."""
    return words[: words.index("--")], words[words.index("--") + 1 :]


def start(models: str, options: list[str], folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server on this machine that is ready, and its address."""
    command = [Path(sys.executable).parent / "firered", "serve", "--models", models, "--port", "0", "--jobs", ""]
    log = (folder / "log").open("w+")
    process = subprocess.Popen([*map(str, command), *options], stderr=log, text=True, cwd=folder)
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        text = (folder / "log").read_text(encoding="utf-8")
        if "info ready" in text:
            return process, re.findall(r"listening on (http://127\.0\.0\.1:\d+)", text)[0]
        time.sleep(0.1)
    process.kill()
    sys.exit(f"the server did not start:\n{(folder / 'log').read_text(encoding='utf-8')}")


def row(url: str, contents: list[tuple[str, bytes]], clients: int, most: int, limit_s: float, pid: int) -> str:
    """One row of the table."""
    lock, took, heard = threading.Lock(), [], []
    errors, slowest, left = 0, [0.0], most
    until, before = time.monotonic() + limit_s, memory(pid)
    done = threading.Event()

    def client(number: int) -> None:
        nonlocal left, errors
        with httpx.Client(base_url=url, timeout=600, trust_env=False) as http:
            while time.monotonic() < until:
                with lock:
                    if left <= 0:
                        return
                    left -= 1
                    turn = left
                began = time.monotonic()
                answer = http.post(POST, files={"file": contents[turn % len(contents)]})
                with lock:
                    took.append(time.monotonic() - began)
                    if answer.status_code == 200:
                        heard.append(answer.json()["usage"]["seconds"])
                    else:
                        errors += 1

    def look() -> None:
        with httpx.Client(base_url=url, timeout=600, trust_env=False) as http:
            while not done.wait(0.1):
                began = time.monotonic()
                http.get("/health")
                slowest[0] = max(slowest[0], time.monotonic() - began)

    began = time.monotonic()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    watcher = threading.Thread(target=look)
    for thread in (*threads, watcher):
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.monotonic() - began
    done.set()
    watcher.join()
    p50, p95, p99 = np.percentile(took, (50, 95, 99))
    return (
        f"{clients} | {len(took)} | {errors} | {len(took) / wall_s:.1f} | {sum(heard) / wall_s:.0f} | "
        f"{p50:.2f} | {p95:.2f} | {p99:.2f} | {slowest[0]:.2f} | {before:.0f}, {memory(pid):.0f}"
    )


def memory(pid: int) -> float:
    """Megabytes of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
