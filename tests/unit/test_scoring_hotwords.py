"""Scores of hotwords: against hand-counted texts, plain counting, and Le et al.'s definition written down once more."""

import json
import os
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.scoring_sides import call, rows_of, score_of, write_side

from firered.scoring.metrics.alignment import cheapest
from firered.scoring.metrics.error_rate import Counts
from firered.scoring.metrics.hotwords import Phrases, biased_and_not, hits

WORDS = st.lists(st.sampled_from("abcd"), max_size=8)
INTEGERS = ("tokens", "errors", "correct", "substitutions", "deletions", "insertions")
DEEP_BIAS = os.environ.get("FIRERED_DEEP_BIAS", "")


def write_list(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def scored(monkeypatch, tmp_path, ref, hyp, hotwords, *options, tables=None, status=0):
    """What score.json says of hotwords, after the command has run."""
    reference = write_side(tmp_path / "ref", text=ref, **(tables or {}))
    hypothesis = write_side(tmp_path / "hyp", text=hyp)
    out = tmp_path / "out"
    options = ("--hotwords", hotwords, "--bootstrap", 0, *options)
    assert call(monkeypatch, reference, hypothesis, out, *options) == status
    return score_of(out)["hotwords"]


def of_scorer(reference, hypothesis, own):
    """[S, D, I, tokens] of biased and of unbiased words, by the definition of Le et al.'s scorer.

    The table of least costs from the start; from its end back a pair is taken unless an insertion is cheaper, and that
    unless a deletion is cheaper still.
    """

    @cache
    def cost(i, j):
        if i == 0 or j == 0:
            return 3 * (i + j)
        pair = cost(i - 1, j - 1) + (0 if reference[i - 1] == hypothesis[j - 1] else 4)
        return min(pair, cost(i, j - 1) + 3, cost(i - 1, j) + 3)

    found = {True: [0, 0, 0, 0], False: [0, 0, 0, 0]}
    i, j = len(reference), len(hypothesis)
    while i or j:
        equal = i > 0 and j > 0 and reference[i - 1] == hypothesis[j - 1]
        if i and j and cost(i, j) == cost(i - 1, j - 1) + (0 if equal else 4):
            i, j = i - 1, j - 1
            found[reference[i] in own][0] += not equal
            found[reference[i] in own][3] += 1
        elif j and (i == 0 or cost(i, j) == cost(i, j - 1) + 3):
            j -= 1
            found[hypothesis[j] in own][2] += 1
        else:
            i -= 1
            found[reference[i] in own][1] += 1
            found[reference[i] in own][3] += 1
    return found[True], found[False]


def split(reference, hypothesis, phrases):
    """`biased_and_not` of texts and phrases of tokens, those that the reference has."""
    index = Phrases({" ".join(phrase): phrase for phrase in phrases})
    said = index.find(reference)
    names = {occurrence.phrase for occurrence in said}
    heard = [occurrence for occurrence in index.find(hypothesis) if occurrence.phrase in names]
    return biased_and_not(reference, hypothesis, said, heard)


def plain(counts):
    return [counts.substitutions, counts.deletions, counts.insertions, counts.tokens]


@given(WORDS, WORDS, st.sets(st.sampled_from("abcd")))
@example(list("ab"), list("ba"), {"a"})
def test_errors_of_single_words_are_split_as_the_published_scorer_does(reference, hypothesis, rare):
    own = rare & set(reference)  # its third column: rare words of the reference
    biased, unbiased = split(reference, hypothesis, [[word] for word in sorted(rare)])
    assert (plain(biased), plain(unbiased)) == of_scorer(reference, hypothesis, own)


@given(WORDS, WORDS)
def test_no_alignment_is_cheaper(reference, hypothesis):
    @cache
    def least(i, j):
        if i == len(reference) or j == len(hypothesis):
            return 3 * (len(reference) - i + len(hypothesis) - j)
        pair = least(i + 1, j + 1) + (0 if reference[i] == hypothesis[j] else 4)
        return min(pair, least(i + 1, j) + 3, least(i, j + 1) + 3)

    way = cheapest(reference, hypothesis, 3, 4)
    cost = 0
    for (i, j), step in pairwise(way):
        assert step in ((i + 1, j), (i, j + 1), (i + 1, j + 1))
        cost += 3 if step != (i + 1, j + 1) else 4 * (reference[i] != hypothesis[j])
    assert (way[0], way[-1]) == ((0, 0), (len(reference), len(hypothesis)))
    assert cost == least(0, 0)


@given(WORDS, WORDS, st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3), max_size=4))
def test_both_parts_together_are_the_whole(reference, hypothesis, phrases):
    whole = sum(split(reference, hypothesis, phrases), Counts())
    (nothing, all_of_it) = split(reference, hypothesis, [])
    assert plain(nothing) == [0, 0, 0, 0]
    assert plain(whole) == plain(all_of_it)
    assert whole.tokens == len(reference)


