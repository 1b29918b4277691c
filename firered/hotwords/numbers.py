"""Numbers as people say them: `in_chinese`, `in_english`."""

_HAN = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "兆")
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_THOUSANDS = ("", "thousand", "million", "billion", "trillion")
_LONGEST = 12  # digits; longer numbers are said digit by digit


def in_chinese(number: str) -> list[str]:
    """The ways in which digits, which may have a decimal point, are said, in characters, the likelier first."""
    whole, _, fraction = number.partition(".")
    singly = "".join(_HAN[int(digit)] for digit in whole)
    ways = [singly]
    if len(whole) <= _LONGEST and (whole == "0" or whole[0] != "0"):
        count = _chinese_count(int(whole))
        ways = [singly, count] if len(whole) == 4 and whole[-2:] != "00" else [count, singly]
        if "二千" in count or "二百" in count or "二万" in count:
            ways.append(count.replace("二千", "两千").replace("二百", "两百").replace("二万", "两万"))
        if whole == "2":
            ways.append("两")
    if "1" in whole and len(whole) > 2:
        ways.append(singly.replace("一", "幺"))
    after = "点" + "".join(_HAN[int(digit)] for digit in fraction) if fraction else ""
    return list(dict.fromkeys(way + after for way in ways))


def in_english(number: str) -> list[str]:
    """The ways in which digits, which may have a decimal point, are said, as words, the likelier first."""
    whole, _, fraction = number.partition(".")
    singly = " ".join(_SMALL[int(digit)] for digit in whole)
    ways = [singly]
    if len(whole) <= _LONGEST and (whole == "0" or whole[0] != "0"):
        count = _english_count(int(whole))
        by_pairs = _by_pairs(whole)
        ways = [by_pairs, count, singly] if len(whole) == 4 and by_pairs else [count, by_pairs, singly]
    if "0" in whole and len(whole) > 1:
        ways.append(singly.replace("zero", "o"))
    after = " point " + " ".join(_SMALL[int(digit)] for digit in fraction) if fraction else ""
    return list(dict.fromkeys(way + after for way in ways if way))


def _chinese_count(number: int) -> str:
    if number < 10:
        return _HAN[number]
    said, group, gap = "", 0, False
    while number:
        number, part = divmod(number, 10_000)
        if part:
            said = _chinese_group(part) + _GROUPS[group] + ("零" if gap and said else "") + said
        gap = 0 < part < 1000 or (not part and bool(said))
        group += 1
    return said.removeprefix("一") if said.startswith("一十") else said


def _chinese_group(part: int) -> str:
    """A number below 10,000."""
    said, zero = "", False
    for place in reversed(range(4)):
        digit = part // 10**place % 10
        if digit:
            said += ("零" if zero and said else "") + _HAN[digit] + _PLACES[place]
            zero = False
        else:
            zero = True
    return said


def _english_count(number: int) -> str:
    if not number:
        return _SMALL[0]
    said: list[str] = []
    for scale in _THOUSANDS:
        number, part = divmod(number, 1000)
        if part:
            said = [_english_hundreds(part), scale, *said]
    return " ".join(filter(None, said))


def _english_hundreds(part: int) -> str:
    hundreds, rest = divmod(part, 100)
    return " ".join(filter(None, (f"{_SMALL[hundreds]} hundred" if hundreds else "", _below_hundred(rest))))


def _below_hundred(number: int) -> str:
    if number < len(_SMALL):
        return _SMALL[number] if number else ""
    tens, ones = divmod(number, 10)
    return f"{_TENS[tens]} {_SMALL[ones]}" if ones else _TENS[tens]


def _by_pairs(whole: str) -> str:
    """Three or four digits as a year, a flight or a model is said: nineteen eighty four, seven forty seven."""
    if len(whole) not in (3, 4) or (whole[-2:] == "00" and (len(whole) == 3 or whole[-3] == "0")):
        return ""
    first = _below_hundred(int(whole[:-2]))
    if whole[-2] == "0":
        return f"{first} hundred" if whole[-1] == "0" else f"{first} o {_SMALL[int(whole[-1])]}"
    return f"{first} {_below_hundred(int(whole[-2:]))}"
