"""Command-line flags made from option dataclasses, and commands made from functions that take them."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from firered.cli.frame import Chooser, Version, glance, run_command, typer_command
from firered.errors import OptionError
from firered.options import Options, by_section, plain_type, read_yaml
from firered.runtime.config import ComputeConfig

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
    _need_utf8("OUT", paths[-1])
    return paths[:-1], Path(paths[-1])


def _need_utf8(name: str, value: object) -> None:
    """Raise OptionError where a word of the command line is not UTF-8: it could stand in no file that is written."""
    if isinstance(value, str | Path) and (shown := str(value).encode(errors="replace").decode()) != str(value):
        raise OptionError(f"{name}: {shown!r} is not UTF-8; rename it")


def use_threads(compute: ComputeConfig) -> None:
    """Limit torch to this many threads, before it starts any."""
    import torch

    if compute.num_threads:
        torch.set_num_threads(compute.num_threads)


def _keyword(name: str, annotation: Any, default: Any = None) -> inspect.Parameter:  # noqa: ANN401 - as in `inspect`
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_CONFIG_FLAG = _keyword(
    "config_file",
    Annotated[
        Path | None, typer.Option("--config", help="YAML file of options; flags override it", show_default=False)
    ],
)
_VERSION_FLAG = _keyword("version", Version, False)

# Options between defaults and the file: always the same, or what depends on the command's other arguments.
Preset = Mapping[str, Any] | Callable[..., Mapping[str, Any]]
Kinds = Mapping[str, type[Options]]


@dataclass(frozen=True)
class _Group:
    """An Options class that a command takes: its parameter, its section in YAML, and the module that its flags name."""

    parameter: str
    kind: type[Options]
    section: str
    module: str

    def fields(self) -> Iterator[tuple[Field, str]]:
        """The options, each with its heading in help: those of the class itself first, then inherited ones."""
        for cls in self.kind.__mro__:
            heading = (inspect.getdoc(cls) or "").partition("\n")[0].rstrip(".")
            for f in fields(self.kind):
                if _declared_by(self.kind, f.name) is cls:
                    yield f, heading

    def name_of(self, option: str) -> str:
        """The name of an option's flag, with underscores."""
        return f"{self.module}_{option}" if self.module else option

    def made_of(
        self, layers: tuple[Mapping[str, Any], Mapping[str, Any]], from_file: Mapping[str, Any], source: str
    ) -> Options:
        """The options: defaults < preset < file < flags. Messages name the file where a value of it is wrong."""
        preset, flags = layers
        where = f"{self.module}: " if self.module else ""
        try:
            return self.kind.of(preset, from_file, flags)
        except OptionError as error:
            if from_file and self._accepts(preset, flags):
                where = f"{source}: {f'{self.section}: ' if self.section else ''}"
            raise OptionError(f"{where}{error}") from error

    def _accepts(self, *layers: Mapping[str, Any]) -> bool:
        try:
            self.kind.of(*layers)
        except OptionError:
            return False
        return True


def _declared_by(kind: type, name: str) -> type:
    """The class that declares a field, the most derived one of several."""
    return next(cls for cls in kind.__mro__ if name in inspect.get_annotations(cls))


def _flag(f: Field, name: str, default: Any, heading: str = "", *, hidden: bool = False) -> inspect.Parameter:  # noqa: ANN401 - of any field
    """One field as a typer parameter; None stands for "not given on the command line"."""
    kind, _ = plain_type(f.type)
    flag = name.replace("_", "-")
    names, shown = [f"--{flag}"], default
    if kind is bool:
        names, shown = [f"--{flag}/--no-{flag}"], flag if default else f"no-{flag}"
    choices = f" ({', '.join(f.metadata['choices'])})" if f.metadata["choices"] else ""
    text = f.metadata["help"] + choices + ("" if default in (None, "") else f" [default: {shown}]")
    info = typer.Option(*names, help=text, show_default=False, rich_help_panel=heading or None, hidden=hidden)
    return _keyword(name, Annotated[kind | None, info])


def _groups(hints: Mapping[str, Any], modules: Mapping[str, str]) -> list[_Group]:
    """The Options classes among a command's parameters; without modules there are no sections."""
    kinds = {name: kind for name, kind in hints.items() if isinstance(kind, type) and issubclass(kind, Options)}
    return [
        _Group(name, kind, modules.get(name, name) if modules else "", modules.get(name, ""))
        for name, kind in kinds.items()
    ]


