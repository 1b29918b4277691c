"""Training sets that are cut out of long recordings, and what is asked for by name."""

import json
import tarfile

import numpy as np
import pytest
import soundfile
from support.corpora import lay_out, prepare_of
from support.signals import noise, write_wav

from firered.audio.config import AudioConfig
from firered.audio.load import read_blocks
from firered.cli.corpus import write_sets
from firered.corpora.cut import Stretch, cut
from firered.corpora.hours import check_hours
from firered.corpora.sorted_lines import SortedLines, sorted_table
from firered.data.datadir import DataDir
from firered.data.validate import validate
from firered.errors import DataError, OptionError

FIRST, SECOND = "Y0000000000_--5llN02F84", "Y0000000001_0abcdefghij"


def samples_of(place):
    return np.concatenate(list(read_blocks(place, AudioConfig())))


def prepared(tmp_path, *names, labels="old", allow_missing=False):
    corpus = tmp_path / "wenetspeech"
    if not corpus.exists():
        lay_out("wenetspeech", tmp_path)
    recipe = prepare_of("wenetspeech")
    write_sets(
        recipe.read(corpus, recipe.WenetSpeechOptions(labels=str(labels))), tmp_path / "out", names,
        allow_missing=allow_missing,
    )  # fmt: skip
    return [DataDir(tmp_path / "out" / name / "data") for name in names]


def test_subsets_are_cut_out_of_long_recordings(tmp_path, caplog):
    small, large, dev = prepared(tmp_path, "ws-s", "ws-l", "ws-dev")
    assert small.text == {f"{FIRST}_S00000": "训练用的一句话"}
    assert large.text == {
        f"{FIRST}_S00000": "训练用的一句话",
        f"{FIRST}_S00001": "又一句话",
        f"{SECOND}_S00000": "高兴",
    }
    assert dev.text == {"DEV_T0000000000_S00000": "开发集"}
    assert large.utt2spk == {key: key.rpartition("_")[0] for key in large.text}
    assert large.table("utt2dur") == {f"{FIRST}_S00000": "1.1", f"{FIRST}_S00001": "0.9", f"{SECOND}_S00000": "0.5"}
    assert (large.path / "spk2utt").read_text() == (
        f"{FIRST} {FIRST}_S00000 {FIRST}_S00001\n{SECOND} {SECOND}_S00000\n"
    )
    for data in (small, large, dev):
        assert validate(data.path, feats=False, text=True, non_print=True, spk_sort=True) == []
        assert set(data.utt2lang.values()) == {"zh"}
        assert sorted(path.name for path in data.path.iterdir() if path.name.startswith(".")) == []
    # The samples are those of the recording at this place: decoded from its beginning, so none is off.
    whole = samples_of(tmp_path / f"wenetspeech/audio/train/youtube/B00000/{FIRST}.opus")
    for key, (start, end) in {f"{FIRST}_S00000": (1600, 19200), f"{FIRST}_S00001": (16000, 30400)}.items():
        np.testing.assert_array_equal(samples_of(large.wav_scp[key]), np.round(whole[start:end]))
    assert "ws-s: expected 100 hours, found 0.00" in caplog.text
    assert "ws-dev: expected" not in caplog.text


def test_what_is_cut_is_not_cut_again_unless_it_differs(tmp_path):
    (data,) = prepared(tmp_path, "ws-l")
    tars = {path: path.stat().st_mtime_ns for path in data.path.rglob("*.tar")}
    assert len(tars) == 2
    tables = {path.name: path.read_bytes() for path in data.path.iterdir() if path.is_file()}
    prepared(tmp_path, "ws-l")
    assert {path: path.stat().st_mtime_ns for path in tars} == tars
    assert {path.name: path.read_bytes() for path in data.path.iterdir() if path.is_file()} == tables
    listing = tmp_path / "wenetspeech/WenetSpeech.json"
    listing.write_text(listing.read_text().replace('"end_time": 1.9', '"end_time": 1.8'))
    (data,) = prepared(tmp_path, "ws-l")
    assert data.table("utt2dur")[f"{FIRST}_S00001"] == "0.8"
    assert sorted(before == path.stat().st_mtime_ns for path, before in tars.items()) == [False, True]


def test_corrected_labels_take_the_place_of_the_old_ones(tmp_path):
    labels = tmp_path / "corrected"
    labels.write_text(f"{SECOND}_S00000 很 高兴\nothers_S1 别的\n{FIRST}_S00000 \n")
    (data,) = prepared(tmp_path, "ws-l", labels=labels)
    assert data.text == {f"{SECOND}_S00000": "很 高兴"}
    skipped = (data.path / "skipped.txt").read_text()
    assert skipped == f"{FIRST}_S00000 no text\n{FIRST}_S00001 not in {labels}\n"
    with pytest.raises(OptionError, match="labels: no_such_file is not there; give old, or a table"):
        prepared(tmp_path, "ws-l", labels="no_such_file")


