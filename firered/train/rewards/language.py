"""Whether a text is in the language of the speech (R4 of the report)."""

import unicodedata
from collections import Counter

from firered.train.rewards.reward import Rollout, Wanted


def scripts(text: str) -> Counter[str]:
    """Letters of each script by the first word of its name in Unicode, such as LATIN, CJK, HIRAGANA, CYRILLIC."""
    return Counter(
        unicodedata.name(letter, "unknown").replace("-", " ").split()[0] for letter in text if letter.isalpha()
    )


def language(rollout: Rollout, wanted: Wanted) -> float:
    """-1 where most letters of the text are of a script that the reference does not have, else 0.

    So a translation between scripts is found, one from English to French is not; the accuracy punishes it. A reference
    in several scripts (code-switching) may be answered in any of them. Without letters on either side nothing is said.
    """
    known, written = scripts(wanted.text), scripts(rollout.text)
    if not known or not written:
        return 0.0
    return 0.0 if written.most_common(1)[0][0] in known else -1.0
