"""HTML pages in one file: a template with `{{name}}` as placeholders, and data for its script."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

from firered.data.write import json_line

_PLACE = re.compile(r"{{(\w+)}}")


def packaged(package: str, name: str) -> str:
    """The text of a file that lies in a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with every `{{name}}` replaced; values stay as they are, even where they hold a `{{name}}`."""
    return _PLACE.sub(lambda place: values[place[1]], template)


def script_data(data: Mapping[str, Any]) -> str:
    """JSON for a script element: `<`, the one character that could end the element, is written as an escape."""
    return json_line(data).replace("<", "\\u003c")
