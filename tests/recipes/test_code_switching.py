"""egs/code_switching: a random part of parquet files, drawn by seed, and the mixed error rate of it."""

import pytest
from support.copies import write_parquet
from support.corpora import prepare_of
from support.signals import write_wav

from firered.cli.corpus import write_sets
from firered.corpora.files import recipe_table
from firered.data.datadir import DataDir
from firered.errors import DataError
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts
from firered.scoring.text.normalise import normalizer

RECIPE = prepare_of("code_switching")


@pytest.fixture
def corpus(tmp_path):
    wav = write_wav(tmp_path / "tone.wav").read_bytes()
    rows = [
        {"text": f"今天的 meeting {n} 改到 Friday。", "audio": {"bytes": wav, "path": f"utt{n:02}.wav"}}
        for n in range(9)
    ]
    write_parquet(tmp_path / "corpus/data/train-00000-of-00002.parquet", rows[:5])
    write_parquet(tmp_path / "corpus/data/train-00001-of-00002.parquet", rows[5:])
    return tmp_path / "corpus"


def drawn(corpus, size, seed, out):
    write_sets([RECIPE.read_part(corpus, size, seed)], out, [], allow_missing=False)
    data = DataDir(out / "code-switch-a/data")
    skipped = (data.path / "skipped.txt").read_text().split("\n")[:-1]
    return list(data.text), skipped, data


def test_a_part_of_the_size_that_is_the_same_for_the_same_seed(corpus, tmp_path):
    some, left, data = drawn(corpus, 4, 0, tmp_path / "a")
    assert len(some) == 4
    assert sorted(some + [line.removesuffix(" not drawn") for line in left]) == [f"utt{n:02}" for n in range(9)]
    assert sorted(data.wav_scp) == some  # only these are unpacked
    assert len([path for path in (data.path / "audio").iterdir() if path.suffix == ".wav"]) == 4
    assert drawn(corpus, 4, 0, tmp_path / "b")[0] == some
    assert any(drawn(corpus, 4, seed, tmp_path / f"s{seed}")[0] != some for seed in (1, 2, 3))
    assert len(drawn(corpus, None, 0, tmp_path / "c")[0]) == len(drawn(corpus, 100, 0, tmp_path / "d")[0]) == 9


def test_size_and_seed_are_in_the_recipes_table(corpus, tmp_path):
    assert RECIPE.part_of(RECIPE.PART) == (1000, 0)
    assert recipe_table(RECIPE.PART).keys() == {"utterances", "seed"}
    (tmp_path / "all.tsv").write_text("utterances\t-\nseed\t7\n")
    assert RECIPE.part_of(tmp_path / "all.tsv") == (None, 7)
    (tmp_path / "bad.tsv").write_text("utterances\tmany\n")
    with pytest.raises(DataError, match=r"bad\.tsv: utterances is 'many', which is no number"):
        RECIPE.part_of(tmp_path / "bad.tsv")
    write_sets(RECIPE.read(corpus), tmp_path / "out", [], allow_missing=False)
    assert len(DataDir(tmp_path / "out/code-switch-a/data").text) == 9


def test_what_is_not_there_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="daily_dialogue_mixed_chinese_english_speech_tts"):
        write_sets(RECIPE.read(tmp_path / "empty"), tmp_path / "out", [], allow_missing=False)


def test_every_character_and_every_english_word_is_a_token():
    said, heard = {"u": "明天的 meeting 改到 Friday 吧。"}, {"u": "明天 meet ing 改到 friday"}
    (found,) = align_texts(said, heard, normalizer(NormalizerConfig()))
    # 明 天 的 meeting 改 到 friday 吧: 的 and 吧 are lost, meeting is another word and one more
    assert (found.counts.tokens, found.counts.errors) == (8, 3)
