"""Run as a program of its own: kills the process groups named on its standard input, once that ends.

Lines are +GROUP and -GROUP; see `firered.processes`. The writer is the process whose children they are, so that its
end, whatever ended it, is the end of the input.
"""

import contextlib
import os
import signal
import sys
import time

_GRACE_S = 0.5  # between asking and killing


def _end_the_left() -> None:
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:]) if line.endswith("\n") else 0  # the beginning of a number is another's
        if group > 1:  # to the system, group 1 is every process that there is
            (groups.add if line[0] == "+" else groups.discard)(group)
    for number, pause_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, 0.0)):
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, number)
        if groups:
            time.sleep(pause_s)


if __name__ == "__main__":
    _end_the_left()