@given(WORDS, WORDS, st.lists(st.sampled_from(["a", "ab", "aba", "bc", "cc", "d"]), unique=True))
def test_hits_are_those_of_counting_strings_whatever_the_order_of_the_list(reference, hypothesis, phrases):
    texts = ["".join(side) for side in (reference, hypothesis)]
    expected = {phrase: tuple(text.count(phrase) for text in texts) for phrase in phrases}
    for order in (phrases, phrases[::-1]):
        index = Phrases({phrase: list(phrase) for phrase in order})
        found = hits(index.find(reference), index.find(hypothesis))
        assert {name: (hit.reference, hit.hypothesis) for name, hit in found.items()} == {
            phrase: times for phrase, times in expected.items() if any(times)
        }
        assert all(hit.right == min(expected[name]) for name, hit in found.items())


def test_recall_precision_and_f1_by_hand(monkeypatch, tmp_path):
    ref = {"u1": "许玮甯 和 佟健", "u2": "苹果 和 苹果", "u3": "没有 名字", "u4": "打开 iPhone"}
    hyp = {"u1": "许伟宁 和 佟健", "u2": "苹果", "u3": "苹果 没有 名字", "u4": "打开 IPHONE"}
    names = write_list(tmp_path / "names.txt", "# of the news", "许玮甯", "佟健\t2.0", "苹果", "iphone", "从未出现")
    found = scored(monkeypatch, tmp_path, ref, hyp, names)
    # in references 许玮甯, 佟健, twice 苹果, iPhone; in hypotheses 佟健, 苹果 in u2 and wrongly in u3, iPhone
    assert (found["reference"], found["hypothesis"], found["right"]) == (5, 4, 3)
    assert (found["recall"], found["precision"], found["f1"]) == (60, 75, pytest.approx(600 / 9))
    rows = rows_of(tmp_path / "out/hotwords.tsv")
    assert rows["苹果"] | {"topics": "", "r1": "-"} == rows["苹果"]
    assert [rows["苹果"][name] for name in ("reference", "hypothesis", "right")] == ["2", "2", "1"]
    assert "从未出现" not in rows
    metrics = score_of(tmp_path / "out")["metrics"]
    assert metrics["hotword recall%"]["value"] == 60
    assert {"B-CER%", "U-CER%", "hotword precision%", "hotword F1%"} <= metrics.keys()
    assert "| all      |     5      4      3   60.00  75.00  66.67 |" in (tmp_path / "out/score.txt").read_text()


def test_a_phrase_within_another_counts_for_itself(monkeypatch, tmp_path):
    names = write_list(tmp_path / "names.txt", "克里斯托弗哈特灵", "哈特灵")
    found = scored(monkeypatch, tmp_path, {"u": "克里斯托弗哈特灵"}, {"u": "里斯托弗哈特灵"}, names)
    assert (found["reference"], found["hypothesis"], found["right"]) == (2, 1, 1)


def test_characters_inside_of_phrases_are_biased_and_so_is_what_is_put_between_them(monkeypatch, tmp_path):
    names = write_list(tmp_path / "names.txt", "哈特灵", "京城")
    ref = {"u1": "见哈特灵了", "u2": "见哈特灵了", "u3": "见哈特灵了", "u4": "见面了", "u5": "哈特灵"}
    hyp = {
        "u1": "见哈特特灵了",  # between its characters: biased
        "u2": "见过哈特凌啊",  # 过 before it: not; 灵 as 凌: biased; 了 as 啊: not
        "u3": "见哈特灵京城了",  # a phrase that is not in the reference: not biased
        "u4": "京城了",  # two substitutions would cost less than that phrase could gain: not biased
        "u5": "哈特灵哈特灵",  # the phrase once more: three biased insertions
    }
    found = scored(monkeypatch, tmp_path, ref, hyp, names)
    assert [found["biased"][name] for name in INTEGERS] == [12, 5, 11, 1, 0, 4]
    assert [found["unbiased"][name] for name in INTEGERS] == [9, 6, 6, 3, 0, 3]
    assert found["biased"]["rate"] == pytest.approx(100 * 5 / 12)


