"""What this process and the machine under it are, for the speed of a run."""

import platform
import resource
import sys
from pathlib import Path

from firered.data.speed import Speed

_MB = 2**20
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


def measured(done: int, audio_s: float, seconds: float) -> Speed:
    """The speed of a run of this process that has taken so many seconds."""
    usages = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    peak = max(usages) * _RSS_UNIT / _MB
    torch = sys.modules.get("torch")  # not loaded for this
    if torch is None:
        return Speed(done, audio_s, seconds, peak, None, processor())
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        device_mb = torch.cuda.max_memory_allocated() / _MB
        return Speed(done, audio_s, seconds, peak, device_mb, torch.cuda.get_device_name(), torch.get_num_threads())
    return Speed(done, audio_s, seconds, peak, None, processor(), torch.get_num_threads())


def processor() -> str:
    """The name of the processor, as the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()
