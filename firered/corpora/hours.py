"""Hours of a set, beside those of its documentation."""

import logging

log = logging.getLogger(__name__)

_ROUNDED = 0.02  # documents round hours by less than this share


def check_hours(name: str, expected: float | None, seconds: float) -> None:
    """Say how many hours a set has, and warn, with both numbers, if those of its documentation are others."""
    hours = seconds / 3600
    if seconds:
        log.info("%s: %.2f hours", name, hours)
    if expected and abs(hours - expected) > _ROUNDED * expected:
        log.warning("%s: expected %g hours, found %.2f", name, expected, hours)
