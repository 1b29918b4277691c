"""What local/prepare.py of every recipe makes of its corpus' layout, and what it does not put up with."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from support.corpora import EGS, LAYOUTS, lay_out, prepare_of

from firered.cli.corpus import write_sets
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import present, recipe_table, rows, substituted, substitutions
from firered.data.datadir import DataDir, read_table
from firered.errors import AudioError, DataError


def write(recipe, out, *corpora, sets=(), allow_missing=False):
    write_sets(prepare_of(recipe).read(*corpora), out, list(sets), allow_missing=allow_missing)
    return {name: DataDir(out / name / "data") for name in (out / "sets").read_text().split()}


TEN = ("testset-audio-01", "testset-audio-02")

# recipe: corpora, and of each set the tables that matter; {} stands for the corpora's folder, {out} for the output's
EXPECTED = {
    "aishell": (
        ["aishell"],
        {
            "aishell1": {
                "text": {
                    "BAC009S0764W0121": "今天 天气 很 好",
                    "BAC009S0764W0122": "ａｂｃ 公司 的 消息",
                    "BAC009S0765W0123": "请 打开 窗户",
                },
                "utt2spk": {"BAC009S0764W0121": "S0764", "BAC009S0764W0122": "S0764", "BAC009S0765W0123": "S0765"},
            },
            "aishell1-train": {  # a recording without a transcript is left out
                "text": {"BAC009S0002W0122": "这 一 句 属于 训练 集"},
                "utt2spk": {"BAC009S0002W0122": "S0002"},
            },
        },
    ),
    "aishell2": (
        ["aishell2"],
        {
            "aishell2": {
                "text": {"IT0011W0001": "换一首歌", "IT0012W0001": "去找ATM取頫 钱吧"},
                "text.raw": {"IT0011W0001": "换一首歌", "IT0012W0001": "去找ＡＴＭ取𫖯-钱吧"},
                "utt2spk": {"IT0011W0001": "T0011", "IT0012W0001": "T0012"},
                "wav.scp": {
                    key: f"{{}}/aishell2/AISHELL-2/iOS/test/wav/{spk}/{key}.wav"
                    for key, spk in (("IT0011W0001", "T0011"), ("IT0012W0001", "T0012"))
                },
            },
            "aishell2-android": {
                "text": {"AT0011W0001": "换一首歌", "AT0012W0001": "去找ATM取頫 钱吧"},
                "utt2lang": {"AT0011W0001": "zh", "AT0012W0001": "zh"},
            },
            "aishell2-mic": {"utt2spk": {"MT0011W0001": "T0011", "MT0012W0001": "T0012"}},
            "aishell2-train": {
                "text": {"IC0001W0001": "打开空调", "IC0002W0001": "播放ATM新闻"},
                "utt2spk": {"IC0001W0001": "C0001", "IC0002W0001": "C0002"},
                "utt2dur": {"IC0001W0001": "0.5", "IC0002W0001": "0.5"},
            },
            "aishell2-dev": {"text": {"ID0010W0001": "明天去哪里"}, "utt2lang": {"ID0010W0001": "zh"}},
        },
    ),
    "kespeech": (
        ["kespeech"],
        {
            "kespeech": {
                "text": {
                    "1000001_aaaa0001": "我们去河边走走",
                    "1000001_aaaa0002": "水果卖完了",
                    "1000002_bbbb0001": "明天再说",
                },
                "utt2dialect": {
                    "1000001_aaaa0001": "Southwestern",
                    "1000001_aaaa0002": "Jiang-Huai",
                    "1000002_bbbb0001": "Mandarin",
                },
                "utt2spk": {
                    "1000001_aaaa0001": "1000001",
                    "1000001_aaaa0002": "1000001",
                    "1000002_bbbb0001": "1000002",
                },
            },
            "kespeech-train-phase1": {
                "text": {"1000010_cccc0001": "他在楼下等车"},
                "text.raw": {"1000010_cccc0001": "他在楼下等车<SPOKEN_NOISE>"},
                "utt2dialect": {"1000010_cccc0001": "Zhongyuan"},
                "utt2dur": {"1000010_cccc0001": "0.5"},
            },
            "kespeech-train-phase2": {
                "wav.scp": {"1000011_dddd0001": "{}/kespeech/Audio/1000011/phase2/1000011_dddd0001.wav"},
                "utt2spk": {"1000011_dddd0001": "1000011"},
            },
            "kespeech-dev-phase1": {"text": {"1000012_eeee0001": "门口有人"}},
        },
    ),
    "wenetspeech": (
        ["wenetspeech"],
        {
            "ws-net": {
                "text": {
                    "TEST_NET_Y0000000000_-KTKHdZ2fb8_S00000": "对不起",
                    "TEST_NET_Y0000000000_-KTKHdZ2fb8_S00001": "OK 我知道了",
                },
                "segments": {
                    "TEST_NET_Y0000000000_-KTKHdZ2fb8_S00000": "TEST_NET_Y0000000000_-KTKHdZ2fb8 0.100 0.700",
                    "TEST_NET_Y0000000000_-KTKHdZ2fb8_S00001": "TEST_NET_Y0000000000_-KTKHdZ2fb8 0.900 1.600",
                },
                "wav.scp": {
                    "TEST_NET_Y0000000000_-KTKHdZ2fb8": "{out}/ws-net/data/wav/TEST_NET_Y0000000000_-KTKHdZ2fb8.wav"
                },
            },
            "ws-meeting": {"text": {"TEST_MEETING_T0000000001_S00000": "开会了"}},
        },
    ),
    "wenetspeech_yue": (
        ["wenetspeech_yue"],
        {
            "ws-yue-short": {"text": {"yue0001": "今日好熱", "yue0002": '"食咗飯未'}},
            "ws-yue-long": {"text": {"long0001": "我哋去街市買餸"}},
        },
    ),
    "wenetspeech_chuan": (
        ["wenetspeech_chuan"],
        {
            "ws-chuan-easy": {
                "text": {"easy_0001": "今天吃火锅要得", "easy_0002": "他说啥子嘛"},
                "text.raw": {"easy_0001": "今天吃火锅(要得)", "easy_0002": "他*说啥子嘛"},
            },
            "ws-chuan-hard": {"text": {"hard_0001": "走哪儿去"}},
        },
    ),
    "magichub": (
        ["magichub"],
        {
            "md-yue-daily": {
                "text": {"G0001_0_S0001": "聽日落雨", "G0002_0_S0001": "開燈"},
                "utt2spk": {"G0001_0_S0001": "G0001", "G0002_0_S0001": "G0002"},
            },
            "md-wuhan": {
                "text": {
                    "G0010-A0001_S001_0_G0010_G0011-0000100-0000600": "过早冇",
                    "G0011-A0001_S001_0_G0010_G0011-0000800-0001300": "吃的 热干面",
                },
                "segments": {
                    "G0010-A0001_S001_0_G0010_G0011-0000100-0000600": "A0001_S001_0_G0010_G0011 0.100 0.600",
                    "G0011-A0001_S001_0_G0010_G0011-0000800-0001300": "A0001_S001_0_G0010_G0011 0.800 1.300",
                },
            },
        },
    ),
    "opencpop": (
        ["opencpop"],
        {"opencpop": {"text": {"2044001628": "手牵手走过小桥", "2044001629": "月亮出来了"}}},
    ),
    "librispeech": (
        ["librispeech"],
        {
            "librispeech-test-clean": {
                "text": {"1089-134686-0000": "HE HOPED FOR STEW", "1089-134686-0001": "AND IT'S A FINE DAY"},
                "utt2spk": {"1089-134686-0000": "1089-134686", "1089-134686-0001": "1089-134686"},
            },
            "librispeech-test-other": {"text": {"367-130732-0000": "LOBSTERS AND CRABS"}},
            "librispeech-dev-clean": {"text": {"1272-128104-0000": "A MISTER IS THE APOSTLE"}},
            "librispeech-train-clean-100": {
                "text": {
                    "103-1240-0000": "CHAPTER ONE A GARDEN GATE",
                    "103-1240-0001": "THAT HAD ITS SOURCE AWAY BACK",
                },
                "utt2spk": {"103-1240-0000": "103-1240", "103-1240-0001": "103-1240"},
                "utt2dur": {"103-1240-0000": "0.5", "103-1240-0001": "0.5"},
            },
        },
    ),
    "fleurs": (
        ["fleurs"],
        {
            "fleurs-en": {
                "text": {"20001": '"Yes, he said so.'},
                "utt2dur": {"20001": "0.5"},
                "utt2lang": {"20001": "en"},
            },
            "fleurs-zh": {
                "text": {"10004": "他说：“好。”", "10005": "他说：“好。”"},
                "utt2lang": {"10004": "zh", "10005": "zh"},
                "wav.scp": {key: f"{{}}/fleurs/data/cmn_hans_cn/audio/test/{key}.wav" for key in ("10004", "10005")},
            },
            "fleurs-ast": {"text": {"30001": "Dixo que sí."}, "utt2lang": {"30001": "ast"}},
        },
    ),
    "commonvoice": (
        ["commonvoice_asr"],
        {
            "commonvoice-zh": {
                "text": {
                    "common_voice_zh-CN_40000001": "他在二零零八年毕业。",
                    "common_voice_zh-CN_40000002": "“好”，她说。",
                },
                "utt2lang": dict.fromkeys(("common_voice_zh-CN_40000001", "common_voice_zh-CN_40000002"), "zh"),
                "utt2spk": {
                    "common_voice_zh-CN_40000001": "d4d4d4d4d4d4",
                    "common_voice_zh-CN_40000002": "e5e5e5e5e5e5",
                },
            },
            "commonvoice-th": {
                "text": {"common_voice_th_40000001": "ฉันไปโรงเรียน"},
                "utt2lang": {"common_voice_th_40000001": "th"},
            },
            "commonvoice-zh-train": {
                "text": {"common_voice_zh-CN_40000011": "我们一起吃饭。"},
                "utt2lang": {"common_voice_zh-CN_40000011": "zh"},
                "utt2spk": {"common_voice_zh-CN_40000011": "d4d4d4d4d4d4"},
                "utt2dur": {"common_voice_zh-CN_40000011": "0.512"},  # of the release's own table
            },
            "commonvoice-zh-dev": {
                "text": {"common_voice_zh-CN_40000012": "今天下雨了。"},
                "utt2dur": {"common_voice_zh-CN_40000012": "0.5"},  # of the clip
            },
            "commonvoice-th-train": {"text": {"common_voice_th_40000011": "ฉันไปโรงเรียน"}},
        },
    ),
    "gigaspeech2": (
        ["gigaspeech2"],
        {
            "gigaspeech2-id": {
                "text": {"0-100-1": "SELAMAT PAGI SEMUANYA", "0-100-2": "TERIMA KASIH"},
                "utt2lang": {"0-100-1": "id", "0-100-2": "id"},
                "wav.scp": {key: f"{{}}/gigaspeech2/data/id/test/0/100/{key}.wav" for key in ("0-100-1", "0-100-2")},
            },
            "gigaspeech2-th": {"text": {"1-7-0": "สวัสดีครับ"}, "utt2lang": {"1-7-0": "th"}},
            "gigaspeech2-vi": {"text": {"2-31-4": "CHÚNG TA ĐI THÔI"}, "utt2lang": {"2-31-4": "vi"}},
        },
    ),
    "fleurs_lid": (
        ["fleurs"],
        {
            "fleurs-lid": {
                "utt2lang": {"cmn_hans_cn-10004": "zh", "cmn_hans_cn-10005": "zh", "en_us-20001": "en"},
                "utt2dur": {"cmn_hans_cn-10004": "0.5", "cmn_hans_cn-10005": "0.6", "en_us-20001": "0.5"},
            }
        },
    ),
    "commonvoice_lid": (
        ["commonvoice"],
        {
            "commonvoice-lid": {
                "utt2lang": {"common_voice_en_1": "en", "common_voice_en_2": "en", "common_voice_zh-HK_1": "zh"},
                "utt2spk": {
                    "common_voice_en_1": "a1a1a1a1a1a1",
                    "common_voice_en_2": "b2b2b2b2b2b2",
                    "common_voice_zh-HK_1": "c3c3c3c3c3c3",
                },
            }
        },
    ),
    "zh_dialects_lid": (
        ["kespeech", "magichub"],
        {
            "zh-dialects-lid": {
                "utt2lang": {
                    "kespeech-1000001_aaaa0001": "zh-xinan",
                    "kespeech-1000002_bbbb0001": "zh-mandarin",
                    "md-wuhan-G0010-A0001_S001_0_G0010_G0011-0000100-0000600": "zh-xinan",
                    "md-wuhan-G0011-A0001_S001_0_G0010_G0011-0000800-0001300": "zh-xinan",
                    "md-yue-daily-G0001_0_S0001": "zh-yue",
                    "md-yue-daily-G0002_0_S0001": "zh-yue",
                },
                "wav.scp": {
                    "kespeech-1000001_aaaa0001": "{}/kespeech/Audio/1000001/phase1/1000001_aaaa0001.wav",
                    "kespeech-1000002_bbbb0001": "{}/kespeech/Audio/1000002/phase1/1000002_bbbb0001.wav",
                    "md-wuhan-A0001_S001_0_G0010_G0011": "{}/magichub/md-wuhan/WAV/A0001_S001_0_G0010_G0011.wav",
                    "md-yue-daily-G0001_0_S0001": "{}/magichub/md-yue-daily/WAV/G0001/G0001_0_S0001.wav",
                    "md-yue-daily-G0002_0_S0001": "{}/magichub/md-yue-daily/WAV/G0002/G0002_0_S0001.wav",
                },
            }
        },
    ),
    "fleurs_vad_102": (
        ["fleurs", "fleurs_labels"],
        {"fleurs-vad-102": {"utt2lang": {"10004": "cmn_hans_cn", "10005": "cmn_hans_cn", "30001": "ast_es"}}},
    ),
    "noise": (
        ["noise"],
        {
            "noise-canteen": {
                "text": {"rec0001": "请把窗户关上", "rec0002": "今天吃什么"},
                "wav.scp": {key: f"{{}}/noise/canteen/{key}.wav" for key in ("rec0001", "rec0002")},
                "utt2env": {"rec0001": "canteen", "rec0002": "canteen"},
            },
            "noise-walkstreet": {"text": {"rec0003": "下一站在哪里"}},
        },
    ),
    "code_switching": (
        ["code_switching"],
        {
            "code-switch-a": {
                "text": {
                    "cs0001": "明天下午三点的 meeting 改到下周五上午十点半开始吧，记得告诉他们。",
                    "cs0002": "这个地方的 bug 我来想办法改好，今天晚上之前一定能够改完给你看。",
                },
                "wav.scp": {key: f"{{out}}/code-switch-a/data/audio/{key}.wav" for key in ("cs0001", "cs0002")},
            }
        },
    ),
    "ami_vad": (["ami"], {"ami": {"utt2spk": {"dev00": "dev00", "tst00": "tst00"}}}),
    "ten_vad": (
        ["ten_vad"],
        {"ten-vad": {"wav.scp": {name: f"{{}}/ten_vad/testset/{name}.wav" for name in TEN}}},
    ),
}


@pytest.mark.parametrize("recipe", EXPECTED)
def test_layouts(recipe, tmp_path):
    corpora, sets = EXPECTED[recipe]
    found = write(recipe, tmp_path / "out", *(lay_out(name, tmp_path / "in") for name in corpora))
    assert sorted(found) == sorted(sets)
    places = {"{}": str(tmp_path / "in"), "{out}": str(tmp_path / "out")}
    for name, tables in sets.items():
        for table, rows_wanted in tables.items():
            for before, after in places.items():
                rows_wanted = {key: value.replace(before, after) for key, value in rows_wanted.items()}
            assert found[name].table(table) == rows_wanted, f"{name}/{table}"
        for path in found[name].wav_scp.values():
            assert soundfile.info(path).frames > 0


CHINESE = "aishell", "aishell2", "kespeech", "wenetspeech", "wenetspeech_chuan", "opencpop"
LANGUAGES = {
    **{recipe: {"zh"} for recipe in CHINESE},
    "wenetspeech_yue": {"yue"},
    "magichub": {"yue", "zh"},
    "librispeech": {"en"},
}


@pytest.mark.parametrize("recipe", LANGUAGES)
def test_every_utterance_that_is_to_be_recognised_has_its_language(recipe, tmp_path):
    found = write(recipe, tmp_path / "out", lay_out(recipe, tmp_path / "in"))
    assert {lang for data in found.values() for lang in data.utt2lang.values()} == LANGUAGES[recipe]
    for data in found.values():
        assert data.utt2lang.keys() == data.text.keys()


def test_opus_is_converted_once_and_other_audio_is_where_it_was(tmp_path):
    corpus = lay_out("wenetspeech", tmp_path)
    wav = Path(write("wenetspeech", tmp_path / "out", corpus)["ws-net"].wav_scp["TEST_NET_Y0000000000_-KTKHdZ2fb8"])
    info = soundfile.info(wav)
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert abs(info.duration - 2.0) < 0.01
    made = wav.stat().st_mtime_ns
    write("wenetspeech", tmp_path / "out", corpus)
    assert wav.stat().st_mtime_ns == made
    assert not list(wav.parent.glob(".*.tmp"))


def test_a_recording_that_cannot_be_converted_does_not_stop_the_others(tmp_path):
    corpus = lay_out("wenetspeech", tmp_path)
    listing = json.loads((corpus / "WenetSpeech.json").read_text())
    net = next(audio for audio in listing["audios"] if audio["path"].startswith("audio/test_net"))
    damaged = {**net, "aid": "TEST_NET_X", "path": "audio/test_net/x |.opus"}
    damaged["segments"] = [{**net["segments"][0], "sid": "TEST_NET_X_S00000"}]
    listing["audios"].append(damaged)
    (corpus / "WenetSpeech.json").write_text(json.dumps(listing))
    (corpus / "audio/test_net/x |.opus").write_text("no audio")
    with pytest.raises(DataError, match="ws-net: 1 missing beside 2 utterances"):
        write("wenetspeech", tmp_path / "out", corpus)
    assert len(write("wenetspeech", tmp_path / "out", corpus, allow_missing=True)["ws-net"].text) == 2
    assert "TEST_NET_X_S00000 no audio: " in (tmp_path / "out/ws-net/data/skipped.txt").read_text()


def test_labels_of_speech_are_the_reference(tmp_path):
    vad = write("fleurs_vad_102", tmp_path / "v", lay_out("fleurs", tmp_path), lay_out("fleurs_labels", tmp_path))
    turns = "SPEAKER {} 1 {} {} <NA> <NA> speech <NA> <NA>".format
    assert vad["fleurs-vad-102"].lines("rttm") == {
        "10004": [turns("10004", "0.100", "0.300")],
        "30001": [turns("30001", "0.000", "0.150"), turns("30001", "0.200", "0.250")],
    }
    ami = write("ami_vad", tmp_path / "a", lay_out("ami", tmp_path))["ami"]
    assert ami.lines("rttm")["dev00"] == [turns("dev00", "0.100", "0.300"), turns("dev00", "0.200", "0.300")]


def test_punctuated_texts_and_what_is_left_of_them(tmp_path):
    write_sets(prepare_of("punc").read(LAYOUTS / "punc"), tmp_path, [], allow_missing=False)
    texts = {
        name: read_table(tmp_path / name)
        for name in ("punc-zh/data/text", "punc-zh/data/plain/text", "punc-en/data/plain/text")
    }
    assert texts == {
        "punc-zh/data/text": {"zh-0000001": "今天天气很好，我们去公园散步。", "zh-0000003": "你知道吗？"},
        "punc-zh/data/plain/text": {"zh-0000001": "今天天气很好我们去公园散步", "zh-0000003": "你知道吗"},
        "punc-en/data/plain/text": {"a-1": "hello world", "a-2": "it's 3.5 degrees isn't it"},
    }


def test_what_is_left_out_is_listed_with_the_reason(tmp_path):
    write("magichub", tmp_path / "out", lay_out("magichub", tmp_path))
    skipped = (tmp_path / "out/md-wuhan/data/skipped.txt").read_text()
    nobody = "G00000000-A0001_S001_0_G0010_G0011-0000500-0000700 no speech: [*]\n"
    assert skipped == nobody
    write("zh_dialects_lid", tmp_path / "lid", lay_out("kespeech", tmp_path), tmp_path / "magichub")
    skipped = (tmp_path / "lid/zh-dialects-lid/data/skipped.txt").read_text()
    assert skipped == f"kespeech-1000001_aaaa0002 no label for Jiang-Huai\nmd-wuhan-{nobody}"


# recipe, layout it is given, what is done to that in its folder, and what the message says
A, SHORT = "data_aishell", "WSC-Eval-ASR"
BROKEN = {
    "wrong folder": ("aishell", "opencpop", "", "wav/test: not there; "),
    "packed": (
        "aishell",
        "aishell",
        f"mv {A}/wav/test x; touch {A}/wav/S0764.tar.gz",
        "/data_aishell/wav/S0764.tar.gz -C ",
    ),
    "no transcript": ("aishell", "aishell", f"touch {A}/wav/test/S0764/W0999.wav", "W0999 no transcript"),
    "same id twice": (
        "aishell",
        "aishell",
        f"cp -r {A}/wav/test/S0764 {A}/wav/test/S0999",
        "BAC009S0764W0121 the id stands for",
    ),
    "transcripts twice": ("aishell", "aishell", f"sed -i p {A}/transcript/*", "is already on line 1"),
    "no audio": ("kespeech", "kespeech", "rm Audio/1000002/phase1/*", "1000002_bbbb0001 no audio"),
    "no text": ("kespeech", "kespeech", "sed -i 1d Tasks/ASR/test/text", "1000001_aaaa0001 is not in all"),
    "no channel": ("aishell2", "aishell2", "mv AISHELL-2/iOS x", "AISHELL2-2018A-EVAL, which is offered"),
    "one channel": ("aishell2", "aishell2", "mv AISHELL-2/Mic x", "aishell2-mic: "),
    "one table short": ("aishell2", "aishell2", "sed -i 1d */iOS/test/trans.txt", "IT0011W0001 is not in both"),
    "not JSON": ("wenetspeech", "wenetspeech", "sed -i '5s/,/;/' *.json", "not readable as JSON"),
    "JSON cut off": ("wenetspeech", "wenetspeech", "truncate -s 900 *.json", "not readable as JSON"),
    "other JSON": ("wenetspeech", "wenetspeech", "sed -i s/sid/id/ *.json", "Y0000000000_--5llN02F84 lacks 'sid'"),
    "no opus": ("wenetspeech", "wenetspeech", "echo x > audio/test_net/*/*/*.opus", "not audio"),
    "columns": ("wenetspeech_yue", "wenetspeech_yue", "sed -i 's/\tMALE//' */*.txt", "txt:1: 4 columns where 5"),
    "no tier": ("wenetspeech_yue", "wenetspeech_yue", "sed -i s/文本/文/ Long/TextGrid/*", "there are 说话人, 文"),
    "key alone": ("wenetspeech_chuan", "wenetspeech_chuan", f"echo x > {SHORT}/Easy/key.txt", "x is not in all"),
    "part": ("wenetspeech_chuan", "wenetspeech_chuan", f"rm -r {SHORT}/Hard", "Hard/wav.scp: not there; "),
    "heading": ("magichub", "magichub", "sed -i 1d md-yue-daily/UTTRANSINFO.txt", "its first line is"),
    "turn": ("magichub", "magichub", "sed -i 's/0.800/0,8/' md-wuhan/TXT/*", "txt:3: not `[start,end]"),
    "no set": ("magichub", "opencpop", "", "Changsha_Dialect_Conversational_Speech_Corpus; get the corpora"),
    "fields": ("opencpop", "opencpop", "sed -i 's/|/ /6' segments/test.txt", "test.txt:1: 6 columns where 7"),
    "flac alone": ("librispeech", "librispeech", "sed -i 1d */test-clean/*/*/*.txt", "1089-134686-0000 no transc"),
    "packed audio": ("fleurs_lid", "fleurs", "cd data/en_us/audio; mv test x; touch test.tar.gz", "it: tar -xf"),
    "samples": ("fleurs_lid", "fleurs", "sed -i s/8000/many/ data/en_us/*.tsv", "20001.wav: 'many' is no number"),
    "no language": ("fleurs_lid", "opencpop", "", "/test.tsv: not there"),
    "asr packed": ("fleurs", "fleurs", "cd data/en_us/audio; mv test x; touch test.tar.gz", "fleurs-en: "),
    "asr no English": ("fleurs", "fleurs", "mv data/en_us x", "/data/en_us/test.tsv: not there; "),
    "asr no text": ("fleurs", "fleurs", "sed -i 's/Dixo[^\t]*//' data/ast_es/test.tsv", "30001 no transcript"),
    "asr no wav": ("fleurs", "fleurs", "rm data/ast_es/audio/test/30001.wav", "30001 no audio"),
    "no sentence": ("commonvoice", "commonvoice_asr", "sed -i s/ฉันไปโรงเรียน// th/*.tsv", "th_40000001 no sentence"),
    "no clip": ("commonvoice", "commonvoice_asr", "rm th/clips/*.mp3", "common_voice_th_40000001 no audio"),
    "cv elsewhere": ("commonvoice", "commonvoice", "rm -r en", "{zh-CN,en,id,th,vi}/test.tsv: not there; "),
    "no segment": ("gigaspeech2", "gigaspeech2", "rm data/id/test/0/100/0-100-2.wav", "0-100-2 no recording of this"),
    "segment twice": ("gigaspeech2", "gigaspeech2", "sed -i p data/th/test.tsv", "1-7-0 the id stands for"),
    "no tab": ("gigaspeech2", "gigaspeech2", "sed -i 's/\t/ /' data/vi/test.tsv", "test.tsv:1: not `segment<TAB>text`"),
    "empty segment": ("gigaspeech2", "gigaspeech2", "sed -i 's/\tCH.*/\t/' data/vi/test.tsv", "2-31-4 no text in"),
    "no giga audio": ("gigaspeech2", "gigaspeech2", "rm -r data/vi/test", "data/vi/test: not there; "),
    "no columns": ("commonvoice_lid", "commonvoice", "sed -i 1s/path/file/ en/*.tsv", "no columns client_id and path"),
    "no labels": ("ami_vad", "ami", "rm *.rttm", "/*.rttm: not there"),
    "labels of others": ("ami_vad", "ami", "sed -i s/dev00/dev01/ *.rttm", "dev00 no labels in"),
    "no scv": ("ten_vad", "ten_vad", "rm */*.scv", "/testset/*.scv: not there"),
    "scv cut": ("ten_vad", "ten_vad", "sed -i 's/,0$//' */*01.scv", "8 fields after testset-audio-01 are not start"),
    "scv label": ("ten_vad", "ten_vad", "sed -i 's/,1,/,2,/' */*01.scv", "0.103,0.304,2: no stretch of time"),
    "scv alone": ("ten_vad", "ten_vad", "rm */*02.wav", "testset-audio-02 no audio"),
    "wav alone": ("ten_vad", "ten_vad", "rm */*02.scv", "testset-audio-02 no labels"),
    "no texts": ("punc", "opencpop", "", "expected is any of zh.txt"),
    "not UTF-8": ("punc", "punc", "printf '\\377\\n' >> zh.txt", "not UTF-8"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_loud_failures(case, tmp_path):
    recipe, layout, damage, message = BROKEN[case]
    corpus = lay_out(layout, tmp_path)
    subprocess.run(["bash", "-ec", damage], check=True, cwd=corpus, stderr=subprocess.DEVNULL)
    with pytest.raises((DataError, AudioError)) as error:
        write(recipe, tmp_path / "out", corpus)
    assert message in str(error.value)


def test_labels_without_recordings(tmp_path):
    fleurs, labels = lay_out("fleurs", tmp_path), lay_out("fleurs_labels", tmp_path)
    (labels / "en_us").mkdir()
    (labels / "en_us/20009.txt").write_text("0.1 0.2\n")
    with pytest.raises(DataError, match="20009 has labels and is in no test set"):
        write("fleurs_vad_102", tmp_path / "out", fleurs, labels)
    found = write("fleurs_vad_102", tmp_path / "out", fleurs, labels, allow_missing=True)
    assert sorted(found["fleurs-vad-102"].wav_scp) == ["10004", "10005", "30001"]


def test_a_set_alone_needs_nothing_of_the_others(tmp_path):
    corpus = lay_out("librispeech", tmp_path)
    (corpus / "LibriSpeech/test-clean").rename(tmp_path / "elsewhere")
    assert list(write("librispeech", tmp_path / "out", corpus, sets=["librispeech-test-other"])) == [
        "librispeech-test-other"
    ]
    with pytest.raises(DataError, match="there is no set librispeech-test-more"):
        write("librispeech", tmp_path / "out", corpus, sets=["librispeech-test-other", "librispeech-test-more"])


def test_counts_are_warned_about_with_both_numbers(tmp_path, caplog):
    write("aishell", tmp_path / "out", lay_out("aishell", tmp_path))
    assert "aishell1: expected 7176 utterances, found 3" in caplog.text
    write("commonvoice_lid", tmp_path / "cv", lay_out("commonvoice", tmp_path))
    write("zh_dialects_lid", tmp_path / "lid", lay_out("kespeech", tmp_path), lay_out("magichub", tmp_path))
    assert "kespeech: expected 19723 utterances, found 3" in caplog.text
    known = len(recipe_table(EGS / "commonvoice_lid/tables/languages.tsv"))
    assert f"expected {known} languages, found 2; without ab, af" in caplog.text


def test_missing_is_left_out_where_that_is_allowed(tmp_path, caplog):
    corpus = lay_out("kespeech", tmp_path)
    next(corpus.rglob("1000002_bbbb0001.wav")).unlink()
    found = write("kespeech", tmp_path / "out", corpus, allow_missing=True)
    assert sorted(found["kespeech"].text) == ["1000001_aaaa0001", "1000001_aaaa0002"]
    assert "1000002_bbbb0001 no audio" in (tmp_path / "out/kespeech/data/skipped.txt").read_text()
    assert "kespeech: 1 skipped" in caplog.text


def test_nothing_of_an_earlier_layout_stays(tmp_path):
    first = CorpusSet("x", tmp_path)
    wav = lay_out("ami", tmp_path) / "dev00.wav"
    first.add(Entry("u1", wav, text="字", raw="字 ", recording="r", span=(0.0, 0.2), duration_s=0.2, language="zh"))
    first.write(tmp_path / "out", allow_missing=False)
    second = CorpusSet("x", tmp_path)
    second.add(Entry("u2", wav))
    second.write(tmp_path / "out", allow_missing=False)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("skipped.txt", "spk2utt", "utt2spk", "wav.scp"),
    ]


def test_an_utterance_without_span_beside_others_is_all_of_its_recording(tmp_path):
    wav = lay_out("ami", tmp_path) / "dev00.wav"
    mixed = CorpusSet("x", tmp_path)
    mixed.add(Entry("u1", wav, recording="r", span=(0.0, 0.2)))
    mixed.add(Entry("u2", wav))
    mixed.write(tmp_path / "out", allow_missing=False)
    assert read_table(tmp_path / "out/segments") == {"u1": "r 0.000 0.200", "u2": "u2 0.000 -1.000"}


def test_a_recording_is_one_file(tmp_path):
    corpus = lay_out("ami", tmp_path)
    confused = CorpusSet("x", tmp_path)
    confused.add(Entry("u1", corpus / "dev00.wav", recording="r", span=(0.0, 0.2)))
    confused.add(Entry("u2", corpus / "tst00.wav", recording="r", span=(0.2, 0.4)))
    with pytest.raises(DataError, match=r"recording r is .*dev00.wav and .*tst00.wav"):
        confused.write(tmp_path / "out", allow_missing=False)


class TestTables:
    def test_comments_and_open_rows(self, tmp_path):
        (tmp_path / "t").write_text("# of names\na\t1\n\nb\t-\nc\t 2 3 \r\n")
        assert recipe_table(tmp_path / "t") == {"a": "1", "c": "2 3"}

    @pytest.mark.parametrize("line", ["a", "a\t", "a\t1\na\t2", "a\t1\na\t-"])
    def test_bad_rows(self, tmp_path, line):
        (tmp_path / "t").write_text(f"{line}\n")
        with pytest.raises(DataError, match="not a new `name<TAB>value`"):
            recipe_table(tmp_path / "t")

    def test_substitutions(self, tmp_path):
        (tmp_path / "t").write_text("# none\n\\[.*?\\]\n-\t \n")
        assert substituted("a[x]-b[y]", substitutions(tmp_path / "t")) == "a b"
        (tmp_path / "t").write_text("[\n")
        with pytest.raises(DataError, match=r"t:1: '\[' is no regular expression"):
            substitutions(tmp_path / "t")

    def test_lines_end_where_lines_end(self, tmp_path):
        (tmp_path / "t").write_bytes('\ufeffa\t"b\u2028\x85c\r\n\nd\te'.encode())
        assert list(rows(tmp_path / "t", 2)) == [["a", '"b\u2028\x85c'], ["d", "e"]]

    def test_present(self, caplog):
        assert present(["b", "a"], {"a", "b", "c"}, "things") == ["b", "a"]
        assert not caplog.text
        assert present(["b", "a"], {"a"}, "things") == ["a"]
        assert "expected 2 things, found 1; without b" in caplog.text

    def test_labels_are_the_models(self):
        """Every label that the recipes' tables give is one that FireRedLID has."""
        from firered.lid.labels import labels

        known = {label.code for label in labels()}
        for recipe, table in (
            ("fleurs_lid", "languages"),
            ("commonvoice_lid", "languages"),
            ("zh_dialects_lid", "labels"),
        ):
            for label in recipe_table(EGS / recipe / f"tables/{table}.tsv").values():
                assert set(label.split("-")) <= known, label

    def test_dialects_are_the_sets_of_magichub(self):
        def names(table):
            return {line.split("\t")[0] for line in (EGS / table).read_text().splitlines()}

        sets = {name for name in names("magichub/tables/sets.tsv") if name.startswith("md-")}
        labelled = names("zh_dialects_lid/tables/labels.tsv")
        assert len(sets) == 14
        assert sets <= labelled


