"""Lists of hotwords read from files."""

import pytest

from firered.errors import DataError
from firered.hotwords.lists import HotwordList, Phrase
from firered.hotwords.reading import read_list


@pytest.fixture
def written(tmp_path):
    def write(content, name="names.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_line_is_a_phrase_with_a_weight_and_a_pronunciation_where_they_are_given(written):
    path = written("# names\n\n北京\nNew  York\t2\n重庆\t1.5\tchong2 qing4\nTesla\t\tT EH1 S L AH0\nTesler\tT EH\n")
    assert list(read_list(path)) == [
        Phrase("北京"),
        Phrase("New York", 2.0),
        Phrase("重庆", 1.5, ("chong2", "qing4")),
        Phrase("Tesla", 1.0, ("T", "EH1", "S", "L", "AH0")),
        Phrase("Tesler", 1.0, ("T", "EH")),
    ]


def test_a_byte_order_mark_and_line_ends_of_windows_belong_to_no_phrase(written):
    assert read_list(written(b"\xef\xbb\xbf\xe5\x8c\x97\xe4\xba\xac\t2\r\nC#\r\n")).texts == ("北京", "C#")


def test_a_phrase_may_begin_with_the_mark_of_comments(written):
    assert read_list(written("#MeToo\n\\#MeToo\n")).texts == ("#MeToo",)


def test_a_line_separator_of_unicode_ends_no_line(written):
    assert len(read_list(written("a\u2028b\n"))) == 1


def test_all_bad_lines_are_named_with_file_and_number(written):
    lines = [
        *("good", "a\tnan", "b\tinf", "c\t0", "d\t-1", "e\theavy", "f\t1\tbei9", "g\t1\tT QQ", "\t2", "h\t1\tbei3\tx"),
        "i\x00",
    ]
    path = written("\n".join(lines).encode() + b"\n\xff\xfe\n")
    with pytest.raises(DataError) as caught:
        read_list(path)
    messages = str(caught.value).splitlines()
    assert messages[-1] == "... and 1 more"
    assert [message.split(": ")[0] for message in messages[:-1]] == [f"{path}:{number}" for number in range(2, 12)]


def test_a_line_that_is_not_utf8_is_named(written):
    path = written(b"good\n\xb1\xb1\xbe\xa9\n")
    with pytest.raises(DataError, match=r"names.txt:2: not UTF-8"):
        read_list(path)


def test_a_file_in_utf16_says_so_and_how_to_mend_it(written):
    with pytest.raises(DataError, match=r"UTF-16.*iconv"):
        read_list(written("北京\n".encode("utf-16")))


@pytest.mark.parametrize("name", ["absent.txt", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path, name):
    with pytest.raises(DataError, match=name):
        read_list(tmp_path / name)


def test_of_entries_that_come_again_the_first_counts_and_the_user_is_told(written, caplog):
    path = written("北京\t2\n上海\n北京\t3\n上海\n")
    assert list(read_list(path)) == [Phrase("北京", 2.0), Phrase("上海")]
    assert [record.getMessage() for record in caplog.records] == [
        f"{path}: 2 entries come again and are left out; the first is in line 3: '北京'"
    ]


def test_numbers_behind_a_space_are_part_of_the_phrase_and_the_user_is_told_once(written, caplog):
    path = written("上海\n阿里巴巴 20\niPhone 15\nGPT-4\nWindows 11\t2\n")
    assert read_list(path).texts == ("上海", "阿里巴巴 20", "iPhone 15", "GPT-4", "Windows 11")
    (record,) = caplog.records
    assert "2 entries" in record.getMessage()
    assert "line 2: '阿里巴巴 20'" in record.getMessage()
    assert "paraformer" in record.getMessage()


def test_the_usual_weight_of_paraformers_lists_is_one(written, caplog):
    phrases = list(read_list(written("阿里巴巴 20\n通义 实验室 40\n上海\n"), "paraformer"))
    assert phrases == [Phrase("阿里巴巴", 1.0), Phrase("通义 实验室", 2.0), Phrase("上海")]
    assert not caplog.records


def test_a_weight_of_paraformers_lists_is_above_zero(written):
    with pytest.raises(DataError, match="1: '0' is not a weight"):
        read_list(written("阿里巴巴 0\n"), "paraformer")


def test_a_file_without_entries_is_an_empty_list(written):
    assert read_list(written("# nothing\n\n")) == HotwordList() == HotwordList([""])
