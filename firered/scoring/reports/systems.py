"""Several systems side by side: measured beside printed, reductions, differences, and what they take."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from firered.errors import OptionError
from firered.scoring.config import SampleConfig, TableConfig
from firered.scoring.published import ERROR_RATES, Published, kind_of, names_of, published, relative_reduction
from firered.scoring.reports.beside import heading_of, in_order, named_set, notes_of, printed_cell, same_figures
from firered.scoring.reports.lines import shown, shown_interval, signed
from firered.scoring.reports.markdown import markdown
from firered.scoring.reports.pairs import Pair, pairs_of
from firered.scoring.reports.results import DASH, Result
from firered.scoring.text.speechio import NOTE

_FALLS = (*ERROR_RATES, "FAR%", "MR%")  # metrics that count errors, of which there may be fewer
_ROW = ("Test set", "Metric", "Normaliser")


@dataclass(frozen=True)
class _Row:
    """The figures of one test set, metric and rule by system."""

    results: dict[str, Result]

    @property
    def any(self) -> Result:
        """One of them, for what they share."""
        return next(iter(self.results.values()))

    def names(self) -> list[str]:
        """The first cells."""
        metrics = dict.fromkeys(result.metric.removesuffix("%") for result in self.results.values())
        return [named_set(self.any), " ".join(metrics), self.any.normalizer]

    def cells(self, systems: Sequence[str]) -> list[str]:
        """Value and interval of each system."""
        return [_measured(self.results.get(system)) for system in systems]


def systems_section(results: Sequence[Result], config: TableConfig) -> Iterator[str]:
    """The section of all systems; with a baseline it comes first, and reductions are against it.

    Raises:
        OptionError: the baseline is neither among the results nor in the papers.
        DataError: the counts beside a score cannot be read.
    """
    ordered = in_order(results)
    systems = sorted({result.system for result in results})
    baseline = _baseline(systems, config.baseline)
    systems.sort(key=lambda system: system != baseline)
    rows = _rows(ordered)
    yield ""
    yield "## Side by side"
    yield ""
    yield (
        "Columns marked (here) are measured, with their 95% intervals; the others are printed in the paper, which may "
        "call an error rate by another name."
    )
    yield from _beside_papers([row for row in rows if row.any.comparable], systems)
    if own := [row for row in rows if not row.any.comparable]:
        yield from _own_table(f"Not beside published figures: {NOTE}.", own, systems)
    for note in notes_of(ordered):
        yield ""
        yield note
    if baseline:
        yield from _reductions(rows, systems, baseline)
    sample = SampleConfig(bootstrap=config.bootstrap, seed=config.seed)
    measured = baseline if baseline in systems else None
    if config.bootstrap:
        yield from _differences(list(pairs_of(ordered, measured, sample)), sample)
    yield from _needs(ordered, systems)


def _baseline(systems: Sequence[str], given: str | None) -> str | None:
    """The name of the baseline among the results, or as the papers have it."""
    if given is None:
        return None
    names = {*names_of(given), given}
    found = next((system for system in systems if system in names), None)
    if found or any(figure.system in names for figure in published()):
        return found or given
    raise OptionError(f"baseline: no score is of {given}, and no paper names it; there are {', '.join(systems)}")


def _rows(results: Sequence[Result]) -> list[_Row]:
    rows: dict[tuple[str, str, str], dict[str, Result]] = {}
    for result in results:
        rows.setdefault(result.row, {})[result.system] = result
    return [_Row(of_row) for of_row in rows.values()]


def _measured(result: Result | None) -> str:
    if result is None or result.value is None:
        return DASH
    return f"**{shown(result.value)}**" + (f" {shown_interval(result.interval)}" if result.interval else "")


def _of(rows: Sequence[_Row], systems: Sequence[str]) -> list[str]:
    """The systems that have a figure in any of the rows."""
    return [system for system in systems if any(system in row.results for row in rows)]


def _heads(systems: Sequence[str]) -> list[str]:
    return [f"{system if system != DASH else 'no name'} (here)" for system in systems]


def _beside_papers(rows: Sequence[_Row], systems: Sequence[str]) -> Iterator[str]:
    """A table for each of the papers' tables that holds any of the rows, and one for the rows that none holds."""
    of_tables: dict[str, list[tuple[_Row, Published]]] = {figure.table: [] for figure in published()}
    alone = []
    for row in rows:
        figures = same_figures(row.any)
        for figure in figures:
            of_tables[figure.table].append((row, figure))
        if not figures:
            alone.append(row)
    for inside in filter(None, of_tables.values()):
        held = list({id(row): row for row, _ in inside}.values())
        printed = list(dict.fromkeys(figure.system for _, figure in inside))
        values = {(figure.test_set, kind_of(figure.metric), figure.system): figure for _, figure in inside}
        ours = _of(held, systems)
        yield ""
        yield heading_of(inside[0][1], [row.any for row in held])
        yield ""
        yield from markdown(
            (*_ROW, *_heads(ours), *printed),
            (
                [*row.names(), *row.cells(ours), *(printed_cell(values.get((*row.any.row[:2], p))) for p in printed)]
                for row in held
            ),
        )
    if alone:
        yield from _own_table("Beside no published figure.", alone, systems)


