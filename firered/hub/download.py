"""Published model directories fetched from a hub: in parallel, resumed, and checked by size and hash."""

import hashlib
import logging
import re
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from firered.errors import FireRedError, ModelError, OptionError
from firered.hub.catalogue import PUBLISHED
from firered.hub.find import how_by_hand
from firered.hub.hubs import Hub, HubFile, Unreachable, size_of

log = logging.getLogger(__name__)

_STAGING = ".download"  # in the model's folder: files that are not yet complete and checked
_NO_LISTING = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
_UNSAFE = re.compile(r"[\\:\x00-\x1f]")


@dataclass(frozen=True)
class _Plan:
    """What a published directory is made of, and where it goes."""

    name: str
    repository: str
    folder: Path
    files: list[HubFile]

    def staged(self, file: HubFile) -> Path:
        return self.folder / _STAGING / file.path


def download(names: Sequence[str], hub: Hub, to: Path) -> None:
    """Fetch published directories into `<to>/<name>`; files that are there already, complete and right, stay.

    Raises:
        OptionError: a name is not among the published ones, or is not on this hub.
        ModelError: the hub cannot be reached, or what it sent is not what it lists. Files fetched so far are kept, and
            the same call resumes from there.
        FireRedError: there is not enough free space.
    """
    if unknown := [name for name in names if name not in PUBLISHED]:
        raise OptionError(f"no published model {', '.join(unknown)}; there are {', '.join(PUBLISHED)}")
    bases = {name: base for name in names if (base := PUBLISHED[name].base)}
    ours = [base for name, base in bases.items() if _is_ours(to / name / base)]
    plans = [_plan(name, hub, to) for name in dict.fromkeys([*ours, *names])]
    to.mkdir(parents=True, exist_ok=True)
    _check_room(plans, to)
    for plan in plans:
        size = sum(file.size for file in plan.files)
        log.info("%s: %d files, %s, from %s", plan.name, len(plan.files), _megabytes(size), hub.title)
        try:
            _fetch_all(plan, hub)
        except Unreachable as error:
            raise _out_of_reach(error, plan.name, hub, to) from error
        shutil.rmtree(plan.folder / _STAGING, ignore_errors=True)
        if plan.name in bases and not (link := plan.folder / bases[plan.name]).exists():
            link.unlink(missing_ok=True)  # a link whose target is missing
            link.symlink_to(Path("..", link.name), target_is_directory=True)
        log.info("%s: complete in %s", plan.name, plan.folder)


def _is_ours(base: Path) -> bool:
    # Users may have put a base model of their own there; the one that was linked here is checked like the rest.
    return not base.exists() or (base.is_symlink() and base.readlink() == Path("..", base.name))


def _plan(name: str, hub: Hub, to: Path) -> _Plan:
    published = PUBLISHED[name]
    repository = hub.repository(published)
    if repository is None:
        raise OptionError(f"{name} is not published on {hub.title}; the other --hub has it")
    try:
        if not (files := hub.files(repository)):
            raise ValueError("an empty listing")
    except Unreachable as error:
        raise _out_of_reach(error, name, hub, to) from error
    except _NO_LISTING as error:
        what = f"{hub.endpoint} answers with something else than the files of {repository}"
        raise ModelError(f"{what} ({type(error).__name__}: {error})") from error
    for file in files:  # their names come from the network: none may lead out of the folder
        if _UNSAFE.search(file.path) or any(part in ("", ".", "..") for part in file.path.split("/")):
            raise ModelError(
                f"{hub.endpoint} lists {file.path!r}, which is no name inside a folder; nothing was fetched"
            )
    pins = published.hashes.get(hub.name, {})
    inside = [file for file in files if file.path.split("/")[0] != published.base]
    return _Plan(name, repository, to / name, [_pinned(file, pins.get(file.path), hub) for file in inside])


def _pinned(file: HubFile, pin: tuple[int, str] | None, hub: Hub) -> HubFile:
    if pin is None:
        return file
    size, digest = pin
    if file.size != size or (file.digest not in ("", digest) and not file.git_blob):
        raise ModelError(
            f"{file.path}: {hub.title} lists {file.size} bytes with the hash {file.digest or '(none)'}, but {size} "
            f"bytes with the SHA-256 {digest} are expected; nothing was fetched"
        )
    return replace(file, digest=digest, git_blob=False)


def _check_room(plans: Sequence[_Plan], to: Path) -> None:
    sizes = {plan.folder / file.path: (file.size, size_of(plan.staged(file))) for plan in plans for file in plan.files}
    wanted = sum(max(0, size - size_of(path) - staged) for path, (size, staged) in sizes.items())
    free = shutil.disk_usage(to).free
    if wanted > free:
        raise FireRedError(f"{to}: {_megabytes(wanted)} are to be fetched, but {_megabytes(free)} are free")


def _fetch_all(plan: _Plan, hub: Hub) -> None:
    stop = threading.Event()
    if hub.workers == 1:  # in this thread, so that Ctrl-C ends it
        for file in plan.files:
            _fetch(file, plan, hub, stop)
        return
    with ThreadPoolExecutor(hub.workers) as pool:
        try:
            for fetched in as_completed([pool.submit(_fetch, file, plan, hub, stop) for file in plan.files]):
                fetched.result()
        except BaseException:  # also Ctrl-C: the threads stop at their next block
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch(file: HubFile, plan: _Plan, hub: Hub, stop: threading.Event) -> None:
    target, staged = plan.folder / file.path, plan.staged(file)
    if _fault(target, file) is None:
        return
    staged.parent.mkdir(parents=True, exist_ok=True)
    resumed = staged.exists()
    hub.fetch(plan.repository, file, plan.folder / _STAGING, stop)
    if fault := _fault(staged, file):
        staged.unlink(missing_ok=True)
        if resumed:  # its beginning may have been damaged, or of another revision
            _fetch(file, plan, hub, stop)
            return
        raise ModelError(
            f"{target}: what came from {hub.title} has {fault}; it was removed. Run the same command again; if that "
            "does not help, something between here and the hub changes files: try another hub"
        )
    if not file.digest:
        log.warning("%s: checked by its size alone, %s lists no hash", target, hub.title)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged.replace(target)
    log.info("%s: %s", target, _megabytes(file.size))


def _fault(path: Path, file: HubFile) -> str | None:
    """What a file here has that is not as listed; None if all is."""
    if size_of(path) != file.size or not path.is_file():
        return f"{size_of(path)} bytes, not {file.size}"
    digest = hashlib.sha1(b"blob %d\0" % file.size) if file.git_blob else hashlib.sha256()
    with path.open("rb") as content:
        while file.digest and (block := content.read(1 << 20)):
            digest.update(block)
    if file.digest in ("", digest.hexdigest()):
        return None
    return f"the {'git SHA-1' if file.git_blob else 'SHA-256'} {digest.hexdigest()}, not {file.digest}"


def _out_of_reach(error: Unreachable, name: str, hub: Hub, to: Path) -> ModelError:
    return ModelError(
        f"{hub.title} cannot be reached: {error}\nThe same command resumes the download. {hub.mirror_variable} "
        f"names a mirror, HTTPS_PROXY a proxy, --hub another hub.\n{how_by_hand(name, to)}"
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"
