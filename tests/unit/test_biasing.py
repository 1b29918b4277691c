"""How hotwords go through a recogniser: which are chosen, how they are used, and what is told of them."""

import pytest
import torch

from firered.asr.biasing import Biasing, Told, with_hotwords
from firered.asr.hotword_config import HotwordConfig
from firered.errors import OptionError
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.occurrences import occurrences
from firered.hotwords.retrieval import Candidate
from firered.results import AsrResult, Hotword
from firered.text.replacing import Match

TOKENS = [None, None, " pan", "da", "语", "音", "识", "别"]


def biasing(tokens=TOKENS, *, prompts=False, **options):
    return Biasing(HotwordConfig(**options), None if tokens is None else lambda: tokens, prompts=prompts)


def result_of(text):
    tokens = [character for character in text if not character.isspace()]
    return AsrResult("u", text, 1.0, 3.0, tokens, [1.0] * len(tokens))


class Search:
    """Records what it is asked, and gives a text for each set of phrases."""

    def __init__(self):
        self.asked = []

    def __call__(self, rows, phrases):
        self.asked.append((list(rows), [tuple(phrase.text for phrase in own) for own in phrases]))
        return [f"{row}:{'+'.join(phrase.text for phrase in own)}" for row, own in zip(rows, phrases, strict=True)]


@pytest.mark.parametrize(
    ("use", "tokens", "prompts", "ways"),
    [
        ("auto", TOKENS, True, ("graph", "prompt", "correction")),
        ("auto", None, False, ("correction",)),
        ("prompt", TOKENS, False, ()),
        (" graph , correction", TOKENS, True, ("graph", "correction")),
        ("none", TOKENS, True, ()),
    ],
)
def test_ways_are_those_asked_for_that_the_recogniser_has(use, tokens, prompts, ways):
    assert biasing(tokens, prompts=prompts, hotword_use=use).uses == ways


@pytest.mark.parametrize("use", ["", "grph", "auto,graph", "none,prompt", "graph,"])
def test_other_ways_are_refused(use):
    with pytest.raises(OptionError, match="hotword_use"):
        HotwordConfig(hotword_use=use)


def test_without_a_list_there_is_one_search_and_no_scorer():
    search, own = Search(), biasing()
    found, chosen = own.decode([HotwordList()] * 2, search, str)
    assert found == ["0:", "1:"]
    assert search.asked == [([0, 1], [(), ()])]
    assert own.scorers(chosen, 3) == []
    assert own.told(HotwordList(), (), "text") is None


def test_a_short_list_is_searched_for_at_once():
    search = Search()
    found, chosen = biasing(hotword_candidates=2).decode([HotwordList(["语音", "识别"]), HotwordList()], search, str)
    assert search.asked == [([0, 1], [("语音", "识别"), ()])]
    assert chosen == [(Phrase("语音"), Phrase("识别")), ()]
    assert found == ["0:语音+识别", "1:"]


def test_of_a_long_list_what_the_first_pass_sounds_like_is_searched_for():
    many = HotwordList(["语音", "熊猫", "上海", "北京", "葡萄"])
    search = Search()
    _, chosen = biasing(hotword_candidates=1).decode([many, many], search, str, ["雨音", "没有"])
    assert [[phrase.text for phrase in own] for own in chosen] == [["语音"], []]
    assert search.asked == [([0, 1], [("语音",), ()])]


def test_without_a_first_pass_a_window_is_searched_twice_if_its_text_suggests_an_entry():
    many = HotwordList(["语音", "熊猫", "上海", "北京", "葡萄"])
    search = Search()
    texts = {"0:": "雨音", "1:": "没有"}
    found, _ = biasing(hotword_candidates=1).decode([many, many, HotwordList()], search, lambda text: texts[text])
    assert search.asked == [([0, 1], [(), ()]), ([0, 2], [("语音",), ()])]
    assert found == ["0:语音", "1:", "2:"]


def test_weights_multiply_the_bonus_and_entries_that_cannot_be_written_have_none():
    own = biasing(hotword_score=2.0)
    (scorer,) = own.scorers([(Phrase("语音", 3.0), Phrase("诶语")), ()], 1)
    scorer.step(torch.tensor([0, 0]))
    terms = scorer.step(torch.tensor([4, 4]))
    assert terms[0].tolist()[5] == pytest.approx(6.0)  # the second character; the first has earned as much
    assert not terms[1].any()
    assert own.unwritable(HotwordList(["语音", "诶语", "panda", "Ｐan"])) == {"诶语": "诶"}
    assert biasing([b"a", b"\xe8"]).unwritable(HotwordList(["诶"])) == {}


@pytest.mark.parametrize(
    ("phrase", "text", "places"),
    [
        ("pan", "a Pan, panda, ＰＡＮ", [(2, 5), (14, 17)]),
        ("GPT-4o", "用gpt-4o和GPT-4O1", [(1, 7)]),
        ("new york", "in New  York", [(3, 12)]),
        ("语音", "语音语音识别", [(0, 2), (2, 4)]),
        ("C++", "c++, C+", [(0, 3)]),
        ("", "text", []),
    ],
)
def test_places_of_a_phrase(phrase, text, places):
    assert occurrences(phrase, text) == places


def test_corrections_of_windows_are_those_of_the_whole_text():
    heard = Candidate(0, Phrase("语音"), 0.9, 0, 2)
    windows = [
        Told("雨音识别", (), ("graph",), (heard,), (Match(0, 2, "雨音", "语音", 0.9),)),
        None,
        Told("雨音 pan", (Phrase("pan"), Phrase("北京")), ("graph",), (heard,), (Match(0, 2, "雨音", "语音", 0.9),)),
    ]
    result = with_hotwords(result_of("雨音识别雨音 pan"), windows)
    assert result.text == "语音识别语音 pan"
    assert result.hotwords == (
        Hotword("pan", ("graph",), None, 7, 10),
        Hotword("北京", ("graph",)),
        Hotword("语音", ("correction",), 0.9, 0, 2, "雨音"),
        Hotword("语音", ("correction",), 0.9, 4, 6, "雨音"),
    )
    assert AsrResult.from_dict(result.to_dict()) == result
    untouched = result_of("语音")
    assert with_hotwords(untouched, [None, None]) is untouched
