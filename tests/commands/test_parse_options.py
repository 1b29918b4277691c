"""utils/parse_options.sh, sourced by a script as recipes do."""

import shutil
import subprocess
from pathlib import Path

import pytest

PARSE_OPTIONS = Path(__file__).resolve().parents[2] / "utils" / "parse_options.sh"
OPTIONS = "stage=0\nlong_opt=\nskip_train=false\nhelp_message='Usage: run.sh\n  twice'\n"
SHOW = """printf '%s\\n' "stage=$stage" "long_opt=$long_opt" "skip_train=$skip_train"
for word in "$@"; do printf '<%s>' "$word"; done
"""


def run_script(folder, *arguments, options=OPTIONS, show=SHOW, before="set -euo pipefail\n", cwd=None, **files):
    for name, text in files.items():
        (folder / name).write_text(text)
    script = folder / "run.sh"
    script.write_text(f"#!/usr/bin/env bash\n{before}{options}. {PARSE_OPTIONS}\nlate=1\n{show}")
    command = ["bash", script if cwd is None else script.relative_to(cwd), *arguments]
    return subprocess.run(command, cwd=cwd or folder, capture_output=True, text=True)


def values(result):
    assert result.returncode == 0, result.stderr
    *pairs, positional = result.stdout.split("\n")
    return {**dict(pair.split("=", 1) for pair in pairs), "rest": positional}


def assert_refused(result, *messages):
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("run.sh: ")
    assert result.stderr.count("\n") == 1
    for message in messages:
        assert message in result.stderr


def test_without_arguments_the_defaults_stay(tmp_path):
    assert values(run_script(tmp_path)) == {"stage": "0", "long_opt": "", "skip_train": "false", "rest": ""}


@pytest.mark.parametrize("before", ["", "set -e\n", "set -euo pipefail\n", "IFS=_,\nset -u\n"])
def test_options_set_variables_and_the_rest_stays_positional(tmp_path, before):
    result = run_script(tmp_path, "--long-opt", "a  b*", "--stage", "3", "data dir", "--stage", "", before=before)
    assert values(result) == {
        "stage": "3",
        "long_opt": "a  b*",
        "skip_train": "false",
        "rest": "<data dir><--stage><>",
    }


def test_dash_and_underscore_are_one_and_the_last_one_counts(tmp_path):
    assert values(run_script(tmp_path, "--long_opt", "a", "--long-opt", "b"))["long_opt"] == "b"


def test_values_are_text(tmp_path):
    for value in [
        "$(touch made)",
        "`touch made`",
        "--beam 5",
        "--beam=5",
        "a'b\"c",
        "\\n",
        "-1",
        "",
        "--long-opt stage",
    ]:
        assert values(run_script(tmp_path, "--long-opt", value))["long_opt"] == value
    assert not (tmp_path / "made").exists()


def test_double_dash_and_other_words_end_the_options(tmp_path):
    assert values(run_script(tmp_path, "--stage", "2", "--", "--stage", "3"))["rest"] == "<--stage><3>"
    assert values(run_script(tmp_path, "-", "--stage", "3"))["rest"] == "<-><--stage><3>"
    assert values(run_script(tmp_path, "-5"))["rest"] == "<-5>"


def test_equals_sign_is_refused(tmp_path):
    assert_refused(run_script(tmp_path, "--stage=3"), "--stage 3")


@pytest.mark.parametrize(
    "name", ["--stag", "--late", "--help_message", "--PATH", "--nbest", "--stage long_opt", "-- x"]
)
def test_unknown_option_lists_the_known_ones(tmp_path, name):
    known = "--config --stage --long_opt --skip_train --help"
    assert_refused(run_script(tmp_path, name, "1"), f"{name}: unknown option", known)


def test_single_dash_option_is_refused(tmp_path):
    assert_refused(run_script(tmp_path, "-stage", "3"), "two dashes")


def test_only_small_scalars_declared_before_are_options(tmp_path):
    options = (
        "SECONDS=0\nsets=(a b)\n  indented=1\nf() { :; }\n_own=1\nnj=4\nname=$(echo x)\nnj=5\nundone=1; unset undone\n"
    )
    result = run_script(tmp_path, "--sets", "c", options=options, show="")
    assert_refused(result, "options are --config --nj --name --help\n")


@pytest.mark.parametrize("value", ["yes", "1", "", "True", "TRUE"])
def test_boolean_takes_only_true_and_false(tmp_path, value):
    assert_refused(run_script(tmp_path, "--skip-train", value), "--skip-train", "true or false", f"'{value}'")


def test_boolean_values(tmp_path):
    assert values(run_script(tmp_path, "--skip-train", "true"))["skip_train"] == "true"
    assert values(run_script(tmp_path, "--skip-train", "false"))["skip_train"] == "false"


def test_kind_of_option_is_that_of_its_default(tmp_path):
    assert values(run_script(tmp_path, "--long-opt", "true", "--long-opt", "zh"))["long_opt"] == "zh"