def test_a_missing_hypothesis_is_deletions_in_both_parts(monkeypatch, tmp_path):
    names = write_list(tmp_path / "names.txt", "哈特灵")
    found = scored(monkeypatch, tmp_path, {"u1": "见哈特灵了", "u2": "好"}, {"u2": "好"}, names)
    assert (found["biased"]["deletions"], found["unbiased"]["deletions"]) == (3, 2)
    assert (found["recall"], found["precision"]) == (0, None)


def test_each_utterance_is_scored_by_its_own_list(monkeypatch, tmp_path):
    ref = {"u1": "KANT READ HUME", "u2": "KANT READ HUME", "u3": "KANT READ HUME"}
    hyp = {"u1": "CANT READ HUME", "u2": "CANT READ HOME", "u3": "KANT READ HUME"}
    write_list(tmp_path / "lists/first.txt", "KANT", "ZENO")
    write_list(tmp_path / "lists/second.txt", "HUME")
    tables = {"utt2hotwords": {"u1": "first", "u2": "second"}}
    found = scored(monkeypatch, tmp_path, ref, hyp, tmp_path / "lists", tables=tables)
    assert (found["reference"], found["right"]) == (2, 0)  # u3 has no list
    assert (found["biased"]["errors"], found["biased"]["tokens"], found["unbiased"]["errors"]) == (2, 2, 1)
    tables = {"utt2hotwords": {"u1": "first second"}}
    assert scored(monkeypatch, tmp_path, ref, hyp, tmp_path / "lists", tables=tables)["reference"] == 2
    (tmp_path / "ref/utt2hotwords").unlink()
    tables = {"utt2spk": {"u1": "a", "u2": "b", "u3": "c"}, "spk2hotwords": {"a": "first", "c": "first"}}
    tables |= {"wav.scp": {"r": "r.wav"}, "segments": {"u1": "r 0 1", "u2": "r 1 2", "u3": "r 2 3"}}
    found = scored(
        monkeypatch, tmp_path, ref, hyp, tmp_path / "lists", tables=tables | {"reco2hotwords": {"r": "second"}}
    )
    # u1 and u3 by their speakers' list, u2 by that of its recording
    assert (found["reference"], found["right"], found["biased"]["errors"]) == (3, 1, 2)


def test_the_published_table_gives_what_its_lists_in_files_give(monkeypatch, tmp_path):
    ref = {"1-1-0": "KANT READ OF HUME", "1-1-1": "NOTHING RARE", "1-1-2": "HUME SLEPT"}
    hyp = {"1-1-0": "CANT READ OF KANT HUME", "1-1-1": "NOTHING RARE ZENO", "1-1-2": "HOME SLEPT"}
    own = {"1-1-0": ["KANT", "HUME"], "1-1-1": [], "1-1-2": ["HUME"]}
    lists = {key: [*words, "ZENO", "PLATO"] for key, words in own.items()}
    for key, words in lists.items():
        write_list(tmp_path / f"lists/{key}.txt", *words)
    rows = (f"{key}\t{ref[key]}\t{json.dumps(own[key])}\t{json.dumps(lists[key])}" for key in ref)
    table = write_list(tmp_path / "biasing.tsv", *rows)
    tables = {"utt2hotwords": {key: key for key in ref}}
    by_files = scored(monkeypatch, tmp_path, ref, hyp, tmp_path / "lists", tables=tables)
    by_table = scored(monkeypatch, tmp_path, ref, hyp, table)
    assert by_files | {"lists": ""} == by_table | {"lists": ""}
    # KANT as CANT, the inserted KANT, HUME as HOME are biased; ZENO, which nobody said, is not
    assert [by_table["biased"][name] for name in INTEGERS] == [3, 3, 1, 2, 0, 1]
    assert [by_table["unbiased"][name] for name in INTEGERS] == [5, 1, 5, 0, 0, 1]
    assert (by_table["hypothesis"], by_table["right"]) == (3, 2)  # ZENO counts against the precision
    write_list(tmp_path / "biasing.tsv", "1-1-0\tKANT\t[\"KANT\"]\t['KANT']")
    scored(monkeypatch, tmp_path, ref, hyp, table, status=1)


