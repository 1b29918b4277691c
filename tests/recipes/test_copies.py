"""A corpus as a hub has it makes the data directory that the corpus makes as it is published."""

import pytest
import soundfile
from support.copies import COPIES, make_copy, write_parquet
from support.corpora import lay_out, prepare_of

from firered.cli.corpus import write_sets
from firered.data.datadir import DataDir
from firered.errors import DataError


def write(recipe, out, corpus, **options):
    write_sets(prepare_of(recipe).read(corpus), out, [], **{"allow_missing": False, **options})
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


def lengths(data):
    """Seconds of each utterance, of its audio."""
    of_recordings = {key: soundfile.info(path).duration for key, path in data.wav_scp.items()}
    segments = data.segments or {}
    return {
        key: segments[key].end_s - segments[key].start_s if key in segments else of_recordings[key]
        for key in data.utterances()
    }


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_as_good_as_the_release(name, tmp_path):
    recipe = COPIES[name][0]
    release, copy = make_copy(name, tmp_path)
    wanted, found = write(recipe, tmp_path / "release", release), write(recipe, tmp_path / "copied", copy)
    assert found.keys() == {name for name in wanted if "-train" not in name and "-dev" not in name}
    for set_name, data in found.items():
        tables = ["text", "utt2lang", "utt2dialect", "text.raw"] + ["utt2spk"] * (recipe != "wenetspeech")
        for table in tables:
            assert data.table(table) == wanted[set_name].table(table), f"{set_name}/{table}"
        assert lengths(data) == pytest.approx(lengths(wanted[set_name]), abs=0.001)


def test_what_is_unpacked_is_in_the_data_directory_and_kept(tmp_path):
    _, copy = make_copy("LibriSpeech, parquet", tmp_path)
    inodes = []
    for _ in range(2):
        data = write("librispeech", tmp_path / "out", copy)["librispeech-test-clean"]
        folder = tmp_path / "out/librispeech-test-clean/data/audio"
        assert set(data.wav_scp.values()) == {str(path) for path in folder.iterdir()}
        inodes.append({path.name: path.stat().st_ino for path in folder.iterdir()})
    assert sorted(inodes[0]) == ["1089-134686-0000.flac", "1089-134686-0001.flac"]
    assert inodes[1] == inodes[0]  # not one was written again


def test_bad_rows_are_listed_and_the_others_go_on(tmp_path):
    release, copy = make_copy("KeSpeech, parquet", tmp_path)
    good = {"bytes": next(release.rglob("*.wav")).read_bytes(), "path": None}
    rows = [
        {"ID": "1_a", "Text": "好", "Dialect": "Mandarin", "audio": {"bytes": None, "path": "1_a.wav"}},
        {"ID": "1_b", "Text": " ", "Dialect": "Mandarin", "audio": good},
        {"ID": None, "Text": "好", "Dialect": "Mandarin", "audio": good},
        {"ID": "1_d", "Text": "好", "Dialect": "Ji-Lu", "audio": good},
        {"ID": "1_e", "Text": "好", "Dialect": None, "audio": good},
        {"ID": "1_d", "Text": "不", "Dialect": "Mandarin", "audio": good},
    ]
    write_parquet(copy / "data/test-00000-of-00002.parquet", rows)
    with pytest.raises(DataError, match=r"kespeech: 5 missing beside 3 utterances") as error:
        write("kespeech", tmp_path / "out", copy)
    shown = str(error.value)
    data = write("kespeech", tmp_path / "out", copy, allow_missing=True)["kespeech"]
    assert sorted(data.text) == ["1000001_aaaa0002", "1000002_bbbb0001", "1_d"]
    assert data.text["1_d"] == "好"
    skipped = (tmp_path / "out/kespeech/data/skipped.txt").read_text()
    of_the_rows = "1_a no audio: row 0", "1_b row 1 of ", "parquet:2 row 2 of", "1_d the id stands", "1_e no dialect"
    for reason in of_the_rows:
        assert reason in skipped
        assert reason in shown


