"""Which parts of a labelling are done, so that the same command does not do them again."""

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from firered.data.atomic import replacing
from firered.data.utterance import Utterance
from firered.runs.depends import Identity, sources_of

log = logging.getLogger(__name__)


class Steps:
    """The detector's and each system's run: each a command with a journal of its own, and a line here when it is done.

    Args:
        path: the file of them.
        resume: whether what an earlier run did counts.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self._path = path
        self._done: dict[str, str] = json.loads(path.read_text()) if resume and path.exists() else {}

    def run(
        self, folder: Path, identity: Identity, utterances: Sequence[Utterance], work: Callable[[], object]
    ) -> None:
        """Do the work that fills a folder, unless that was done with the same settings, models and audio."""
        what = json.dumps([identity.to_dict(), sources_of(utterances)], sort_keys=True)
        digest = hashlib.sha256(what.encode(errors="surrogateescape")).hexdigest()
        name = str(folder.relative_to(self._path.parent))
        if self._done.get(name) == digest and (folder / "failed").is_file():
            log.info("%s is done (--no-resume does it again)", folder)
            return
        work()
        self._done[name] = digest
        with replacing(self._path) as unfinished:
            unfinished.write_text(json.dumps(self._done, indent=1), encoding="utf-8")
