"""What is made by another program, an item after the other, several at a time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import fields, replace
from itertools import islice
from typing import Any, TypeVar

from firered.corpora.made.endpoint import Unreachable
from firered.errors import FireRedError
from firered.options import Options
from firered.runs.journal import Run

C = TypeVar("C", bound=Options)

_WITHOUT_EFFECT = ("parallel", "tries", "answer_seconds", "text_seconds")  # on what is made
_AT_ONCE = 1000  # items given to the threads: more would only lie there


def deciding(config: C) -> C:
    """Those of the options that decide what is made; the rest have their defaults."""
    defaults: dict[str, Any] = {one.name: one.default for one in fields(config) if one.name in _WITHOUT_EFFECT}
    return replace(config, **defaults)


def note_all(
    keys: Iterable[str], result: Callable[[str], dict[str, Any]], run: Run[dict[str, Any]], parallel: int
) -> None:
    """Note the result of each item, or why there is none.

    Args:
        keys: the items.
        result: of an item; a JSON value. Its `seconds`, if it has some, are those of its audio.
        run: where they are noted.
        parallel: items at a time.

    Raises:
        Unreachable: what makes them is not there.
    """
    waiting = iter(keys)
    with ThreadPoolExecutor(parallel) as pool:
        while some := list(islice(waiting, _AT_ONCE)):
            asked = {pool.submit(result, key): key for key in some}
            for done in as_completed(asked):
                key = asked[done]
                try:
                    made = done.result()
                    run.done(key, made, made.get("seconds", 0.0))
                except Unreachable:
                    pool.shutdown(cancel_futures=True)
                    raise
                except FireRedError as error:
                    run.fail_with(key, error)
