import importlib
import logging
import pkgutil
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import pytest
import typer
import yaml
from typer.testing import CliRunner

import firered
from firered import __version__
from firered.audio.config import AudioConfig
from firered.cli import flags
from firered.errors import FireRedError, OptionError
from firered.options import Options, option, read_yaml, write_settings
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runtime.config import ComputeConfig
from firered.vad.config import STREAM_MODES, StreamVadConfig, VadConfig


def below(kind: type) -> list[type]:
    return [found for child in kind.__subclasses__() for found in (child, *below(child))]


for module in pkgutil.walk_packages(firered.__path__, "firered."):
    if module.name.endswith(".config"):
        importlib.import_module(module.name)
EVERY_CONFIG = [kind for kind in below(Options) if kind.__module__.startswith("firered.")]


@dataclass(frozen=True)
class Tune(Options):
    """Options of every kind."""

    whole_number: int = option(5, "counts", low=1, high=9)
    share: float = option(0.5, "a share", low=0, high=1)
    kind: str = option("plain", "which", choices=("plain", "fancy"))
    loud: bool = option(False, "say more")
    quick: bool = option(True, "hurry")
    folder: str | None = option(None, "where to")


@dataclass(frozen=True)
class Other(Options):
    """A second group of the same command."""

    size: int = option(1, "how large")


def parse(arguments, preset=None):
    """What a command with both groups is called with, or the error; by its own app as `run` makes it."""
    got = {}

    def command(
        name: Annotated[str, typer.Argument()], tune: Tune, other: Other, level: Annotated[int, typer.Option()] = 0
    ) -> None:
        got.update(name=name, tune=tune, other=other, level=level)

    app = typer.Typer(add_completion=False)
    app.command()(flags.takes_options(command, preset))
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return got if result.exit_code == 0 else result


# The dataclasses


def test_defaults_pass_their_own_checks():
    for kind in EVERY_CONFIG:
        assert kind().to_dict().keys() == kind.names()


def test_every_option_says_what_it_does():
    for kind in EVERY_CONFIG:
        for field in fields(kind):
            assert field.metadata["help"].strip(), field.name


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"whole_number": 0}, "whole_number: 0 is less than 1"),
        ({"whole_number": 10}, "whole_number: 10 is more than 9"),
        ({"whole_number": 2.0}, "whole_number: 2.0 is not a value of type int"),
        ({"whole_number": True}, "whole_number: True is not a value of type int"),
        ({"whole_number": None}, "whole_number: None is not a value of type int"),
        ({"whole_number": "3"}, "whole_number: '3' is not a value of type int"),
        ({"share": 1.01}, "share: 1.01 is more than 1"),
        ({"share": float("nan")}, "share: nan is less than 0"),
        ({"share": False}, "share: False is not a value of type float"),
        ({"kind": "odd"}, "kind: 'odd' is not one of plain, fancy"),
        ({"kind": None}, "kind: None is not a value of type str"),
        ({"loud": 1}, "loud: 1 is not a value of type bool"),
        ({"loud": "yes"}, "loud: 'yes' is not a value of type bool"),
        ({"folder": ["a"]}, "folder: ['a'] is not a value of type str"),
    ],
)
def test_values_that_will_not_do(values, reason):
    with pytest.raises(OptionError) as error:
        Tune(**values)
    assert str(error.value) == reason


def test_values_that_will_do():
    made = Tune(whole_number=9, share=1, kind="fancy", loud=True, folder="x")
    assert made == Tune(whole_number=9, share=1.0, kind="fancy", loud=True, folder="x")
    assert type(made.share) is float
    assert Tune(folder=7).folder == "7"
    with pytest.raises(AttributeError):
        made.share = 0.1


@pytest.mark.parametrize("channel", ["0", "-1", "left", "", "1.5", "A"])
def test_no_such_channel(channel):
    with pytest.raises(OptionError, match="is not 'mix', 'each' or a number from 1"):
        AudioConfig(channel=channel)


