"""Punctuated texts by language and domain as sets for training, dev and test that share no document and no line."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from prepare import PunctuatedSet

from firered.cli.flags import run
from firered.corpora.files import files_below, not_there
from firered.corpora.splits import DEV, TEST, TRAIN, held_out
from firered.data.datadir import write_lines
from firered.data.files import visible
from firered.data.texts import Texts, read_texts
from firered.data.utterance import make_id
from firered.errors import DataError

log = logging.getLogger("prepare")

_ORDER = (TEST, DEV, TRAIN)  # a line that is in several sets stays in the first of these
_GET = "expected are texts of your own, <language>/<domain>/<document>.txt"


@dataclass(frozen=True)
class Document:
    """A document: a file with a text a line."""

    language: str
    domain: str
    path: Path
    part: str

    @property
    def set_name(self) -> str:
        """The test set of its language and domain."""
        return f"punc-{self.language}-{self.domain}"


def documents(corpus: Path) -> Iterator[Document]:
    """All documents, each with the set that the whole of it belongs to: a tenth of a domain are dev, a tenth test.

    Raises:
        DataError: there are none, or a domain has too few.
    """
    languages = [path for path in visible(corpus, "*") if path.is_dir()]
    domains = [path for language in languages for path in visible(language, "*") if path.is_dir()]
    if not domains:
        raise not_there(corpus / "<language>/<domain>/<document>.txt", _GET)
    for domain in domains:
        if "-" in domain.parent.name:  # it separates language and domain in the names of sets
            raise DataError(f"{domain.parent}: give the language without a dash, as in zh or en")
        files = {path.relative_to(domain).as_posix(): path for path in files_below(domain, ".txt")}
        parts = held_out(files)
        if {TRAIN, DEV, TEST} - set(parts.values()):
            raise DataError(
                f"{domain}: {len(files)} documents *.txt; training, dev and test each need one of their own"
            )
        for name, path in files.items():
            yield Document(domain.parent.name, make_id(domain.name), path, parts[name])


def read(corpus: Path) -> tuple[dict[str, dict[str, dict[str, str]]], list[str]]:
    """Texts by id, by part (train, dev, test) and set, and lines `id reason` of what is left out.

    Raises:
        DataError: see `documents`, or a line cannot be read.
    """
    found: dict[str, dict[str, dict[str, str]]] = {part: {} for part in _ORDER}
    left_out: list[str] = []
    owner: dict[str, str] = {}  # text -> part
    ordered = sorted(documents(corpus), key=lambda document: _ORDER.index(document.part))
    for document in ordered:
        texts = found[document.part].setdefault(document.set_name, {})
        of_document = read_texts(str(document.path), "plain")
        if of_document.problems:
            raise DataError(f"{document.path}: {of_document.problems[0]}")
        stem = make_id("-".join(document.path.relative_to(corpus).with_suffix("").parts))
        for number, text in enumerate(of_document.by_id.values(), 1):
            if not text:
                continue
            key, first = f"{stem}-{number:05d}", owner.setdefault(text, document.part)
            if first == document.part:
                texts[key] = text
            else:
                left_out.append(f"{key} the same line is in {first}")
    return found, left_out


def main(
    corpus: Annotated[Path, typer.Argument(help="<language>/<domain>/<document>.txt, a text a line")],
    out: Annotated[Path, typer.Argument(help="folder for train, dev, and each test set")],
) -> None:
    """Write train, dev, a test set of each language (punc-zh) and of each of its domains (punc-zh-news)."""
    found, left_out = read(corpus)
    sets = {"train": joined(found[TRAIN]), "dev": joined(found[DEV]), **found[TEST]}
    for language in sorted({name.split("-")[1] for name in found[TEST]}):
        own = {name: texts for name, texts in found[TEST].items() if name.split("-")[1] == language}
        sets[f"punc-{language}"] = joined(own)
    for name, texts in sets.items():
        if not texts:
            raise DataError(f"{corpus}: nothing is left of {name}: every line of it is in another set, too")
        PunctuatedSet(name, corpus, Texts(texts, kaldi=True, digest="")).write(out / name, allow_missing=False)
        log.info("%s: %d texts", name, len(texts))
    write_lines(out / "sets", sorted(name for name in sets if name.startswith("punc-")))
    write_lines(out / "skipped.txt", left_out)
    if left_out:
        log.warning("%d lines that are in two sets are left out of one: %s/skipped.txt", len(left_out), out)


def joined(sets: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """The texts of several sets as one."""
    return {key: text for texts in sets.values() for key, text in texts.items()}


if __name__ == "__main__":
    run(main)
