"""Recordings drawn to be labelled by hand: which ones, what is written, and what becomes of drafts nobody corrected."""

import json

import pytest
from support.corpora import lay_out, prepare_of

from firered.cli.corpus import write_sets
from firered.corpora.drafts import draw, draw_fleurs, read_drawn, write_drafts
from firered.data.datadir import DataDir, read_table
from firered.data.textgrids import read_textgrid
from firered.errors import DataError
from firered.scoring.config import SampleConfig, SourceConfig, VadScoreConfig
from firered.scoring.reports.provenance import provenance
from firered.scoring.reports.results import read_results
from firered.scoring.reports.table import results_page
from firered.scoring.reports.vad import vad_report
from firered.scoring.vad import score_vad

NAMES = {"a": [f"a{number:03}" for number in range(300)], "b": ["b1", "b2"]}


def test_the_seed_decides_the_draw_and_languages_do_not_depend_on_each_other():
    drawn = draw(NAMES, 100, 0)
    assert len({item.recording for item in drawn}) == 102
    assert drawn == draw({"b": NAMES["b"], "a": NAMES["a"][::-1]}, 100, 0)
    assert [item for item in drawn if item.language == "a"] == draw({"a": NAMES["a"]}, 100, 0)
    assert drawn != draw(NAMES, 100, 1)


def test_a_name_of_two_languages_is_not_drawn():
    assert [item.recording for item in draw({"a": ["x", "y"], "b": ["x", "z"]}, 100, 0)] == ["y", "z"]


@pytest.fixture
def drafted(tmp_path):
    """FLEURS, and a folder of drafts of three recordings."""
    corpus, folder, work = lay_out("fleurs", tmp_path), tmp_path / "labels", tmp_path / "work"
    draw_fleurs(corpus, folder, work / "data", 1, 0)
    (work / "vad").mkdir()
    lines = [{"uttid": name, "dur": 0.5, "timestamps": [[0.1, 0.3]]} for name in DataDir(work / "data").wav_scp]
    (work / "vad/vad.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert write_drafts(work / "vad", work / "data", folder) == 3
    return corpus, folder, work


def test_drafts_are_textgrids_beside_their_audio_and_a_list(drafted):
    corpus, folder, _ = drafted
    lines = (folder / "drawn.tsv").read_text().splitlines()
    assert lines[0] == "language\trecording\tcorrected"
    assert [line.split("\t")[2] for line in lines[1:]] == ["no"] * 3
    for item in read_drawn(folder):
        grid = read_textgrid(folder / item.language / f"{item.recording}.TextGrid")
        assert [(tier.name, tier.intervals) for tier in grid.tiers] == [("speech", [(0.1, 0.3, "speech")])]
        assert (folder / item.language / f"{item.recording}.wav").resolve().is_relative_to(corpus)


def test_what_has_been_corrected_is_kept(drafted):
    corpus, folder, work = drafted
    grid = folder / "en_us/20001.TextGrid"
    grid.write_text(grid.read_text().replace("= 0.3\n", "= 0.4\n"))
    listed = (folder / "drawn.tsv").read_text().replace("20001\tno", "20001\tyes")
    (folder / "drawn.tsv").write_text(listed)
    draw_fleurs(corpus, folder, work / "data", 1, 0)
    assert write_drafts(work / "vad", work / "data", folder) == 0
    assert "= 0.4\n" in grid.read_text()
    assert (folder / "drawn.tsv").read_text() == listed
    with pytest.raises(DataError, match="lists other recordings than are drawn now"):
        draw_fleurs(corpus, folder, work / "data", 2, 0)


@pytest.mark.parametrize(
    ("line", "message"), [("en_us\t20001\tperhaps", ":2: expected language, recording, and yes or no"), ("", ":1: ")]
)
def test_a_list_that_cannot_be_read_is_named(line, message, tmp_path):
    (tmp_path / "drawn.tsv").write_text("language\trecording\tcorrected\n" * bool(line) + f"{line}\n")
    with pytest.raises(DataError, match=message):
        read_drawn(tmp_path)


def test_a_recording_that_the_detector_failed_at_is_an_error(drafted):
    _, folder, work = drafted
    (work / "vad/vad.jsonl").write_text("")
    with pytest.raises(DataError, match="nothing of 30001"):
        write_drafts(work / "vad", work / "data", folder)


def results(corpus, folder, out):
    """The rows of RESULTS.md, of a detector that finds what the labels of `folder` have, under its published name."""
    write_sets(prepare_of("fleurs_vad_102").read(corpus, folder), out, [], allow_missing=False)
    data = out / "fleurs-vad-102/data"
    score = score_vad(data, data / "rttm", VadScoreConfig(), SampleConfig())
    source = SourceConfig(test_set="fleurs-vad-102", system="FireRedVAD")
    report = vad_report(score)
    report.write(out / "score", provenance(data, data, source), source)
    page = list(results_page("x", read_results([out / "score"])))
    return data, report, [[cell.strip() for cell in line.split("|")[1:-1]] for line in page if line.startswith("|")]


def test_uncorrected_drafts_are_called_so_and_get_no_difference(drafted, tmp_path):
    corpus, folder, _ = drafted
    listed = folder / "drawn.tsv"
    listed.write_text(listed.read_text().replace("20001\tno", "20001\tyes"))
    data, report, rows = results(corpus, folder, tmp_path / "some")
    shown = (tmp_path / "some/score/score.txt").read_text()
    assert read_table(data / "drafts").keys() == {item.recording for item in read_drawn(folder) if not item.corrected}
    assert report.fields["drafts"] == 2
    assert "labels of 2 of 3 recordings are a detector's uncorrected drafts" in shown
    (f1,) = (row for row in rows if row[1] == "F1" and len(row) == 8)
    assert f1[0] == "fleurs-vad-102 (labels: uncorrected drafts)"
    assert f1[3:7:2] == ["**100.00**", "97.57"]
    assert f1[6] == "-"
    listed.write_text(listed.read_text().replace("\tno", "\tyes"))
    data, report, rows = results(corpus, folder, tmp_path / "all")
    assert not (data / "drafts").exists()
    (f1,) = (row for row in rows if row[1] == "F1" and len(row) == 8)
    assert (f1[0], f1[6]) == ("fleurs-vad-102", "+2.43")
