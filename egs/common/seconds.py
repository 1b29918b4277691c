"""What the steps of a recipe took, as `task` of tasks.sh notes it in exp/seconds."""

from pathlib import Path


def seconds_of(path: Path) -> dict[str, tuple[float, float]]:
    """Seconds, and seconds of processor time, of each step, added up over all times it was run."""
    total: dict[str, tuple[float, float]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, *numbers = line.split()
        real, user, system = map(float, numbers)
        before = total.get(name, (0.0, 0.0))
        total[name] = (before[0] + real, before[1] + user + system)
    return total