def test_a_damaged_shard_is_named_and_the_others_go_on(tmp_path):
    _, copy = make_copy("KeSpeech, parquet", tmp_path)
    damaged = copy / "data/test-00001-of-00002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"test-00001-of-00002.parquet: not a parquet file, or damaged"):
        write("kespeech", tmp_path / "out", copy)
    assert len(write("kespeech", tmp_path / "out", copy, allow_missing=True)["kespeech"].text) == 1
    damaged.unlink()
    with pytest.raises(DataError, match=r"of 00002 parts 1 \(from 0\) are not there"):
        write("kespeech", tmp_path / "out", copy)


def test_a_tar_that_is_cut_short_costs_only_what_it_lacks(tmp_path):
    _, copy = make_copy("WenetSpeech, shards", tmp_path)
    tar = copy / "data/cuts_TEST_NET.00000000.tar.gz"
    tar.write_bytes(tar.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"TEST_NET.00000000.tar.gz: not a tar file, or cut short") as error:
        write("wenetspeech", tmp_path / "out", copy)
    assert "without these, ws-meeting is prepared" in str(error.value)
    data = write("wenetspeech", tmp_path / "out", copy, allow_missing=True)["ws-net"]
    assert list(data.text) == ["TEST_NET_Y0000000000_-KTKHdZ2fb8_S00000"]


def test_clips_of_tar_files_may_lie_there_unpacked(tmp_path):
    _, copy = make_copy("Common Voice, tar", tmp_path)
    for language in ("en", "zh-HK"):
        folder = copy / f"audio/{language}/test/{language}_test_0"
        folder.mkdir()
        for clip in (tmp_path / f"commonvoice/{language}/clips").iterdir():
            clip.rename(folder / clip.name)
        folder.with_suffix(".tar").unlink()
    data = write("commonvoice_lid", tmp_path / "out", copy)["commonvoice-lid"]
    assert len(data.wav_scp) == 3
    assert all("unpacked" not in path and "copy of it/audio" in path for path in data.wav_scp.values())


def test_a_copy_may_be_called_as_a_folder_of_the_release(tmp_path):
    _, copy = make_copy("LibriSpeech, parquet", tmp_path)
    (copy / "clean/test").rename(copy / "test-clean")
    assert len(write("librispeech", tmp_path / "out", copy)["librispeech-test-clean"].text) == 2


def test_of_two_copies_one_is_read(tmp_path, caplog):
    _, copy = make_copy("LibriSpeech, parquet", tmp_path)
    (copy / "all/test.clean").mkdir(parents=True)
    (copy / "all/test.clean/0000.parquet").write_bytes((copy / "clean/test/0000.parquet").read_bytes())
    assert len(write("librispeech", tmp_path / "out", copy)["librispeech-test-clean"].text) == 2
    assert "clean/test/0000.parquet is read, not all/test.clean/0000.parquet" in caplog.text


def test_what_datasets_saves_is_refused_with_the_command(tmp_path):
    (tmp_path / "ls/test.clean").mkdir(parents=True)
    (tmp_path / "ls/test.clean/data-00000-of-00001.arrow").touch()
    with pytest.raises(DataError, match=r"make parquet of them: python -c 'import datasets; datasets.load_from_disk"):
        write("librispeech", tmp_path / "out", tmp_path / "ls")


def test_parquet_of_a_recipe_without_a_reader_of_it_says_what_is_expected(tmp_path):
    write_parquet(tmp_path / "opencpop/data/test-00000-of-00001.parquet", [{"a": 1}])
    with pytest.raises(DataError, match=r"segments/test.txt: not there; .*opencpop holds data/; get the corpus"):
        write("opencpop", tmp_path / "out", lay_out("ami", tmp_path).parent / "opencpop")
