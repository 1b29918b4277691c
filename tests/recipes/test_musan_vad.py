"""egs/musan_vad: clips of the corpora, mixtures whose times are exact, sets that share nothing, the whole recipe."""

import itertools
import math
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.recipe_scripts import load_local
from support.signals import sine, write_wav

from firered.corpora import musan, opencpop
from firered.corpora.splits import held_out
from firered.data.datadir import write_lines
from firered.errors import DataError
from firered.runs.noise import find_noises

TOP = Path(__file__).resolve().parents[2]
RECIPE = TOP / "egs/musan_vad"
RATE = 16000
clips, prepare, sample = load_local("musan_vad", "clips", "prepare", "sample_corpora")


class TestClips:
    def test_turns_are_cut_at_pauses_and_nothing_of_the_neighbours_is_in_a_clip(self):
        turns = [(0.05, 1.0), (0.5, 2.0), (2.3, 3.0), (3.55, 4.0), (4.0, 21.0)]
        found = list(clips.speech_clips(Path("x.wav"), turns))
        assert [clip.spans[0][0] for clip in found] == pytest.approx(
            [0.05, 3.55, 3.55 + 17.45 / 3, 3.55 + 2 * 17.45 / 3]
        )
        assert found[0].spans == ((0.05, 2.0), (2.3, 3.0))  # 0.3 s is no pause, 0.55 s is one
        assert (found[0].start_s, found[0].end_s) == pytest.approx((0.0, 3.1))
        for before, after in itertools.pairwise(found):
            assert before.end_s <= after.spans[0][0]
            assert after.start_s >= before.spans[-1][1]
        assert all(clip.spans[-1][1] - clip.spans[0][0] <= 8.0 for clip in found)

    def test_a_breath_is_not_sung(self):
        phones, lengths = ["SP", "l", "a", "AP", "b", "a", "SP"], [0.2, 0.1, 0.5, 0.3, 0.05, 0.6, 0.1]
        assert np.ravel(opencpop.sung_spans(phones, lengths)) == pytest.approx([0.2, 0.8, 1.1, 1.75])
        assert opencpop.sung_spans(["SP"], [1.0]) == []
        with pytest.raises(ValueError, match="shorter"):
            opencpop.sung_spans(["a", "b"], [0.1])

    def test_a_line_of_opencpop_without_a_duration_for_each_phone_is_named(self, tmp_path):
        write_lines(tmp_path / "train.txt", ["2001000001|啦|l a|C4 C4|0.1 0.1|0.1|0 0"])
        with pytest.raises(DataError, match=r"train.txt: 2001000001: needed is a duration for each phone"):
            list(opencpop.phrases(tmp_path, "train"))


class TestMusan:
    def corpus(self, folder, lines):
        for number in range(3):
            write_wav(folder / f"musan/music/fma/music-fma-{number:04d}.wav", sine(0.5))
        write_lines(folder / "musan/music/fma/ANNOTATIONS", lines)
        return folder

    def test_music_with_voices_is_left_out(self, tmp_path):
        lines = ["music-fma-0000 rock,pop N someone else", "music-fma-0001 rock Y someone"]
        kept, left_out = musan.read_music(self.corpus(tmp_path, lines))
        assert [recording.key for recording in kept] == ["music-fma-0000"]
        assert left_out == ["music-fma-0001", "music-fma-0002"]  # the last one is in no list

    def test_bad_lists_are_named(self, tmp_path):
        with pytest.raises(DataError, match=r"ANNOTATIONS:1: not `file genres Y\|N artist`: 'music-fma-0000 rock'"):
            musan.read_music(self.corpus(tmp_path, ["music-fma-0000 rock"]))
        (tmp_path / "musan/music/fma/ANNOTATIONS").unlink()
        with pytest.raises(DataError, match=r"ANNOTATIONS: not there.*openslr.org/17"):
            musan.read_music(tmp_path)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 10, 300])
def test_what_is_held_out_is_the_same_every_time(count):
    names = [f"song-{number}" for number in range(count)]
    found = held_out(names)
    assert found == held_out(reversed(names))
    assert found.keys() == set(names)
    counts = [list(found.values()).count(part) for part in ("train", "dev", "test")]
    assert counts == {
        0: [0, 0, 0], 1: [1, 0, 0], 2: [1, 0, 1], 3: [1, 1, 1], 4: [2, 1, 1], 10: [8, 1, 1], 300: [240, 30, 30]
    }[count]  # fmt: skip
    assert list(held_out(names, test=0).values()).count("test") == 0


def tone_corpora(folder):
    """Meetings that are tones within their turns and silent around them, songs of the same kind, noise, and music."""
    words, hush = sine(1.0, hertz=300), 1e-4 * np.ones(RATE)
    write_wav(folder / "ami/a.wav", np.concatenate([hush, words, hush, words]))
    write_wav(folder / "song.wav", np.concatenate([words, hush]))
    for name in ("noise/n", "music/m"):
        write_wav(folder / f"{name}.wav", sine(3.0, hertz=50))
    speech = list(clips.speech_clips(folder / "ami/a.wav", [(1.0, 2.0), (3.0, 4.0)]))
    song = clips.Clip(folder / "song.wav", 0.0, math.inf, ((0.0, 1.0),), "singing")
    music, noise = (find_noises(str(folder / kind)) for kind in ("music", "noise"))
    return clips.Recorded(speech, [song], music, noise)