def test_later_layers_win_and_what_is_not_known_is_passed_over():
    assert Tune.of({"whole_number": 2, "share": 0.1, "size": 7}, {"whole_number": 3}) == Tune(whole_number=3, share=0.1)


def test_stream_modes():
    assert [StreamVadConfig.mode(number).speech_threshold for number in range(4)] == [0.3, 0.5, 0.7, 0.9]
    assert all(set(mode) <= StreamVadConfig.names() for mode in STREAM_MODES)
    with pytest.raises(OptionError, match="mode: 4 is not one of"):
        StreamVadConfig.mode(4)


# YAML


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("# nothing but words\n", {}),
        ("whole-number: 3\nshare: 1\n", {"whole_number": 3, "share": 1}),
        ("folder: 文件夹\n", {"folder": "文件夹"}),
        ("3: x\n", {"3": "x"}),
    ],
)
def test_yaml(tmp_path, text, values):
    (tmp_path / "c.yaml").write_text(text)
    assert read_yaml(tmp_path / "c.yaml") == values


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, r"c\.yaml: No such file"),
        (b"- a\n- b\n", r"c\.yaml: expected lines of `name: value`"),
        (b"just words\n", r"c\.yaml: expected lines"),
        (b"a: [1\n", r"c\.yaml: not readable as YAML"),
        (b"a: \xff\n", r"c\.yaml: not readable as YAML"),
        (b"a: !!python/object/apply:os.system [true]\n", r"c\.yaml: not readable as YAML"),
    ],
)
def test_a_file_that_holds_no_options(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "c.yaml").write_bytes(content)
    with pytest.raises(OptionError, match=reason):
        read_yaml(tmp_path / "c.yaml")


@pytest.mark.parametrize("channel", ["mix", "2", "each"])
def test_written_settings_are_read_as_they_were(tmp_path, channel):
    groups = (VadConfig(speech_threshold=0.3), AudioConfig(channel=channel), VadOutputConfig(plot="图 片"))
    write_settings(tmp_path / "config.yaml", "firered-vad", *groups)
    assert (tmp_path / "config.yaml").read_text().startswith(f"# firered-vad, firered {__version__}\n")
    values = read_yaml(tmp_path / "config.yaml")
    assert tuple(type(group).of(values) for group in groups) == groups
    assert values.keys() == set().union(*(group.names() for group in groups))


def test_channel_as_a_number_in_yaml(tmp_path):
    (tmp_path / "c.yaml").write_text("channel: 2\n")
    assert AudioConfig.of(read_yaml(tmp_path / "c.yaml")) == AudioConfig(channel="2")


# Flags


def test_flags_of_every_kind():
    got = parse(
        "x --whole-number 3 --share 0.25 --kind fancy --loud --no-quick --folder f --size 8 --level 2".split()  # noqa: SIM905
    )
    assert got == {
        "name": "x",
        "tune": Tune(whole_number=3, share=0.25, kind="fancy", loud=True, quick=False, folder="f"),
        "other": Other(size=8),
        "level": 2,
    }


def test_no_flags_are_the_defaults():
    assert parse(["x"]) == {"name": "x", "tune": Tune(), "other": Other(), "level": 0}


