"""Features of data directories: preparation, filterbank archives, and global statistics over many utterances."""

import logging

log = logging.getLogger(__name__)
