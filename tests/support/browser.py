"""A headless Chromium, driven by its own remote debugging."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_PATIENCE_S = 60


class Tab:
    """A page that is open."""

    def __init__(self, socket):
        self._socket, self._count = socket, 0

    def call(self, method, **parameters):
        """What the browser answers to a command."""
        self._count += 1
        self._socket.send(json.dumps({"id": self._count, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=_PATIENCE_S))
            if answer.get("id") == self._count:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        """The value of an expression in the page, waited for where it is a promise."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, script):
        """The first true value of an expression."""
        until = time.monotonic() + _PATIENCE_S
        while not (found := self.run(script)):
            assert time.monotonic() < until, (script, self.run("document.body.innerText"))
            time.sleep(0.05)
        return found

    def text(self, selector):
        """The text of an element."""
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def put_file(self, selector, path):
        """Choose a file in a field."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])


@contextlib.contextmanager
def page(folder, address, *options):
    """A page, in a browser of its own that ends with the block."""
    from websockets.sync.client import connect

    profile = folder / "profile"
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={profile}",
        "--no-proxy-server",
    ]
    command += [
        "--remote-debugging-port=0",
        "--remote-allow-origins=*",
        "--window-size=820,900",
        *options,
        "about:blank",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        place, until = profile / "DevToolsActivePort", time.monotonic() + _PATIENCE_S
        while not (place.exists() and place.read_text().strip()):
            assert process.poll() is None, "Chromium has ended"
            assert time.monotonic() < until
            time.sleep(0.05)
        port = int(place.read_text().split()[0])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        tabs = []
        while not tabs:
            assert time.monotonic() < until
            tabs = [one for one in json.load(opener.open(f"http://127.0.0.1:{port}/json")) if one["type"] == "page"]
        with connect(tabs[0]["webSocketDebuggerUrl"], proxy=None, max_size=None) as socket:
            tab = Tab(socket)
            tab.call("Page.navigate", url=address)
            tab.wait_for("document.readyState === 'complete' && location.protocol === 'http:'")
            yield tab
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
