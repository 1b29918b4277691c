"""The part of RESULTS.md on recognition that streams: errors and delays by the length of chunks."""

import json
from collections.abc import Iterator
from pathlib import Path

FIRST, FINAL = "first, heard", "final, heard"  # delays, as score.json names them
CHUNKS = {"0.32": "chunks of 0.32 s", "0.64": "chunks of 0.64 s", "60": "one chunk (full context)"}
MODELS = {"stream": "AED in chunks", "stream_trim": "AED in chunks, TrimTail of 100 ms"}
_HEADING = (
    "Model",
    "Context",
    "First pass, %",
    "sub / del / ins",
    "Rescored, %",
    "sub / del / ins",
    "First delay, ms: median",
    "P90",
    "Final delay, median",
)


def streaming_rows(scores: Path) -> Iterator[str]:
    """Lines of that part; nothing where no such model was scored."""
    models = [model for model in MODELS if (scores / f"{model}_0.32").is_dir()]
    if not models:
        return
    yield "## Recognition that streams"
    yield ""
    yield "One model for all chunks (`firered-asr --streaming`): what the first pass has written when an utterance"
    yield "ends, and what the decoder chooses among its texts then (`--mode rescore`). Delays are of correct words,"
    yield "from their end in the synthesiser's times until they are first shown, and until the final text; computing"
    yield "takes no time in them. One chunk is known when the utterance ends, as the text of the AED is that hears all."
    yield ""
    yield f"| {' | '.join(_HEADING)} |"
    yield "|" + "---|" * len(_HEADING)
    whole = _score(scores / "aed")
    yield f"| AED | whole utterances | - | - | {_rate(whole)} | {_errors(whole)} | - | - | - |"
    for model in models:
        for chunk, context in CHUNKS.items():
            yield _row(scores, model, chunk, context)
    yield ""
    for model in models:
        loss = _value(_score(scores / f"{model}_0.32")) - _value(_score(scores / f"{model}_60"))
        yield f"{MODELS[model]}: the first pass loses {loss:+.2f} points in chunks of 0.32 s against full context."
    yield ""


def _row(scores: Path, model: str, chunk: str, context: str) -> str:
    first, final = (_score(scores / f"{model}{part}_{chunk}") for part in ("", "_final"))
    delays = json.loads((scores / f"{model}_live_{chunk}/score.json").read_text(encoding="utf-8"))["delays_s"]
    shown, known = delays[FIRST], delays[FINAL]
    cells = [_rate(first), _errors(first), _rate(final), _errors(final)]
    cells += [_ms(shown["p50"]), _ms(shown["p90"]), _ms(known["p50"])]
    return f"| {MODELS[model]} | {context} | {' | '.join(cells)} |"


def _score(folder: Path) -> dict:
    return json.loads((folder / "score.json").read_text(encoding="utf-8"))


def _value(score: dict) -> float:
    return score["metrics"]["MER%"]["value"]


def _rate(score: dict) -> str:
    return f"**{_value(score):.2f}**"


def _errors(score: dict) -> str:
    return " / ".join(str(score[name]) for name in ("substitutions", "deletions", "insertions"))


def _ms(seconds: float | None) -> str:
    return "-" if seconds is None else f"{1000 * seconds:.0f}"
