"""Which names stand for files: a pipe is a line of a wav.scp and nothing else, a device is never read."""

import stat
from pathlib import Path

# What systems leave in folders, beside hidden files such as ._a.wav and .DS_Store.
LEFT_BY_SYSTEMS = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", "icon\r"})
_FOLDERS_OF_SYSTEMS = frozenset({"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found"})

BLANKS = " \t\r\v\f"  # what separates the fields of a table; other white space is text
NOT_UTF8 = "the name is not UTF-8"


def is_pipe(name: str | Path) -> bool:
    """Whether a name is a command to run; a Path is a file, whatever it is called."""
    return isinstance(name, str) and name.rstrip(BLANKS + "\n").endswith("|")


def trouble_with(path: Path) -> str:
    """Why nothing can be read from a path, such as `no such file`; empty where it is a file that is not empty.

    Only files are opened: a device may give bytes without end, and a FIFO may wait for ever.
    """
    try:
        state = path.stat()
    except FileNotFoundError:
        return "no such file"
    except (OSError, ValueError) as error:
        return reason_of(error)
    if stat.S_ISDIR(state.st_mode):
        return "is a folder, not a file"
    if not stat.S_ISREG(state.st_mode):
        return "is a device, a FIFO or a socket, not a file"
    return "" if state.st_size else "the file is empty"


def reason_of(error: OSError | ValueError) -> str:
    """What went wrong with a file, without its name."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def why_no_line(path: Path) -> str:
    """Why a line of a wav.scp cannot stand for this file; empty where it can."""
    name = str(path)
    if name.encode(errors="replace").decode() != name:
        return NOT_UTF8
    if {"\n", "\r", "\0"} & set(name):
        return "the name breaks the line"
    if name.strip(BLANKS) != name:
        return "the name begins or ends with a blank"
    if name.startswith("|") or is_pipe(name):
        return "with a bar at its end (or start) the name would be a command in a wav.scp"
    return ""


def is_hidden(name: str) -> bool:
    """Whether a file or folder of this name is passed over in a folder: a dot file, or one that systems make."""
    return name.startswith(".") or name.lower() in LEFT_BY_SYSTEMS | _FOLDERS_OF_SYSTEMS


def visible(folder: Path, pattern: str) -> list[Path]:
    """The paths of a folder that match a pattern, sorted; hidden ones are passed over."""
    found = folder.glob(pattern)
    return sorted(path for path in found if not any(map(is_hidden, path.relative_to(folder).parts)))
