"""The tokenizer: the published cases."""

import json

import pytest
from support.paths import GOLDENS

from firered.text.tokenizer import EOS_ID, SPECIAL, Tokenizer

FRONTEND = "models/FireRedASR-AED-L-frontend"


def test_every_published_case(shared):
    tokenizer = Tokenizer.from_dir(shared(FRONTEND))
    assert len(tokenizer) == 7832
    cases = [json.loads(line) for line in shared(f"{FRONTEND}/golden_tokenize.jsonl").read_text().splitlines()]
    assert len(cases) == 577
    for case in cases:
        assert tokenizer.tokenize(case["text"]) == (case["tokens"], case["ids"]), case["text"]
        assert tokenizer.raw_text_of(case["ids"]) == case["detok"]
        assert tokenizer.text_of(case["ids"]) == case["detok"].lower()


@pytest.mark.parametrize(("name", "size"), [("FireRedASR2-AED", 130), ("FireRedLID", 11)])
def test_the_small_published_directories(name, size):
    tokenizer = Tokenizer.from_dir(GOLDENS / f"tiny/{name}")
    assert len(tokenizer) == size
    assert tokenizer.symbols[: EOS_ID + 1] == SPECIAL