def test_topics_are_comments_of_a_list_or_the_names_of_lists(monkeypatch, tmp_path):
    ref, hyp = {"u1": "张三 去 上海", "u2": "李四 去 北京"}, {"u1": "张三 去 商海", "u2": "李四 去 北京"}
    names = write_list(
        tmp_path / "all.txt", "陌生", "# topic: people", "张三", "李四", "# one more", "# topic: places", "上海", "北京"
    )
    found = scored(monkeypatch, tmp_path, ref, hyp, names)
    recalls = {name: part["recall"] for name, part in found["parts"].items()}
    assert recalls == {"topic people": 100, "topic places": 50}
    assert score_of(tmp_path / "out")["metrics"]["hotword recall (topic places)%"]["value"] == 50
    write_list(tmp_path / "lists/people.txt", "张三", "李四")
    write_list(tmp_path / "lists/places.txt", "上海", "北京")
    found = scored(monkeypatch, tmp_path, ref, hyp, tmp_path / "lists")
    assert {name: part["recall"] for name, part in found["parts"].items()} == recalls
    assert rows_of(tmp_path / "out/hotwords.tsv")["上海"]["topics"] == "places"


def test_r1_phrases_are_those_of_which_a_baseline_has_less_than_40_percent(monkeypatch, tmp_path):
    ref = {f"u{number}": "丁一 丁二 丁三" for number in range(5)}
    hyp = dict(ref)
    general = {"u0": "丁一 丁二", "u1": "丁一 丁二", "u2": "丁一", "u3": "一", "u4": "丁四"}  # 3, 2 and 0 of 5
    names = write_list(tmp_path / "names.txt", "丁一", "丁二", "丁三", "丁四")
    baseline = write_side(tmp_path / "general", text=general)
    found = scored(monkeypatch, tmp_path, ref, hyp, names, "--hotword-baseline", baseline)
    assert found["r1_phrases"] == ["丁三"]  # 丁二 has 40%, and 丁四 nobody says
    assert found["parts"]["R1"]["reference"] == 5
    given_r1 = write_list(tmp_path / "r1.txt", "丁三", "丁二")
    found = scored(monkeypatch, tmp_path, ref, hyp, names, "--hotword-r1", given_r1)
    assert found["parts"]["R1"]["reference"] == 10
    assert rows_of(tmp_path / "out/hotwords.tsv")["丁一"]["r1"] == "no"
    write_side(tmp_path / "general", text={"u0": "丁一"})
    scored(monkeypatch, tmp_path, ref, hyp, names, "--hotword-baseline", baseline, status=1)


def test_phrases_of_which_the_rule_leaves_nothing_are_named(monkeypatch, tmp_path):
    names = write_list(tmp_path / "names.txt", "……", "好")
    assert scored(monkeypatch, tmp_path, {"u": "好 ……"}, {"u": "好"}, names)["unspelt"] == ["……"]
    assert "never found: ……" in (tmp_path / "out/score.txt").read_text()


@pytest.mark.parametrize(
    ("hotwords", "tables", "said"),
    [
        ("none.txt", {}, "none.txt"),
        ("empty", {}, "no lists of hotwords here"),
        ("lists", {"utt2hotwords": {"u": "other"}}, "the hotwords of u are 'other'"),
        ("lists", {"utt2hotwords": {"v": "one"}}, "none of its tables"),
    ],
)
def test_lists_that_are_not_there_are_said_to_be(monkeypatch, tmp_path, caplog, hotwords, tables, said):
    write_list(tmp_path / "lists/one.txt", "好")
    (tmp_path / "empty").mkdir()
    scored_nothing = write_side(tmp_path / "ref", text={"u": "好"}, **tables)
    arguments = (scored_nothing, scored_nothing, tmp_path / "out", "--hotwords", tmp_path / hotwords)
    assert call(monkeypatch, *arguments) == 1
    assert said in caplog.text


def test_options_of_hotwords_without_a_list_are_refused(monkeypatch, tmp_path, caplog):
    side = write_side(tmp_path / "ref", text={"u": "好"})
    assert call(monkeypatch, side, side, tmp_path / "out", "--hotword-baseline", side) != 0
    assert "name it with" in caplog.text


def test_what_is_scored_without_hotwords_is_as_before(monkeypatch, tmp_path):
    ref, hyp = {"u1": "许玮甯 和 佟健"}, {"u1": "许伟宁 和 佟健"}
    reference, hypothesis = write_side(tmp_path / "ref", text=ref), write_side(tmp_path / "hyp", text=hyp)
    call(monkeypatch, reference, hypothesis, tmp_path / "without")
    assert score_of(tmp_path / "without")["hotwords"] is None
    assert not (tmp_path / "without/hotwords.tsv").exists()
    names = write_list(tmp_path / "names.txt", "佟健")
    call(monkeypatch, reference, hypothesis, tmp_path / "with", "--hotwords", names)
    sides = [score_of(tmp_path / name) for name in ("without", "with")]
    assert len({json.dumps(side["metrics"]["CER%"]) for side in sides}) == 1
    assert len({tuple(side[name] for name in INTEGERS) for side in sides}) == 1


