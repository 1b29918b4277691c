"""Careless and hostile clients: the server answers or closes, goes on, and keeps nothing of them."""

import gc
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

import soundfile
from support import serve_fuzz, socket_fuzz
from support.serve_fuzz import Case, media
from support.serving import ZH, always_speech, serving, told_system, wait_for
from support.socket_fuzz import SocketCase

from firered.data.atomic import owner
from firered.data.temporary import place
from firered.serve.loaded import give_back_memory

SEED = int(os.environ.get("FIRERED_FUZZ_SEED", "0"))
_AT_ONCE = 8
_MEMORY_BYTES = 40 << 20  # that the same cases again may add


def children():
    """Processes that this one has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        if int(rest.split()[1]) == os.getpid() and "ffmpeg" in name:
            found.append(name)
    return found


def held():
    """Open files and threads of this process, and its memory in bytes."""
    gc.collect()
    give_back_memory()
    memory = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len([*Path("/proc/self/fd").iterdir()]), threading.active_count(), memory


def run(served, recordings, numbers):
    """How many cases of each kind had which end; requests and live streams take turns."""
    speech = soundfile.read(ZH, dtype="int16")[0].tobytes()

    def one(number):
        seed = f"{SEED} {number}"
        case = SocketCase(seed, served, speech) if number % 2 else Case(seed, served.listening.port, recordings)
        try:
            return ("stream" if number % 2 else "request", case.kind, case.run())
        except Exception as error:
            raise AssertionError(f"seed {SEED}, case {number} ({case.kind})") from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return Counter(pool.map(one, numbers))


def settle(served):
    wait_for(lambda: served.services.limits.open == 0 and served.services.sockets.open == 0)
    wait_for(lambda: served.engine.works == 0 and served.engine.turns.streams == 0)
    wait_for(lambda: not served.listening.server_state.connections)
    wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "firered-stream"])
    wait_for(lambda: not children())


def attack(tmp_path, count, build, detector=None):
    recordings = media(tmp_path)
    options = {"receive_s": 1.0, "media_s": 10.0, "max_open": 64, "max_client": 64, "max_message_mb": 1.0}
    with serving(tmp_path, build, detector=detector, idle_socket_s=5.0, **options) as served:
        found = run(served, recordings, range(count // 4))  # after which all that is made once is there
        settle(served)
        before = held()
        found += run(served, recordings, range(count // 4, count))
        settle(served)
        wait_for(lambda: held()[0] <= before[0] + 2)
        after = held()
        assert after[1] <= before[1] + 2
        assert after[2] < before[2] + _MEMORY_BYTES, f"{(after[2] - before[2]) >> 20} MB more"
        assert [path for path in place().iterdir() if path.name.startswith(f"firered-{owner()}")] == []
        assert list((tmp_path / "jobs").glob("*.audio")) == []
        with served.http() as http:
            assert http.get("/health").status_code == 200
            answer = http.post("/v1/audio/transcriptions", files={"file": ("a.flac", ZH.read_bytes())})
            assert answer.status_code == 200
        assert SocketCase("", served, soundfile.read(ZH, dtype="int16")[0].tobytes())._speaks() == "answered"
    assert sum(found.values()) == count
    assert {kind for way, kind, _ in found if way == "request"} == {*serve_fuzz.KINDS}
    assert {kind for way, kind, _ in found if way == "stream"} == {*socket_fuzz.KINDS}
    assert {200, 400, "answered", "left"} <= {end for _, _, end in found}
    print(table(found))
    print(
        *(
            f"{name} {old} to {new}"
            for name, old, new in zip(("files", "threads", "bytes"), before, after, strict=True)
        ),
        sep=", ",
    )


def table(found):
    """The counts as a Markdown table."""
    lines = ["| | kind | cases | ends |", "|---|---|---|---|"]
    for way, kind in sorted({(way, kind) for way, kind, _ in found}):
        ends = Counter({str(end or "none"): n for (a, b, end), n in found.items() if (a, b) == (way, kind)})
        shown = ", ".join(f"{end}: {n}" for end, n in ends.most_common())
        lines.append(f"| {way} | {kind} | {sum(ends.values())} | {shown} |")
    return "\n".join(lines)


def test_two_hundred_and_forty_clients(tmp_path):
    attack(tmp_path, 240, told_system(), always_speech)


@pytest.mark.nightly
def test_two_thousand_clients(tmp_path):
    attack(tmp_path, 2000, None)
