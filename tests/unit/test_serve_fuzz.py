"""Careless and hostile clients: the server answers or closes, goes on, and keeps nothing of them."""

import gc
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from support.serve_fuzz import Case, media
from support.serving import ZH, bundled, serving, told_system, wait_for

from firered.data.atomic import owner
from firered.data.temporary import place
from firered.serve.loaded import give_back_memory

SEED = int(os.environ.get("FIRERED_FUZZ_SEED", "0"))
_AT_ONCE = 8


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


def run(served, cases, first, count):
    """The kinds and statuses of so many cases."""

    def one(number):
        case = Case(f"{SEED} {number}", served.listening.port, cases)
        try:
            return case.kind, case.run()
        except Exception as error:
            raise AssertionError(f"seed {SEED}, case {number} ({case.kind})") from error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return Counter(pool.map(one, range(first, first + count)))


def settle(served):
    wait_for(lambda: served.services.limits.open == 0 and served.engine.works == 0)
    wait_for(lambda: not served.listening.server_state.connections)
    wait_for(lambda: not children())


def attack(tmp_path, count, build):
    cases = media(tmp_path)
    with serving(tmp_path, build, receive_s=1.0, media_s=10.0, max_open=64, max_client=64) as served:
        found = run(served, cases, 0, count // 4)  # after which all that is made once is there
        settle(served)
        before = held()
        found += run(served, cases, count // 4, count - count // 4)
        settle(served)
        wait_for(lambda: held()[0] <= before[0] + 2)
        after = held()
        assert after[1] <= before[1] + 2
        assert after[2] < before[2] + (40 << 20), f"{(after[2] - before[2]) >> 20} MB more"
        assert [path for path in place().iterdir() if path.name.startswith(f"firered-{owner()}")] == []
        assert list((tmp_path / "jobs").glob("*.audio")) == []
        with served.http() as http:
            assert http.get("/health").status_code == 200
            answer = http.post("/v1/audio/transcriptions", files={"file": ("a.flac", ZH.read_bytes())})
            assert answer.status_code == 200
    assert len({kind for kind, _ in found}) == 10
    assert {200, 400} <= {status for _, status in found}
    return found


def test_two_hundred_clients(tmp_path):
    attack(tmp_path, 200, told_system())


@pytest.mark.nightly
def test_two_thousand_clients(tmp_path):
    attack(tmp_path, 2000, bundled)
