"""The command line of the recipes' local/prepare.py."""

import inspect
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Protocol

import typer

from firered.cli.flags import run
from firered.data.datadir import write_lines
from firered.errors import DataError, OptionError
from firered.options import Options


class Writable(Protocol):
    """A test set: firered.corpora.corpus_set.CorpusSet, or what a recipe has in its place."""

    @property
    def name(self) -> str:
        """As in the papers' tables."""

    def write(self, out: Path, *, allow_missing: bool) -> None:
        """Write its tables to a folder; raises DataError where they would be incomplete."""


Sets = Annotated[str, typer.Option(help="only these, separated by spaces", show_default=False)]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="leave out utterances that lack audio or transcript")
]


def prepare(read: Callable[..., Iterable[Writable]]) -> None:
    """Run a recipe's prepare.py: `read` finds the sets in the folders that are its parameters.

    A last parameter `options` whose type is an Options class becomes flags of its own.
    """
    parameters = dict(inspect.signature(read).parameters)
    kind = parameters.pop("options", None)
    sources = [name.upper() for name in parameters]
    usage = f"{' '.join(sources)} OUT"

    def write(folders: list[Path], sets: str, allow_missing: bool, *options: Options) -> None:
        *corpora, out = folders
        if len(corpora) != len(sources):
            needed = f"{len(folders)} folders given where {len(sources) + 1} are needed: {usage}"
            raise OptionError(f"{needed}; run.sh takes {' and '.join(f'--{name.lower()}' for name in sources)}")
        for name, folder in zip(sources, corpora, strict=True):
            if not folder.is_dir():
                raise DataError(f"{folder}: no such folder; expected is the {name} of the recipe's README.md")
        write_sets(read(*corpora, *options), out, sets.split(), allow_missing=allow_missing)

    def main(
        folders: Annotated[list[Path], typer.Argument(metavar=usage, show_default=False)],
        sets: Sets = "",
        allow_missing: AllowMissing = False,
    ) -> None:
        write(folders, sets, allow_missing)

    def main_with_options(
        folders: Annotated[list[Path], typer.Argument(metavar=usage, show_default=False)],
        options: Options,
        sets: Sets = "",
        allow_missing: AllowMissing = False,
    ) -> None:
        write(folders, sets, allow_missing, options)

    chosen: Callable[..., None] = main
    if kind is not None:
        chosen = main_with_options
        chosen.__annotations__["options"] = kind.annotation
    chosen.__doc__ = inspect.getdoc(read)
    run(chosen)


def write_sets(found: Iterable[Writable], out: Path, wanted: list[str], *, allow_missing: bool) -> None:
    """Write the sets wanted (none named: all that are found) to <out>/<set>/data, and their names to <out>/sets.

    A set that cannot be written does not stop the others.

    Raises:
        DataError: a set could not be written, or one that is wanted is not among them.
    """
    names, written, problems = [], [], []
    (out / "sets").unlink(missing_ok=True)
    for corpus_set in found:
        names.append(corpus_set.name)
        if corpus_set.name not in wanted if wanted else not getattr(corpus_set, "here", True):
            continue
        try:
            corpus_set.write(out / corpus_set.name / "data", allow_missing=allow_missing)
            written.append(corpus_set.name)
        except (DataError, OSError) as error:
            reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
            problems.append(reason if reason.startswith(corpus_set.name) else f"{corpus_set.name}: {reason}")
    if written:
        write_lines(out / "sets", written)
    absent = [name for name in wanted if name not in names]
    if absent or not names:
        known = f"; there are {' '.join(names)}" if names else ""
        problems.append(
            f"there is no set {' '.join(absent)}".rstrip() + f"{known}; the recipe's README.md lists the sets"
        )
    if problems:
        if written:
            problems.append(f"without these, {' '.join(written)} {'is' if len(written) == 1 else 'are'} prepared")
        raise DataError("\n".join(problems))
