"""The benchmark scripts without what they measure: parts that resume, tables from rows, options by decoding mode."""

import json
import os
import subprocess

import pytest
from bench import peers
from bench.aed_job import NO_END, TOKENS, config_of, modes_of
from bench.peer_models import KINDS, MAKERS
from bench.peer_tables import SHAPES, WEIGHTS, rows_of, shapes_table, tables, weights_table
from support.paths import TOP

from firered.asr.modes import BEAM_MODES, MODES, takes

# A script of three parts; the second fails while a file is there, and notes how often each was begun.
SCRIPT = """
set -euo pipefail
TOP=$1 work=$2 minutes=${3:-20} least=1
. "$TOP/utils/attend.sh"
. "$TOP/tests/bench/parts.sh"
stamp=${4:-first}
begin() { bash -c "echo $1 >>begun; echo '| $1 |' >>\\"\\$1\\"; $2" _ "$3"; }
export -f begin
run_part one 60 bash -c 'begin one "true" "$1"' _
run_part two "${5:-60}" bash -c 'begin two "${doing:-test ! -e broken}" "$1"' _
run_part three 60 bash -c 'begin three "true" "$1"' _
show_parts one two three
exit "$failed"
"""


@pytest.fixture
def run(tmp_path):
    """Run the script in a folder: minutes, stamp and the second part's limit may be given."""

    def run(*given, **environment):
        command = ["bash", "-c", SCRIPT, "bench.sh", str(TOP), "parts", *map(str, given)]
        (tmp_path / "begun").write_text("")
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, **environment}
        )
        return done, (tmp_path / "begun").read_text().split()

    return run


def test_a_part_that_fails_is_named_and_the_others_run(run, tmp_path):
    (tmp_path / "broken").touch()
    done, begun = run()
    assert done.returncode == 1
    assert begun == ["one", "two", "three"]
    assert "two failed with status 1" in done.stderr
    assert "one failed" not in done.stderr
    assert "three failed" not in done.stderr
    shown = done.stdout.split("three took")[1]
    assert shown.index("| one |") < shown.index("| two |") < shown.index("(two failed") < shown.index("| three |")


def test_the_same_command_goes_on_with_what_is_not_done(run, tmp_path):
    (tmp_path / "broken").touch()
    run()
    (tmp_path / "broken").unlink()
    done, begun = run()
    assert (done.returncode, begun) == (0, ["two"])
    assert "one is done" in done.stdout
    assert "(two failed" not in done.stdout
    assert run()[1] == []


def test_results_of_other_code_or_options_are_done_again_and_not_shown(run):
    run()
    done, begun = run(20, "second")
    assert (done.returncode, begun) == (0, ["one", "two", "three"])
    assert done.stdout.count("| one |") == 1


