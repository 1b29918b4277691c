"""Output formats: one small function each, text in, text out."""

from collections.abc import Iterable, Sequence

Labelled = tuple[float, float, str]  # start and end in seconds, label


def segment_id(recording: str, start_s: float, end_s: float) -> str:
    """Utterance id of a segment: `<recording>-<start ms>-<end ms>`, 7 digits each, so that ids sort by time."""
    return f"{recording}-{round(1000 * start_s):07d}-{round(1000 * end_s):07d}"


def seconds(value: float) -> str:
    """Seconds as Kaldi's duration tables have them: exact to a sample, no trailing zeros."""
    return f"{value:.7f}".rstrip("0").rstrip(".")


def rttm(recording: str, segments: Iterable[Labelled]) -> str:
    """NIST RTTM lines with the label in the place of the speaker."""
    return "".join(
        f"SPEAKER {recording} 1 {start:.3f} {end - start:.3f} <NA> <NA> {label} <NA> <NA>\n"
        for start, end, label in segments
    )


def textgrid(duration_s: float, segments: Iterable[Labelled], labels: Sequence[str]) -> str:
    """Praat TextGrid with an interval tier a label, gaps as empty intervals."""
    tiers = {label: [(start, end) for start, end, name in segments if name == label] for label in labels}
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {seconds(duration_s)}"]
    lines += ["tiers? <exists>", f"size = {len(tiers)}", "item []:"]
    for number, (label, spans) in enumerate(tiers.items(), 1):
        intervals = _with_gaps(spans, duration_s, label)
        lines += [f"    item [{number}]:", '        class = "IntervalTier"', f'        name = "{_quoted(label)}"']
        lines += [
            "        xmin = 0",
            f"        xmax = {seconds(duration_s)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for index, (start, end, text) in enumerate(intervals, 1):
            lines += [f"        intervals [{index}]:", f"            xmin = {seconds(start)}"]
            lines += [f"            xmax = {seconds(end)}", f'            text = "{_quoted(text)}"']
    return "\n".join(lines) + "\n"


def _with_gaps(spans: Iterable[tuple[float, float]], duration_s: float, label: str) -> list[Labelled]:
    """Intervals that cover [0, duration] without a hole, as Praat wants them."""
    out: list[Labelled] = []
    at = 0.0
    for start, end in spans:
        end = min(end, duration_s)
        if start > at:
            out.append((at, start, ""))
        out.append((start, end, label))
        at = end
    if at < duration_s:
        out.append((at, duration_s, ""))
    return out


def _quoted(text: str) -> str:
    return text.replace('"', '""')
