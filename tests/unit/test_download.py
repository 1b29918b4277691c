"""firered-download: published directories from small hubs on the loopback that answer as the two real ones do."""

import hashlib
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from huggingface_hub import constants as hf_constants

from firered.cli.download import download as command
from firered.errors import FireRedError, ModelError, OptionError
from firered.hub import download as module
from firered.hub import hubs
from firered.hub.catalogue import PUBLISHED
from firered.hub.download import download
from firered.hub.hubs import HUBS, HuggingFace, ModelScope

LARGE = np.random.default_rng(0).bytes(300_000)
FILES = {
    "VAD/model.pth.tar": LARGE,
    "VAD/cmvn.ark": b"cmvn\0",
    "README.md": "# 说明\n".encode(),
    "a folder/with space & 字.txt": b"x",
    "empty": b"",
}
VARIABLES = {"hf": "HF_ENDPOINT", "modelscope": "MODELSCOPE_ENDPOINT"}
REVISION = "0123456789abcdef0123456789abcdef01234567"
STAGED = Path("to/FireRedVAD/.download/VAD/model.pth.tar")


class FakeHub(ThreadingHTTPServer):
    """Both hubs in one server, of one repository's files; a test sets its faults, and its requests are noted."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.port = self.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.files = dict(FILES)
        self.served = {}  # path: other content than the listing describes
        self.cuts = []  # so many bytes of the next answers of LARGE, then the connection ends
        self.stalls = {}  # path: so many bytes of it, then nothing more
        self.endless = set()  # paths whose content never ends
        self.ranges = True
        self.statuses = []  # of the next answers
        self.listing = None  # instead of the right one
        self.tells_hashes = True
        self.rendezvous = None  # a barrier that the answers of files pass together
        self.closing = threading.Event()
        self.asked = []

    def fetched(self):
        return [asked for asked in self.asked if "/resolve/" in asked.path or "FilePath=" in asked.path]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub, url = self.server, urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path.endswith("/internalAccelerationInfo"):  # ModelScope's client looks for a near data centre
            return self.reply(b"{}")
        hub.asked.append(
            SimpleNamespace(
                path=unquote(self.path),
                range=self.headers["Range"],
                token=self.headers["Authorization"],
                host=self.headers["Host"],
            )
        )
        if hub.statuses and (status := hub.statuses.pop(0)) != 200:
            return self.reply(b"no", status)
        if url.path.endswith("/repo/files"):
            files = [self.modelscope_entry(path, content) for path, content in hub.files.items()]
            files.append({"Path": "VAD", "Type": "tree", "Size": 0, "Sha256": ""})
            return self.reply(json.dumps(hub.listing or {"Code": 200, "Data": {"Files": files}}).encode())
        if url.path.endswith("/repo"):
            return self.content(query["FilePath"][0])
        if url.path.startswith("/api/models/"):
            return self.reply(json.dumps(hub.listing or self.hugging_face_info(query)).encode())
        if "/resolve/" in url.path:  # the real one sends large files from other machines
            revision, _, path = url.path.partition("/resolve/")[2].partition("/")
            assert revision == REVISION
            return self.reply(b"", 302, Location=f"http://localhost:{hub.port}/storage/{path}")
        return self.content(unquote(url.path.removeprefix("/storage/")))

    def hugging_face_info(self, query):
        assert query == {"blobs": ["True"]} or query == {"blobs": ["true"]}
        siblings = [self.hugging_face_entry(*entry) for entry in self.server.files.items()]
        return {"id": "FireRedTeam/FireRedVAD", "sha": REVISION, "siblings": siblings}

    def hugging_face_entry(self, path, content):
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        entry = {"rfilename": path, "size": len(content), "blobId": blob}
        if content is LARGE:
            lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entry |= {"blobId": "of the pointer", "lfs": lfs}
        return entry

    def modelscope_entry(self, path, content):
        digest = hashlib.sha256(content).hexdigest() if self.server.tells_hashes else ""
        return {"Path": path, "Type": "blob", "Size": len(content), "Sha256": digest}

    def content(self, path):
        hub = self.server
        content, headers, status, first = hub.served.get(path, hub.files.get(path)), {}, 200, 0
        if content is None:
            return self.reply(b"no such file", 404)
        if hub.rendezvous:
            hub.rendezvous.wait(20)
        if path in hub.endless:
            return self.without_end(content)
        if hub.ranges and (given := self.headers["Range"]):
            start, end = given.removeprefix("bytes=").split("-")
            first, last, size = int(start), int(end or len(content) - 1), len(content)
            if first >= size:
                return self.reply(b"", 416)
            headers = {"Content-Range": f"bytes {first}-{last}/{size}"}
            status, content = 206, content[first : last + 1]
        cut = hub.cuts.pop(0) if hub.cuts and "model" in path else None
        if path in hub.stalls:
            cut = max(0, hub.stalls[path] - first)
        return self.reply(content, status, cut, stall=path in hub.stalls, **headers)

    def without_end(self, content):
        self.send_response(200)
        self.end_headers()
        self.close_connection = True
        while not self.server.closing.is_set():
            try:
                self.wfile.write(content or b"x")
            except OSError:
                return

    def reply(self, body, status=200, cut=None, stall=False, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:cut])
        if stall:
            self.server.closing.wait(60)
        if cut is not None:
            self.close_connection = True


@pytest.fixture
def fake(monkeypatch, tmp_path):
    hub = FakeHub()
    thread = threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    for name in ("HF_TOKEN", "MODELSCOPE_API_TOKEN", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    for name in VARIABLES.values():
        monkeypatch.setenv(name, hub.endpoint)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "home/cache"))
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hf_constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(hf_constants, "HF_TOKEN_PATH", str(tmp_path / "home/token"))
    monkeypatch.setattr(hubs, "_PAUSE_S", 0.0)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    yield hub
    hub.closing.set()
    hub.shutdown()
    hub.server_close()
    thread.join()


@pytest.fixture
def modelscope(fake, monkeypatch):
    """ModelScope by its own client, which does not wait between its tries here."""
    client = pytest.importorskip("modelscope_hub._download", reason="modelscope is not installed")
    monkeypatch.setattr(client._DownloadControl, "sleep", lambda *_: None)
    monkeypatch.setattr(client.Retry, "get_backoff_time", lambda _: 0)
    return ModelScope()


@pytest.fixture(params=HUBS)
def hub(request, fake):
    return HuggingFace() if request.param == "hf" else request.getfixturevalue("modelscope")


def fetch(hub, name="FireRedVAD"):
    download([name], hub, Path("to"))


def content(folder="to/FireRedVAD"):
    folder = Path(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def stage(data):
    STAGED.parent.mkdir(parents=True)
    STAGED.write_bytes(data)


def run_command(monkeypatch, caplog, *words):
    """Exit status and messages of the command."""
    monkeypatch.setattr(sys, "argv", ["firered-download", *map(str, words)])
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")  # the command sets it for its process, which here continues
    with caplog.at_level(logging.INFO), pytest.raises(SystemExit) as ended:
        command()
    return ended.value.code, caplog.text


# ---- what comes


def test_all_files_come_and_come_once(fake, hub):
    fetch(hub)
    assert content() == FILES
    assert len(fake.fetched()) == len(FILES)
    fake.asked.clear()
    fetch(hub)
    assert fake.fetched() == []


@pytest.mark.parametrize("damaged", [b"cmvn\1", b"", b"longer than that"])
def test_a_damaged_file_comes_again(fake, hub, damaged):
    fetch(hub)
    Path("to/FireRedVAD/VAD/cmvn.ark").write_bytes(damaged)
    fake.asked.clear()
    fetch(hub)
    assert content() == FILES
    (asked,) = fake.fetched()
    assert "VAD/cmvn.ark" in asked.path


def test_files_that_were_placed_by_hand_stay(fake, hub):
    for path, data in FILES.items():
        Path("to/FireRedVAD", path).parent.mkdir(parents=True, exist_ok=True)
        Path("to/FireRedVAD", path).write_bytes(data)
    fetch(hub)
    assert content() == FILES
    assert fake.fetched() == []


def test_several_files_come_at_the_same_time(fake):
    fake.files = {f"{number}.bin": bytes([number]) for number in range(8)}
    fake.rendezvous = threading.Barrier(HuggingFace.workers)
    fetch(HuggingFace())
    assert content() == fake.files


def test_the_command(fake, monkeypatch, caplog, modelscope):
    for hub in HUBS:
        status, text = run_command(monkeypatch, caplog, "FireRedVAD", "FireRedLID", "--hub", hub, "--to", hub)
        assert status == 0
        assert content(f"{hub}/FireRedVAD") == content(f"{hub}/FireRedLID") == FILES
        assert f"FireRedLID: complete in {hub}/FireRedLID" in text
    repositories = {urlsplit(asked.path).path.split("/repo")[0] for asked in fake.asked}
    assert {f"/api/models/{PUBLISHED[name].hugging_face}" for name in ("FireRedVAD", "FireRedLID")} <= repositories
    assert {f"/api/v1/models/{PUBLISHED[name].modelscope}" for name in ("FireRedVAD", "FireRedLID")} <= repositories


def test_what_huggingface_hub_lists(fake):
    files = {file.path: file for file in HuggingFace().files("FireRedTeam/FireRedVAD")}
    assert files.keys() == FILES.keys()
    assert {file.revision for file in files.values()} == {REVISION}
    large, small = files["VAD/model.pth.tar"], files["VAD/cmvn.ark"]
    assert (large.size, large.digest, large.git_blob) == (len(LARGE), hashlib.sha256(LARGE).hexdigest(), False)
    assert (small.size, small.git_blob) == (5, True)
    named = subprocess.run(["git", "hash-object", "--stdin"], input=b"cmvn\0", capture_output=True, check=True).stdout
    assert small.digest == named.decode().strip()


def test_the_base_model_lies_beside_and_is_linked(fake):
    fake.files["Qwen2-7B-Instruct"] = b"../Qwen2-7B-Instruct"  # a link in git
    fetch(HuggingFace(), "FireRedASR2-LLM")
    link = Path("to/FireRedASR2-LLM/Qwen2-7B-Instruct")
    assert link.is_symlink()
    assert (link / "VAD/model.pth.tar").samefile("to/Qwen2-7B-Instruct/VAD/model.pth.tar")
    Path("to/Qwen2-7B-Instruct/VAD/cmvn.ark").unlink()
    fetch(HuggingFace(), "FireRedASR2-LLM")
    assert content("to/Qwen2-7B-Instruct") == fake.files


def test_a_base_model_of_the_users_own_stays(fake):
    own = Path("to/FireRedASR2-LLM/Qwen2-7B-Instruct")
    own.mkdir(parents=True)
    fetch(HuggingFace(), "FireRedASR2-LLM")
    assert list(own.iterdir()) == []
    assert content("to/FireRedASR2-LLM") == FILES
    assert not Path("to/Qwen2-7B-Instruct").exists()


def test_tokens_go_to_the_hub_and_not_where_it_sends_us(fake, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    fetch(HuggingFace())
    assert {(asked.host.split(":")[0], asked.token) for asked in fake.asked} == {
        ("127.0.0.1", "Bearer hf_x"),
        ("localhost", None),
    }


# ---- connections that break


@pytest.mark.parametrize("cuts", [[1], [100_000, 0, 1, 150_000], [0, 0, 0, 0], [299_999]])
def test_a_cut_connection_is_resumed(fake, hub, cuts):
    fake.cuts = list(cuts)
    fetch(hub)
    assert content() == FILES
    starts = [asked.range for asked in fake.asked if asked.range]
    done = [sum(cuts[: number + 1]) for number in range(len(cuts))]
    expected = [f"bytes={start}-" for start in done if start]
    assert list(dict.fromkeys(starts)) == list(dict.fromkeys(expected))


@pytest.mark.parametrize("size", [1, 123_456, len(LARGE) - 1])
def test_a_call_resumes_where_an_earlier_one_was_killed(fake, size):
    stage(LARGE[:size])
    fetch(HuggingFace())
    assert content() == FILES
    assert f"bytes={size}-" in {asked.range for asked in fake.asked}


@pytest.mark.parametrize("size", [len(LARGE), len(LARGE) + 1])
def test_a_partial_file_that_is_complete_or_longer(fake, hub, size):
    stage((LARGE + b"x")[:size])
    fetch(hub)
    assert content() == FILES
    assert any("model.pth.tar" in asked.path for asked in fake.fetched()) == (size > len(LARGE))


@pytest.mark.parametrize("size", [123_456, len(LARGE)])
def test_a_partial_file_with_another_beginning_is_fetched_anew(fake, hub, size):
    stage(b"?" + LARGE[1:size])
    fetch(hub)
    assert content() == FILES


def test_a_hub_without_ranges(fake, hub):
    fake.ranges, fake.cuts = False, [200_000, 100]
    fetch(hub)
    assert content() == FILES


def test_passing_troubles_are_waited_out(fake, hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    fake.statuses = [200, 503, 429, 500, 502]
    fetch(hub)
    assert content() == FILES


def test_a_connection_that_never_brings_anything_is_given_up(fake):
    fake.cuts = [1000] + [0] * 100
    with pytest.raises(ModelError, match=r"Hugging Face cannot be reached: .*\nThe same command resumes the download"):
        fetch(HuggingFace())
    assert len(fake.cuts) == 100 - hubs._TRIES
    assert STAGED.read_bytes() == LARGE[:1000]


def test_modelscope_gives_up_too_and_resumes_with_the_next_call(fake, modelscope):
    fake.cuts = [1000] + [0] * 100
    with pytest.raises(ModelError, match=r"ModelScope cannot be reached: .*\nThe same command resumes the download"):
        fetch(modelscope)
    fake.cuts.clear()
    fake.asked.clear()
    fetch(modelscope)
    assert content() == FILES
    assert {asked.range for asked in fake.fetched()} == {"bytes=1000-", None}


def test_a_stalled_connection_is_given_up(fake, monkeypatch):
    monkeypatch.setattr(hubs, "_TIMEOUT_S", 0.2)
    fake.stalls = {"VAD/model.pth.tar": 1000}
    with pytest.raises(ModelError, match=r"Hugging Face cannot be reached: .*timed out"):
        fetch(HuggingFace())
    fake.stalls.clear()
    fetch(HuggingFace())
    assert content() == FILES


# Runs firered-download, and prints a line when more than so many bytes of a file are on disk.
SAYS_WHEN = """
import builtins, io, sys
from importlib.metadata import entry_points
from pathlib import Path

