"""Numbers as a Chinese speaker reads them: dates, times, money, shares, telephone numbers, quantities.

The SpeechIO rule needs a reader of its own. cn2an, by which the published scoring tool and the firered rule read them,
takes a telephone number for a quantity, keeps the colon of a time, and has 二 for 两 before a measure word.
"""

import re
from collections.abc import Callable

from firered.scoring.resources import lines_of

_DIGITS = "零一二三四五六七八九"
_SPELL = str.maketrans("0123456789.", _DIGITS + "点")
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")
_LONGEST = 4 * len(_GROUPS)
_SPELLED_FROM = 4  # digits: longer runs without a unit are codes rather than quantities
_NUMBER = r"\d+(?:\.\d+)?"
_UNITS = "|".join(sorted(lines_of("measure_words.txt"), key=len, reverse=True))

Match = re.Match[str]


def spell(digits: str) -> str:
    """The digits one by one, with 点 for a decimal point."""
    return digits.translate(_SPELL)


def cardinal(digits: str) -> str:
    """A whole number or decimal fraction in words; more than 16 digits before the point are spelled."""
    whole, point, fraction = digits.partition(".")
    return _whole(whole) + (spell(point + fraction) if point else "")


def _whole(digits: str) -> str:
    digits = digits.lstrip("0")
    if not digits:
        return "零"
    if len(digits) > _LONGEST:
        return spell(digits)
    words = ""
    zero_due = False
    for at in range((len(digits) - 1) // 4, -1, -1):
        group = digits[max(0, len(digits) - 4 * at - 4) : len(digits) - 4 * at]
        if int(group):
            words += ("零" if words and (zero_due or group.startswith("0")) else "") + _group(group, _GROUPS[at])
            zero_due = False
        else:
            zero_due = True
    return words.removeprefix("一") if words.startswith("一十") else words


def _group(digits: str, unit: str) -> str:
    """Up to four digits, not all zero, with their unit; 两 for a 2 of hundreds, thousands, and of the unit alone."""
    if unit and int(digits) == 2:
        return "两" + unit
    words = ""
    zero_due = False
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit == "0":
            zero_due = True
            continue
        if words and zero_due:
            words += "零"
        words += "两" if digit == "2" and place >= 2 else _DIGITS[int(digit)]
        words += _PLACES[place]
        zero_due = False
    return words + unit


def _date(found: Match) -> str:
    year, month, day = found.groups()
    return f"{spell(year)}年{cardinal(month)}月{cardinal(day)}日"


def _clock(found: Match) -> str:
    hour, minute, second = found.groups()
    words = cardinal(hour) + "点"
    if int(minute) or second:
        words += _two_digits(minute) + "分"
    return words + (_two_digits(second) + "秒" if second else "")


def _two_digits(digits: str) -> str:
    return ("零" if digits.startswith("0") and int(digits) else "") + cardinal(digits)


def _money(found: Match) -> str:
    return cardinal(found[2]) + (found[3] or "") + ("美元" if found[1] == "$" else "元")


def _share(found: Match) -> str:
    return ("负" if found[1] else "") + ("百" if found[3] == "%" else "千") + "分之" + cardinal(found[2])


def _quantity(found: Match) -> str:
    sign, number, unit = found.groups()
    return ("负" if sign else "") + ("两" if number == "2" else cardinal(number)) + unit


def _plain(found: Match) -> str:
    sign, number = found.groups()
    code = "." not in number and (len(number) >= _SPELLED_FROM or (number[0] == "0" and len(number) > 1))
    return ("负" if sign else "") + (spell(number) if code else cardinal(number))


# In this order: each takes what the later ones would misread.
_RULES: tuple[tuple[str, Callable[[Match], str]], ...] = (
    (r"℃", lambda _: "摄氏度"),
    (r"(?<!\d)(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?!\d)", _date),
    (r"(?<!\d)(1\d{3}|20\d\d|\d\d(?=年\d+月)|0\d|[7-9]\d(?!年代))(?=年)", lambda found: spell(found[1])),
    (r"(?<![\d.])(\d{1,2})(?=[月日号])", lambda found: cardinal(found[1])),
    (r"(?<!\d)([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?!\d)", _clock),
    (r"(?<!\d)(?:\+?86[- ]?)?(1[3-9]\d)[- ]?(\d{4})[- ]?(\d{4})(?!\d)", lambda found: spell("".join(found.groups()))),
    (r"(?<!\d)(0\d{2,3}|[48]00)-(\d{3,4})-?(\d{4})(?!\d)", lambda found: spell("".join(found.groups()))),
    (r"(?<![\d,])(\d{1,3}(?:,\d{3})+)(?![\d,])", lambda found: found[1].replace(",", "")),
    (rf"([¥￥$])({_NUMBER})([万亿千百]+)?", _money),
    (rf"({_NUMBER})%[-~](?={_NUMBER}%)", lambda found: f"百分之{cardinal(found[1])}到"),
    (rf"((?<![\w)])-)?({_NUMBER})([%‰])", _share),
    (r"(\d+)/(\d+)", lambda found: f"{cardinal(found[2])}分之{cardinal(found[1])}"),
    (r"第(\d+)", lambda found: "第" + cardinal(found[1])),
    (rf"(?<!\d)({_NUMBER})[-~](?={_NUMBER}(?:{_UNITS}))", lambda found: f"{cardinal(found[1])}到"),
    (rf"((?<![\w)])-)?({_NUMBER})({_UNITS})", _quantity),
    (rf"((?<![\w)])-)?({_NUMBER})", _plain),
)
_COMPILED = tuple((re.compile(pattern, re.ASCII), say) for pattern, say in _RULES)
_DIGIT = re.compile(r"[0-9]")


def spoken_numbers(text: str) -> str:
    """The text (half width) with every number in words."""
    if _DIGIT.search(text):
        for pattern, say in _COMPILED:
            text = pattern.sub(say, text)
    return text
