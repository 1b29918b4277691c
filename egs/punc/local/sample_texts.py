"""Help pages in Chinese and English as a corpus of punctuated texts: two manuals, each a domain, each page a document.

Made of Debian's packages gnome-user-docs, libreoffice-help-zh-cn and libreoffice-help-en-us, unpacked (`dpkg-deb -x`).
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated
from xml.etree import ElementTree

import typer

from firered.cli.flags import run
from firered.corpora.files import files_below, need
from firered.data.datadir import write_lines
from firered.text.units import CHARACTER

_GET = "apt-get download gnome-user-docs libreoffice-help-zh-cn libreoffice-help-en-us; dpkg-deb -x each of them there"
# domain -> language -> folder of its pages
_PLACES = {
    "gnome": {"zh": "usr/share/help/zh_CN", "en": "usr/share/help/C"},
    "libreoffice": {"zh": "usr/share/libreoffice/help/zh-CN/text", "en": "usr/share/libreoffice/help/en-US/text"},
}
_MALLARD = "{http://projectmallard.org/1.0/}"
_SENTENCE = re.compile(r"[。？！.?!]$")  # what ends otherwise is a heading or the item of a menu
_SHORTEST = 12  # characters
_LEAST_CHINESE = 0.3  # share of Chinese characters: the rest is not translated


class _Paragraphs(HTMLParser):
    """The text of each <p>."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a paragraph."""
        if tag == "p":
            self.found.append("")
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        """End it."""
        self._inside = self._inside and tag != "p"

    def handle_data(self, data: str) -> None:
        """Take its text."""
        if self._inside:
            self.found[-1] += data


def paragraphs(page: Path) -> list[str]:
    """The paragraphs of a page of Mallard's or of HTML."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".page":
        return ["".join(paragraph.itertext()) for paragraph in ElementTree.fromstring(text).iter(f"{_MALLARD}p")]
    parser = _Paragraphs()
    parser.feed(text)
    return parser.found


def sentences(page: Path, language: str) -> Iterator[str]:
    """The paragraphs of a page that are sentences of this language, each once."""
    for text in dict.fromkeys(" ".join(paragraph.split()) for paragraph in paragraphs(page)):
        share = len(CHARACTER.findall(text)) / max(1, len(text))
        if len(text) >= _SHORTEST and _SENTENCE.search(text) and (share >= _LEAST_CHINESE) == (language == "zh"):
            yield text


def main(
    unpacked: Annotated[Path, typer.Argument(help="folder with the packages' usr/")],
    out: Annotated[Path, typer.Argument(help="folder to write <language>/<domain>/<page>.txt in")],
) -> None:
    """Write a file a page, a paragraph a line."""
    for domain, folders in _PLACES.items():
        for language, place in folders.items():
            root = need(unpacked / place, _GET)
            for page in files_below(root, ".page", ".html"):
                if lines := list(sentences(page, language)):
                    name = page.relative_to(root).with_suffix(".txt")
                    write_lines(out / language / domain / name, lines)


if __name__ == "__main__":
    run(main)