def _own_table(title: str, rows: Sequence[_Row], systems: Sequence[str]) -> Iterator[str]:
    ours = _of(rows, systems)
    yield from ("", title, "")
    yield from markdown((*_ROW, *_heads(ours)), ([*row.names(), *row.cells(ours)] for row in rows))


def _reductions(rows: Sequence[_Row], systems: Sequence[str], baseline: str) -> Iterator[str]:
    """How many percent of the baseline's errors each system is without."""
    lines = []
    fitting = [row for row in rows if row.any.metric in _FALLS and _value_of(row, baseline) is not None]
    others = [system for system in _of(fitting, systems) if system != baseline]
    for row in fitting:
        base = _value_of(row, baseline) or 0.0
        values = (row.results[system].value if system in row.results else None for system in others)
        reductions = (None if value is None else relative_reduction(base, value) for value in values)
        cells = [DASH if reduction is None else signed(reduction) for reduction in reductions]
        lines.append([*row.names(), shown(base), *cells])
    yield ""
    yield (
        f"Relative reduction of errors against {baseline} in percent, the papers' CERR: 100 (b - x) / b of the error "
        "rates b of the baseline and x of the system; below zero there are more errors."
    )
    yield ""
    if not lines:
        yield f"No row has an error rate of {baseline} by the rule of the others."
        return
    yield from markdown((*_ROW, baseline, *_heads(others)), lines)


def _value_of(row: _Row, baseline: str) -> float | None:
    """The baseline's figure: measured, or printed where it is by the rule of the row."""
    if baseline in row.results:
        return row.results[baseline].value
    names = {*names_of(baseline), baseline}
    if any(result.note for result in row.results.values()):
        return None
    printed = (
        figure.value
        for figure in same_figures(row.any)
        if figure.system in names and figure.is_by(row.any.normalizer) and figure.mean_of_rows is None
    )
    return next(printed, None) if row.any.comparable else None


def _differences(pairs: Sequence[Pair], sample: SampleConfig) -> Iterator[str]:
    if not pairs:
        return
    yield ""
    yield (
        f"Differences between systems, the first minus the second: paired bootstrap, {sample.bootstrap} resamplings of "
        f"the utterances, the same of both, seed {sample.seed}; 95% interval and two-sided p-value."
    )
    yield ""
    rows = []
    for pair in pairs:
        metric = pair.first.metric.removesuffix("%")
        names = [pair.first.test_set, metric, pair.first.normalizer, pair.first.system, pair.second.system]
        found = pair.difference
        figures = [signed(found.value), shown_interval(found.interval), f"{found.p:.3f}"] if found else [DASH] * 3
        rows.append([*names, *figures, pair.reason])
    heading = [*_ROW, "First", "Second", "Difference", "95% interval", "p", "Why not"]
    if not any(pair.reason for pair in pairs):
        heading, rows = heading[:-1], [row[:-1] for row in rows]
    yield from markdown(heading, rows)


def _needs(results: Sequence[Result], systems: Sequence[str]) -> Iterator[str]:
    """Parameters, speed and memory of each system; columns of which nothing is known are left out."""
    columns = {system: _needs_of([result for result in results if result.system == system]) for system in systems}
    heads = [name for name in _NEEDS if any(cells[name] != DASH for cells in columns.values())]
    if not heads:
        return
    yield ""
    yield (
        "What the systems take: parameters in the files of the model; seconds of work a second of audio (RTF) over the "
        "test sets above, and the most memory, as the runs have written them down."
    )
    yield ""
    yield from markdown(
        ("System", *heads), ([system, *(cells[name] for name in heads)] for system, cells in columns.items())
    )


_NEEDS = ("Parameters", "RTF", "Memory, MB", "GPU memory, MB", "Device", "Threads")


def _needs_of(results: Sequence[Result]) -> dict[str, str]:
    sources = [result.source for result in results if result.source]
    counts = {source["provenance"].get("parameters") for source in sources} - {None}
    # The same decoding may be scored by several rules.
    speeds = {source["provenance"].get("hypothesis"): source.get("speed") for source in sources}
    known = [speed for speed in speeds.values() if speed]
    audio_s = sum(speed["audio_s"] for speed in known)
    seconds = sum(speed["seconds"] for speed in known if speed["audio_s"])
    device_mb = [speed["peak_device_memory_mb"] for speed in known if speed["peak_device_memory_mb"] is not None]
    return {
        "Parameters": ", ".join(map(_short, sorted(counts))) or DASH,
        "RTF": f"{seconds / audio_s:.4f}" if audio_s else DASH,
        "Memory, MB": f"{max(speed['peak_memory_mb'] for speed in known):.0f}" if known else DASH,
        "GPU memory, MB": f"{max(device_mb):.0f}" if device_mb else DASH,
        "Device": ", ".join(dict.fromkeys(speed["device"] for speed in known)) or DASH,
        "Threads": ", ".join(dict.fromkeys(str(speed["threads"] or DASH) for speed in known)) or DASH,
    }


def _short(count: int) -> str:
    """A number of parameters with three digits: 588 K, 1.18 B."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "K")):
        if count >= size:
            value = count / size
            return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {unit}"
    return str(count)
