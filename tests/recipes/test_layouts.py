"""Layouts that people have, beside those that the corpora are described with, and what is said where one is another."""

import shutil
import subprocess
from pathlib import Path

import pytest
from support.corpora import EGS, lay_out, prepare_of

from firered.cli.corpus import write_sets
from firered.corpora.files import recipe_table
from firered.data.datadir import DataDir
from firered.errors import DataError


def write(recipe, out, *corpora, sets=(), allow_missing=False):
    write_sets(prepare_of(recipe).read(*corpora), out, list(sets), allow_missing=allow_missing)
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


class TestMagichub:
    CONVERSATION = "A0001_S001_0_G0010_G0011"

    def test_folders_as_the_corpora_are_called(self, tmp_path):
        sets = recipe_table(EGS / "magichub/tables/sets.tsv")
        assert len(sets) == 14
        corpus = lay_out("magichub", tmp_path)
        (corpus / "md-yue-daily").rename(corpus / sets["md-yue-daily"])
        (corpus / "md-wuhan").rename(corpus / "Tianjin_Dialect_Conversational_Speech_Corpus")
        assert sorted(write("magichub", tmp_path / "out", corpus)) == ["md-tianjin", "md-yue-daily"]

    @pytest.mark.parametrize(
        ("turn", "reason"),
        [
            ("[0.800,0.300]\tG0011\t男,武汉话\t吃的", "its end, 0.3 s, is not after its start, 0.8 s"),
            ("[0.800,0.800]\tG0011\t男,武汉话\t吃的", "its end, 0.8 s, is not after its start, 0.8 s"),
            ("[0.800,1.300]\t0\tNONE\t吃的", "no speech: 吃的"),
            ("[0.800,1.300]\tG00000000\tNONE\t吃的", "no speech: 吃的"),
        ],
    )
    def test_turns_that_are_left_out_are_listed(self, turn, reason, tmp_path):
        corpus = lay_out("magichub", tmp_path)
        talk = corpus / f"md-wuhan/TXT/{self.CONVERSATION}.txt"
        talk.write_text("".join(talk.read_text().splitlines(keepends=True)[:-1]) + f"{turn}\n")
        data = write("magichub", tmp_path / "out", corpus, sets=["md-wuhan"])["md-wuhan"]
        assert list(data.text.values()) == ["过早冇"]
        assert f" {reason}\n" in (tmp_path / "out/md-wuhan/data/skipped.txt").read_text()

    def test_a_set_that_cannot_be_read_does_not_stop_the_others(self, tmp_path):
        corpus = lay_out("magichub", tmp_path)
        (corpus / f"md-wuhan/TXT/{self.CONVERSATION}.txt").write_text("no turn\n")
        (corpus / "md-tianjin").mkdir()
        with pytest.raises(DataError) as error:
            write("magichub", tmp_path / "out", corpus)
        lines = str(error.value).splitlines()
        assert [line.split(":")[0] for line in lines[:2]] == ["md-wuhan", "md-tianjin"]
        assert lines[2:] == ["without these, md-yue-daily is prepared"]
        assert (tmp_path / "out/sets").read_text() == "md-yue-daily\n"
        with pytest.raises(DataError, match=r"zh-dialects-lid: 2 missing beside 4 .*\n  md-wuhan .*\n  md-tianjin "):
            write("zh_dialects_lid", tmp_path / "lid", lay_out("kespeech", tmp_path), corpus)

    @pytest.mark.parametrize(
        "heading",
        [
            "CHANNEL\tUTTERANCE_ID\tSPEAKER_ID\tPROMPT\tTRANSCRIPTION",
            "Channel\tUttrans ID \tspeaker-id\tPrompt\tTranscription",
            "\ufeffCHANNEL\tUTTRANS_ID\tSPEAKER_ID\tTOPIC\tTRANSCRIPTION\tMORE",
        ],
    )
    def test_headings_are_matched_loosely(self, heading, tmp_path):
        corpus = lay_out("magichub", tmp_path)
        table = corpus / "md-yue-daily/UTTRANSINFO.txt"
        more = "\tx" * (heading.count("\t") - 4)
        lines = [f"{line}{more}" for line in table.read_text().splitlines()[1:]]
        table.rename(table.with_name("UTTERANCEINFO.txt")).write_text("\n".join([heading, *lines]) + "\n")
        data = write("magichub", tmp_path / "out", corpus, sets=["md-yue-daily"])["md-yue-daily"]
        assert data.text == {"G0001_0_S0001": "聽日落雨", "G0002_0_S0001": "開燈"}

    def test_columns_in_another_order(self, tmp_path):
        corpus = lay_out("magichub", tmp_path)
        table = corpus / "md-yue-daily/UTTRANSINFO.txt"
        table.write_text("SPEAKER_ID\tTRANSCRIPTION\tUTTRANS_ID\nG0001\t聽日\tG0001_0_S0001\n")
        data = write("magichub", tmp_path / "out", corpus, sets=["md-yue-daily"])["md-yue-daily"]
        assert data.text == {"G0001_0_S0001": "聽日"}


