"""egs/lid: languages and dialects of three corpora as two-level labels, sets that share nothing, the whole recipe."""

import subprocess
from pathlib import Path

import pytest
from support.copies import write_parquet
from support.recipe_scripts import load_local
from support.signals import noise, sine, write_wav

from firered.corpora.corpus_set import Entry
from firered.data.datadir import DataDir, read_table, write_table
from firered.errors import DataError

TOP = Path(__file__).resolve().parents[2]
RECIPE = TOP / "egs/lid"
prepare, sample = load_local("lid", "prepare", "sample_corpora")

LABELS = ("en", "fr", "zh mandarin", "zh north", "zh yue")
SPEAKERS = 5  # of each label in each part


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """FLEURS, KeSpeech and MagicHub of tones, a pitch for each label."""
    folder = tmp_path_factory.mktemp("lid")
    for part in ("train", "dev", "test"):
        rows = {}
        for place, label in enumerate(LABELS):
            for speaker in range(SPEAKERS):
                key = f"{part}{speaker}-{label.replace(' ', '')}-1"
                tone = sine(0.6, hertz=200 * (place + 1)) + noise(9600, amplitude=0.01, seed=speaker)
                rows[key] = (label, write_wav(folder / f"wav/{key}.wav", tone), f"{part}{speaker}")
        write_table(folder / part / "utt2lang", {key: row[0] for key, row in rows.items()})
        write_table(folder / part / "wav.scp", {key: str(row[1]) for key, row in rows.items()})
        write_table(folder / part / "utt2spk", {key: row[2] for key, row in rows.items()})
    sample.main(folder / "train", folder / "dev", folder / "test", folder)
    return folder


def written(corpora, out, magichub="magichub", **options):
    prepare.main(
        corpora / "fleurs", corpora / "KeSpeech", out, prepare.LidCorpusConfig(**options),
        corpora / magichub if magichub else None,
    )  # fmt: skip
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


class TestSets:
    def test_labels_have_two_levels(self, corpora, tmp_path):
        sets = written(corpora, tmp_path)
        assert [*sets] == ["lid-train", "lid-dev", "fleurs-lid", "lid-dialects", "lid-test"]
        for name, expected in (
            ("lid-train", set(LABELS)),
            ("fleurs-lid", {"en", "fr"}),
            ("lid-dialects", set(LABELS) - {"en", "fr"}),
            ("lid-test", set(LABELS)),
        ):
            assert set(sets[name].utt2lang.values()) == expected
        assert sets["lid-test"].utt2lang == {**sets["fleurs-lid"].utt2lang, **sets["lid-dialects"].utt2lang}
        assert {float(length) for length in read_table(tmp_path / "lid-train/data/utt2dur").values()} == {0.6}

    def test_no_utterance_is_in_two_sets_and_magichub_is_cut_by_speakers(self, corpora, tmp_path):
        sets = written(corpora, tmp_path)
        audio = [set(sets[name].wav_scp.values()) for name in ("lid-train", "lid-dev", "lid-test")]
        assert sum(map(len, audio)) == len(set.union(*audio)) == 3 * SPEAKERS * len(LABELS)
        speakers = [
            {sets[name].utt2spk[key] for key in sets[name].utt2lang if "md-yue" in key}
            for name in ("lid-train", "lid-dev", "lid-test")
        ]
        assert list(map(len, speakers)) == [11, 2, 2]
        assert len(set.union(*speakers)) == 15

    def test_no_more_of_a_label_than_is_wanted(self, corpora, tmp_path):
        train = written(corpora, tmp_path, magichub=None, most=2)["lid-train"].utt2lang
        assert sorted(train.values()) == sorted([*LABELS[:4], *LABELS[:4]])

    def test_speakers_and_recordings_keep_together(self):
        def entry(key, speaker, recording=""):
            return Entry(key, Path(f"{recording or key}.wav"), speaker, recording=recording)

        groups = prepare.connected(
            [
                entry("a", "1", "x"),
                entry("b", "2", "x"),
                entry("c", "2", "y"),
                entry("d", "3", "y"),
                entry("e", "4", "z"),
            ]
        )
        assert len({groups[key] for key in "abcd"}) == 1
        assert groups["e"] not in {groups[key] for key in "abcd"}

    def test_what_is_not_there_is_named_with_the_command_that_fetches_it(self, corpora, tmp_path):
        for path in (corpora / "fleurs/data").glob("*/test*"):
            place = tmp_path / "data" / path.parent.name / path.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())
        with pytest.raises(DataError, match=r"data/<language>/train.tsv: not there.*hf download.*'data/\*/train.tsv'"):
            prepare.languages(tmp_path, "train")
        with pytest.raises(DataError, match=r"Tasks/ASR/train_phase1/wav.scp: not there"):
            prepare.dialects(tmp_path, "train", {})


def test_a_copy_in_parquet_has_its_own_name_for_the_dev_set(tmp_path):
    audio = write_wav(tmp_path / "1.wav", sine(0.5)).read_bytes()
    row = {"num_samples": 8000, "audio": {"bytes": audio, "path": "validation/1.wav"}, "transcription": "yes"}
    write_parquet(tmp_path / "fleurs/en_us/validation-00000-of-00001.parquet", [row])
    assert prepare.languages_here(tmp_path / "fleurs", "dev") == ["en_us"]
    (found,) = prepare.read_language(tmp_path / "fleurs", "en_us", "dev")
    assert (found.name, found.duration_s, found.text) == ("1", 0.5, "yes")


def test_what_is_missing_is_told_before_anything_is_done(tmp_path):
    def said(*options):
        done = subprocess.run(["bash", RECIPE / "train.sh", *options], capture_output=True, text=True, cwd=tmp_path)
        return done.returncode, done.stderr.strip().splitlines()[-1]

    assert said() == (1, "train.sh: --fleurs and --kespeech: stage 0 needs both")
    assert said("--stage", "1") == (1, "train.sh: --aed: stage 1 needs a recognition model")


@pytest.mark.nightly
def test_languages_and_dialects_are_learnt_and_scored(corpora, tmp_path):
    if not (TOP / ".venv/bin/firered-train").exists():
        pytest.skip("recipes work in .venv, which is not set up here")
    given = ["--fleurs", corpora / "fleurs", "--kespeech", corpora / "KeSpeech", "--magichub", corpora / "magichub"]
    given += [
        "--aed",
        TOP / "egs/mini/models/FireRedASR2-AED",
        "--dir",
        tmp_path,
        "--ngpu",
        "0",
        "--settings",
        "sample",
    ]
    options = "train.max_epochs=6 optim.warmup_steps=5 data.batch_frames=500"
    run = ["bash", RECIPE / "train.sh", *given, "--train-options", options]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    for row in ("fleurs-lid | accuracy", "lid-test | language accuracy", "lid-test | dialect accuracy"):
        assert f"| sample-{row} |" in results
    assert "| sample-lid-test | dialect elsewhere |" in results
    assert "97.18" not in results  # which is of FLEURS itself
