"""Text that gives an utterance's context back instead of what was said: `Echo`, `Support`."""

from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein
from rapidfuzz.fuzz import partial_ratio_alignment

from firered.asr.config import GuardConfig
from firered.hotwords.chunks import chunks_of, written
from firered.hotwords.retrieval import Retriever
from firered.hotwords.sounds import Reader
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.width import spoken_length

KIND = "prompt_echo"
_MOST = 0.5  # of a text at least has to be of the context, where anything was said at all
_RUN = 4  # words or characters in a row of a running text, which are not so by chance
_SHOWN = 60  # characters of a text in a reason
_QUIET = 16.0, 4.6  # filterbank and plain samples, in 95% of the frames: noise, and about speech, of -70 dBFS
_READER = Reader("phonemes", ())


@dataclass(frozen=True)
class Echo:
    """What of a text stands in the context of its utterance.

    Attributes:
        text: as it was recognised.
        share: of its words, or characters where it is Chinese, that stand there.
        sources: where they do, in words.
        entries: of the list that are in it.
    """

    text: str
    share: float
    sources: tuple[str, ...]
    entries: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, context: Context, retriever: Retriever | None = None, fixed: str = "") -> "Echo | None":
        """What of a text is of the context; None: nothing.

        Entries of the list count wherever they stand, in any order; of running text only several words in a row do.

        Args:
            text: as it was recognised.
            context: of its utterance.
            retriever: of its hotwords; None: it has none, or the recogniser was not told of them.
            fixed: the words that the model's prompt has around them.
        """
        chunks = chunks_of(text)
        covered = [False] * len(chunks)
        entries: set[int] = set()
        for number, start, end in retriever.written(text) if retriever is not None else ():
            entries.add(number)
            for place, chunk in enumerate(chunks):
                covered[place] |= start <= chunk.start and chunk.end <= end
        sources = [f"{len(entries)} of its hotwords"] if entries else []
        running = {"its prompt": context.prompt, "the text before it": context.history, "the instruction": fixed}
        words = [written(chunk) for chunk in chunks]
        for name, source in running.items():
            if source and (places := _in_a_row(words, [written(chunk) for chunk in chunks_of(source)])):
                sources.append(name)
                for place in places:
                    covered[place] = True
        if not sources or retriever is None:
            return cls(text, sum(covered) / len(covered), tuple(sources)) if sources else None
        named = tuple(retriever.hotwords[number].text for number in sorted(entries))
        return cls(text, sum(covered) / len(covered), tuple(sources), named)

    @property
    def mostly(self) -> bool:
        """Whether half of the text or more is of the context."""
        return self.share >= _MOST

    def reason(self, evidence: str) -> str:
        """The reason to doubt the text, as it stands among the flags."""
        shown = self.text if len(self.text) <= _SHOWN else f"{self.text[:_SHOWN]}…"
        return (
            f"{KIND}: {100 * self.share:.0f}% of '{shown}' is of {' and '.join(self.sources)}, and {evidence}; decoded "
            "again without them"
        )


def _in_a_row(words: Sequence[str], source: Sequence[str]) -> set[int]:
    """The places of a text whose words stand in a row in a source: `_RUN` of them, or all of a shorter text."""
    least = min(_RUN, len(words))
    runs = {tuple(source[start : start + least]) for start in range(len(source) - least + 1)}
    starts = (start for start in range(len(words) - least + 1) if tuple(words[start : start + least]) in runs)
    return {place for start in starts for place in range(start, start + least)}


@dataclass(frozen=True)
class Support:
    """What speaks for a text, or against it: the seconds of its sound, and what others hear in that."""

    duration_s: float
    quiet: bool = False
    speech_ratio: float | None = None
    ctc_text: str | None = None


def is_quiet(speech: Speech) -> bool:
    """Whether an utterance is silent, but for a noise of some -70 dBFS."""
    plain = speech.front_end.plain
    energies = speech.front_end.loudness(speech.feats) if plain else speech.feats.logsumexp(1)
    return not len(energies) or float(energies.quantile(0.95)) < _QUIET[plain]


def unsupported(echo: Echo, known: Support, config: GuardConfig) -> str | None:
    """Why a text is an echo; None: nothing speaks against it.

    Where nothing is heard, nothing of the context may be in the text. Else most of the text has to be of the context,
    or nothing that the CTC head reads to sound like any of its hotwords.
    """
    if known.quiet:
        return "the sound is silent"
    if known.speech_ratio is not None and known.speech_ratio < config.guard_speech_ratio:
        return f"the voice detector finds speech in {100 * known.speech_ratio:.1f}% of the sound"
    if known.ctc_text is not None and not chunks_of(known.ctc_text):
        return "the CTC head reads nothing"
    if not echo.mostly:
        read, most = known.ctc_text, config.guard_ctc_distance
        if read and echo.entries and all(far(entry, read, most) for entry in echo.entries):
            return f"the CTC head reads nothing like them: {read[:_SHOWN]}"
        return None
    rate = spoken_length("".join(echo.text.split())) / max(known.duration_s, 1e-3)
    if rate > config.guard_chars_per_second:
        return f"that is {rate:.1f} characters a second"
    if known.ctc_text is not None and far(echo.text, known.ctc_text, config.guard_ctc_distance):
        return f"the CTC head reads something else: {known.ctc_text[:_SHOWN]}"
    return None


def unlike(echo: Echo, plain: str, config: GuardConfig) -> str | None:
    """Why a text is an echo by what is recognised without the context; None: it was said."""
    if not chunks_of(plain):
        return "nothing is heard without them"
    if far(echo.text, plain, config.guard_ctc_distance):
        return f"without them something else is heard: {plain[:_SHOWN]}"
    return None


def far(text: str, other: str, most: float) -> bool:
    """Whether more than such a share of a text's sounds is not in another, or in a stretch of a longer one.

    What one has in Chinese characters and the other in letters cannot be compared but by its length.
    """
    one, two = (_sounds(own) for own in (text, other))
    scripts = [{chunk.kind for chunk in chunks_of(own)} & {"han", "latin"} for own in (text, other)]
    if all(scripts) and not scripts[0] & scripts[1]:
        return len(two) < (1 - most) * len(one)
    if one and len(two) > len(one) and (found := partial_ratio_alignment(one, two)):
        two = two[found.dest_start : found.dest_end]
    return Levenshtein.distance(one, two) > most * max(len(one), len(two))


def _sounds(text: str) -> list[int]:
    return [int(sound) for sound in _READER.of_text(text, chunks_of(text))[0].ids]