class TestMixtures:
    CONFIG = prepare.MixturesConfig(seconds=20.0, music_share=0.0)

    def test_labels_are_where_the_sound_is(self, tmp_path):
        task = prepare.Task(tmp_path / "out", ["mix-1", "mix-2", "mix-3", "mix-4"], self.CONFIG)
        made = prepare.mix(task, tone_corpora(tmp_path))
        labels = {label for events in made.events.values() for *_, label in events}
        assert labels == {"speech", "singing", "music"}
        for key, events in made.events.items():
            samples, _ = soundfile.read(tmp_path / f"out/{key}.wav")
            assert len(samples) == 20 * RATE
            spectrum = [np.abs(np.fft.rfft(samples[at : at + 1600]))[30] for at in range(0, len(samples), 1600)]
            heard = np.array(spectrum) > 0.2 * np.median(sorted(spectrum)[-20:])  # at 300 Hz, in frames of 0.1 s
            marked = np.zeros(len(samples))
            for start, end, label in events:
                if label != "music":
                    marked[round(start * RATE) : round(end * RATE)] = 1
            marked = marked.reshape(-1, 1600).mean(1)
            assert heard[marked == 1].mean() > 0.95
            assert heard[marked == 0].mean() < 0.05

    def test_a_recording_follows_from_its_id_and_the_seed(self, tmp_path):
        sources = tone_corpora(tmp_path)
        together = prepare.mix(prepare.Task(tmp_path / "one", ["a", "b"], self.CONFIG), sources)
        alone = prepare.mix(prepare.Task(tmp_path / "two", ["b"], self.CONFIG), sources)
        assert alone.events["b"] == together.events["b"] != together.events["a"]
        assert (tmp_path / "one/b.wav").read_bytes() == (tmp_path / "two/b.wav").read_bytes()

    def test_a_recording_that_cannot_be_read_is_listed_and_another_is_taken(self, tmp_path):
        sources = tone_corpora(tmp_path)
        bad = replace(sources.speech[0], audio=tmp_path / "cut.wav")
        made = prepare.mix(
            prepare.Task(tmp_path / "out", ["a", "b"], self.CONFIG), replace(sources, speech=[bad, *sources.speech])
        )
        assert "speech" in {label for *_, label in made.events["a"]}
        assert [*made.problems] == [str(tmp_path / "cut.wav")]
        with pytest.raises(DataError, match=r"20 recordings one after the other cannot be read, such as .*cut.wav"):
            prepare.mix(prepare.Task(tmp_path / "out", ["a"], self.CONFIG), replace(sources, speech=[bad]))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """MUSAN and Opencpop in their layouts, and meetings of each set."""
    folder = tmp_path_factory.mktemp("corpora")
    sample.write_musan(folder / "musan", np.random.default_rng(1), recordings=6, length_s=1.0)
    sample.write_opencpop(folder / "opencpop", np.random.default_rng(2), songs=4, phrases=1)
    for meeting in ("ES2011a", "ES2004a", "ES2005a"):
        write_wav(folder / f"ami/amicorpus/{meeting}/audio/{meeting}.Mix-Headset.wav", sine(3.0))
    lines = [f"SPEAKER {meeting} 1 0.5 1.0 <NA> <NA> x <NA> <NA>" for meeting in ("ES2011a", "ES2004a", "ES2005a")]
    write_lines(folder / "ami/all.rttm", lines)
    return folder


class TestCorpora:
    def test_sets_share_no_recording(self, corpora):
        found, left_out = prepare.read(corpora / "musan", corpora / "ami", corpora / "opencpop")
        used = {
            part: {*(clip.audio for clip in own.speech + own.singing)}
            | {recording.key for recording in own.music_recordings + own.noise_recordings}
            for part, own in found.sources.items()
        }
        assert sum(map(len, used.values())) == len(set.union(*used.values())) == 3 + 4 + 5 + 6
        assert {part: [*meetings.entries] for part, meetings in found.meetings.items()} == {
            "train": ["ES2005a"], "dev": ["ES2011a"], "test": ["ES2004a"]
        }  # fmt: skip
        assert left_out == ["music-made-0005 music with voices, or not in ANNOTATIONS: when they sing is not known"]

    def test_a_set_without_meetings_is_named(self, corpora, tmp_path):
        write_wav(tmp_path / "ES2005a.wav", sine(1.0))
        write_lines(tmp_path / "a.rttm", ["SPEAKER ES2005a 1 0.5 0.5 <NA> <NA> x <NA> <NA>"])
        with pytest.raises(DataError, match="no labelled speech in a meeting of the dev set"):
            prepare.read(corpora / "musan", tmp_path, None)


def test_what_is_missing_is_told_before_anything_is_done(tmp_path):
    def said(*options):
        done = subprocess.run(["bash", RECIPE / "train.sh", *options], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stderr.strip()

    assert said("--musan", "nowhere") == (1, "train.sh: --musan: no such file or folder: nowhere")
    assert said("more") == (1, "train.sh: no option: more; --help lists them")
    assert not (tmp_path / "exp").exists()


@pytest.mark.nightly
def test_detectors_are_trained_and_scored(corpora, shared, tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    run = ["bash", RECIPE / "train.sh", "--settings", "sample", "--dir", tmp_path, "--ngpu", "0", "--seconds", "10"]
    run += ["--hours", "0.03", "--dev-hours", "0.01", "--test-hours", "0.01", "--train-options", "train.max_steps=4"]
    given = ["--musan", corpora / "musan", "--ami", shared("audio/ami"), "--opencpop", corpora / "opencpop"]
    done = subprocess.run([*run, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    for name in ("mix", "mix-speech", "mix-singing", "mix-music", "music", "noise", "ami"):
        assert f"| {name} | FAR |" in results
    for system in ("VAD", "stream VAD", "mVAD"):
        assert f"## {system} trained here" in results
    again = subprocess.run([*run, *given, "--stop-stage", "0"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "mix_train: is there" in (tmp_path / "exp/log/prepare.log").read_text()
