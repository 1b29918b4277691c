import json
import logging
import os
import shutil

import pytest
from support.signals import write_wav

from firered.audio.config import AudioConfig
from firered.data.utterance import Utterance
from firered.errors import AudioError, DataError, FireRedError, Problem
from firered.runs import depends
from firered.runs import journal as batch
from firered.runs.config import FbankConfig, RunConfig
from firered.runs.depends import fingerprint
from firered.runs.fbank import make_fbank
from firered.runs.inputs import Inputs
from firered.runs.journal import Run

RESUME, AFRESH = RunConfig(), RunConfig(resume=False)
X = fingerprint("x")


def killed(out, keys, identity=X, **config):
    """A run that notes these keys as done and is then no more."""
    run = Run(out, identity, RunConfig(**config))
    run.take(utterances(*keys))
    for number, key in enumerate(keys):
        run.done(key, {"n": number}, 1.0, 100 * (number + 1))
    run._journal.close()
    return run


def utterances(*keys):
    return Inputs([Utterance(key, key) for key in keys])


def journal(out):
    return out / ".journal.jsonl"


def test_a_complete_run_leaves_an_empty_list_of_failures_and_no_journal(tmp_path):
    with Run(tmp_path / "new/out", X, RESUME) as run:
        run.take(utterances("a"))
        run.done("a", [1, "二"], 1.0)
        assert run.finish() == 0
    assert run.results == {"a": [1, "二"]}
    assert sorted(path.name for path in (tmp_path / "new/out").iterdir()) == ["failed", "speed.json"]
    assert (tmp_path / "new/out/failed").read_text() == ""


def test_a_killed_run_is_resumed(tmp_path, caplog):
    killed(tmp_path, ["a", "乙"])
    with caplog.at_level(logging.INFO), Run(tmp_path, X, RESUME, "files") as run:
        assert run.results == {"a": {"n": 0}, "乙": {"n": 1}}
        assert run.mark == 200
        run.done("c", None, 1.0, 300)
        assert run.finish() == 0
    assert "resumes after 2 files of an earlier run (--no-resume starts afresh)" in caplog.text


def test_killed_again_and_again(tmp_path):
    killed(tmp_path, ["a"])
    with Run(tmp_path, X, RESUME) as second:
        second.done("b", {}, 1.0, 250)
    with Run(tmp_path, X, RESUME) as third:
        assert list(third.results) == ["a", "b"]
        assert third.mark == 250


def test_results_are_on_disk_immediately(tmp_path):
    run = Run(tmp_path, X, RESUME)
    run.done("a", {"n": 0}, 1.0)
    assert json.loads(journal(tmp_path).read_text().splitlines()[-1])["key"] == "a"


@pytest.mark.parametrize("lost", [1, 5, 30])
def test_a_last_line_written_by_half_is_done_again(tmp_path, lost):
    killed(tmp_path, ["a", "b", "三"])
    content = journal(tmp_path).read_bytes()
    journal(tmp_path).write_bytes(content[:-lost])
    with Run(tmp_path, X, RESUME) as run:
        assert list(run.results) == ["a", "b"]
        assert run.mark == 200
        run.done("c", {"n": 9}, 1.0, 300)
    with Run(tmp_path, X, RESUME) as run:  # what follows the half line was not appended to it
        assert list(run.results) == ["a", "b", "c"]


def test_separators_of_lines_inside_a_result(tmp_path):
    with Run(tmp_path, X, RESUME) as run:
        run.done("a", "one\u2028two\x85three\nfour", 1.0)
        run.done("b", "five", 1.0)
    with Run(tmp_path, X, RESUME) as run:
        assert run.results == {"a": "one\u2028two\x85three\nfour", "b": "five"}


@pytest.mark.parametrize(
    "content", ["", "\n", "not json\n", '{"identity": "y"}\n{"key": "a", "result": 1, "mark": 5}\n']
)
def test_another_runs_journal_is_not_resumed(tmp_path, content):
    journal(tmp_path).write_text(content)
    with Run(tmp_path, X, RESUME) as run:
        assert run.results == {}
        assert run.mark == 0


