"""What one system writes of whole utterances, in a streaming pass and live, side by side: `passes_section`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firered.scoring.published import ERROR_RATES, NO_RULE, published
from firered.scoring.reports.beside import in_order, named_set
from firered.scoring.reports.lines import shown, shown_interval
from firered.scoring.reports.markdown import markdown
from firered.scoring.reports.results import DASH, Result

OFFLINE, STREAMING, LIVE = "offline", "streaming", "live final"
_PASS = re.compile(rf"(.+) ({STREAMING}(?: full| [\d.]+ s)?|{LIVE})")  # of a system's name, its last words
_PRINTED = re.compile(rf" ({OFFLINE}|{STREAMING})\b", re.IGNORECASE)  # in a paper's name of a system
_COUNTS = ("substitutions", "deletions", "insertions", "tokens")
_HEADING = ("Test set", "Normaliser", "System", "Pass", "Error rate", "95% interval", "Sub.", "Del.", "Ins.", "of")


@dataclass(frozen=True)
class _Passes:
    """The passes of one system over one test set by one rule, in order."""

    test_set: str
    normalizer: str
    system: str
    results: list[tuple[str, Result]]


def pass_of(system: str) -> tuple[str, str]:
    """The name of a system without its pass, and the pass."""
    found = _PASS.fullmatch(system)
    return (found[1], found[2]) if found else (system, OFFLINE)


def passes_section(results: Sequence[Result]) -> Iterator[str]:
    """A table of the error rates of all systems that have a streaming pass or live finals; nothing where none has."""
    found = _found(results)
    if not found:
        return
    yield ""
    yield "## Offline, streaming pass and live final"
    yield ""
    yield (
        "Offline: utterances as a whole. Streaming: in chunks, as if they were spoken now, nothing decoded again; "
        "full: in one chunk. Live final: the closed segments of live recognition. Errors are counts, of so many tokens "
        "of the reference; papers print rates alone."
    )
    yield ""
    printed = [
        row for test_set in dict.fromkeys(one.results[0][1].test_set for one in found) for row in _printed(test_set)
    ]
    yield from markdown(_HEADING, [*(row for one in found for row in _rows(one)), *printed])


def _found(results: Sequence[Result]) -> list[_Passes]:
    by_name: dict[tuple[str, str, str], _Passes] = {}
    for result in in_order([result for result in results if result.metric in ERROR_RATES and result.source]):
        system, name = pass_of(result.system)
        own = _Passes(named_set(result), result.normalizer, system, [])
        by_name.setdefault((result.test_set, result.normalizer, system), own).results.append((name, result))
    found = [own for own in by_name.values() if any(name != OFFLINE for name, _ in own.results)]
    for own in found:
        own.results.sort(key=lambda pair: _place(pair[0]))
    return found


def _place(name: str) -> tuple[int, float]:
    """Where a pass stands: chunks by their length, one for all after them."""
    kind = next(number for number, one in enumerate((OFFLINE, STREAMING, LIVE)) if name.startswith(one))
    number = re.search(r"[\d.]+", name)
    return kind, float(number[0]) if number else float("inf")


def _rows(own: _Passes) -> Iterator[list[str]]:
    for name, result in own.results:
        counts = [str((result.source or {}).get(count, DASH)) for count in _COUNTS]
        rate = f"**{shown(result.value)}**" if result.value is not None else DASH
        yield [own.test_set, own.normalizer, own.system, name, rate, shown_interval(result.interval), *counts]


def _printed(test_set: str) -> Iterator[list[str]]:
    """The papers' figures of systems that have both passes over a test set."""
    pairs: dict[tuple[str, str], dict[str, list[str]]] = {}
    for figure in published():
        name = _PRINTED.search(figure.system)
        if figure.test_set == test_set and figure.metric in ERROR_RATES and name:
            system = f"{_PRINTED.sub('', figure.system)} ({figure.title})"
            rule = figure.rule if figure.rule != NO_RULE else DASH
            row = [test_set, rule, system, name[1].lower(), shown(figure.value), *[DASH] * (len(_COUNTS) + 1)]
            pairs.setdefault((figure.table, system), {})[name[1].lower()] = row
    for rows in pairs.values():
        if len(rows) > 1:
            yield from (rows[name] for name in (OFFLINE, STREAMING))
