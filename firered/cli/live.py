"""Live audio on standard input: events are printed as soon as they are known."""

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from firered.data.datadir import write_lines
from firered.options import write_settings
from firered.output.published import published

if TYPE_CHECKING:
    from firered.vad.detect import StreamVad

_READ_BYTES = 16000  # at most half a second at a time; whatever has arrived is processed immediately


def detect_live(detector: "StreamVad", out: Path) -> None:
    """Read 16-bit mono PCM at 16 kHz until it ends; print events, and write OUT/vad.jsonl and posteriors at the end."""
    from firered.data.archives import MatrixWriter
    from firered.results import StreamVadResult

    out.mkdir(parents=True, exist_ok=True)
    stream, events, probs = detector.stream(), [], []
    rest = b""
    try:
        while data := os.read(sys.stdin.fileno(), _READ_BYTES):
            data = rest + data
            whole = len(data) // 2 * 2
            rest = data[whole:]
            for event in stream.accept(np.frombuffer(data[:whole], "<i2")):
                print(json.dumps(published(event)), flush=True)
                events.append(event)
            probs.append(stream.probs)
    except KeyboardInterrupt:
        pass  # the usual way to end live audio; what was received is written
    posteriors = np.concatenate([np.zeros(0, np.float32), *probs])[:, None]
    result = StreamVadResult("stdin", round(stream.duration_s, 3), stream.timestamps(), posteriors, events)
    write_lines(out / "vad.jsonl", [json.dumps(published(result))])
    if len(posteriors):
        with MatrixWriter(out / "probs.ark") as writer:
            place, _ = writer.write("stdin", [posteriors])
        write_lines(out / "probs.scp", [f"stdin {place}"])
    write_settings(out / "config.yaml", "firered-stream-vad", detector.config)
