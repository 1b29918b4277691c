"""Cases of what careless and hostile clients send to a server, each of a number and a seed."""

import contextlib
import json
import random
import socket
import struct
import subprocess
import time
from pathlib import Path

from support.api_check import check_error
from support.serving import WAV, wav_bytes

POST = "/v1/audio/transcriptions"
KINDS = (
    *("mutated", "fields", "damaged", "framing", "garbage", "leaves_early", "leaves_late", "slow", "job", "heads"),
)
_SHORT = WAV / "m7-yue-00000.flac"
_FIELDS = ("model", "language", "prompt", "response_format", "temperature", "stream", "keywords[]", "include[]")
_VALUES = ("", "whisper-1", "zh", "json", "srt", "verbose_json", "0", "1e400", "true", "\x00", "😀" * 50, "a" * 3000)


def media(folder):
    """Recordings in several containers, by their name; those of ffmpeg where it is."""
    found = {"flac": _SHORT.read_bytes(), "wav": wav_bytes(1.0), "ogg": wav_bytes(1.0, form="OGG")}
    for name, options in (("m4a", ("-c:a", "aac")), ("webm", ("-c:a", "libopus")), ("mp3", ()), ("aiff", ())):
        path = Path(folder) / f"short.{name}"
        with contextlib.suppress(OSError):
            done = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", _SHORT, *options, path], check=False)
            if done.returncode == 0:
                found[name] = path.read_bytes()
    return found


class Case:
    """One client's behaviour, drawn from a seed; `run` raises where the answer is not as it should be."""

    def __init__(self, seed, port, media):
        self.draw, self.port, self.media = random.Random(seed), port, media
        self.kind = self.draw.choice(KINDS)

    def run(self):
        """Send it; the status of the answer, None where there was none."""
        return getattr(self, f"_{self.kind}")()

    # --- what is sent ---

    def _audio(self):
        return self.draw.choice(list(self.media.values()))

    def _mutate(self, data, most=8):
        data = bytearray(data)
        for _ in range(self.draw.randint(1, most)):
            at = self.draw.randrange(len(data) + 1)
            what = self.draw.randrange(4)
            if what == 0:
                del data[at : at + self.draw.choice((1, 4, 100, 10_000))]
            elif what == 1:
                data[at:at] = self.draw.randbytes(self.draw.choice((1, 10, 200)))
            elif what == 2 and at < len(data):
                data[at] ^= 1 << self.draw.randrange(8)
            else:
                data[at:at] = data[at : at + self.draw.choice((10, 1000))]
        return bytes(data)

    def _form(self, audio, fields=(), boundary="b0undary"):
        parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields]
        head = b'Content-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n'
        parts.insert(self.draw.randint(0, len(parts)), head + audio)
        mark = f"--{boundary}\r\n".encode()
        return b"".join(mark + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()

    def _request(self, body, path=POST, kind="multipart/form-data; boundary=b0undary", length=None):
        length = len(body) if length is None else length
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        return f"{head}Connection: close\r\n\r\n".encode() + body

    # --- the kinds ---

    def _mutated(self):
        return self._answer(self._request(self._mutate(self._form(wav_bytes(0.5), [("model", "whisper-1")]))))

    def _fields(self):
        fields = [(self.draw.choice(_FIELDS), self.draw.choice(_VALUES)) for _ in range(self.draw.randint(1, 5))]
        return self._answer(self._request(self._form(wav_bytes(0.5), fields)))

    def _damaged(self):
        audio = self._audio()
        cut = audio[: self.draw.randrange(1, len(audio))]
        return self._answer(self._request(self._form(self.draw.choice((cut, self._mutate(audio, 30))))))

    def _framing(self):
        body = self._form(wav_bytes(0.2))
        kinds = (
            "multipart/form-data",
            "multipart/form-data; boundary=other",
            "text/plain",
            "multipart/form-data; boundary=",
        )
        choice = self.draw.randrange(5)
        if choice == 0:
            return self._answer(self._request(body, kind=self.draw.choice(kinds)))
        if choice == 1:
            return self._answer(self._request(body.replace(b"\r\n", b"\n")))
        if choice == 2:
            return self._answer(self._request(body, length=len(body) + self.draw.randint(1, 1000)))  # waits for more
        if choice == 3:
            return self._answer(self._request(body, length=self.draw.randrange(len(body))))
        many = b"".join(
            b'--b0undary\r\nContent-Disposition: form-data; name="keywords[]"\r\n\r\nx\r\n' for _ in range(3000)
        )
        return self._answer(self._request(many + body))

    def _garbage(self):
        return self._answer(self.draw.randbytes(self.draw.choice((1, 100, 10_000))), http=False)

    def _heads(self):
        name = "X-" + "a" * self.draw.choice((1, 1000, 100_000))
        chunked = b"Transfer-Encoding: chunked\r\n\r\n" + self.draw.choice(
            (b"zz\r\n", b"5\r\nab", b"-1\r\n\r\n", b"0\r\n\r\n")
        )
        head = (
            f"POST {POST} HTTP/1.1\r\nHost: 127.0.0.1\r\n{name}: 1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
        )
        return self._answer(head.encode() + chunked, http=False)

    def _leaves_early(self):
        sent = self._request(self._form(self._audio()))
        with self._connected() as connection:
            self._send(connection, sent[: self.draw.randrange(len(sent))])
            self._leave(connection)

    def _leaves_late(self):
        stream = [("stream", "true")] if self.draw.random() < 0.5 else []
        with self._connected() as connection:
            self._send(connection, self._request(self._form(self._audio(), stream)))
            time.sleep(self.draw.choice((0, 0.005, 0.05)))
            self._leave(connection)

    def _slow(self):
        sent = self._request(self._form(wav_bytes(0.2)))
        with self._connected() as connection:
            for begin in range(0, len(sent), len(sent) // 5 + 1):
                self._send(connection, sent[begin : begin + len(sent) // 5 + 1])
                time.sleep(0.02)
            return self._check(self._received(connection), http=True)

    def _job(self):
        audio = self._audio() if self.draw.random() < 0.5 else self._mutate(self._audio())
        with self._connected() as connection:
            self._send(connection, self._request(self._form(audio), path="/v1/jobs"))
            answer = self._received(connection)
        status = self._check(answer, http=True)
        if status != 201:
            return status
        id = json.loads(answer.partition(b"\r\n\r\n")[2])["id"]
        request = f"DELETE /v1/jobs/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        return self._answer(request.encode())

    # --- the wire ---

    @contextlib.contextmanager
    def _connected(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            yield connection

    def _send(self, connection, data):
        with contextlib.suppress(ConnectionError):  # the server may have had enough
            connection.sendall(data)

    def _leave(self, connection):
        if self.draw.random() < 0.5:  # with a reset
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _received(self, connection):
        data = b""
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(1 << 16):
                data += block
        return data

    def _answer(self, sent, http=True):
        with self._connected() as connection:
            self._send(connection, sent)
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR) if not http else None
            return self._check(self._received(connection), http)

    def _check(self, answer, http):
        """The status of an answer, which is a success or an error as the API has them, and never the server's fault."""
        if not answer:
            assert not http or self.kind in ("framing", "slow"), f"{self.kind}: no answer"
            return None
        head, _, body = answer.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        assert status < 500, (self.kind, answer[:500])
        if status >= 400 and b"application/json" in head:
            check_error(json.loads(body))
        elif status >= 400:
            assert not http or self.kind == "framing", (self.kind, answer[:500])
        return status
