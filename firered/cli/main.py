"""firered: the whole system, the list of commands, and a check of the environment."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

from firered.cli.doctor import doctor_command
from firered.cli.flags import script
from firered.cli.transcribe import transcribe
from firered.version import __version__

_OWN = {
    "transcribe": transcribe,
    "doctor": script(doctor_command),
}


def main() -> None:
    """Console script: `firered COMMAND`, or the list of commands."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name == "--version":
        print(f"firered {__version__}")
    elif name in ("-h", "--help"):
        print(_listing())
    elif name in _OWN:
        sys.argv = [f"firered {name}", *sys.argv[2:]]
        _OWN[name]()
    elif f"firered-{name}" in _scripts():
        sys.argv = [f"firered-{name}", *sys.argv[2:]]
        _scripts()[f"firered-{name}"].load()()
    else:
        sys.exit(f"firered: no command {name!r}\n\n{_listing()}")


def _scripts() -> dict:
    """The package's other console scripts by name."""
    found = entry_points(group="console_scripts")
    return {one.name: one for one in found if one.name.startswith("firered-") and one.value.startswith("firered.")}


def _listing() -> str:
    """All commands with one line each, in the order of the work."""
    lines = [
        "Usage: firered COMMAND ...    (firered-NAME is firered NAME; --help after a command tells its options)",
        "",
    ]
    commands = {f"firered {name}": command for name, command in _OWN.items()}
    commands |= {name: one.load() for name, one in sorted(_scripts().items())}
    width = max(map(len, commands))
    for name, command in commands.items():
        lines.append(f"  {name:{width}}  {(command.__doc__ or '').splitlines()[0].rstrip('.')}")
    lines += ["", f"firered {__version__}; documentation: {Path('README.md')} of the repository"]
    return "\n".join(lines)
