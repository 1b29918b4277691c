"""Fills the reference: a line `::public KIND::` becomes the entries of the package's public names of that kind.

The names are those of `firered.__all__`, read without importing it, so that the reference cannot lack one.
"""

import ast
import re
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1] / "firered"
MODULES = ("System", "Asr", "LlmAsr", "Aligner", "Lid", "Vad", "Mvad", "StreamVad", "Punc", "LiveSystem", "LiveSession")
# Where names of a kind live that are not public by themselves.
HOMES = {"results": "results", "configs": "config", "errors": "errors"}


def public_names() -> list[str]:
    """The names in `firered.__all__`, in its order."""
    for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return [name for name in ast.literal_eval(node.value) if not name.startswith("_")]
    raise ValueError(f"{PACKAGE}/__init__.py has no __all__")


def kind_of(name: str) -> str:
    """Which page of the reference a public name is on."""
    if name in MODULES:
        return "modules"
    if name[0].islower():
        return "functions"
    if name.endswith("Error"):
        return "errors"
    return "configs" if name.endswith("Config") else "results"


def entries(kind: str) -> str:
    """The lines that mkdocstrings makes the entries of a kind from."""
    found = [f"::: firered.{name}" for name in public_names() if kind_of(name) == kind]
    if not found and (PACKAGE / f"{HOMES.get(kind)}.py").exists():
        found = [f"::: firered.{HOMES[kind]}"]
    return "\n\n".join(found)


def on_page_markdown(markdown: str, **_: Any) -> str:  # noqa: ANN401 - mkdocs passes more than is needed
    """The page with its `::public KIND::` lines replaced; called by mkdocs."""
    return re.sub(r"^::public (\w+)::$", lambda match: entries(match[1]), markdown, flags=re.MULTILINE)
