"""Published model directories fetched from a hub: resumed where they broke off, and checked by size and hash."""

import hashlib
import logging
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.errors import FireRedError, ModelError, OptionError
from firered.hub.catalogue import PUBLISHED
from firered.hub.find import how_by_hand
from firered.hub.hubs import Hub, HubFile, Unreachable

log = logging.getLogger(__name__)

_TRIES = 5  # in a row that bring nothing new
_PAUSE_S = 1.0  # after the first of them; then twice as long each time
_BLOCK_BYTES = 1 << 20
_REPORT_EVERY_S = 5.0
_UNSAFE = re.compile(r"[\\:\x00-\x1f]")


@dataclass(frozen=True)
class _Plan:
    """What a published directory is made of, and where it goes."""

    name: str
    folder: Path
    files: list[HubFile]

    def size(self) -> int:
        return sum(file.size for file in self.files)


def download(names: Sequence[str], hub: Hub, to: Path) -> None:
    """Fetch published directories into `<to>/<name>`; files that are there already, whole and unchanged, stay.

    Raises:
        OptionError: a name is not among the published ones, or is not on this hub.
        ModelError: the hub cannot be reached, or what came is not what it lists. What was fetched stays, and the same
            call goes on from there.
        FireRedError: there is no room for it.
    """
    plans = [_plan(name, hub, to) for name in _with_bases(names, to)]
    progress = _Progress(sum(plan.size() for plan in plans))
    to.mkdir(parents=True, exist_ok=True)
    _check_room(plans, to)
    for plan in plans:
        log.info("%s: %d files, %s, from %s", plan.name, len(plan.files), _bytes(plan.size()), hub.title)
        for file in plan.files:
            _fetch(file, plan, hub, progress)
        if base := PUBLISHED[plan.name].base:
            _link(plan.folder / base)
        log.info("%s: complete in %s", plan.name, plan.folder)


def _with_bases(names: Sequence[str], to: Path) -> list[str]:
    if unknown := [name for name in names if name not in PUBLISHED]:
        raise OptionError(f"no published model {', '.join(unknown)}; there are {', '.join(PUBLISHED)}")
    bases = {name: base for name in names if (base := PUBLISHED[name].base)}
    lacking = [base for name, base in bases.items() if _is_ours(to / name / base)]
    return list(dict.fromkeys([*lacking, *names]))


def _is_ours(base: Path) -> bool:
    # Whoever put a base model there has it; the one that was linked here is checked like the rest.
    return not base.exists() or (base.is_symlink() and base.readlink() == _beside(base.name))


def _beside(base: str) -> Path:
    return Path("..", base)


def _plan(name: str, hub: Hub, to: Path) -> _Plan:
    published = PUBLISHED[name]
    repository = hub.repository(published)
    if repository is None:
        raise OptionError(f"{name} is not published on {hub.title}; the other --hub has it")
    try:
        files = hub.files(repository)
    except Unreachable as error:
        raise _out_of_reach(error, name, hub, to) from error
    for file in files:
        _check_path(file.path, hub)
    inside = [file for file in files if file.path.split("/")[0] != published.base]
    return _Plan(name, to / name, inside)


def _check_path(path: str, hub: Hub) -> None:
    # Names come from the network: none may lead out of the folder that it is for.
    if _UNSAFE.search(path) or any(part in ("", ".", "..") for part in path.split("/")):
        raise ModelError(f"{hub.endpoint} lists a file {path!r}, which is no name inside a folder; nothing was fetched")


def _check_room(plans: Sequence[_Plan], to: Path) -> None:
    sizes = {plan.folder / file.path: file.size for plan in plans for file in plan.files}
    wanted = sum(max(0, size - _size(path) - _size(_part(path))) for path, size in sizes.items())
    free = shutil.disk_usage(to).free
    if wanted > free:
        raise FireRedError(f"{to}: {_bytes(wanted)} are to be fetched, but {_bytes(free)} are free")


def _fetch(file: HubFile, plan: _Plan, hub: Hub, progress: "_Progress") -> None:
    target = plan.folder / file.path
    if target.is_file() and _size(target) == file.size and _digest(target, file) in (file.digest, None):
        progress.add(file.size, fetched=False)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = _part(target)
    try:
        _transfer(file, part, hub, progress)
    except Unreachable as error:
        raise _out_of_reach(error, plan.name, hub, plan.folder.parent) from error
    got = _digest(part, file)
    if got is None:
        log.warning("%s: checked by its size alone, %s lists no hash", target, hub.title)
    elif got != file.digest:
        part.unlink()
        raise ModelError(
            f"{target}: what came has the hash {got}, {hub.title} lists {file.digest}; it was removed. Run the same "
            "command again; should it stay so, something between here and the hub changes files: try another hub"
        )
    part.replace(target)


def _transfer(file: HubFile, part: Path, hub: Hub, progress: "_Progress") -> None:
    if _size(part) > file.size:
        part.unlink()
    progress.add(_size(part), fetched=False)
    in_vain = 0
    while (have := _size(part)) < file.size or not part.exists():
        try:
            _append(file, part, hub, progress)
        except Unreachable as error:
            in_vain = 0 if _size(part) > have else in_vain + 1
            if in_vain == _TRIES:
                raise
            log.warning("%s at %s of %s; trying again", error, _bytes(_size(part)), _bytes(file.size))
            time.sleep(_PAUSE_S * 2**in_vain)


def _append(file: HubFile, part: Path, hub: Hub, progress: "_Progress") -> None:
    """Fetch what a partial file lacks.

    Raises:
        Unreachable: the answer broke off; what came of it is in the file.
        ModelError: it is longer than listed.
    """
    start = _size(part)
    with hub.open(file.url, start) as answer:
        goes_on = answer.status == 206
        if start and not goes_on:  # the hub, or a proxy, knows nothing of ranges
            progress.add(-start, fetched=False)
            start = 0
        with part.open("ab" if goes_on else "wb") as out:
            while block := answer.read(_BLOCK_BYTES):
                out.write(block)
                start += len(block)
                progress.add(len(block))
                if start > file.size:
                    break
    if start > file.size:
        part.unlink()
        raise ModelError(f"{file.url}: longer than the {file.size} bytes that {hub.title} lists; it was removed")
    if start < file.size:
        raise Unreachable(f"{file.url}: the connection ended")


def _link(base: Path) -> None:
    if not base.exists():
        base.unlink(missing_ok=True)  # a link to what is no more
        base.symlink_to(_beside(base.name), target_is_directory=True)


def _part(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path, file: HubFile) -> str | None:
    """The content's hash of the kind that the hub lists; None if it lists none."""
    if not file.digest:
        return None
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size) if file.git_blob else hashlib.sha256()
    with path.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _out_of_reach(error: Unreachable, name: str, hub: Hub, to: Path) -> ModelError:
    return ModelError(
        f"{hub.title} cannot be reached: {error}\nThe same command goes on from what is there. {hub.mirror_variable} "
        f"names a mirror, HTTPS_PROXY a proxy, --hub another hub.\n{how_by_hand(name, to)}"
    )


def _bytes(count: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count:.0f} bytes"


class _Progress:
    """Tells every few seconds how far a download is."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._fetched = total, 0, 0
        self._begun = self._reported = time.monotonic()

    def add(self, count: int, *, fetched: bool = True) -> None:
        """Note so many bytes more, which were fetched now or were there."""
        self._done += count
        self._fetched += count if fetched else 0
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_S:
            self._reported = now
            speed = self._fetched / (now - self._begun)
            log.info("%s of %s, %s/s", _bytes(self._done), _bytes(self._total), _bytes(speed))
