"""What measurements of `firered serve` share: a server of its own, its figures, and tables that grow row by row."""

import argparse
import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import httpx

TOP = Path(__file__).resolve().parents[2]
_START_S, _END_S = 600, 90


class Server(NamedTuple):
    """A server on this machine that is ready: its address and its process."""

    url: str
    pid: int

    def memory(self) -> float:
        """Megabytes that it has in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def open_files(self) -> int:
        """Files and sockets that it has open."""
        return len([*Path(f"/proc/{self.pid}/fd").iterdir()])

    def threads(self) -> int:
        """Threads that it has."""
        return len([*Path(f"/proc/{self.pid}/task").iterdir()])

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def parser(about: str, audio: str, seconds: float) -> argparse.ArgumentParser:
    """A parser of the options that all have.

    Args:
        about: the script's docstring.
        audio: pattern of the recordings of egs/mini that are sent.
        seconds: of each row.
    """
    found = argparse.ArgumentParser(description=about.partition("\n")[0])
    found.add_argument("--models", default=str(TOP / "egs/mini/models"))
    own = sorted((TOP / "egs/mini/test/wav").glob(audio))
    found.add_argument("--audio", nargs="+", type=Path, default=own, help="recordings that are sent")
    found.add_argument("--seconds", type=float, default=seconds, help="of each row, at most")
    return found


@contextlib.contextmanager
def serving(found: argparse.ArgumentParser, *more: str) -> Iterator[tuple[argparse.Namespace, Server]]:
    """The options, and a server that ends with the block; it gets what stands behind -- of the command line."""
    words = sys.argv[1:]
    at = words.index("--") if "--" in words else len(words)
    asked = found.parse_args(words[:at])
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).parent / "firered"), "serve", "--models", asked.models, "--port", "0"]
        log = Path(folder) / "log"
        with log.open("w") as file:
            process = subprocess.Popen([*command, *more, *words[at + 1 :]], stderr=file, cwd=folder)
        try:
            yield asked, Server(_address(process, log), process.pid)
        finally:
            process.terminate()
            process.wait(_END_S)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    until = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < until:
        if "info ready" in (text := log.read_text(encoding="utf-8")):
            return re.findall(r"listening on (http://127\.0\.0\.1:\d+)", text)[0]
        time.sleep(0.1)
    sys.exit(f"the server did not start:\n{log.read_text(encoding='utf-8')}")


def client(server: Server) -> httpx.Client:
    """A client that waits as long as it takes, and goes by no proxy."""
    return httpx.Client(base_url=server.url, timeout=600, trust_env=False)


@contextlib.contextmanager
def slowest_health(server: Server) -> Iterator[list[float]]:
    """A list of one number: the seconds of the slowest answer of /health, which is asked for ten times a second."""
    slowest, done = [0.0], threading.Event()

    def look() -> None:
        with client(server) as http:
            while not done.wait(0.1):
                began = time.monotonic()
                http.get("/health")
                slowest[0] = max(slowest[0], time.monotonic() - began)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield slowest
    finally:
        done.set()
        thread.join()


def show(cells: Sequence[object]) -> None:
    """Print a row of a table in Markdown, at once."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def head(columns: Sequence[str]) -> None:
    """Print the head of a table."""
    show(columns)
    print("|" + "---|" * len(columns), flush=True)


def seconds(numbers: Sequence[float], *shares: float) -> str:
    """Percentiles, in seconds."""
    import numpy as np

    return ", ".join(f"{np.percentile(numbers or [0.0], share):.2f}" for share in shares)
