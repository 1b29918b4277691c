"""An endpoint of OpenAI's API for chats that gives recorded answers."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = str | tuple[int, dict[str, str]]  # a text, or a status with headers


class Chat:
    """What was asked, and where."""

    def __init__(self, answer: Callable[[str, str], Answer]) -> None:
        self.answer, self.asked, self.keys = answer, [], []
        self.url = ""


@contextmanager
def chat_endpoint(answer: Callable[[str, str], Answer]) -> Iterator[Chat]:
    """A server that gives `answer` (of instruction and text) to each question."""
    chat = Chat(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked: dict[str, Any] = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            instruction, text = (message["content"] for message in asked["messages"])
            chat.asked.append(text)
            chat.keys.append(self.headers.get("Authorization"))
            said = chat.answer(instruction, text)
            status, headers = (200, {}) if isinstance(said, str) else said
            body = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    chat.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield chat
    finally:
        server.shutdown()
        server.server_close()