@dataclass(frozen=True)
class _Flags:
    """The flags of all options of a command, and what is read from them.

    Attributes:
        parameters: for typer; hidden ones give module options by their bare names.
        places: the (section, option) pairs that a parameter stands for; several where a bare name is ambiguous.
    """

    parameters: list[inspect.Parameter]
    places: dict[str, list[tuple[str, str]]]

    @classmethod
    def of(cls, groups: list[_Group], taken: set[str], defaults: Mapping[str, Any]) -> "_Flags":
        """The flags of these groups.

        Args:
            groups: the command's options.
            taken: names of the command's other parameters.
            defaults: shown in place of the fields' own.
        """
        parameters: dict[str, inspect.Parameter] = {}
        places: dict[str, list[tuple[str, str]]] = {}
        for group in groups:
            for f, heading in group.fields():
                name = group.name_of(f.name)
                assert name not in taken.union(places), f"two options of the name {name}"
                parameters[name] = _flag(f, name, defaults.get(f.name, f.default), heading)
                places[name] = [(group.section, f.name)]
        full = set(places) | taken
        for group in groups:
            for f, _ in group.fields():
                if group.module and f.name not in full:
                    parameters.setdefault(f.name, _flag(f, f.name, f.default, hidden=True))
                    places.setdefault(f.name, []).append((group.section, f.name))
        return cls([*parameters.values()], places)

    def read(self, given: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The given values by section; these parameters are removed from `given`.

        Raises:
            OptionError: a bare name that several modules have.
        """
        found: dict[str, dict[str, Any]] = {}
        for name, places in self.places.items():
            value = given.pop(name, None)
            if value is None:
                continue
            if len(places) > 1:
                flags = [f"--{section}-{option}".replace("_", "-") for section, option in places]
                raise OptionError(f"--{name.replace('_', '-')}: several modules have it: {', '.join(flags)}")
            ((section, option),) = places
            found.setdefault(section, {}).setdefault(option, value)
        return found


def takes_options(
    command: Callable[..., Any],
    preset: Preset | None = None,
    modules: Mapping[str, str] | None = None,
    kinds: Kinds | None = None,
) -> Callable[..., Any]:
    """The command with every parameter whose type is an Options class replaced by that class's flags and `--config`.

    Precedence: defaults < preset < `--config` file < flags. A key of the file that no option of the command has is an
    error.

    Args:
        command: its other parameters stay as they are, in front.
        preset: options between defaults and the file; a function is called with the command's other arguments.
        modules: of a command with several modules, which parameter has the options of which: their flags carry the
            module's name, and the file has a section for each parameter with options. Bare names of flags and keys do
            as well where only one module has them.
        kinds: Options classes that stand in for those which these parameters are declared with.
    """
    hints = get_type_hints(command, include_extras=True) | dict(kinds or {})
    groups = _groups(hints, modules or {})
    parameters = {group.parameter for group in groups}
    plain = [p for n, p in inspect.signature(command).parameters.items() if n not in parameters]
    plain = [p.replace(annotation=hints[p.name]) for p in plain]
    always = preset if isinstance(preset, Mapping) else {}
    flags = _Flags.of(groups, {p.name for p in plain}, always)
    sections: dict[str, list[str]] = {}
    for group in groups:
        sections[group.section] = sorted([*sections.get(group.section, []), *group.kind.names()])

    @functools.wraps(command)
    def with_flags(config_file: Path | None = None, version: bool = False, **given: Any) -> None:  # noqa: ANN401
        for name, value in {**given, "config": config_file}.items():
            _need_utf8(name, value)
        from_flags = flags.read(given)
        from_file = by_section(read_yaml(config_file), sections, str(config_file)) if config_file else {}
        first = preset(**given) if callable(preset) else always
        made = {}
        for group in groups:
            layers = first, from_flags.get(group.section, {})
            made[group.parameter] = group.made_of(layers, from_file.get(group.section, {}), str(config_file))
        command(**given, **made)

    shown: Any = with_flags  # functions may have these attributes, but their type lacks them
    signature = [*plain, *flags.parameters, *([_CONFIG_FLAG] if groups else []), _VERSION_FLAG]
    shown.__signature__ = inspect.Signature(signature)
    shown.__annotations__ = {p.name: p.annotation for p in signature}
    return with_flags


class Script:
    """A command: called, it is a console script of its own; `command` is what `firered` has under its name."""

    def __init__(self, make: Callable[[], TyperCommand], doc: str | None = None) -> None:
        self._make, self.__doc__ = make, doc

    @functools.cached_property
    def command(self) -> TyperCommand:
        """The command, made on first use."""
        return self._make()

    def __call__(self) -> None:
        """Run with the words of the command line."""
        run_command(self.command)


def script(
    function: Callable[..., Any],
    preset: Preset | None = None,
    modules: Mapping[str, str] | None = None,
    kinds: Callable[[Mapping[str, Any]], Kinds] | None = None,
) -> Script:
    """The function as a command; see `takes_options`.

    Args:
        function: its docstring is the help.
        preset: options between defaults and the file.
        modules: which parameter has the options of which module.
        kinds: where the options depend on what is given (a kind of model, say): called with the values of all
            parameters, None for what is not given, it returns the Options classes. The command line is
            parsed twice then: first for this, with unknown words ignored.
    """

    def made(chosen: Kinds | None) -> TyperCommand:
        return typer_command(takes_options(function, preset, modules, chosen))

    def choosing(among: Callable[[Mapping[str, Any]], Kinds]) -> TyperCommand:
        usual = made(among({}))
        return Chooser(function.__name__, lambda args: (made(among(glance(usual, args).params)), "", args))

    return Script(lambda: choosing(kinds) if kinds else made(None), function.__doc__)


def run(function: Callable[..., Any]) -> None:
    """Run a function as a console script; see `script`."""
    script(function)()
