"""The language of each utterance, which decides by what unit it is scored, and whether it has Chinese numerals."""

from collections import Counter

from firered.scoring.inputs.pair import Side
from firered.text.scripts import OTHER, language_of_label, language_of_text


def languages_of(reference: Side) -> dict[str, str]:
    """The code of each utterance of the reference: of its utt2lang, else by the script of its text.

    A text without letters, or of Latin letters alone, is of the language that most utterances of the set are of: the
    English words of a Chinese test set are no test set of their own.
    """
    labels = reference.data.utt2lang or {}
    found: dict[str, str] = {}
    unsure: list[str] = []
    for key, text in reference.table.items():
        label = language_of_label(labels[key]) if key in labels else None
        found[key] = label or language_of_text(text)
        if not label and found[key] in ("", OTHER):
            unsure.append(key)
    counted = Counter(code for code in found.values() if code)
    usual = counted.most_common(1)[0][0] if counted else ""
    return found | dict.fromkeys(unsure, usual)