def test_archives_of_wenetspeech_yue_that_are_still_packed_are_named(tmp_path):
    corpus = lay_out("wenetspeech_yue", tmp_path)
    for place in ("Short/wav_", "Long/wav", "Long/TextGrid"):
        folder = corpus / place
        archive = folder.with_name(f"{folder.name.rstrip('_')}.tar.gz")
        subprocess.run(["tar", "-czf", archive, "-C", folder.parent, folder.name], check=True)
        subprocess.run(["rm", "-r", folder], check=True)
    with pytest.raises(DataError) as error:
        write("wenetspeech_yue", tmp_path / "out", corpus)
    commands = [part for part in str(error.value).replace("; ", " && ").split(" && ") if "tar -xf" in part]
    assert len(commands) == 3
    for command in commands:  # they are to do what they are said to
        subprocess.run(["bash", "-c", command.removeprefix("unpack it: ")], check=True)
    assert sorted(write("wenetspeech_yue", tmp_path / "out", corpus)) == ["ws-yue-long", "ws-yue-short"]


def test_short_utterances_of_wenetspeech_yue_may_be_in_wav(tmp_path):
    corpus = lay_out("wenetspeech_yue", tmp_path)
    (corpus / "Short/wav_").rename(corpus / "Short/wav")
    assert len(write("wenetspeech_yue", tmp_path / "out", corpus)["ws-yue-short"].text) == 2


def test_numbers_of_wenetspeech_chuan_are_checked(tmp_path, caplog):
    write("wenetspeech_chuan", tmp_path / "out", lay_out("wenetspeech_chuan", tmp_path))
    assert "ws-chuan-easy: expected 6981 utterances, found 2" in caplog.text
    assert "ws-chuan-hard: expected 1392 utterances, found 1" in caplog.text


def test_the_evaluation_data_of_aishell2_by_its_own_name(tmp_path):
    corpus = lay_out("aishell2", tmp_path)
    (corpus / "AISHELL-2").rename(corpus / "AISHELL-DEV-TEST-SET")
    for place in (corpus, corpus / "AISHELL-DEV-TEST-SET"):
        found = write("aishell2", tmp_path / "out", place)
        assert [len(found[name].text) for name in ("aishell2", "aishell2-android", "aishell2-mic")] == [2, 2, 2]


def test_channels_of_aishell2_may_be_spelt_with_other_capitals(tmp_path):
    corpus = lay_out("aishell2", tmp_path)
    (corpus / "AISHELL-2/Mic").rename(corpus / "AISHELL-2/MIC")
    assert len(write("aishell2", tmp_path / "out", corpus, sets=["aishell2-mic"])["aishell2-mic"].text) == 2


def test_another_language_of_fleurs_is_a_set_of_its_own_code(tmp_path):
    corpus = lay_out("fleurs", tmp_path)
    for folder, name in (("th_th", "fleurs-th"), ("yue_hant_hk", "fleurs-yue"), ("es_419", "fleurs-es")):
        shutil.copytree(corpus / "data/en_us", corpus / "data" / folder)
        found = write("fleurs", tmp_path / "out", corpus, sets=[name])
        assert list(found) == [name]
        assert set(found[name].utt2lang.values()) == {name.removeprefix("fleurs-")}


