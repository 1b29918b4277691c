"""Numbers, dates and amounts as they are written (inverse text normalisation), by WeTextProcessing's grammars."""

from collections.abc import Callable

from firered.text.scripts import CHINESE


def written_form() -> Callable[[str, str], str]:
    """A function of a text and the code of its language: the text with digits.

    It has grammars for Chinese, English and Japanese; texts in other languages stay as they are. Without a code the
    text's own characters decide.

    Raises:
        ModuleNotFoundError: wetext is not installed (extra `itn`).
    """
    from wetext import Normalizer

    made: dict[str, Normalizer] = {}

    def written(text: str, language: str) -> str:
        code = "zh" if language in CHINESE else language or "auto"
        if code not in ("zh", "en", "ja", "auto"):
            return text
        if code not in made:
            made[code] = Normalizer(lang=code, operator="itn")
        return made[code].normalize(text)

    return written
