"""Command-line flags made from option dataclasses, and the frame every command runs in."""

import argparse
import functools
import inspect
import logging
import sys
from collections.abc import Callable
from dataclasses import Field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from firered.errors import FireRedError, OptionError
from firered.optional import advice_for
from firered.options import Options, plain_type, read_yaml
from firered.runtime.config import ComputeConfig
from firered.version import __version__

INTERRUPTED = 130

Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="IN... OUT",
        help="IN: a data directory, a wav.scp, a folder of audio, or audio files. OUT: the data directory to write.",
        show_default=False,
    ),
]


def split_paths(paths: list[str]) -> tuple[list[str], Path]:
    """Inputs and the output directory of `IN... OUT`.

    Raises:
        OptionError: there are fewer than two.
    """
    if len(paths) < 2:
        raise OptionError("give at least one input and then the output directory: IN... OUT")
    return paths[:-1], Path(paths[-1])


def _flag(f: Field) -> inspect.Parameter:
    """One field as a typer parameter; None stands for "not given on the command line"."""
    kind, _ = plain_type(f.type)
    name = "--" + f.name.replace("_", "-")
    names = [f"{name}/--no-{name[2:]}"] if kind is bool else [name]
    shown = f.default if kind is not bool else name[2:] if f.default else f"no-{name[2:]}"
    choices = f" ({', '.join(f.metadata['choices'])})" if f.metadata["choices"] else ""
    text = f.metadata["help"] + choices + ("" if f.default is None else f" [default: {shown}]")
    info = typer.Option(*names, help=text, show_default=False)
    return inspect.Parameter(
        f.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind | None, info]
    )


_CONFIG_FLAG = inspect.Parameter(
    "config_file",
    inspect.Parameter.KEYWORD_ONLY,
    default=None,
    annotation=Annotated[
        Path | None, typer.Option("--config", help="YAML file of options; flags win over it", show_default=False)
    ],
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"firered {__version__}")
        raise typer.Exit


_VERSION_FLAG = inspect.Parameter(
    "version",
    inspect.Parameter.KEYWORD_ONLY,
    default=False,
    annotation=Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True)
    ],
)


Preset = Callable[..., dict[str, Any]]


def takes_options(
    command: Callable[..., Any], preset: Preset | None = None, **kinds: type[Options]
) -> Callable[..., Any]:
    """The command with every parameter whose type is an Options class replaced by that class's flags and `--config`.

    Precedence: defaults < preset < `--config` file < flags. A key of the file that no option of the command has is an
    error.

    Args:
        command: its other parameters stay as they are, in front.
        preset: called with the command's other arguments; gives options between defaults and the file.
        kinds: Options classes that stand in for those which these parameters are declared with.
    """
    hints = get_type_hints(command, include_extras=True) | kinds
    groups = {n: kind for n, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Options)}
    plain = [p for n, p in inspect.signature(command).parameters.items() if n not in groups]
    plain = [p.replace(annotation=hints[p.name]) for p in plain]
    # An option that several groups have under one name, such as dtype, is one flag for all of them.
    shared = {f.name: f for kind in groups.values() for f in fields(kind)}
    flags = [_flag(f) for f in shared.values()]
    known = shared.keys()

    @functools.wraps(command)
    def with_flags(config_file: Path | None = None, version: bool = False, **given: Any) -> None:  # noqa: ANN401
        from_file = read_yaml(config_file) if config_file else {}
        unknown = sorted(from_file.keys() - known)
        if unknown:
            raise OptionError(f"{config_file}: unknown options {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        from_flags = {key: given.pop(key) for key in known if key in given}
        from_flags = {key: value for key, value in from_flags.items() if value is not None}
        layers = (preset(**given) if preset else {}, from_file, from_flags)
        command(**given, **{name: kind.of(*layers) for name, kind in groups.items()})

    flags += [_CONFIG_FLAG] if flags else []
    with_flags.__signature__ = inspect.Signature([*plain, *flags, _VERSION_FLAG])
    with_flags.__annotations__ = {p.name: p.annotation for p in with_flags.__signature__.parameters.values()}
    return with_flags


def flag_value(flag: str) -> str | None:
    """What the command line says after a flag that decides which other flags there are."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument(flag, dest="value", nargs="?")
    return parser.parse_known_args()[0].value


def use_threads(compute: ComputeConfig) -> None:
    """Limit torch to the threads asked for, before it starts any."""
    import torch

    if compute.num_threads:
        torch.set_num_threads(compute.num_threads)


def run(command: Callable[..., Any], preset: Preset | None = None, **kinds: type[Options]) -> None:
    """Run a function as a console command: parse, log to stderr, and turn mistakes into one line and exit status 1."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format=f"{Path(sys.argv[0]).name}: %(levelname)s %(message)s"
    )
    logging.addLevelName(logging.INFO, "info")
    logging.addLevelName(logging.WARNING, "warning")
    logging.addLevelName(logging.ERROR, "error")
    # Plain help: the framed one cuts long option names short.
    app = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    )
    app.command()(takes_options(command, preset, **kinds))
    try:
        app()
    except (FireRedError, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
        logging.getLogger("firered").error("%s", reason)
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (advice := advice_for(error)) is None:
            raise
        logging.getLogger("firered").error("%s", advice)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def script(command: Callable[..., Any], preset: Preset | None = None) -> Callable[[], None]:
    """The function as a console script; its docstring is the command's one line in lists of commands."""

    @functools.wraps(command)
    def console() -> None:
        run(command, preset)

    return console
