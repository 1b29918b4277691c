"""firered-download: published directories from small hubs on the loopback that answer as the two real ones do."""

import hashlib
import json
import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest
from huggingface_hub import HfApi

from firered.cli.download import download as command
from firered.errors import FireRedError, ModelError, OptionError
from firered.hub import download as module
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


class FakeHub(ThreadingHTTPServer):
    """Both hubs at once, of one repository's files; what it does wrong is set by a test, what it was asked is noted."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.port = self.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.files = dict(FILES)
        self.served = {}  # path: other content than the listing tells of
        self.cuts = []  # so many bytes of the next answers of LARGE, then the connection ends
        self.ranges = True
        self.statuses = []  # of the next answers
        self.listing = None  # instead of the right one
        self.tells_hashes = True
        self.page = 1000
        self.asked = []

    def fetched(self):
        return [one for one in self.asked if "/resolve/" in one.path or "FilePath=" in one.path]


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub, url = self.server, urlsplit(self.path)
        query = parse_qs(url.query)
        asked = SimpleNamespace(
            path=unquote(self.path), range=self.headers["Range"], token=self.headers["Authorization"]
        )
        hub.asked.append(SimpleNamespace(**vars(asked), host=self.headers["Host"]))
        if hub.statuses and (status := hub.statuses.pop(0)) != 200:
            self.reply(b"no", status)
        elif "/tree/main" in url.path:
            self.hugging_face_listing(int(query.get("cursor", ["0"])[0]))
        elif url.path.endswith("/repo/files"):
            files = [self.modelscope_entry(path, content) for path, content in hub.files.items()]
            files.append({"Path": "VAD", "Type": "tree", "Size": 0, "Sha256": ""})
            self.reply(json.dumps(hub.listing or {"Code": 200, "Data": {"Files": files}}).encode())
        elif url.path.endswith("/repo"):
            self.content(query["FilePath"][0])
        elif "/resolve/main/" in url.path:  # the real one sends large files from other machines
            place = f"http://localhost:{hub.port}/storage/{url.path.partition('/resolve/main/')[2]}"
            self.reply(b"", 302, Location=place)
        else:
            self.content(unquote(url.path.removeprefix("/storage/")))

    def hugging_face_listing(self, first):
        hub = self.server
        entries = [self.hugging_face_entry(*one) for one in hub.files.items()]
        entries.append({"type": "directory", "path": "VAD", "oid": "of a tree", "size": 0})
        following = {}
        if first + hub.page < len(entries):
            rest = f"https://huggingface.co{urlsplit(self.path).path}?recursive=true&cursor={first + hub.page}"
            following = {"Link": f'<{rest}>; rel="next"'}
        self.reply(json.dumps(hub.listing or entries[first : first + hub.page]).encode(), **following)

    def hugging_face_entry(self, path, content):
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        entry = {"type": "file", "path": path, "size": len(content), "oid": blob}
        if content is LARGE:
            lfs = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
            entry |= {"oid": "of the pointer", "lfs": lfs}
        return entry

    def modelscope_entry(self, path, content):
        digest = hashlib.sha256(content).hexdigest() if self.server.tells_hashes else ""
        return {"Path": path, "Type": "blob", "Size": len(content), "Sha256": digest}

    def content(self, path):
        hub = self.server
        content, headers, status = hub.served.get(path, hub.files.get(path)), {}, 200
        if content is None:
            return self.reply(b"no such file", 404)
        if hub.ranges and (given := self.headers["Range"]):
            start, size = int(given.removeprefix("bytes=").rstrip("-")), len(content)
            headers, status, content = {"Content-Range": f"bytes {start}-{size - 1}/{size}"}, 206, content[start:]
        cut = hub.cuts.pop(0) if hub.cuts and "model" in path else None
        return self.reply(content, status, cut, **headers)

    def reply(self, body, status=200, cut=None, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[:cut])
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
    monkeypatch.setattr(module, "_PAUSE_S", 0.0)
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()


@pytest.fixture(params=HUBS)
def hub(request, fake):
    return HUBS[request.param]()


def fetch(hub, name="FireRedVAD"):
    download([name], hub, Path("to"))


def content(folder="to/FireRedVAD"):
    folder = Path(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def said(monkeypatch, caplog, *words):
    """Exit status and messages of the command."""
    monkeypatch.setattr(sys, "argv", ["firered-download", *map(str, words)])
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


def test_a_file_that_has_changed_comes_again(fake, hub):
    fetch(hub)
    Path("to/FireRedVAD/VAD/cmvn.ark").write_bytes(b"cmvn\1")
    fake.asked.clear()
    fetch(hub)
    assert content() == FILES
    (asked,) = fake.fetched()
    assert "VAD/cmvn.ark" in asked.path


def test_the_command(fake, monkeypatch, caplog):
    for hub in HUBS:
        status, text = said(monkeypatch, caplog, "FireRedVAD", "FireRedLID", "--hub", hub, "--to", hub)
        assert status == 0
        assert content(f"{hub}/FireRedVAD") == content(f"{hub}/FireRedLID") == FILES
        assert f"FireRedLID: complete in {hub}/FireRedLID" in text
    repositories = {urlsplit(one.path).path.split("/tree")[0].split("/repo")[0] for one in fake.asked}
    assert {f"/api/models/{PUBLISHED[name].hugging_face}" for name in ("FireRedVAD", "FireRedLID")} <= repositories
    assert {f"/api/v1/models/{PUBLISHED[name].modelscope}" for name in ("FireRedVAD", "FireRedLID")} <= repositories


def test_hugging_faces_own_library_reads_the_same_listing(fake):
    tree = HfApi(endpoint=fake.endpoint, token=False).list_repo_tree("FireRedTeam/FireRedVAD", recursive=True)
    theirs = {one.path: (one.size, one.lfs.sha256 if one.lfs else one.blob_id) for one in tree if hasattr(one, "size")}
    ours = HuggingFace().files("FireRedTeam/FireRedVAD")
    assert {one.path: (one.size, one.digest) for one in ours} == theirs
    assert theirs.keys() == FILES.keys()


@pytest.mark.parametrize("page", [1, 2, 4])
def test_listings_of_several_pages(fake, page):
    fake.page = page
    fetch(HuggingFace())
    assert content() == FILES


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
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms_x")
    fetch(HuggingFace())
    tokens = {one.host.split(":")[0]: one.token for one in fake.asked}
    assert tokens == {"127.0.0.1": "Bearer hf_x", "localhost": None}
    fake.asked.clear()
    download(["FireRedLID"], ModelScope(), Path("to"))
    assert {one.token for one in fake.asked} == {"Bearer ms_x"}


# ---- connections that break


@pytest.mark.parametrize("cuts", [[1], [100_000, 0, 1, 150_000], [0, 0, 0, 0], [299_999]])
def test_a_cut_connection_is_gone_on_with(fake, hub, cuts):
    fake.cuts = list(cuts)
    fetch(hub)
    assert content() == FILES
    starts = [one.range for one in fake.asked if one.range]
    done = [sum(cuts[: number + 1]) for number in range(len(cuts))]
    expected = [f"bytes={start}-" for start in done if start]
    assert list(dict.fromkeys(starts)) == list(dict.fromkeys(expected))


def test_a_call_goes_on_where_an_earlier_one_was_killed(fake, hub):
    part = Path("to/FireRedVAD/VAD/model.pth.tar.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(LARGE[:123_456])
    fetch(hub)
    assert content() == FILES
    assert "bytes=123456-" in {one.range for one in fake.asked}


@pytest.mark.parametrize("size", [len(LARGE), len(LARGE) + 1])
def test_a_partial_file_that_is_whole_or_longer(fake, hub, size):
    part = Path("to/FireRedVAD/VAD/model.pth.tar.part")
    part.parent.mkdir(parents=True)
    part.write_bytes((LARGE + b"x")[:size])
    fetch(hub)
    assert content() == FILES
    assert any("model.pth.tar" in one.path for one in fake.fetched()) == (size > len(LARGE))


def test_a_hub_without_ranges(fake, hub):
    fake.ranges, fake.cuts = False, [200_000, 100]
    fetch(hub)
    assert content() == FILES


def test_passing_troubles_are_waited_out(fake, hub):
    fake.statuses = [200, 503, 429, 500, 502]
    fetch(hub)
    assert content() == FILES


def test_a_connection_that_never_brings_anything_is_given_up(fake, hub):
    fake.cuts = [1000] + [0] * 100
    with pytest.raises(ModelError, match=rf"{hub.title} cannot be reached: .*\nThe same command goes on from what"):
        fetch(hub)
    assert len(fake.cuts) == 100 - module._TRIES
    assert Path("to/FireRedVAD/VAD/model.pth.tar.part").read_bytes() == LARGE[:1000]


# ---- what is not as listed


@pytest.mark.parametrize("path", ["VAD/model.pth.tar", "README.md"])
def test_a_wrong_hash_is_an_error_and_the_file_goes(fake, hub, path):
    fake.served[path] = FILES[path][:-1] + b"?"
    with pytest.raises(ModelError, match=rf"^to/FireRedVAD/{path}: what came has the hash \w{{40,64}}, {hub.title}"):
        fetch(hub)
    assert not Path("to/FireRedVAD", path).exists()
    assert not list(Path("to").rglob("*.part"))
    fake.served.clear()
    fetch(hub)
    assert content() == FILES


def test_a_hub_that_tells_no_hash(fake, caplog):
    fake.tells_hashes = False
    fetch(ModelScope())
    assert content() == FILES
    assert "to/FireRedVAD/VAD/cmvn.ark: checked by its size alone, ModelScope lists no hash" in caplog.text
    fake.asked.clear()
    fetch(ModelScope())
    assert fake.fetched() == []


def test_other_sizes_than_listed(fake, hub):
    fake.served["VAD/model.pth.tar"] = LARGE + b"more"
    with pytest.raises(ModelError, match="longer than the 300000 bytes"):
        fetch(hub)
    fake.served["VAD/model.pth.tar"] = LARGE[:-1]
    with pytest.raises(ModelError, match=r"416|the connection ended"):
        fetch(hub)
    assert "VAD/model.pth.tar" not in content()


@pytest.mark.parametrize("path", ["../x", "a/../../x", "/tmp/x", "a//x", "", ".", "a/./b", "a\\..\\x", "C:x", "a\nb"])
def test_names_that_lead_out_of_the_folder_are_refused(fake, hub, path):
    fake.files = {"fine": b"x", path: b"x"}
    with pytest.raises(ModelError, match="no name inside a folder; nothing was fetched"):
        fetch(hub)
    assert fake.fetched() == []
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    "listing", [{"error": "x"}, "text", [{"type": "file"}], {"Data": {"Files": [{"Type": "blob"}]}}]
)
def test_answers_that_are_no_listing(fake, hub, listing):
    fake.listing = listing
    with pytest.raises(ModelError, match=r"answers with something else than the files of .*/FireRedVAD"):
        fetch(hub)


def test_a_repository_that_is_refused(fake, hub):
    fake.statuses = [404]
    with pytest.raises(ModelError, match=f"{hub.title} answers 404"):
        fetch(hub)
    assert len(fake.asked) == 1


def test_no_room(fake, hub, monkeypatch):
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: SimpleNamespace(free=200_000))
    with pytest.raises(FireRedError, match=r"^to: 300\.0 kB are to be fetched, but 200\.0 kB are free$"):
        fetch(hub)
    part = Path("to/FireRedVAD/VAD/model.pth.tar.part")
    part.parent.mkdir(parents=True)
    part.write_bytes(LARGE[:150_000])
    fetch(hub)
    assert content() == FILES


# ---- names, hubs, and none


@pytest.mark.parametrize("name", HUBS)
def test_without_a_network(name, fake, monkeypatch, caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv(VARIABLES[name], f"http://127.0.0.1:{port}")
    status, text = said(monkeypatch, caplog, "FireRedLID", "--hub", name, "--to", "there")
    assert status == 1
    for part in (
        f"{HUBS[name].title} cannot be reached: http://127.0.0.1:{port}/api/",
        "Connection refused",
        f"{VARIABLES[name]} names a mirror",
        "  hf download FireRedTeam/FireRedLID --local-dir FireRedLID\n",
        "  modelscope download --model xukaituo/FireRedLID --local_dir FireRedLID\n",
        "copy it here as there/FireRedLID, which then holds model.pth.tar, cmvn.ark, dict.txt",
    ):
        assert part in text
    assert not Path("there").exists()


def test_unknown_names_and_hubs(fake, monkeypatch, caplog):
    status, text = said(monkeypatch, caplog, "FireRedVAD", "FireRedVad")
    assert status == 1
    assert f"no published model FireRedVad; there are {', '.join(PUBLISHED)}" in text
    assert said(monkeypatch, caplog, "FireRedVAD", "--hub", "git")[0] == 1
    assert "hub: 'git' is not one of hf, modelscope" in caplog.text
    with pytest.raises(OptionError, match="FireRedASR-AED-L is not published on ModelScope; the other --hub has it"):
        fetch(ModelScope(), "FireRedASR-AED-L")
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
def test_mirrors(name, variables, endpoint, monkeypatch):
    for variable in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert HUBS[name]().endpoint == endpoint


def test_a_mirror_must_be_of_the_web(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "file:///etc")
    with pytest.raises(OptionError, match="HF_ENDPOINT: 'file:///etc' is not an http"):
        HuggingFace()
