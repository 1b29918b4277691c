"""What commands print while they work: a reader that goes away does not end them."""

import logging
import os
import sys
from typing import TextIO

log = logging.getLogger(__name__)


def put_out(text: str, out: TextIO) -> None:
    """Write a text at once; characters that `out` cannot hold become question marks.

    Where nobody reads standard output any more, the command goes on and what it prints is dropped.
    """
    encoding = out.encoding or "utf-8"
    try:
        out.write(text.encode(encoding, "replace").decode(encoding))
        out.flush()
    except BrokenPipeError:
        log.warning("nobody reads what is printed any more; the files are written as before")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