@pytest.mark.parametrize(
    "words", [["--stage"], ["--stage", "--long-opt", "4"], ["--stage", "--help"], ["--stage", "--"]]
)
def test_missing_value_is_an_error(tmp_path, words):
    assert_refused(run_script(tmp_path, *words), "--stage: its value is missing")


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_prints_the_message(tmp_path, word):
    result = run_script(tmp_path, "--stage", "3", "--config", "absent", word, "--unknown")
    assert (result.returncode, result.stdout, result.stderr) == (0, "Usage: run.sh\n  twice\n", "")


def test_help_without_a_message_lists_the_options(tmp_path):
    result = run_script(tmp_path, "--help", options="stage=0\n")
    assert (result.returncode, result.stdout) == (0, "The options of run.sh are --config --stage --help\n")


@pytest.mark.parametrize("words", [["--config", "c", "--stage", "7"], ["--stage", "7", "--config", "c"]])
def test_command_line_wins_over_config(tmp_path, words):
    assert values(run_script(tmp_path, *words, "x", c="stage=5\nlong_opt=c\nskip-train: true")) == {
        "stage": "7",
        "long_opt": "c",
        "skip_train": "true",
        "rest": "<x>",
    }


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("long_opt=a b", "a b"),
        ("long-opt: a b  # why", "a b"),
        ("long_opt = a=b:c", "a=b:c"),
        ("long_opt='a # b' # c", "a # b"),
        ('long_opt: " a\'b "', " a'b "),
        ("long_opt=a#b", "a#b"),
        ("long_opt=#b", "#b"),
        ("long_opt: # none", ""),
        ("long_opt=", ""),
        ("long_opt=''", ""),
        ("long_opt=a\r", "a"),
        ("long_opt=$(touch made) `touch made` $HOME *", "$(touch made) `touch made` $HOME *"),
        ("long_opt=x; touch made", "x; touch made"),
        ("long_opt=a\\nb", "a\\nb"),
        ("long_opt=语音", "语音"),
    ],
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_config_values(tmp_path, line, value, end):
    text = f"# first\n\n   \t# second\nstage: 2\n{line}{end}"
    found = values(run_script(tmp_path, "--config", "c.conf", **{"c.conf": text}))
    assert (found["stage"], found["long_opt"]) == ("2", value)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    ("line", "messages"),
    [
        ("beam=3", ["beam: unknown option", "--stage --long_opt --skip_train"]),
        ("PATH=/tmp", ["PATH: unknown option"]),
        ("late=3", ["late: unknown option"]),
        ("config=other", ["config: unknown option"]),
        ("skip_train=yes", ["skip_train", "true or false"]),
        ("touch made", ["name=value"]),
        ("  stage=3", ["name=value"]),
        ("export stage=3", ["name=value"]),
        ("long_opt='a' b", ["quotes"]),
        ('long_opt="a', ["quotes"]),
    ],
)
def test_config_mistakes_name_file_and_line(tmp_path, line, messages):
    assert_refused(
        run_script(tmp_path, "--config", "c.conf", **{"c.conf": f"stage=1\n{line}\n"}), "c.conf:2: ", *messages
    )
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["absent", "."])
def test_config_that_cannot_be_read(tmp_path, name):
    assert_refused(run_script(tmp_path, "--config", name), "--config", f"'{name}'")


def test_later_config_wins_and_empty_config_is_none(tmp_path):
    words = ["--config", "a", "--config", "", "--config", "b"]
    assert values(run_script(tmp_path, *words, a="stage=1\nlong_opt=a", b="stage=2"))["stage"] == "2"


def test_declared_config_is_set(tmp_path):
    result = run_script(
        tmp_path, "--config", "c", options="config=\nnj=1\n", show='echo "$config $nj"', c="nj=2\n", before=""
    )
    assert result.stdout == "c 2\n"
    assert_refused(run_script(tmp_path, "--x", "c", options="config=\nnj=1\n"), "are --config --nj --help\n")


def test_script_called_by_relative_name_after_cd(tmp_path):
    folder = tmp_path / "egs"
    folder.mkdir()
    result = run_script(folder, "--stage", "4", cwd=tmp_path, before='set -eu\ncd "$(dirname "$0")"\n')
    assert values(result)["stage"] == "4"


def test_sourced_by_a_sourced_file(tmp_path):
    (tmp_path / "lib.sh").write_text(f"nj=1\n. {PARSE_OPTIONS}\n")
    script = tmp_path / "outer.sh"
    script.write_text('set -eu\nother=1\n. ./lib.sh\necho "$nj"\n')
    result = subprocess.run(["bash", script, "--nj", "3"], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == "3\n"


def test_nothing_is_left_behind(tmp_path):
    result = run_script(tmp_path, "--stage", "1", show="compgen -A variable -A function _po_ || echo none\n")
    assert result.stdout == "none\n"


def test_names_of_its_own_do_not_shadow_options(tmp_path):
    names = ["name", "value", "line", "script", "options", "i", "config_file", "shift", "known"]
    words = [word for name in names for word in (f"--{name}", f"<{name}>")]
    show = "".join(f'echo "${name}"\n' for name in names)
    result = run_script(tmp_path, *words, options="".join(f"{name}=\n" for name in names), show=show)
    assert result.stdout.split() == [f"<{name}>" for name in names]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs shellcheck")
def test_shellcheck_finds_nothing():
    result = subprocess.run(["shellcheck", "-x", PARSE_OPTIONS], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")
