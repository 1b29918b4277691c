"""What a run took: OUT/speed.json, which every command over recordings, utterances or texts leaves beside its files."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from firered.errors import DataError

SPEED = "speed.json"


@dataclass(frozen=True)
class Speed:
    """What a run took for what it has done itself, without what an earlier run had done that it resumed.

    Args:
        done: recordings, utterances or texts.
        audio_s: seconds of audio in them; 0 of texts, and where audio is live.
        seconds: on the clock, from the loaded model to the written results; loading too where it is part of the run.
        peak_memory_mb: the most that the process (or the largest of its processes) has held, in 2^20 bytes.
        peak_device_memory_mb: likewise of the tensors on a GPU; None without one.
        device: the name of the GPU or processor.
        threads: of PyTorch; None where it was not used.
    """

    done: int
    audio_s: float
    seconds: float
    peak_memory_mb: float
    peak_device_memory_mb: float | None = None
    device: str = ""
    threads: int | None = None

    @property
    def rtf(self) -> float | None:
        """Seconds of work a second of audio: the real-time factor; None without audio."""
        return self.seconds / self.audio_s if self.audio_s else None

    def to_json(self) -> dict[str, str | float | None]:
        """For speed.json and score.json."""
        content = {**asdict(self), "rtf": self.rtf}
        return {name: round(value, 6) if isinstance(value, float) else value for name, value in content.items()}

    def lines(self) -> list[str]:
        """The content of the file."""
        return [json.dumps(self.to_json(), ensure_ascii=False, indent=2)]


def read_speed(folder: Path) -> Speed | None:
    """What the run into a folder took; None where it has not written it down.

    Raises:
        DataError: the file holds something else.
    """
    file = folder / SPEED
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        content.pop("rtf", None)
        return Speed(**content)
    except (ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{file}: not what a run writes of its speed ({error})") from None


def together(parts: Sequence[Speed]) -> Speed:
    """The speed of jobs over parts of the same data: of one of them, so that RTF does not depend on how many there are.

    Seconds and audio are added up; memory is that of the largest.
    """
    devices = list(dict.fromkeys(part.device for part in parts))
    on_devices = [part.peak_device_memory_mb for part in parts if part.peak_device_memory_mb is not None]
    threads = {part.threads for part in parts}
    return Speed(
        sum(part.done for part in parts),
        sum(part.audio_s for part in parts),
        sum(part.seconds for part in parts),
        max(part.peak_memory_mb for part in parts),
        max(on_devices, default=None),
        ", ".join(devices),
        threads.pop() if len(threads) == 1 else None,
    )
