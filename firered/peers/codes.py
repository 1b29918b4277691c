"""Labels of languages: those of other systems as FireRedLID's, which the references have."""

from functools import cache
from importlib import resources


@cache
def table(name: str) -> dict[str, str]:
    """The rows `theirs<TAB>ours` of a table beside this file; lines that begin with # are comments."""
    lines = resources.files("firered.peers").joinpath(name).read_text(encoding="utf-8").splitlines()
    rows = (line.partition("\t") for line in lines if line and not line.startswith("#"))
    return {theirs: ours for theirs, _, ours in rows}


def label_of(code: str) -> str:
    """The label that FireRedLID has for another system's code of a language; the code itself where there is none."""
    return table("languages.tsv").get(code, code)


def dolphin_label(language: str, region: str) -> str:
    """The label of a language and a region as Dolphin names them, such as `zh` and `SICHUAN`: `zh-xinan`."""
    return table("dolphin_regions.tsv").get(f"{language}-{region}", label_of(language))
