"""Every rule of every normaliser, by hand-made cases."""

import json
from importlib.resources import files

import pytest
from support.paths import GOLDENS
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from firered.errors import OptionError
from firered.scoring.config import NORMALIZERS, NormalizerConfig
from firered.scoring.text.normalise import normalizer
from firered.scoring.text.numerals import cardinal, spoken_numbers
from firered.text.units import mixed


def tokens(text, normaliser, **options):
    return normalizer(NormalizerConfig(normalizer=normaliser, **options))(text)


FIRERED = {
    "Han characters one by one": ("今天 天气", "今 天 天 气"),
    "kana too, with its long vowel mark": ("コーヒーを", "コ ー ヒ ー を"),
    "rare Han of the supplementary planes": ("𨋢口", "𨋢 口"),
    "words at spaces, upper case": ("hello  World", "HELLO WORLD"),
    "a mixed stream": ("我用iphone手机", "我 用 IPHONE 手 机"),
    "ASCII marks end words": ("no.1,ok!b", "NO 1 OK B"),
    "Chinese marks": ("你好，世界。《书》、“引”！？…—", "你 好 世 界 书 引"),
    "full-width marks and space": ("你：好；（是）　吗", "你 好 是 吗"),
    "hyphen and apostrophe stay": ("it's well-known", "IT'S WELL-KNOWN"),
    "<unk> goes": ("你<unk>好", "你 好"),
    "other tags go, each separately": ("<noise>你<laugh>好", "你 好"),
    "tags of models go": ("<|zh|>你好<|end|>", "你 好"),
    "single letters are joined": ("去 A I 公司", "去 AI 公 司"),
    "up to five": ("a b c d e", "ABCDE"),
    "not six": ("a b c d e f", "A B C D E F"),
    "words before them stay": ("plan a b", "PLAN AB"),
    "not the parts of a contraction": ("i ' m s", "I ' MS"),
    "not those of words with accents": ("chào các bạn", "CHÀO CÁC BẠN"),
    "Han may stand beside them": ("用A I公司", "用 AI 公 司"),
    "marks of other scripts": ("ได้เลย฿ ฯลฯ ၊ نعم؟", "ได้เลย฿ ฯลฯ نعم"),
    "a lone letter stays": ("b 超", "B 超"),
    "letters with points between are single ones": ("U.S.A", "USA"),
    "digits stay": ("123路", "123 路"),
    "fillers and 儿 stay": ("呃这儿", "呃 这 儿"),
    "traditional stays": ("電視", "電 視"),
    "nothing but marks is nothing": ("，。", ""),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("text", "expected"), FIRERED.values(), ids=FIRERED)
def test_firered(text, expected):
    assert tokens(text, "firered") == expected.split()


# Where `firered` is not the published rule; all of them are in docs/scoring.md.
DIFFERENCES = {
    "marks": ("50% #1 ab*cd", "50 1 AB CD", "50% #1 AB*CD"),
    "what stands between two tags": ("说<noise>你好<laugh>吗", "说 你 好 吗", "说 吗"),
    "letters with a mark and a space between": ("A, B, C", "ABC", "A B C"),
    "letters beside digits or hyphens": ("A-B C 1A B", "A-B C 1A B", "A-BC 1AB"),
    "a long run of letters": ("A B 好 A B C D E F", "AB 好 A B C D E F", "A B 好 A B C D E F"),
    "rare Han": ("𠮷々〇", "𠮷 々 〇", "𠮷々〇"),
    "half-width kana": ("ｶﾀ", "ｶ ﾀ", "ｶﾀ"),
    "the middle dot of kana": ("ア・イ", "ア イ", "ア ・ イ"),
    "other marks": ("ab．cd «ef» 〽", "AB CD EF", "AB．CD «EF» 〽"),
    "what is not seen": ("你\u200b好", "你 好", "你 \u200b 好"),
    "forms of a letter": ("e\u0301", "\u00c9", "E\u0301"),
}


@pytest.mark.parametrize(("text", "own", "published"), DIFFERENCES.values(), ids=DIFFERENCES)
def test_where_firered_differs_from_the_published_rule(text, own, published):
    assert tokens(text, "firered") == own.split()
    assert tokens(text, "firered-released") == published.split()


WHISPER = json.loads((GOLDENS / "scoring_whisper.json").read_text())


@pytest.mark.parametrize(("name", "text", "expected"), [(name, *row) for name, rows in WHISPER.items() for row in rows])
def test_whisper(name, text, expected):
    assert tokens(text, name) == (mixed(expected) if name == "whisper-basic" else expected.split())


def test_whisper_is_the_rule_of_another_library():
    spellings = json.loads(files("whisper_normalizer").joinpath("normalizers/english.json").read_text())
    theirs = EnglishTextNormalizer(spellings)
    for text, _ in WHISPER["whisper-en"]:
        assert tokens(text, "whisper-en") == theirs(text).split()


def test_the_speechio_rule_says_that_figures_may_differ():
    for name in NORMALIZERS:
        assert ("may differ" in normalizer(NormalizerConfig(normalizer=name)).note) == (name == "speechio")


def test_only_the_released_tool_leaves_missing_ones_out():
    skipping = [name for name in NORMALIZERS if normalizer(NormalizerConfig(normalizer=name)).skips_missing]
    assert skipping == ["firered-released"]