def test_the_stamp_changes_with_the_code_and_not_with_what_python_keeps_of_it(tmp_path):
    for name in ("firered/__pycache__", "tests/bench"):
        (tmp_path / name).mkdir(parents=True)
    script = 'TOP=$1 work=parts minutes=20; . "$2/tests/bench/parts.sh"; code_of'

    def code():
        command = ["bash", "-c", script, "bench.sh", str(tmp_path), str(TOP)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    (tmp_path / "firered/a.py").write_text("1")
    first = code()
    (tmp_path / "firered/__pycache__/a.pyc").write_text("1")
    assert code() == first
    (tmp_path / "firered/a.py").write_text("2")
    second = code()
    (tmp_path / "tests/bench/b.py").write_text("1")
    assert len({first, second, code()}) == 3


def test_a_part_is_cut_off_at_its_limit(run):
    done, begun = run(20, "first", 1, doing="sleep 30")
    assert (done.returncode, begun) == (1, ["one", "two", "three"])
    assert "two was cut off at its limit of 1 s" in done.stderr


def test_parts_for_which_no_time_is_left_are_named_and_not_begun(run):
    done, begun = run(0)
    assert (done.returncode, begun) == (1, [])
    assert all(f"{name} is not begun" in done.stderr for name in ("one", "two", "three"))
    refused, _ = run("soon")
    assert (refused.returncode, "--minutes soon" in refused.stderr) == (2, True)


def test_gpu_sh_refuses_a_part_that_it_does_not_have():
    done = subprocess.run(
        ["bash", TOP / "tests/bench/gpu.sh", "--part", "vda"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "parity aed llm fun_asr vad" in done.stderr


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_gets_the_options_that_it_has_a_use_for(mode):
    config = config_of(mode, 30, {"draft": "auto", "beam_size": 2, "ctc_sure": 0.5})
    assert (config.mode, config.batch_seconds) == (mode, 30)
    assert (config.decode_max_len == TOKENS) == (mode in BEAM_MODES)
    assert (config.eos_penalty == NO_END) == takes(mode, "eos_penalty")
    assert (config.draft == "auto") == (mode == "attention")
    assert (config.ctc_sure == 0.5) == (mode == "ctc_rescore_low")


def test_unknown_modes_are_refused_by_name():
    assert modes_of("all") == list(MODES)
    with pytest.raises(SystemExit, match=r"beam: there are attention"):
        modes_of("ctc,beam")


def shape(system, dtype, batch, rtf, seconds=10):
    numbers = {"batch": batch, "rtf": rtf, "tokens": 45, "seconds": seconds, "peak": 2.0, "libraries": 0.5}
    return {"system": system, "dtype": dtype, **numbers}


def test_times_of_random_weights_are_multiples_of_ours_in_int8_for_the_same_batch():
    rows = [shape("published", "float32", 1, 4.0), shape("firered", "int8", 1, 0.2), shape("firered", "int8", 8, 0.1)]
    rows += [shape("ctranslate2", "int8", 8, 0.25, 30), shape("transformers", "bfloat16", 2, 1.0, 30)]
    (made,) = shapes_table(rows)
    _, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in made.splitlines())
    assert {line.count("|") for line in made.splitlines()} == {10}
    assert [line[5] for line in lines] == ["20.00", "1.00", "1.00", "2.50", ""]
    assert lines[3] == [SHAPES["ctranslate2"], "int8", "8", "30 s", "0.250", "2.50", "45", "2.00 GB", "0.50 GB"]


def weighed(system, texts, errors=10.0):
    numbers = {"rtf": 0.5, "peak": 1.0, "libraries": 0.25}
    return {"system": system, "dtype": "float32", **numbers, "texts": texts, "errors": errors}


def test_texts_of_real_weights_are_counted_where_they_equal_ours():
    rows = [weighed("ctranslate2", {"a": "x", "b": "y"}, 12.5), weighed("firered", {"a": "x", "b": "z"})]
    (made,) = weights_table(rows)
    assert "| CTranslate2 | float32 | 2 | 1 | 12.50% | 0.500 | 1.00 GB | 0.25 GB |" in made
    assert "| firered | float32 | 2 | 2 | 10.00% |" in made
    assert {line.count("|") for line in made.splitlines()} == {9}
    (alone,) = weights_table(rows[:1])
    assert "| CTranslate2 | float32 | 2 |  | 12.50% |" in alone


def test_rows_are_read_from_results_with_a_stamp_and_a_note_of_failure(tmp_path):
    path = tmp_path / "part.md"
    row = shape("firered", "int8", 1, 0.2)
    path.write_text(f"<!-- stamp -->\n{json.dumps(row)}\n\n(part failed with status 1)\n")
    assert rows_of(path) == [row]
    assert rows_of(tmp_path / "none.md") == []
    assert tables([path, tmp_path / "none.md"]).startswith("| ")
    assert tables([]) == ""


def test_every_job_has_a_name_in_the_table_and_what_it_reads_can_be_made():
    for part, system, _ in peers.JOBS:
        assert system in (SHAPES if part == "shapes" else WEIGHTS)
    assert set(KINDS.values()) == set(MAKERS)
    assert {job[1] for job in peers.JOBS if job[0] == "shapes"} - {"transformers"} == set(KINDS)


def test_a_part_of_the_comparison_is_a_table_or_a_system():
    assert peers.jobs_of(None) == peers.JOBS
    assert {job[0] for job in peers.jobs_of("weights")} == {"weights"}
    assert peers.jobs_of("sherpa-onnx") == [("shapes", "sherpa-onnx", "int8")]
    with pytest.raises(SystemExit, match="--part whisper: there are shapes, published"):
        peers.jobs_of("whisper")


def test_a_system_that_is_not_installed_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr("bench.peers.importlib.util.find_spec", lambda _: None)
    peers.need_packages("firered")
    with pytest.raises(SystemExit) as ended:
        peers.need_packages("sherpa-onnx-ctc")
    assert ended.value.code == 3
    assert "sherpa_onnx, onnx, onnxruntime" in capsys.readouterr().err
