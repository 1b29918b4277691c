"""firered-cmvn: global statistics of a data directory's features."""

import logging
from pathlib import Path

from firered.audio.frontend import NUM_BINS, CmvnStats
from firered.data.archives import feature_blocks
from firered.data.datadir import DataDir
from firered.errors import DataError, Problem

log = logging.getLogger(__name__)


def make_cmvn(data: Path, out: Path) -> int:
    """Exit status of writing global statistics over feats.scp of `data` to `out` (a folder, or a file `*.ark`).

    Raises:
        DataError: there is no feats.scp, or no matrix of it can be read.
    """
    problems: list[Problem] = []
    feats = DataDir(data, problems=problems).feats_scp
    if feats is None:
        raise DataError(f"{data}: no feats.scp here; make one with firered-fbank")
    stats, used = CmvnStats(), 0
    for key in sorted(feats):
        try:
            own = CmvnStats()  # an utterance that fails half-way must not count with its first half
            for block in feature_blocks(feats[key], NUM_BINS):
                own.add(block)
            stats.stats += own.stats
            used += 1
        except DataError as error:
            problems.append(Problem(key, str(error)))
    for problem in problems:
        log.error("%s", problem)
    if used == 0:
        raise DataError(f"{data}: no features could be read, no statistics written")
    path = out if out.suffix == ".ark" else out / "cmvn.ark"
    path.parent.mkdir(parents=True, exist_ok=True)
    stats.write(path)
    log.info("%s: statistics of %d frames of %d utterances", path, int(stats.stats[0, -1]), used)
    return 1 if problems else 0