def test_other_settings_discard_what_was_done(tmp_path, caplog):
    killed(tmp_path, ["a"], identity=fingerprint("with 0.4"))
    with caplog.at_level(logging.INFO), Run(tmp_path, fingerprint("with 0.5"), RESUME) as run:
        assert run.results == {}
    assert "an earlier run with other settings is not resumed" in caplog.text
    with Run(tmp_path, fingerprint("with 0.4"), RESUME) as run:  # nor is it there when one changes one's mind
        assert run.results == {}


def test_a_changed_recording_is_done_again_and_named(tmp_path, caplog):
    (tmp_path / "in").mkdir()
    paths = {key: write_wav(tmp_path / f"in/{key}.wav") for key in "abc"}
    inputs = Inputs([Utterance(key, key, str(path)) for key, path in paths.items()])
    with Run(tmp_path / "out", X, RESUME) as run:
        run.take(inputs)
        for key in paths:
            run.done(key, 1, 1.0)
    os.utime(paths["b"], (1, 1))
    with caplog.at_level(logging.INFO), Run(tmp_path / "out", X, RESUME) as run:
        run.take(inputs)
        assert run.results == {"a": 1, "c": 1}
        assert f"1 recordings are done again, changed since: {paths['b']}" in caplog.text
        run.done("b", 2, 1.0)
    with Run(tmp_path / "out", X, RESUME) as run:
        run.take(inputs)
        assert run.results == {"a": 1, "b": 2, "c": 1}


def test_a_changed_file_of_the_model_is_named(tmp_path, caplog):
    (tmp_path / "dict.txt").write_text("a 0")
    with Run(tmp_path / "out", fingerprint("x", tmp_path / "dict.txt"), RESUME) as run:
        run.done("a", 1, 1.0)
    os.utime(tmp_path / "dict.txt", (1, 1))
    with Run(tmp_path / "out", fingerprint("x", tmp_path / "dict.txt"), RESUME) as run:
        assert run.results == {}
    assert f"not resumed (changed: {tmp_path}/dict.txt)" in caplog.text


def test_a_group_that_is_not_complete_is_done_again(tmp_path):
    inputs = utterances(*"abcde")
    with Run(tmp_path, X, RESUME, grouped=True) as run:
        run.take(inputs)
        for number, key in enumerate("abcd", 1):
            run.done(key, number, 1.0, 100 * number)
            if key == "b":
                run.end_group("b", 200)
    with Run(tmp_path, X, RESUME, grouped=True) as run:
        assert (run.results, run.through, run.mark) == ({"a": 1, "b": 2}, "b", 200)
        run.take(inputs)
        run.done("c", 30, 1.0, 250)
        run.end_group("e", 250)  # d and e failed this time
    with Run(tmp_path, X, RESUME, grouped=True) as run:
        assert (run.results, run.through, run.mark) == ({"a": 1, "b": 2, "c": 30}, "e", 250)


@pytest.mark.parametrize("size", [None, 99])
def test_an_archive_that_is_no_longer_whole_is_not_resumed(tmp_path, size, caplog):
    with Run(tmp_path, X, RESUME, archive="feats.ark") as run:
        run.done("a", 1, 1.0, 100)
    if size is not None:
        (tmp_path / "feats.ark").write_bytes(bytes(size))
    with Run(tmp_path, X, RESUME, archive="feats.ark") as run:
        assert (run.results, run.mark) == ({}, 0)
    assert "feats.ark is not as an earlier run left it" in caplog.text
    (tmp_path / "feats.ark").write_bytes(bytes(100))


def test_a_folder_that_disappears_ends_the_run(tmp_path):
    out = tmp_path / "out"
    with Run(out, X, RESUME) as run:
        run.done("a", 1, 1.0)
        shutil.rmtree(out)
        with pytest.raises(FireRedError, match="out: was removed or replaced"):
            run.done("b", 1, 1.0)
        out.mkdir()
        with pytest.raises(FireRedError, match="out: was removed or replaced"):
            run.finish()


