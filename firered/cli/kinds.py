"""Which options of recognition the commands of the whole system have: those of the model's family."""

from collections.abc import Mapping
from typing import Any

from firered.asr.families import options_of
from firered.cli.flags import Kinds
from firered.options import read_yaml


def asr_kinds(given: Mapping[str, Any]) -> Kinds:
    """The options of recognition for the kind of model that a flag, a YAML file or the directory gives."""
    values = read_yaml(given["config_file"]) if given.get("config_file") else {}
    section = values.get("system")
    values = {**(section if isinstance(section, Mapping) else {}), **values}
    kind, model = (given.get(name) or values.get(name) for name in ("asr_type", "asr_model"))
    return {"asr": options_of(model or given.get("models"), kind)}
