"""Cases of what careless and hostile clients of live streams send to a server, each of a number and a seed."""

import base64
import contextlib
import json
import random
import socket
import struct
import time

from websockets.exceptions import ConnectionClosed

KINDS = ("events", "garbage", "frames", "orders", "leaves", "reset", "trickles", "deaf", "handshake", "speaks")
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


class SocketCase:
    """One client's behaviour, drawn from a seed; `run` raises where the server is not as it should be."""

    def __init__(self, seed, served, speech):
        self.draw, self.served, self.speech = random.Random(seed), served, speech
        self.kind = self.draw.choice(KINDS)
        self.path = self.draw.choice(_PATHS)

    def run(self):
        """Do it; what came of it: `answered`, `closed CODE`, `refused STATUS`, or `left` of its own accord."""
        return getattr(self, f"_{self.kind}")()

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
        return self._say([self._event() for _ in range(12)], "/v1/realtime")

    def _garbage(self):
        return self._say([self.draw.choice((self.draw.randbytes(999), "[" * 9999, "\ufffe{", b"")) for _ in range(8)])

    def _orders(self):
        texts = ("COMMIT", "CLEAR", "END", "end", "START", "")
        return self._say([self.draw.choice((self.draw.randbytes(30_001), *texts)) for _ in range(8)], _PATHS[1])

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
            return f"closed {closed.rcvd.code}" if closed and closed.rcvd else "answered"

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
            closed = False
            with contextlib.suppress(OSError):
                while not closed:
                    closed = not connection.recv(4096)
            return "closed" if closed else "answered"

    def _leaves(self):
        with self._open() as connection:
            for number in range(self.draw.randint(0, 4)):
                self._send(connection, self._frame(self.speech[16000 * number : 16000 * (number + 1)]))
            time.sleep(self.draw.choice((0, 0.01, 0.05, 0.3)))
        return "left"

    def _reset(self):
        with self._open() as connection:
            self._send(connection, self._frame(bytes(48000))[: self.draw.randrange(2, 48000)])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "left"

    def _trickles(self):
        with self._open() as connection:
            sent = self._frame(bytes(3200))
            for begin in range(0, len(sent), 800):
                self._send(connection, sent[begin : begin + 800])
                time.sleep(0.02)
        return "left"

    def _deaf(self):
        """Takes nothing of what it is told."""
        with self._open() as connection:
            for _ in range(20):
                self._send(connection, self._frame(self.draw.randbytes(40), opcode=1))
                self._send(connection, self._frame(self.speech[:32000]))
        return "left"

    def _speaks(self):
        """A client that does nothing wrong, beside the others."""
        with self.served.socket(_PATHS[1]) as client:
            client.send(self.speech)
            client.send("END")
            types = set()
            while "end" not in types:
                line = json.loads(client.recv(timeout=60))
                self._check(line)
                types.add(line["type"])
        assert {"speech_start", "final"} <= types, types
        return "answered"

    def _handshake(self):
        lines = [
            *("GET /v1/stream HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade"),
            *("Sec-WebSocket-Key: a", "Sec-WebSocket-Version: 99", "Sec-WebSocket-Protocol: ,,;", "Origin: null"),
        ]
        self.draw.shuffle(lines[1:])
        head = "\r\n".join(lines[: self.draw.randint(2, len(lines))]) + "\r\n\r\n"
        with self._open(head) as connection:
            connection.settimeout(5)
            answer = connection.recv(4096)
        assert answer.startswith(b"HTTP/1.1 4"), answer
        return f"refused {answer[9:12].decode()}"