def test_the_page_marks_hotwords_on_both_sides(monkeypatch, tmp_path):
    names = write_list(tmp_path / "names.txt", "佟健", "玮甯", "童建")
    scored(monkeypatch, tmp_path, {"u": "许玮甯和佟健"}, {"u": "许玮甯和童建"}, names)
    page = (tmp_path / "out/errors.html").read_text()
    start = page.index('<script type="application/json" id="data">')
    data = json.loads(page[page.index(">", start) + 1 : page.index("</script>", start)])
    assert data["utterances"][0]["hot"] == [0, 3, 3, 0, 3, 3]  # 佟健 and 童建 are both of the list
    assert data["hotwords"][0] == 50
    names = write_list(tmp_path / "names.txt", "佟健", "玮甯")
    scored(monkeypatch, tmp_path, {"u": "许玮甯和佟健"}, {"u": "许玮甯和童建"}, names)
    page = (tmp_path / "out/errors.html").read_text()
    assert '"hot": [0, 3, 3, 0, 1, 1]' in page or '"hot":[0,3,3,0,1,1]' in page


def test_figures_of_hotwords_stand_in_the_table_with_the_difference_of_two_systems(monkeypatch, tmp_path):
    from firered.scoring.commands import run_table
    from firered.scoring.config import TableConfig

    ref = {f"u{number}": "见 佟健" for number in range(8)}
    names = write_list(tmp_path / "names.txt", "佟健")
    reference = write_side(tmp_path / "ref", text=ref)
    for system, wrong in (("one", 6), ("two", 1)):
        heard = {key: "见 童建" if place < wrong else text for place, (key, text) in enumerate(ref.items())}
        hypothesis = write_side(tmp_path / system, text=heard)
        options = ("--hotwords", names, "--system", system, "--test-set", "names")
        assert call(monkeypatch, reference, hypothesis, tmp_path / f"score/{system}", *options) == 0
    run_table([tmp_path / "score"], tmp_path / "RESULTS.md", TableConfig())
    rows = [line for line in (tmp_path / "RESULTS.md").read_text().splitlines() if line.startswith("| names")]
    assert any("| hotword recall | firered | **25.00**" in row and "**87.50**" in row for row in rows)
    differences = {row.split(" | ")[1]: row.split(" | ")[5] for row in rows if "| two | one |" in row}
    assert differences == {
        **{"CER": "-41.67", "hotword recall": "+62.50", "hotword precision": "+0.00", "hotword F1": "+53.33"},
        **{"B-CER": "-62.50", "U-CER": "+0.00"},
    }


@pytest.mark.skipif(not DEEP_BIAS, reason="FIRERED_DEEP_BIAS is not the folder is21_deep_bias of fbai-speech")
@pytest.mark.parametrize("part", ["clean", "other"])
def test_the_published_baseline_gets_its_published_figures(monkeypatch, tmp_path, part):
    folder = Path(DEEP_BIAS)
    rows = [line.split("\t") for line in (folder / f"ref/test-{part}.biasing_100.tsv").read_text().splitlines()]
    reference = write_side(tmp_path / "ref", text={row[0]: row[1] for row in rows})
    name = f"test-{part}.b1.rnnt_baseline.tsv"
    options = ("--hotwords", folder / f"ref/test-{part}.biasing_100.tsv", "--normalizer", "none")
    assert call(monkeypatch, reference, folder / f"hyp/{name}", tmp_path / "out", *options) == 0
    found = score_of(tmp_path / "out")["hotwords"]
    for line in (folder / f"results/{name}.result").read_text().splitlines()[1:]:
        kind, _, figures = line.partition(": ")
        printed = dict(figure.split("=") for figure in figures.split(", "))
        ours = found["biased" if kind == "B-WER" else "unbiased"]
        assert ours["rate"] == pytest.approx(float(printed["error_rate"]))
        assert (ours["substitutions"], ours["insertions"], ours["deletions"], ours["tokens"]) == tuple(
            int(printed[name]) for name in ("subs", "ins", "dels", "ref_words")
        )
