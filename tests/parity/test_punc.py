"""Punctuation: the published cases."""

import json

import pytest
from support.paths import GOLDENS
from support.tiny_punc import punc_of

from firered.output.published import published
from firered.punc.text import rule_fix
from firered.results import Word


@pytest.mark.parametrize("name", ["process_max-1", "process_max6", "batch", "timestamp_max-1", "timestamp_max6"])
@pytest.mark.parametrize("in_one_batch", [True, False])
def test_every_published_case(name, in_one_batch):
    case = json.loads((GOLDENS / "tiny/punc_expected.json").read_text())[name]
    punc = punc_of(
        GOLDENS / "tiny/FireRedPunc", published=True, sentence_max_length=case.get("sentence_max_length", -1)
    )
    expected = case["results"]
    ids = [case["uttid"] for case in expected]
    if "inputs" in case:
        given_, process = [[Word(*word) for word in words] for words in case["inputs"]], punc.sentences
    else:
        given_, process = [case["origin_text"] for case in expected], punc.punctuate
    batches = [(given_, ids)] if in_one_batch else [([text], [key]) for text, key in zip(given_, ids, strict=True)]
    assert [published(result) for batch in batches for result in process(*batch)] == expected


def test_published_rules():
    for text, expected in json.loads((GOLDENS / "tiny/punc_expected.json").read_text())["rule_fix"]:
        assert rule_fix(text) == expected