def test_a_language_of_fleurs_that_is_not_there_does_not_stop_the_other(tmp_path):
    corpus = lay_out("fleurs", tmp_path)
    shutil.rmtree(corpus / "data/cmn_hans_cn")
    with pytest.raises(DataError) as error:
        write("fleurs", tmp_path / "out", corpus, sets=["fleurs-zh", "fleurs-en"])
    assert "fleurs-zh: " in str(error.value)
    assert "hf download google/fleurs" in str(error.value)
    assert (tmp_path / "out/sets").read_text() == "fleurs-en\n"


def test_languages_of_common_voice_that_are_not_there_are_warned_about(tmp_path, caplog):
    found = write("commonvoice", tmp_path / "out", lay_out("commonvoice_asr", tmp_path))
    assert sorted(found) == [
        *("commonvoice-th", "commonvoice-th-train", "commonvoice-zh", "commonvoice-zh-dev", "commonvoice-zh-train"),
    ]
    assert "expected 5 languages, found 2; without commonvoice-en, commonvoice-id, commonvoice-vi" in caplog.text


def test_archives_of_gigaspeech2_are_read_as_they_are(tmp_path):
    def texts_and_bytes(out):
        found = write("gigaspeech2", tmp_path / out, corpus)
        audio = {key: Path(path).read_bytes() for data in found.values() for key, path in data.wav_scp.items()}
        return {name: data.text for name, data in found.items()}, audio

    corpus = lay_out("gigaspeech2", tmp_path)
    unpacked = texts_and_bytes("unpacked")
    for language in ("id", "th", "vi"):
        folder = corpus / "data" / language
        subprocess.run(["tar", "-czf", folder / "test.tar.gz", "-C", folder, "test"], check=True)
        shutil.rmtree(folder / "test")
    assert texts_and_bytes("packed") == unpacked
    assert len(unpacked[1]) == 4


@pytest.mark.parametrize("heading", ["segment_id\ttext", "ID\tDuration\tText"])
def test_tables_of_gigaspeech2_may_name_their_columns(heading, tmp_path):
    corpus = lay_out("gigaspeech2", tmp_path) / "data"
    more = "1.5\t" * (heading.count("\t") - 1)
    (corpus / "th/test.tsv").write_text(f"{heading}\ntest/1/7/1-7-0.wav\t{more}สวัสดี\n")
    data = write("gigaspeech2", tmp_path / "out", corpus, sets=["gigaspeech2-th"])["gigaspeech2-th"]
    assert data.text == {"1-7-0": "สวัสดี"}


def test_recordings_of_gigaspeech2_without_a_transcript_are_listed(tmp_path):
    corpus = lay_out("gigaspeech2", tmp_path)
    (corpus / "data/id/test.tsv").write_text("0-100-1\tSELAMAT PAGI\n")
    data = write("gigaspeech2", tmp_path / "out", corpus, sets=["gigaspeech2-id"])["gigaspeech2-id"]
    assert list(data.text) == ["0-100-1"]
    assert "0-100-2 not in " in (tmp_path / "out/gigaspeech2-id/data/skipped.txt").read_text()


def test_fleurs_lid_has_as_many_languages_as_the_report():
    table = recipe_table(EGS / "fleurs_lid/tables/languages.tsv")
    assert len(set(table.values())) == 82
    assert "ceb_ph" not in table
    assert table["cmn_hans_cn"] == table["yue_hant_hk"] == "zh"


@pytest.mark.parametrize(
    "layout", ["amicorpus/{0}/audio/{0}.Mix-Headset.wav", "{0}.Mix-Headset.wav", "{0}.wav", "{0}.WAV"]
)
def test_ami_as_it_comes(layout, tmp_path):
    corpus = lay_out("ami", tmp_path)
    for meeting in ("dev00", "tst00"):
        path = corpus / layout.format(meeting)
        path.parent.mkdir(parents=True, exist_ok=True)
        (corpus / f"{meeting}.wav").rename(path)
        path.with_name(f"{meeting}.Array1-01.wav").write_bytes(path.read_bytes())
    data = write("ami_vad", tmp_path / "out", corpus)["ami"]
    assert data.wav_scp == {meeting: str(corpus / layout.format(meeting)) for meeting in ("dev00", "tst00")}
    assert sorted(data.lines("rttm")) == ["dev00", "tst00"]
    assert "dev00.Array1-01 another stream" in (tmp_path / "out/ami/data/skipped.txt").read_text()