def test_flags_win_over_the_file_and_the_file_over_preset_and_defaults(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("whole-number: 2\nshare: 0.2\nquick: false\nloud: true\n")

    def preset(level, **_):
        return {"whole_number": level, "share": 0.9, "kind": "fancy", "size": 4}

    arguments = ["x", "--config", config, "--whole-number", 1, "--level", 7, "--no-loud"]
    got = parse(arguments, preset)
    assert got["tune"] == Tune(whole_number=1, share=0.2, kind="fancy", quick=False, loud=False)
    assert got["other"] == Other(size=4)
    assert parse([*arguments[:3], "--level", 7])["tune"] == Tune(whole_number=2, share=0.2, quick=False, loud=True)


def test_a_flag_may_repeat_the_default_over_the_file(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("whole_number: 2\nquick: false\n")
    got = parse(["x", "--config", config, "--whole-number", Tune().whole_number, "--quick"])
    assert got["tune"] == Tune()


def test_an_unknown_key_names_file_and_key(tmp_path):
    (tmp_path / "c.yaml").write_text("whole_nunber: 2\nsize: 3\nshape: round\n")
    with pytest.raises(OptionError) as error:
        parse(["x", "--config", tmp_path / "c.yaml"])
    known = "folder, kind, loud, quick, share, size, whole_number"
    assert str(error.value) == f"{tmp_path}/c.yaml: unknown options shape, whole_nunber; known: {known}"


def test_an_argument_is_no_option_of_the_file(tmp_path):
    (tmp_path / "c.yaml").write_text("level: 3\n")
    with pytest.raises(OptionError, match="unknown options level"):
        parse(["x", "--config", tmp_path / "c.yaml"])


def test_values_of_the_file_are_checked(tmp_path):
    (tmp_path / "c.yaml").write_text("share: high\n")
    with pytest.raises(OptionError, match="share: 'high' is not a value of type float"):
        parse(["x", "--config", tmp_path / "c.yaml"])


@pytest.mark.parametrize("arguments", [["--whole-number", "many"], ["--share", "x"], ["--shape", "y"], ["--level"], []])
def test_what_cannot_be_parsed_is_a_usage_error(arguments):
    result = parse(["x", *arguments]) if arguments else parse([])
    assert result.exit_code == 2


@pytest.mark.parametrize("arguments", [["--whole-number", "0"], ["--share", "nan"], ["--kind", "odd"]])
def test_what_is_out_of_range_is_an_option_error(arguments):
    with pytest.raises(OptionError, match=arguments[0][2:].replace("-", "_")):
        parse(["x", *arguments])


def test_inputs_and_output():
    assert flags.split_paths(["a", "b", "out"]) == (["a", "b"], Path("out"))
    for paths in ([], ["only"]):
        with pytest.raises(OptionError, match="give at least one input and then the output directory"):
            flags.split_paths(paths)


# How a command ends


def ends(monkeypatch, body):
    """Exit status of a command whose work is `body`."""

    def command(name: Annotated[str, typer.Argument()] = "") -> None:
        body()

    monkeypatch.setattr(sys, "argv", ["firered-test"])
    monkeypatch.setattr(logging, "addLevelName", lambda *_: None)  # this process logs on under the usual names
    with pytest.raises(SystemExit) as end:
        flags.run(command)
    return end.value.code


def raising(error):
    def body():
        raise error

    return body


def test_exit_status_of_a_command(monkeypatch):
    assert ends(monkeypatch, lambda: None) == 0
    assert ends(monkeypatch, lambda: sys.exit(1)) == 1
    assert ends(monkeypatch, raising(KeyboardInterrupt())) == 130


def test_mistakes_end_in_one_line(monkeypatch, caplog):
    assert ends(monkeypatch, raising(FireRedError("a: what is wrong"))) == 1
    assert ends(monkeypatch, raising(FileNotFoundError(2, "No such file or directory", "/x/y"))) == 1
    assert caplog.messages == ["a: what is wrong", "/x/y: No such file or directory"]
    assert "Traceback" not in caplog.text


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["firered-test"])
    monkeypatch.setattr(logging, "addLevelName", lambda *_: None)

    def command() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        flags.run(command)


def test_conf_files_fit_their_commands():
    conf = Path(__file__).resolve().parents[2] / "conf"
    groups = (VadConfig, VadOutputConfig, AudioConfig, ComputeConfig, RunConfig)
    assert list(conf.glob("*.yaml"))
    for path in conf.glob("vad*.yaml"):
        values = read_yaml(path)
        assert values.keys() <= set().union(*(group.names() for group in groups))
        VadConfig.of(values)


def test_settings_of_no_group_are_a_comment(tmp_path):
    write_settings(tmp_path / "c.yaml", "x")
    assert yaml.safe_load((tmp_path / "c.yaml").read_text()) == {}