def test_the_journal_may_stay_so_that_only_failures_are_tried_again(tmp_path):
    with Run(tmp_path, X, RESUME) as run:
        run.done("a", 1, 1.0)
        run.fail("b", "broken")
        assert run.finish(keep_journal=True) == 1
    with Run(tmp_path, X, RESUME) as run:
        assert run.results == {"a": 1}


def test_a_folder_whose_name_breaks_lines(tmp_path):
    with pytest.raises(FireRedError, match="cannot hold a line break"):
        Run(tmp_path / "a\nb", X, RESUME)
    assert list(tmp_path.iterdir()) == []


def test_resume_can_be_switched_off(tmp_path):
    killed(tmp_path, ["a"])
    with Run(tmp_path, X, AFRESH) as run:
        assert run.results == {}


def test_failures_are_tried_again(tmp_path):
    with Run(tmp_path, X, RESUME) as run:
        run.done("a", 1, 1.0)
        run.fail("b", "a disk that was full")
    with Run(tmp_path, X, RESUME) as run:
        assert run.results == {"a": 1}
        assert run.problems == {}
        run.done("b", 2, 1.0)
        assert run.finish() == 0
    assert (tmp_path / "failed").read_text() == ""


def test_failures_are_listed_in_order_one_a_line(tmp_path, caplog):
    with Run(tmp_path, X, RESUME) as run:
        run.fail("乙", "second")
        run.fail("b", "of two\n  lines\tand a tab")
        run.fail("a", AudioError("no such file"))
        run.fail("a", "and its picture neither")
        run.done("c", 1, 1.0)
        assert run.finish() == 1
    assert (tmp_path / "failed").read_text() == (
        "a and its picture neither\na no such file\nb of two lines and a tab\n乙 second\n"
    )
    assert "a no such file" in caplog.text
    assert f"4 failed, listed with reasons in {tmp_path}/failed" in caplog.text


def test_what_a_run_takes_on(tmp_path):
    killed(tmp_path, ["a", "gone"])
    inputs = utterances("a", "b")
    inputs.problems.append(Problem("c", "c.wav: no such file"))
    with Run(tmp_path, X, RESUME) as run:
        run.take(inputs)
        assert run.results == {"a": {"n": 0}}  # what is no longer in the input is no longer a result
        assert run.mark == 200  # but its matrix is in the archive
        run.done("b", {}, 1.0)
        assert run.finish() == 1
    assert (tmp_path / "failed").read_text() == "c c.wav: no such file\n"


def test_what_nobody_foresaw_is_a_failure_with_its_traceback_logged(tmp_path, caplog):
    with Run(tmp_path, X, RESUME) as run:
        for key, error in (("a", DataError("expected")), ("b", ZeroDivisionError("division by zero"))):
            try:
                raise error
            except Exception as caught:
                run.fail_with(key, caught)
        run.write_failed()
    assert (tmp_path / "failed").read_text() == "a expected\nb unexpected ZeroDivisionError: division by zero\n"
    assert caplog.text.count("Traceback") == 1


@pytest.mark.parametrize(
    ("failures", "keep_going", "status"), [(0, False, 0), (1, False, 1), (0, True, 0), (1, True, 0)]
)
def test_exit_status(tmp_path, failures, keep_going, status):
    with Run(tmp_path, X, RunConfig(keep_going=keep_going)) as run:
        run.done("a", 1, 1.0)
        for number in range(failures):
            run.fail(f"b{number}", "broken")
        assert run.finish() == status
    assert len((tmp_path / "failed").read_text().splitlines()) == failures