@pytest.mark.parametrize("place", ["testset", "TEN-VAD-TestSet", ""])
def test_ten_vad_as_it_comes_and_as_it_was_called(place, tmp_path):
    corpus = lay_out("ten_vad", tmp_path)
    if not place:
        corpus = corpus / "testset"
    elif place != "testset":
        (corpus / "testset").rename(corpus / place)
    data = write("ten_vad", tmp_path / "out", corpus)["ten-vad"]
    speech = [tuple(line.split()[3:5]) for lines in data.lines("rttm").values() for line in lines]
    assert speech == [("0.103", "0.201"), ("0.000", "0.250"), ("0.300", "0.200")]


@pytest.mark.parametrize(
    ("recipe", "layout"),
    [("aishell", "aishell"), ("librispeech", "librispeech"), ("ami_vad", "ami"), ("magichub", "magichub"),
     ("wenetspeech_yue", "wenetspeech_yue"), ("fleurs_lid", "fleurs"), ("commonvoice_lid", "commonvoice"),
     ("fleurs", "fleurs"), ("commonvoice", "commonvoice_asr"), ("gigaspeech2", "gigaspeech2"),
     ("aishell2", "aishell2")],
)  # fmt: skip
def test_hidden_files_are_passed_over(recipe, layout, tmp_path):
    corpus = lay_out(layout, tmp_path)
    wanted = {name: data.wav_scp for name, data in write(recipe, tmp_path / "out", corpus).items()}
    for path in [path for path in corpus.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    (corpus / ".cache/test").mkdir(parents=True)
    (corpus / ".cache/test/a.wav").touch()
    (corpus / ".cache/test.tsv").touch()
    assert {name: data.wav_scp for name, data in write(recipe, tmp_path / "out", corpus).items()} == wanted


def test_links_to_folders_are_followed_once(tmp_path):
    corpus = lay_out("ami", tmp_path)
    (corpus / "amicorpus").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (corpus / "dev00.wav").rename(tmp_path / "elsewhere/dev00.Mix-Headset.wav")
    (corpus / "amicorpus/dev00").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/loop").symlink_to(corpus)
    assert sorted(write("ami_vad", tmp_path / "out", corpus)["ami"].wav_scp) == ["dev00", "tst00"]


@pytest.mark.parametrize(
    ("recipe", "expected", "command"),
    [
        ("aishell", "wav/test", "openslr.org/33"),
        ("aishell2", "iOS/test with wav.scp and trans.txt", "AISHELL2-2018A-EVAL"),
        ("wenetspeech", "WenetSpeech.json", "wenet-e2e.github.io"),
        ("kespeech", "Tasks/ASR/test/wav.scp", "github.com/KeSpeech"),
        ("wenetspeech_yue", "Long/wav", "hf download ASLP-lab/WSYue-ASR-eval"),
        ("wenetspeech_chuan", "Hard/wav.scp", "hf download ASLP-lab/WSC-Eval"),
        ("magichub", "Sichuan_Dialect_Conversational_Speech_Corpus", "magichub.com"),
        ("opencpop", "segments/test.txt", "wenet.org.cn"),
        ("librispeech", "test-other", "openslr.org/12"),
        ("fleurs_lid", "data/<language>/test.tsv", "hf download google/fleurs"),
        ("fleurs", "data/<language>/test.tsv", "hf download google/fleurs"),
        ("commonvoice", "{zh-CN,en,id,th,vi}/test.tsv", "commonvoice.mozilla.org"),
        ("gigaspeech2", "data/<language>/test.tsv", "hf download speechcolab/gigaspeech2"),
        ("commonvoice_lid", "<language>/test.tsv", "commonvoice.mozilla.org"),
        ("ami_vad", "*.rttm", "amicorpus/<meeting>/audio"),
        ("noise", "/utt2env", "a data directory, or a folder of audio with the tables text and utt2env"),
        ("code_switching", "*.parquet", "daily_dialogue_mixed_chinese_english_speech_tts"),
        ("punc", "en.txt and en/text", "of your own"),
    ],
)
def test_another_folder_is_told_what_is_expected_what_is_there_and_what_to_do(recipe, expected, command, tmp_path):
    (tmp_path / "in/holiday photos").mkdir(parents=True)
    with pytest.raises(DataError) as error:
        write(recipe, tmp_path / "out", tmp_path / "in")
    for part in (expected, "in holds holiday photos/", command):
        assert part in str(error.value)
