"""By what unit each language is scored: sentences counted by hand."""

import pytest
from support.scoring_sides import call, score_of, write_side

from firered.scoring.config import NORMALIZERS, NormalizerConfig
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import read_text
from firered.scoring.text.normalise import normalizer
from firered.text.scripts import language_of_label, language_of_text

# label, reference, hypothesis, (errors, tokens, kind of token) by `firered`, as counted by hand.
COUNTED = {
    # ส ว ั ส ด ี ค ร ั บ
    "Thai": ("th", "สวัสดี ครับ", "สวัสดีค่ะ", (3, 10, "characters")),
    # ข ້ ອ ຍ ຮ ັ ກ ເ ຈ ົ ້ າ
    "Lao": ("lo_la", "ຂ້ອຍຮັກເຈົ້າ", "ຂ້ອຍ ຮັກ ເຈົ້າ", (0, 12, "characters")),
    # ខ ្ ញ ុ ំ  ទ ៅ  ស ា ល ា, and a full stop
    "Khmer": ("km", "ខ្ញុំទៅសាលា។", "ខ្ញុំទៅសាល", (1, 11, "characters")),
    # မ င ် ္ ဂ လ ာ ပ ါ, and a full stop
    "Burmese": ("Burmese", "မင်္ဂလာပါ။", "မင်္ဂလာပ", (1, 9, "characters")),
    # བ ཀ ྲ ་ ཤ ི ས ་ བ ད ེ ་ ལ ེ ག ས །, of which ་ and ། are marks
    "Tibetan": ("bo", "བཀྲ་ཤིས་བདེ་ལེགས།", "བཀྲ་ཤིས་བདེ་ལེག", (1, 13, "characters")),
    # Xin chào các bạn
    "Vietnamese": ("vi", "Xin chào các bạn!", "xin chao các bạn", (1, 4, "words")),
    # Selamat pagi teman-teman semua
    "Indonesian": ("id", "Selamat pagi, teman-teman semua.", "selamat pagi teman semua", (1, 4, "words")),
    # 今 天 有 3 个 人
    "Chinese": ("zh", "今天有三个人", "今天有3个人", (0, 6, "characters")),
    "English": ("en", "We have 3 dogs", "we have 三 dogs", (1, 4, "words")),
    # A Thai text in Latin letters and digits is by the character as well: i P h o n e 1 5
    "Latin letters of a Thai text": ("th-TH", "iPhone 15", "iPhone 16", (1, 8, "characters")),
}


@pytest.mark.parametrize(("label", "reference", "hypothesis", "expected"), COUNTED.values(), ids=COUNTED)
@pytest.mark.parametrize("labelled", [True, False], ids=["utt2lang", "script"])
def test_a_sentence_is_counted_as_by_hand(tmp_path, monkeypatch, label, reference, hypothesis, expected, labelled):
    if not labelled and reference.isascii() and expected[2] == "characters":
        pytest.skip("nothing in the text says that it is Thai")
    ref = write_side(tmp_path / "ref", text={"a": reference}, **({"utt2lang": {"a": label}} if labelled else {}))
    hyp = write_side(tmp_path / "hyp", text={"a": hypothesis})
    assert call(monkeypatch, ref, hyp, tmp_path / "out", "--number-normalization") == 0
    score = score_of(tmp_path / "out")
    assert (score["errors"], score["tokens"], score["unit"]) == expected
    assert list(score["metrics"]) == ["CER%" if expected[2] == "characters" else "WER%"]
    assert score["kinds"][expected[2]]["tokens"] == expected[1]
    assert f"unit        {expected[2]}" in (tmp_path / "out/score.txt").read_text(encoding="utf-8")


def test_the_published_tool_and_the_plain_rule_know_no_language():
    thai = "สวัสดีครับ"
    for name in NORMALIZERS:
        by_character = {"firered", "whisper-en", "whisper-basic", "speechio"}
        rule = normalizer(NormalizerConfig(normalizer=name))
        assert (len(rule(thai, "th")) > 1) == (name in by_character), name
    released = NormalizerConfig(normalizer="firered-released", number_normalization=True)
    assert normalizer(released)("room 12", "en") == ["ROOM", "十", "二"]


def test_whispers_rule_takes_vowel_signs_away_before_it_counts():
    """What its normaliser does to every mark of category M: ส ว ส ด ค ร บ are left of ten characters."""
    assert normalizer(NormalizerConfig(normalizer="whisper-basic"))("สวัสดีครับ", "th") == list("สวสดครบ")
    assert normalizer(NormalizerConfig(normalizer="whisper-basic"))("Xin chào", "vi") == ["xin", "chào"]


def test_a_mixed_set_has_a_mixed_rate(tmp_path, monkeypatch):
    ref = write_side(tmp_path / "ref", text={"a": "我用 iPhone 打 电话", "b": "ok"})
    assert call(monkeypatch, ref, ref, tmp_path / "out") == 0
    score = score_of(tmp_path / "out")
    assert (list(score["metrics"]), score["unit"]) == (["MER%"], "characters (71.4%) and words, in one stream")


def test_a_few_english_words_leave_a_chinese_set_its_name(tmp_path, monkeypatch):
    ref = write_side(tmp_path / "ref", text={"a": "我用他的手机打电话给你们的 ok"})
    assert call(monkeypatch, ref, ref, tmp_path / "out") == 0
    assert list(score_of(tmp_path / "out")["metrics"]) == ["CER%"]


def test_utterances_without_a_sign_of_their_language_are_of_that_of_the_set(tmp_path):
    texts = {"a": "今天 15 度", "b": "15", "c": "ok 3", "d": "สวัสดี", "e": "コーヒーを飲む"}
    side = write_side(tmp_path, text=texts)
    assert languages_of(read_text(side, False)) == {"a": "zh", "b": "zh", "c": "zh", "d": "th", "e": "ja"}
    write_side(tmp_path, utt2lang={"a": "zh-sichuan", "b": "th", "c": "en", "d": "unknown"})
    assert languages_of(read_text(side, False)) == {"a": "zh", "b": "th", "c": "other", "d": "th", "e": "ja"}


LABELS = {
    **{"zh": "zh", "cmn_hans_cn": "zh", "zh yue": "yue", "yue_hant_hk": "yue", "Cantonese": "yue", "wuu": "zh"},
    **{"th_th": "th", "tha": "th", "Thai": "th", "泰语": "other", "lo": "lo", "km_kh": "km", "my_mm": "my", "bo": "bo"},
    **{
        "ja": "ja",
        "vi_vn": "other",
        "id": "other",
        "ckb_iq": "other",
        "sr_cyrl_rs": "other",
        "sichuan": None,
        "-": None,
    },
}


@pytest.mark.parametrize(("label", "code"), LABELS.items())
def test_labels_of_languages(label, code):
    assert language_of_label(label) == code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("今天", "zh"),
        ("东京の天気", "ja"),
        ("优の良品旗舰店今天开门了吗", "zh"),
        ("ผมใช้ iPhone Pro Max", "th"),
        ("we said สวัส to them all today", "other"),
        ("한국어", "other"),
        ("12 %", ""),
        ("", ""),
    ],
)
def test_the_language_of_a_script(text, code):
    assert language_of_text(text) == code
