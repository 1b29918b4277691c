"""What correction by hotwords mends in the text of any recogniser, whose audio and model are not needed.

    python tests/bench/hotword_correction.py REF HYP OTHERS [--entries 100,1000,10000]

The list has the words of two characters and more (jieba's) that HYP lacks in the utterances of REF where they are said,
and words of the list OTHERS up to so many entries. So it is the list of somebody who knows what goes wrong, among much
that is never said. Every size is scored with the rules for Chinese, without a list first.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
from pathlib import Path

import jieba

from firered.asr.biasing import Biasing, with_hotwords
from firered.asr.hotword_config import HotwordConfig
from firered.data.datadir import read_table, write_table
from firered.hotwords.lists import HotwordList
from firered.hotwords.reading import read_list
from firered.results import AsrResult


def missed(references: dict[str, str], hypotheses: dict[str, str]) -> list[str]:
    """The words that were said and are not in the text."""
    from opencc import OpenCC

    simplified = OpenCC("t2s").convert
    found = []
    for key, reference in references.items():
        text = simplified(hypotheses.get(key, "")).replace(" ", "")
        words = jieba.cut(reference.replace(" ", ""))
        found += [word for word in words if len(word) > 1 and word not in text]
    return list(dict.fromkeys(found))


def corrected(text: str, hotwords: HotwordList, biasing: Biasing) -> str:
    """The text with its corrections."""
    characters = list(text.replace(" ", ""))
    result = AsrResult("u", text, 1.0, 1.0, characters, [1.0] * len(characters))
    return with_hotwords(result, [biasing.told(hotwords, (), text)]).text


def main() -> None:
    """Correct and score with each size of list."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ref", type=Path, help="data directory of the references")
    parser.add_argument("hyp", type=Path, help="Kaldi text of a recogniser")
    parser.add_argument("others", type=Path, help="list of words that are not said")
    parser.add_argument("--entries", default="100,1000,10000")
    args = parser.parse_args()
    jieba.setLogLevel(logging.ERROR)
    references, hypotheses = read_table(args.ref / "text"), read_table(args.hyp)
    words, others = missed(references, hypotheses), read_list(args.others).texts
    print(f"{len(words)} words are missing: {' '.join(words[:12])} ...", flush=True)
    biasing = Biasing(HotwordConfig(hotword_use="correction"), None)
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch) / "words.txt"
        listed.write_text("\n".join(words) + "\n", encoding="utf-8")
        for size in (0, *map(int, args.entries.split(","))):
            hotwords = HotwordList([*words, *others][:size])
            out = Path(scratch) / str(size)
            out.mkdir()
            texts = {key: corrected(text, hotwords, biasing) for key, text in hypotheses.items()}
            write_table(out / "text", texts)
            score = [Path(sys.executable).with_name("firered-score"), "text", "--number-normalization", "--t2s"]
            score += ["--hotwords", listed, args.ref, out / "text", out / "score"]
            done = subprocess.run(score, check=True, capture_output=True, text=True)
            print(f"{size} entries: {(done.stdout + done.stderr).splitlines()[-1].partition('info ')[2]}", flush=True)


if __name__ == "__main__":
    main()
