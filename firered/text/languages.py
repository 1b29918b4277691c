"""Languages by code, English name and Chinese name, as people and models name them."""

from collections.abc import Sequence

_TABLE = """
zh Chinese 中文
en English 英文
yue Cantonese 粤语
ja Japanese 日文
ko Korean 韩文
vi Vietnamese 越南语
id Indonesian 印尼语
th Thai 泰语
ms Malay 马来语
fil Filipino 菲律宾语
ar Arabic 阿拉伯语
hi Hindi 印地语
bg Bulgarian 保加利亚语
hr Croatian 克罗地亚语
cs Czech 捷克语
da Danish 丹麦语
nl Dutch 荷兰语
et Estonian 爱沙尼亚语
fi Finnish 芬兰语
el Greek 希腊语
hu Hungarian 匈牙利语
ga Irish 爱尔兰语
lv Latvian 拉脱维亚语
lt Lithuanian 立陶宛语
mt Maltese 马耳他语
pl Polish 波兰语
pt Portuguese 葡萄牙语
ro Romanian 罗马尼亚语
sk Slovak 斯洛伐克语
sl Slovenian 斯洛文尼亚语
sv Swedish 瑞典语
"""
_ROWS = [line.split() for line in _TABLE.split("\n") if line]
CHINESE_NAME = {code: name for code, _, name in _ROWS}  # those of Fun-ASR-MLT-Nano's prompts
_ALIASES = {
    "cmn": "zh",
    "mandarin": "zh",
    "汉语": "zh",
    "普通话": "zh",
    "英语": "en",
    "日语": "ja",
    "韩语": "ko",
    "tl": "fil",
}
_CODE = {name.lower(): row[0] for row in _ROWS for name in row} | _ALIASES
AUTO = "auto"
# The three letters of ISO 639-3 that some models name languages by.
_ISO_639_3 = """
cmn eng yue jpn kor vie ind tha zlm tgl arb hin bul hrv ces dan nld est fin ell hun gle lvs lit mlt pol por ron slk slv
swe
"""
_THREE = dict(zip(CHINESE_NAME, _ISO_639_3.split(), strict=True))


def code_of(name: str) -> str | None:
    """The code of a language; None: unknown.

    Args:
        name: its code, such as `zh` or `zh-CN`, its English or its Chinese name, or what language identification
            writes: `zh yue` is Cantonese, other dialects are Chinese.
    """
    wanted = name.strip().lower()
    first, _, dialect = wanted.replace("_", " ").replace("-", " ").partition(" ")
    return _CODE.get(wanted) or (_CODE.get(dialect) if dialect == "yue" else None) or _CODE.get(first)


def english_name(code: str) -> str | None:
    """The English name of a language, in lower case; None: unknown."""
    return next((row[1].lower() for row in _ROWS if row[0] == code), None)


def three_letters(code: str) -> str | None:
    """The three letters of a language's code; None: unknown."""
    return _THREE.get(code)


def two_letters(code: str) -> str | None:
    """The usual code of a language that is given by three letters; None: unknown."""
    return next((short for short, long in _THREE.items() if long == code.lower()), None)


def listed(codes: Sequence[str]) -> str:
    """Languages for a message: `zh (Chinese), en (English)`."""
    english = {row[0]: row[1] for row in _ROWS}
    return ", ".join(f"{code} ({english[code]})" if code in english else code for code in codes)