def test_none_only_cuts_into_tokens():
    assert tokens("<unk> Ａb，c 你好。儿", "none") == ["<unk>", "Ａb，c", "你", "好", "。", "儿"]


SPEECHIO = {
    "characters, those of words too": ("你好 ok", "你好OK"),
    "half width, upper case": ("ＡＢｃ　１Ｘ", "ABC一X"),
    "fillers": ("呃我啊说", "我说"),
    "儿 as a suffix": ("花儿一点儿这儿", "花一点这"),
    "儿 of words stays": ("儿子女儿幼儿园", "儿子女儿幼儿园"),
    "both": ("女儿画画儿", "女儿画画"),
    "marks and symbols": ("你好，世界！（是）a-b it's 5℃", "你好世界是ABITS五摄氏度"),
    "tags": ("<noise>你<unk>好", "你好"),
    "traditional stays": ("電視", "電視"),
}


@pytest.mark.parametrize(("text", "expected"), SPEECHIO.values(), ids=SPEECHIO)
def test_speechio(text, expected):
    assert "".join(tokens(text, "speechio")) == expected
    assert all(len(token) == 1 for token in tokens(text, "speechio"))


NUMBERS = {
    "quantity": ("123个", "一百二十三个"),
    "a bare 2 before a measure word": ("2个", "两个"),
    "20 is no 两十": ("20个", "二十个"),
    "ten": ("15天", "十五天"),
    "zero inside": ("1005人", "一千零五人"),
    "one zero for several": ("10005人", "一万零五人"),
    "zero before a group": ("100500元", "十万零五百元"),
    "200 and 2000": ("2200米", "两千两百米"),
    "two of a group": ("20000人", "两万人"),
    "with its unit in Chinese": ("3亿人", "三亿人"),
    "thousands between commas": ("1,234,567人", "一百二十三万四千五百六十七人"),
    "decimal": ("3.14米", "三点一四米"),
    "alone": ("3.05", "三点零五"),
    "negative": ("-5度", "负五度"),
    "no sign between words": ("B-5", "B-五"),
    "share": ("5.5%", "百分之五点五"),
    "per mille": ("3‰", "千分之三"),
    "shares from to": ("5%-10%", "百分之五到百分之十"),
    "from to": ("3-5天", "三到五天"),
    "fraction": ("1/3", "三分之一"),
    "year": ("2021年", "二零二一年"),
    "short year": ("98年", "九八年"),
    "years, a quantity": ("20年", "二十年"),
    "month and day": ("3月15日", "三月十五日"),
    "date with dashes": ("2022-01-02", "二零二二年一月二日"),
    "time": ("12:30", "十二点三十分"),
    "time with a zero": ("8:05", "八点零五分"),
    "full hour": ("8:00", "八点"),
    "time with seconds": ("8:00:05", "八点零分零五秒"),
    "mobile phone": ("13800138000", "一三八零零一三八零零零"),
    "telephone": ("010-87654321", "零一零八七六五四三二一"),
    "service number": ("400-820-8820", "四零零八二零八八二零"),
    "code": ("007", "零零七"),
    "longer numbers without a unit are spelled": ("9527", "九五二七"),
    "ordinal": ("第12届", "第十二届"),
    "money": ("¥12.5", "十二点五元"),
    "money with a unit": ("$3万", "三万美元"),
    "beside letters": ("GPT4", "GPT四"),
    "none": ("没有", "没有"),
}


@pytest.mark.parametrize(("text", "expected"), NUMBERS.values(), ids=NUMBERS)
def test_numbers_of_speechio(text, expected):
    assert spoken_numbers(text) == expected


@pytest.mark.parametrize(
    ("digits", "words"),
    [
        ("0", "零"),
        ("10", "十"),
        ("110", "一百一十"),
        ("100000000", "一亿"),
        ("100000001", "一亿零一"),
        ("1" * 16, "一千一百一十一万亿一千一百一十一亿一千一百一十一万一千一百一十一"),
        ("1" * 17, "一" * 17),
    ],
)
def test_cardinals(digits, words):
    assert cardinal(digits) == words


def test_number_normalization_reads_digits_everywhere():
    assert tokens("有123个GPT4", "firered", number_normalization=True) == [*"有一百二十三个", "GPT", "四"]
    assert tokens("2021年", "firered", number_normalization=True) == list("二零二一年")
    assert tokens("5.5%", "firered-released", number_normalization=True) == list("百分之五点五")


@pytest.mark.parametrize("name", ["speechio", "none"])
def test_number_normalization_is_of_the_firered_rules(name):
    with pytest.raises(OptionError, match=f"number_normalization: {name} has its own rule"):
        NormalizerConfig(normalizer=name, number_normalization=True)


@pytest.mark.parametrize("name", ["firered", "speechio", "none"])
def test_traditional_to_simplified(name):
    assert tokens("佢哋睇電視", name, t2s=True) == list("佢哋睇电视")


def test_the_label_names_the_options():
    assert normalizer(NormalizerConfig()).label == "firered"
    config = NormalizerConfig(normalizer="firered-released", number_normalization=True, t2s=True)
    assert normalizer(config).label == "firered-released+t2s+numbers"
