"""Load of `firered serve`: throughput and delay of file requests at several numbers of clients.

    python tests/bench/serve_load.py                     the bundled models, on a server that is started for it
    python tests/bench/serve_load.py --models pretrained_models --audio talk.wav -- --asr-dtype int8

What stands behind -- goes to `firered serve`. Each client posts one recording after the other; only this machine is
called, so many requests and seconds a row at most, and the server ends with the script.
"""

import threading
import time

from serve_frame import Server, client, head, parser, seconds, serving, show, slowest_health

POST = "/v1/audio/transcriptions"
_COLUMNS = (
    *("clients", "requests", "errors", "requests/s", "seconds of audio a second", "P50, P95, P99 s"),
    *("slowest `/health` s", "cores used", "MB before, after"),
)


def main() -> None:
    """Print a table, a row for each number of clients."""
    options = parser(__doc__ or "", "f*.flac", 60.0)
    options.add_argument("--clients", default="1,5,10,20")
    options.add_argument("--requests", type=int, default=1000, help="of each row, at most")
    with serving(options, "--jobs", "") as (asked, server):
        contents = [(path.name, path.read_bytes()) for path in asked.audio]
        head(_COLUMNS)
        for clients in map(int, asked.clients.split(",")):
            show(row(server, contents, clients, asked.requests, asked.seconds))


def row(server: Server, contents: list[tuple[str, bytes]], clients: int, most: int, limit_s: float) -> list[object]:
    """One row of the table."""
    lock, took, heard = threading.Lock(), [], []
    left, errors = most, 0
    began, before, used = time.monotonic(), server.memory(), server.cpu_s()

    def send() -> None:
        nonlocal left, errors
        with client(server) as http:
            while time.monotonic() < began + limit_s:
                with lock:
                    if left <= 0:
                        return
                    left -= 1
                    turn = left
                sent = time.monotonic()
                answer = http.post(POST, files={"file": contents[turn % len(contents)]})
                with lock:
                    took.append(time.monotonic() - sent)
                    if answer.status_code == 200:
                        heard.append(answer.json()["usage"]["seconds"])
                    else:
                        errors += 1

    with slowest_health(server) as slowest:
        threads = [threading.Thread(target=send) for _ in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wall_s = time.monotonic() - began
    return [
        *(clients, len(took), errors, f"{len(took) / wall_s:.1f}", f"{sum(heard) / wall_s:.0f}"),
        *(seconds(took, 50, 95, 99), f"{slowest[0]:.2f}", f"{(server.cpu_s() - used) / wall_s:.2f}"),
        f"{before:.0f}, {server.memory():.0f}",
    ]


if __name__ == "__main__":
    main()