def test_an_output_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FireRedError, match=r"file/out: cannot be written: Not a directory"):
        Run(tmp_path / "file/out", X, RESUME)
    with pytest.raises(FireRedError, match=r"file: cannot be written: File exists"):
        Run(tmp_path / "file", X, RESUME)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_is_closed(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(FireRedError, match=r"closed: cannot be written: Permission denied"):
        Run(tmp_path / "closed", X, RESUME)


class Clock:
    now = 1000.0

    @classmethod
    def monotonic(cls):
        return cls.now


def test_progress_after_every_interval(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(batch, "time", Clock)
    with caplog.at_level(logging.INFO), Run(tmp_path, X, RESUME, "utterances") as run:
        run.take(utterances(*map(str, range(200))))
        for number in range(9):
            Clock.now += 1
            run.done(f"a{number}", 1, 1800.0)
        assert caplog.messages == []
        run.fail("b", "broken")
        caplog.clear()
        Clock.now += 1
        run.done("c", 1, 1800.0)
        assert caplog.messages == ["11 of 200 utterances, 5.00 h, 1800 times real time, about 2 min 52 s left"]
        Clock.now += 9
        run.done("d", 1, 1800.0)
        assert len(caplog.messages) == 1
        Clock.now += 1
        run.done("e", 1, 1800.0)
        assert len(caplog.messages) == 2


def test_progress_of_what_has_no_audio(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(batch, "_REPORT_EVERY_S", 0.0)
    monkeypatch.setattr(batch, "time", Clock)
    with caplog.at_level(logging.INFO), Run(tmp_path, X, RESUME) as run:
        run.take(utterances(*map(str, range(1000))))
        Clock.now += 60
        run.done("a", 1, 0.0)
        run.finish()
    assert caplog.messages == ["1 of 1000 recordings, about 16 h 39 min left", "1 recordings done, 0 failed"]


def test_the_fingerprint_is_of_all_that_decides_a_result(tmp_path):
    model = tmp_path / "model"
    model.write_text("weights")
    same = fingerprint("vad", AudioConfig(), model)
    assert fingerprint("vad", AudioConfig(), model) == same
    assert fingerprint("mvad", AudioConfig(), model) != same
    assert fingerprint("vad", AudioConfig(channel="1"), model) != same
    assert fingerprint("vad", AudioConfig()) != same
    os.utime(model, (1, 1))
    assert fingerprint("vad", AudioConfig(), model) != same


def test_the_version_is_part_of_the_fingerprint(monkeypatch):
    before = fingerprint("vad")
    monkeypatch.setattr(depends, "__version__", "99")
    assert fingerprint("vad") != before


# A whole command


def test_features_go_on_to_the_same_bytes(tmp_path, monkeypatch):
    for name in "abcd":
        write_wav(tmp_path / f"in/{name}.wav")
    run = (AudioConfig(), FbankConfig(), RESUME)
    monkeypatch.chdir(tmp_path)
    assert make_fbank(["in"], tmp_path / "whole", *run) == 0

    done = []
    real = Run.done

    def dies_after_two(self, key, *args):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(key)
        real(self, key, *args)

    monkeypatch.setattr(Run, "done", dies_after_two)
    with pytest.raises(KeyboardInterrupt):
        make_fbank(["in"], tmp_path / "out", *run)
    monkeypatch.setattr(Run, "done", lambda self, key, *args: (done.append(key), real(self, key, *args)))
    assert make_fbank(["in"], tmp_path / "out", *run) == 0
    assert done == ["a", "b", "c", "d"]
    for path in (tmp_path / "whole").iterdir():
        if path.name == "speed.json":
            continue  # of two runs
        again = (tmp_path / "out" / path.name).read_bytes()
        assert again.replace(b"/out/", b"/whole/") == path.read_bytes(), path.name


def test_a_rerun_after_failures_leaves_the_archive_alone(tmp_path):
    """Else what others made of it would be made again."""
    write_wav(tmp_path / "in/a.wav")
    (tmp_path / "in/b.wav").write_text("no audio")
    run = (AudioConfig(), FbankConfig(), RESUME)
    assert make_fbank([str(tmp_path / "in")], tmp_path / "out", *run) == 1
    before = (tmp_path / "out/feats.ark").stat()
    assert make_fbank([str(tmp_path / "in")], tmp_path / "out", *run) == 1
    after = (tmp_path / "out/feats.ark").stat()
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    write_wav(tmp_path / "in/b.wav")
    assert make_fbank([str(tmp_path / "in")], tmp_path / "out", *run) == 0
    assert (tmp_path / "out/utt2num_frames").read_text().split()[::2] == ["a", "b"]
