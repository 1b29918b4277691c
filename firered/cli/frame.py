"""What all commands share: the log, the help, and one line of text for a user's error."""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from firered.errors import FireRedError
from firered.processes import end_with_parents
from firered.version import __version__

INTERRUPTED = 130
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 120}


def _show_version(ctx: typer.Context, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        typer.echo(f"firered {__version__}")
        raise typer.Exit


Version = Annotated[bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)]


class Command(TyperCommand):
    """A command whose options stand in its help under headings; no frames, which cut long option names short."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401 - click's own types, which moved into typer in 0.26
        """Parse; from here on the log carries the command's name."""
        if not extra.get("resilient_parsing"):
            _log_as(f"{parent.command_path} {info_name}" if parent else str(info_name))
        return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run; an interrupt is a line of text and an exit status."""
        with interruptible(resumes=any(param.name == "resume" for param in self.params)):
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ANN401
        """The usage line with the arguments' names as they are: `IN... OUT`, not `{IN... OUT}...`."""
        arguments = [param for param in self.get_params(ctx) if param.param_type_name == "argument"]
        return [self.options_metavar or "", *(str(param.metavar or param.name) for param in arguments)]

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """Write arguments, then the command's own options, then those of each group."""
        by_heading: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                heading = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or "Options"
                by_heading.setdefault(heading, []).append(record)
        for heading, records in by_heading.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


class Chooser(Command):
    """A command whose arguments choose the command that runs: its options, or the work it does.

    Args:
        name: shown where nothing else is known.
        choose: of the arguments: the command that runs, words to add to its name in messages, and its arguments.
    """

    def __init__(self, name: str, choose: Callable[[list[str]], tuple[TyperCommand, str, list[str]]]) -> None:
        super().__init__(name, context_settings=CONTEXT, rich_markup_mode=None)
        self._choose = choose

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:  # noqa: ANN401
        """The context of the command that was chosen."""
        command, more, rest = self._choose(list(args))
        return command.make_context(f"{info_name} {more}".strip(), rest, parent, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        """Run the command that was chosen."""
        return ctx.command.invoke(ctx)


def glance(command: TyperCommand, args: Sequence[str]) -> Any:  # noqa: ANN401 - click's context
    """The context of a command parsed from arguments that may be incomplete or another command's, without any error.

    `params` has the values of the options that it knows, and `args` the words that it does not.
    """
    return command.make_context(
        "", list(args), resilient_parsing=True, ignore_unknown_options=True, allow_extra_args=True
    )


@contextlib.contextmanager
def interruptible(*, resumes: bool) -> Iterator[None]:
    """The block, in which an interrupt is one line of text and exit status 130."""
    try:
        yield
    except KeyboardInterrupt:
        logging.getLogger("firered").error("interrupted%s", "; the same command resumes" if resumes else "")
        sys.exit(INTERRUPTED)


def run_command(command: TyperCommand | TyperGroup) -> None:
    """Run as a console script: log to stderr, and turn a FireRedError into one line and exit status 1."""
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    end_with_parents()
    try:
        command.main(prog_name=Path(sys.argv[0]).name)
    except (FireRedError, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        logging.getLogger("firered").error("%s", reason)
        sys.exit(1)
    except ModuleNotFoundError as error:
        from firered.optional import advice_for

        if (advice := advice_for(error)) is None:
            raise
        logging.getLogger("firered").error("%s", advice)
        sys.exit(1)


def _log_as(name: str) -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format=f"{name}: %(levelname)s %(message)s")


def typer_command(function: Callable[..., Any]) -> Command:
    """The function as a command whose parameters typer reads."""
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(cls=Command, context_settings=CONTEXT)(function)
    command = typer.main.get_command(app)
    assert isinstance(command, Command)
    return command
