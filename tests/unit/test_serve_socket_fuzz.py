"""Careless and hostile clients of live streams: the server answers or closes, goes on, and keeps nothing of them."""

import base64
import contextlib
import gc
import json
import os
import random
import socket
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("websockets")

from support.serving import always_speech, serving, told_system, wait_for
from websockets.exceptions import ConnectionClosed

SEED = int(os.environ.get("FIRERED_FUZZ_SEED", "0"))
KINDS = ("events", "garbage", "frames", "orders", "leaves", "reset", "slow", "handshake")
_PATHS = ("/v1/realtime?intent=transcription", "/v1/stream?rate=16000", "/v1/stream?rate=8000&format=ulaw&turns=client")
_TYPES = (
    *("session.update", "transcription_session.update", "input_audio_buffer.append", "input_audio_buffer.commit"),
    *("input_audio_buffer.clear", "response.create", "", None, 7, {}),
)
_VALUES = (
    None,
    True,
    -1,
    1e308,
    "",
    "server_vad",
    "audio/pcm",
    [],
    {},
    ["zh"],
    "\x00",
    "😀" * 99,
    {"type": "audio/pcma"},
)
_NAMES = (
    *("type", "audio", "input", "format", "rate", "transcription", "turn_detection", "threshold", "language", "delay"),
    *("keywords", "silence_duration_ms", "prefix_padding_ms", "include", "event_id", "session"),
)


class Case:
    """One client's behaviour, drawn from a seed."""

    def __init__(self, seed, served):
        self.draw, self.served = random.Random(seed), served
        self.kind = self.draw.choice(KINDS)
        self.path = self.draw.choice(_PATHS)

    def run(self):
        getattr(self, f"_{self.kind}")()

    # --- messages through a client that keeps to the protocol ---

    def _value(self, depth=0):
        if depth < 4 and self.draw.random() < 0.6:
            return {self.draw.choice(_NAMES): self._value(depth + 1) for _ in range(self.draw.randint(1, 3))}
        return self.draw.choice(_VALUES)

    def _event(self):
        audio = base64.b64encode(self.draw.randbytes(self.draw.choice((0, 1, 999, 48_000)))).decode()
        event = {"type": self.draw.choice(_TYPES), "event_id": self.draw.choice(_VALUES)}
        return json.dumps(event | {"audio": self.draw.choice((audio, audio[:-1], *_VALUES)), "session": self._value()})

    def _events(self):
        self._say([self._event() for _ in range(12)], "/v1/realtime")

    def _garbage(self):
        self._say([self.draw.choice((self.draw.randbytes(999), "[" * 9999, "\ufffe{", b"")) for _ in range(8)])

    def _orders(self):
        texts = ("COMMIT", "CLEAR", "END", "end", "START", "")
        self._say([self.draw.choice((self.draw.randbytes(30_001), *texts)) for _ in range(8)], _PATHS[1])

    def _say(self, messages, path=None):
        with self.served.socket(path or self.path) as client:
            json.loads(client.recv(timeout=30))
            for message in messages:
                with contextlib.suppress(Exception):  # it may have ended the stream
                    client.send(message)
            closed = None
            with contextlib.suppress(TimeoutError):
                while closed is None:
                    try:
                        self._check(json.loads(client.recv(timeout=0.05)))
                    except ConnectionClosed as error:
                        closed = error
            assert not closed or not closed.rcvd or closed.rcvd.code != 1011, closed

    def _check(self, answer):
        assert isinstance(answer["type"], str)
        if answer["type"] == "error":
            assert answer["error"]["code"] != "internal_error", answer

    # --- bytes on the wire ---

    @contextlib.contextmanager
    def _open(self, head=None):
        port = self.served.listening.port
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            nonce = base64.b64encode(bytes(16)).decode()
            connection.sendall(
                (
                    head
                    or f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    f"Sec-WebSocket-Key: {nonce}\r\nSec-WebSocket-Version: 13\r\n\r\n"
                ).encode()
            )
            yield connection

    def _frame(self, data, opcode=2, final=True):
        """A masked frame."""
        length = len(data)
        size = bytes([128 | length]) if length < 126 else bytes([128 | 126]) + struct.pack("!H", length)
        return bytes([(128 if final else 0) | opcode]) + size + bytes(4) + data

    def _send(self, connection, data):
        with contextlib.suppress(OSError):
            connection.sendall(data)

    def _frames(self):
        with self._open() as connection:
            connection.recv(4096)
            for _ in range(6):
                frame = self._frame(self.draw.randbytes(self.draw.choice((0, 10, 5000))), self.draw.randrange(16))
                if self.draw.random() < 0.5:
                    at = self.draw.randrange(len(frame))
                    frame = frame[:at] + self.draw.randbytes(3) + frame[at:]
                self._send(connection, frame)
            connection.settimeout(0.2)
            with contextlib.suppress(OSError):
                while connection.recv(4096):
                    pass

    def _leaves(self):
        with self._open() as connection:
            for _ in range(self.draw.randint(0, 4)):
                self._send(connection, self._frame(bytes(16000)))
            time.sleep(self.draw.choice((0, 0.01, 0.05)))

    def _reset(self):
        with self._open() as connection:
            self._send(connection, self._frame(bytes(48000))[: self.draw.randrange(2, 48000)])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _slow(self):
        with self._open() as connection:
            sent = self._frame(bytes(3200))
            for begin in range(0, len(sent), 800):
                self._send(connection, sent[begin : begin + 800])
                time.sleep(0.02)

    def _handshake(self):
        lines = [
            *("GET /v1/stream HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"),
            *("Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Protocol: ,,;", "Origin: null"),
        ]
        self.draw.shuffle(lines[1:])
        head = "\r\n".join(lines[: self.draw.randint(2, len(lines))]) + "\r\n\r\n"
        with self._open(head) as connection:
            connection.settimeout(5)
            assert connection.recv(4096).startswith(b"HTTP/1.1 4")


def held():
    """Open files and threads of this process."""
    gc.collect()
    return len([*Path("/proc/self/fd").iterdir()]), threading.active_count()


def attack(tmp_path, count):
    def one(number):
        case = Case(f"{SEED} {number}", served)
        try:
            case.run()
        except Exception as error:
            raise AssertionError(f"seed {SEED}, case {number} ({case.kind})") from error
        return case.kind

    def settle():
        wait_for(lambda: served.services.sockets.open == 0 and not served.listening.server_state.connections)
        wait_for(lambda: not [thread for thread in threading.enumerate() if thread.name == "firered-stream"])

    options = {"max_client": 64, "idle_socket_s": 5.0, "max_message_mb": 1.0}
    with serving(tmp_path, told_system(), detector=always_speech, **options) as served:
        with ThreadPoolExecutor(8) as pool:
            found = Counter(pool.map(one, range(count // 4)))
            settle()
            before = held()
            found += Counter(pool.map(one, range(count // 4, count)))
            settle()
            wait_for(lambda: held()[0] <= before[0] + 2)
            assert held()[1] <= before[1] + 2
        with served.socket() as client:
            client.send(bytes(96_000))
            client.send("END")
            types = []
            while "end" not in types:
                types.append(json.loads(client.recv(timeout=30))["type"])
        assert "final" in types
    assert set(found) == set(KINDS)


def test_a_hundred_clients(tmp_path):
    attack(tmp_path, 100)


@pytest.mark.nightly
def test_two_thousand_clients(tmp_path):
    attack(tmp_path, 2000)