def test_recordings_that_lack_something_are_named(tmp_path):
    corpus = lay_out("wenetspeech", tmp_path)
    (corpus / f"audio/train/youtube/B00000/{SECOND}.opus").unlink()
    listing = json.loads((corpus / "WenetSpeech.json").read_text())
    own = next(audio for audio in listing["audios"] if audio["aid"] == FIRST)["segments"]
    own[1] |= {"begin_time": 1.5, "end_time": 2.2}
    own.append(own[0] | {"sid": "late", "begin_time": 3.0, "end_time": 3.5})
    own.append(own[0] | {"sid": "back", "begin_time": 1.0, "end_time": 1.0})
    own.append(own[0] | {"sid": "a/b"})
    own.append(own[0])  # the same id twice
    (corpus / "WenetSpeech.json").write_text(json.dumps(listing))
    with pytest.raises(DataError, match=r"ws-l: 6 missing beside 1 utterances that are complete \(--allow-missing"):
        prepared(tmp_path, "ws-l")
    (data,) = prepared(tmp_path, "ws-l", allow_missing=True)
    assert [*data.text] == [f"{FIRST}_S00000"]
    skipped = dict(line.split(" ", 1) for line in (data.path / "skipped.txt").read_text().splitlines())
    assert skipped[f"{FIRST}_S00001"].startswith("no audio: it ends at 2.200 s, its recording at 2.0")
    assert skipped["late"].startswith("no audio: it begins at 3.000 s, its recording ends at 2.0")
    assert skipped["back"] == "no audio: its end, 1 s, is not after its start, 1 s"
    assert skipped["a/b"].startswith("no audio: cannot be an id")
    assert skipped[f"{SECOND}_S00000"].endswith(f"{SECOND}.opus is not there")
    assert skipped[f"{FIRST}_S00000"].startswith("no audio: the id comes 2 times")


def test_stretches_overlap_end_a_little_late_and_come_in_any_order(tmp_path):
    recording = write_wav(tmp_path / "long.wav", noise(48000, amplitude=0.3))
    wanted = [Stretch("b", "", 1.0, 2.0), Stretch("a", "", 0.25, 2.5), Stretch("c", "", 2.0, 3.05)]
    made = cut(recording, wanted, tmp_path / "made/long.tar")
    whole = samples_of(recording)
    assert made.failed == {}
    for key, (first, last) in {"a": (4000, 40000), "b": (16000, 32000), "c": (32000, 48000)}.items():
        place, length = made.places[key]
        np.testing.assert_array_equal(samples_of(place), whole[first:last])
        assert length == (last - first) / 16000
    with tarfile.open(tmp_path / "made/long.tar") as tar:
        assert sorted(tar.getnames()) == ["a.flac", "b.flac", "c.flac"]
        assert soundfile.info(tar.extractfile("a.flac")).subtype == "PCM_16"


def test_more_lines_than_memory_are_sorted_like_bytes(tmp_path):
    words = ["b", "a", "é", "😀", "Z", "a-b", "a_b", "a0", "中"] * 3
    with SortedLines(tmp_path / "own", at_once=4) as lines:
        for number, word in enumerate(words):
            lines.add(word, str(number))
        assert [key for key, _ in lines.merged()] == sorted(words, key=str.encode)
    assert not (tmp_path / "own").exists()
    (tmp_path / "table").write_text("b  x y\na\tz\n\nc\n")
    with SortedLines(tmp_path / "own", at_once=1) as lines:
        assert [*sorted_table(tmp_path / "table", lines)] == [("a", "z"), ("b", "x y"), ("c", "")]


@pytest.mark.parametrize(
    ("expected", "seconds", "warns"), [(100, 363600, False), (100, 370800, True), (None, 1, False)]
)
def test_hours_are_checked_as_far_as_they_are_published(caplog, expected, seconds, warns):
    check_hours("some", expected, seconds)
    assert ("some: expected 100 hours" in caplog.text) == warns


@pytest.mark.parametrize(
    ("recipe", "corpus", "name", "message"),
    [
        ("librispeech", "librispeech", "librispeech-train-other-500", "get train-other-500.tar.gz from openslr.org/12"),
        ("kespeech", "kespeech", "kespeech-dev-phase2", "dev_phase2/wav.scp: not there"),
        ("commonvoice", "commonvoice_asr", "commonvoice-th-dev", "th/dev.tsv: not there"),
    ],
)
def test_a_training_set_that_is_not_there_says_so_when_it_is_asked_for(tmp_path, recipe, corpus, name, message):
    folder = lay_out(corpus, tmp_path)
    with pytest.raises(DataError, match=message):
        write_sets(prepare_of(recipe).read(folder), tmp_path / "out", [name], allow_missing=False)


def test_a_recording_of_a_training_set_that_is_no_audio_is_missing(tmp_path):
    corpus = lay_out("librispeech", tmp_path)
    (corpus / "LibriSpeech/train-clean-100/103/1240/103-1240-0001.flac").write_text("no audio")
    with pytest.raises(DataError, match=r"103-1240-0001 no audio: .*holds no audio"):
        write_sets(
            prepare_of("librispeech").read(corpus), tmp_path / "o", ["librispeech-train-clean-100"], allow_missing=False
        )