def test_the_real_sample_of_aishell(shared, tmp_path):
    found = write("aishell", tmp_path, shared("data/aishell_sample"))["aishell1"]
    assert len(found.text) == 30
    assert set(found.utt2spk.values()) == {"S0252"}
    assert found.text["BAC009S0252W0121"]
    assert all(Path(path).is_file() for path in found.wav_scp.values())


def test_a_long_listing_is_streamed(tmp_path):
    """Memory stays far below the size of a listing of WenetSpeech's form."""
    segment = {"begin_time": 0.5, "end_time": 2.25, "confidence": 0.95, "subsets": ["L", "M"], "text": "一" * 1200}
    with (tmp_path / "WenetSpeech.json").open("w") as stream:
        stream.write('{"audios": [\n')
        for number in reversed(range(30)):
            segments = [{"sid": f"Y{number:010d}_S{place:05d}", **segment} for place in range(60)]
            audio = {"aid": f"Y{number:010d}", "path": "WenetSpeech.json", "segments": segments}
            stream.write(json.dumps(audio, ensure_ascii=False) + ("," if number else "") + "\n")
        stream.write("]}\n")
    size = (tmp_path / "WenetSpeech.json").stat().st_size
    assert size > 5e6
    code = (
        "import sys, tracemalloc; sys.path.insert(0, sys.argv[1]); from prepare import *\n"
        "from firered.corpora import long_set\n"
        "class Sorted(long_set.SortedLines):\n"
        "    def __init__(self, folder): super().__init__(folder, at_once=100)\n"
        "long_set.SortedLines = Sorted  # cutting alone is left out: there is no audio\n"
        "long_set.cut = lambda _, own, tar: long_set.Cut({one.key: (f'{tar}:0', 1.75) for one in own}, {})\n"
        "(*_, last) = read(Path(sys.argv[2]).parent)\n"
        "tracemalloc.start(); last.write(Path(sys.argv[2]).parent / 'out', allow_missing=False)\n"
        "lines = sum(1 for _ in (Path(sys.argv[2]).parent / 'out/text').open())\n"
        "print(last.name, lines, tracemalloc.get_traced_memory()[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, EGS / "wenetspeech/local", tmp_path / "WenetSpeech.json"],
        capture_output=True, text=True, check=True, env=os.environ,
    )  # fmt: skip
    name, count, peak = done.stdout.split()
    assert (name, int(count)) == ("ws-l", 1800)
    assert int(peak) < size / 4
    # The order of the listing is not that of the tables.
    assert [line.split()[0] for line in (tmp_path / "out/spk2utt").open()] == [f"Y{n:010d}" for n in range(30)]


def test_command_line(tmp_path):
    def run(*args):
        command = [sys.executable, EGS / "zh_dialects_lid/local/prepare.py", *args]
        return subprocess.run(command, capture_output=True, text=True)

    usage = run("--help").stdout
    assert "CORPUS MAGICHUB OUT" in usage
    assert "--allow-missing" in usage
    done = run(lay_out("kespeech", tmp_path), tmp_path / "out")
    assert (done.returncode, done.stderr) == (
        1, "prepare.py: error 2 folders given where 3 are needed: CORPUS MAGICHUB OUT; "
        "run.sh takes --corpus and --magichub\n"
    )  # fmt: skip
    done = run(tmp_path / "kespeech", tmp_path / "nothing", tmp_path / "out")
    assert (done.returncode, done.stderr) == (
        1, f"prepare.py: error {tmp_path}/nothing: no such folder; expected is the MAGICHUB of the recipe's README.md\n"
    )  # fmt: skip