watched, most = Path(sys.argv[1]).absolute(), int(sys.argv[2])
really_open = io.open

class Watched:
    def __init__(self, file):
        self._file = file
    def __getattr__(self, name):
        return getattr(self._file, name)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self._file.close()
    def write(self, block):
        self._file.write(block)
        self._file.flush()
        if self._file.tell() > most:
            print("there", flush=True)

def watching_open(file, mode="r", *arguments, **options):
    opened = really_open(file, mode, *arguments, **options)
    named = isinstance(file, (str, Path)) and Path(file).absolute() == watched
    return Watched(opened) if named and set(mode) & set("wa") else opened

io.open = builtins.open = Path.open = watching_open  # Python 3.10's paths keep the io.open of their start
sys.argv = ["firered-download", *sys.argv[3:]]
(script,) = (script for script in entry_points(group="console_scripts") if script.name == "firered-download")
script.load()()
"""


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_command_resumes(fake, ending):
    fake.stalls = {"VAD/model.pth.tar": 200_000}
    words = [sys.executable, "-c", SAYS_WHEN, STAGED, "100000", "FireRedVAD", "--to", "to"]
    running = subprocess.Popen(
        list(map(str, words)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # which a test run in the background ignores
    )
    assert running.stdout.readline() == b"there\n"
    running.send_signal(ending)
    fake.closing.set()  # the stalled answers end
    _, errors = running.communicate(timeout=60)
    assert {urlsplit(asked.path).path.split("/")[1] for asked in fake.asked} == {"api", "FireRedTeam", "storage"}
    assert len([asked for asked in fake.asked if asked.path.startswith("/api/")]) == 1  # no telemetry
    assert running.returncode not in (0, 1)
    assert b"Traceback" not in errors
    assert "VAD/model.pth.tar" not in content()
    have = STAGED.stat().st_size
    assert 100_000 < have <= 200_000
    fake.stalls.clear()
    fake.asked.clear()
    fetch(HuggingFace())
    assert content() == FILES
    assert f"bytes={have}-" in {asked.range for asked in fake.fetched()}


# ---- what is not as listed


@pytest.mark.parametrize("path", ["VAD/model.pth.tar", "README.md"])
def test_a_wrong_hash_is_an_error_and_the_file_goes(fake, hub, path):
    fake.served[path] = wrong = FILES[path][:-1] + b"?"
    listed = next(file for file in hub.files("FireRedTeam/FireRedVAD") if file.path == path).digest
    found = r"\w{40}" if len(listed) == 40 else hashlib.sha256(wrong).hexdigest()
    expected = rf"^to/FireRedVAD/{path}: what came from {hub.title} has the .*SHA-\d+ {found}, not {listed}"
    with pytest.raises(ModelError, match=expected):
        fetch(hub)
    assert not Path("to/FireRedVAD", path).exists()
    assert not Path("to/FireRedVAD/.download", path).exists()
    fake.served.clear()
    fetch(hub)
    assert content() == FILES


def test_a_hub_that_tells_no_hash(fake, modelscope, caplog):
    fake.tells_hashes = False
    fetch(modelscope)
    assert content() == FILES
    assert "to/FireRedVAD/VAD/cmvn.ark: checked by its size alone, ModelScope lists no hash" in caplog.text
    fake.asked.clear()
    fetch(modelscope)
    assert fake.fetched() == []


def test_more_than_is_listed(fake, hub):
    fake.served["VAD/model.pth.tar"] = LARGE + b"more"
    with pytest.raises(ModelError, match="300000 bytes") as error:
        fetch(hub)
    assert "cannot be reached" not in str(error.value)
    assert "VAD/model.pth.tar" not in content()


@pytest.mark.parametrize("ranges", [True, False])
def test_less_than_is_listed(fake, hub, ranges):
    fake.served["VAD/model.pth.tar"], fake.ranges = LARGE[:-1], ranges
    with pytest.raises(ModelError, match=r"416|the connection ended|299999 of 300000|299999 bytes"):
        fetch(hub)
    assert "VAD/model.pth.tar" not in content()


@pytest.mark.parametrize("path", ["VAD/model.pth.tar", "VAD/cmvn.ark", "empty"])
def test_a_file_that_never_ends(fake, hub, path):
    fake.endless = {path}
    with pytest.raises(ModelError, match=rf"{path}.*{len(FILES[path])} bytes|{len(FILES[path])} bytes for {path}"):
        fetch(hub)
    assert path not in content()
    staged = Path("to/FireRedVAD/.download", path)
    assert not staged.exists() or staged.stat().st_size <= len(FILES[path])
    fake.endless = set()
    fetch(hub)
    assert content() == FILES


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/tmp/x", "a//x", "", ".", "a/./b", "a\\..\\x", "C:x", "a\nb"])
def test_names_that_lead_out_of_the_folder_are_refused(fake, hub, path):
    fake.files = {"fine": b"x", path: b"x"}
    with pytest.raises(ModelError, match="no name inside a folder; nothing was fetched"):
        fetch(hub)
    assert fake.fetched() == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "listing",
    [
        {"error": "x"},
        "text",
        [{"type": "file"}],
        {"Data": {"Files": [5]}},
        {"id": "x", "siblings": [{"rfilename": "a"}], "Data": {"Files": [{"Type": "blob", "Path": "a", "Size": "x"}]}},
        {"id": "x", "siblings": None, "Data": None},
    ],
)
def test_answers_that_are_no_listing(fake, hub, listing):
    fake.listing = listing
    with pytest.raises(ModelError, match=r"answers with something else than the files of .*/FireRedVAD"):
        fetch(hub)
    assert fake.fetched() == []


def test_an_answer_too_deeply_nested_to_be_read(fake, hub, monkeypatch):
    monkeypatch.setattr(json, "dumps", lambda _: "[" * 200_000 + "]" * 200_000)
    with pytest.raises(ModelError, match=r"answers with something else than the files of .*/FireRedVAD"):
        fetch(hub)


def test_a_repository_that_is_refused(fake, hub):
    fake.statuses = [404]
    with pytest.raises(ModelError, match="404") as error:
        fetch(hub)
    assert "cannot be reached" not in str(error.value)
    assert len(fake.asked) == 1


def test_known_sizes_and_hashes(fake, hub, monkeypatch):
    def pin(path, size, data):
        hashes = {hub.name: {path: (size, hashlib.sha256(data).hexdigest())}}
        monkeypatch.setitem(PUBLISHED, "FireRedVAD", replace(PUBLISHED["FireRedVAD"], hashes=hashes))

    for path, size, data in (("VAD/model.pth.tar", 300_000, b"other"), ("VAD/cmvn.ark", 4, b"cmvn")):
        pin(path, size, data)
        expected = rf"{path}: {hub.title} lists .* but {size} bytes with the SHA-256 \w{{64}} are expected"
        with pytest.raises(ModelError, match=expected):
            fetch(hub)
        assert fake.fetched() == []
    fake.tells_hashes = False
    pin("VAD/cmvn.ark", 5, b"cmvn?")  # what came has the listed size and another hash
    with pytest.raises(
        ModelError, match=r"to/FireRedVAD/VAD/cmvn.ark: what came .* has the SHA-256 \w{64}, not \w{64}"
    ):
        fetch(hub)
    pin("VAD/cmvn.ark", 5, b"cmvn\0")
    fetch(hub)
    assert content() == FILES


def test_pinned_hashes_are_well_formed():
    for published in PUBLISHED.values():
        for name, files in published.hashes.items():
            assert name in HUBS
            assert all(size > 0 and len(bytes.fromhex(digest)) == 32 for size, digest in files.values())


def test_no_room(fake, hub, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    with pytest.raises(FireRedError, match=r"^to: 0\.3 MB are to be fetched, but 0\.2 MB are free$"):
        fetch(hub)
    stage(LARGE[:150_000])
    fetch(hub)
    assert content() == FILES


# ---- names, hubs, and none


@pytest.mark.parametrize("name", HUBS)
def test_without_a_network(name, fake, monkeypatch, caplog):
    if name == "modelscope":
        client = pytest.importorskip("modelscope_hub._download", reason="modelscope is not installed")
        monkeypatch.setattr(client.Retry, "get_backoff_time", lambda _: 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(VARIABLES[name], f"http://127.0.0.1:{port}")
    status, text = run_command(monkeypatch, caplog, "FireRedLID", "--hub", name, "--to", "there")
    assert status == 1
    for part in (
        f"{HUBS[name].title} cannot be reached: http://127.0.0.1:{port}",
        "Connection refused",
        f"{VARIABLES[name]} names a mirror",
        "  hf download FireRedTeam/FireRedLID --local-dir FireRedLID\n",
        "  modelscope download --model xukaituo/FireRedLID --local_dir FireRedLID\n",
        "copy it here as there/FireRedLID, which then holds model.pth.tar, cmvn.ark, dict.txt",
    ):
        assert part in text
    assert not Path("there").exists()


def test_when_huggingface_hub_is_told_to_stay_offline(fake, monkeypatch):
    monkeypatch.setattr(hf_constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=r"Hugging Face cannot be reached: .*offline[\s\S]*hf download"):
        fetch(HuggingFace())
    assert fake.asked == []


def test_without_the_client_of_modelscope(monkeypatch):
    monkeypatch.setitem(sys.modules, "modelscope_hub", None)
    with pytest.raises(OptionError, match="--hub modelscope needs its client: pip install 'modelscope"):
        ModelScope()


def test_unknown_names_and_hubs(fake, monkeypatch, caplog):
    status, text = run_command(monkeypatch, caplog, "FireRedVAD", "FireRedVad")
    assert status == 1
    assert f"no published model FireRedVad; there are {', '.join(PUBLISHED)}" in text
    assert run_command(monkeypatch, caplog, "FireRedVAD", "--hub", "git")[0] == 1
    assert "hub: 'git' is not one of hf, modelscope" in caplog.text
    assert fake.asked == []


def test_a_model_that_is_not_on_modelscope(fake, modelscope):
    with pytest.raises(OptionError, match="FireRedASR-AED-L is not published on ModelScope; the other --hub has it"):
        fetch(modelscope, "FireRedASR-AED-L")
    assert fake.asked == []


@pytest.mark.parametrize(
    ("name", "variables", "endpoint"),
    [
        ("hf", {}, "https://huggingface.co"),
        ("hf", {"HF_ENDPOINT": "https://mirror.example/"}, "https://mirror.example"),
        ("hf", {"HF_ENDPOINT": "mirror.example"}, "https://mirror.example"),
        ("modelscope", {}, "https://www.modelscope.cn"),
        ("modelscope", {"MODELSCOPE_DOMAIN": "www.modelscope.ai"}, "https://www.modelscope.ai"),
        ("modelscope", {"MODELSCOPE_DOMAIN": "http://in.house:8000"}, "http://in.house:8000"),
        ("modelscope", {"MODELSCOPE_DOMAIN": "x", "MODELSCOPE_ENDPOINT": "http://y"}, "http://y"),
    ],
)
def test_mirrors(name, variables, endpoint, monkeypatch, tmp_path):
    if name == "modelscope":
        pytest.importorskip("modelscope_hub", reason="modelscope is not installed")
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path))
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert HUBS[name]().endpoint == endpoint


def test_a_mirror_must_be_of_the_web(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(OptionError, match="HF_ENDPOINT: 'file:///etc' is not an http"):
        HuggingFace()


def test_finding_models_loads_no_client():
    code = "import sys, firered.hub.find; print(sorted({'torch', 'huggingface_hub', 'httpx2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
