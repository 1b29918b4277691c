"""What several systems agree on: which labels are kept, and what the reports of firered-pseudo-label say."""

from pathlib import Path

import pytest
from support.commands import command
from support.signals import sine, write_wav

from firered.data.datadir import read_table, write_table
from firered.data.validate import validate
from firered.errors import AudioError
from firered.labelling.agreement import judged, system_rows
from firered.labelling.config import LabelConfig
from firered.labelling.itn import written_form
from firered.peers import PEERS, Peer
from firered.scoring.config import NormalizerConfig
from firered.scoring.text.normalise import normalizer

RULE = normalizer(NormalizerConfig())
FIRST = {"same": "今天下雨。", "near": "一二三四五六七八九十", "far": "ab b", "none": "", "short": "好", "alone": "早"}
SECOND = {"same": "今天下雨", "near": "一二三四五六七八九", "far": "ab c", "none": "", "short": "好"}
THIRD = {"same": "今天下雨", "near": "一二三四五六七八九十", "far": "ab b", "none": "", "short": "好", "alone": "早"}
SECONDS = dict.fromkeys(FIRST, 2.0) | {"short": 0.1}
TEXTS = {"first": FIRST, "second": SECOND, "third": THIRD}


def reasons(**options):
    failed = {"second": {"alone": "out of memory"}}
    found = judged([*FIRST], "first", TEXTS, SECONDS, RULE, LabelConfig(**options), failed)
    return {key: one.reason for key, one in found.items()}


def test_all_systems_have_to_be_near_the_label():
    assert reasons(threshold=9.9) == {
        "same": "",
        "near": "differs: second 10.0%, above 9.9%",
        "far": "differs: second 50.0%, above 9.9%",
        "none": "first wrote no words",
        "short": "0.10 s are less than min_seconds 0.3",
        "alone": "no text of second (out of memory)",
    }


def test_the_threshold_is_still_near():
    assert reasons(threshold=10)["near"] == ""


def test_so_many_systems_may_do():
    found = reasons(threshold=0, agree=1)
    assert [key for key, reason in found.items() if not reason] == ["same", "near", "far", "alone"]


def test_rows_say_how_near_each_system_is_to_each_other():
    found = judged([*FIRST], "first", TEXTS, SECONDS, RULE, LabelConfig(threshold=0))
    first, second, third = system_rows("first", TEXTS, found, SECONDS, RULE, 0)
    assert (first.utterances, second.utterances) == (6, 5)
    assert first.against == {"second": pytest.approx(100 * 2 / 16), "third": 0.0}
    assert second.against["first"] == pytest.approx(100 * 2 / 17)  # of the words of the other: of five utterances
    assert [row.kept[0] for row in (first, second, third)] == [1, 1, 1]
    assert third.within == (6, pytest.approx((5 * 2 + 0.1) / 3600))


class Parrot:
    """Says of a recording what it is told to, by its length in tenths of seconds."""

    def __init__(self, texts):
        self.texts, self.heard = texts, []

    def __call__(self, samples, language):
        tenths = round(len(samples) / 1600)
        self.heard.append(tenths)
        if tenths not in self.texts:
            raise AudioError("too noisy")
        return self.texts[tenths]


@pytest.fixture
def parrots(monkeypatch, tmp_path):
    """Two systems, and a data directory of four utterances of 0.5 to 0.8 s, whose transcripts differ in one."""
    made = {"polly": Parrot({5: "五十个", 6: "六", 7: "七", 8: "八"}), "jack": Parrot({5: "五十个", 6: "六", 7: "起"})}
    for name, parrot in made.items():
        monkeypatch.setitem(PEERS, name, Peer(name, "asr", "a parrot", "numpy", lambda *_, own=parrot: own))
    keys = [f"u{tenths}" for tenths in (5, 6, 7, 8)]
    for key in keys:
        write_wav(tmp_path / f"{key}.wav", sine(int(key[1]) / 10))
    data = tmp_path / "data"
    write_table(data / "wav.scp", {key: str(tmp_path / f"{key}.wav") for key in keys})
    write_table(data / "utt2spk", dict.fromkeys(keys, "s"))
    write_table(data / "spk2utt", {"s": " ".join(keys)})
    write_table(data / "text", {"u5": "五十个", "u6": "留", "u7": "七", "u8": "八"})
    return made


LABEL = ("--system", "polly", "--system", "jack")


def test_what_they_agree_on_is_a_data_directory(parrots, tmp_path):
    out = tmp_path / "out"
    done = command("pseudo-label", tmp_path / "data", out, *LABEL, "--no-vad")
    assert done.returncode == 1, done.stderr
    assert validate(out, feats=False) == []
    assert read_table(out / "text") == {"u5": "五十个", "u6": "六"}
    assert read_table(out / "utt2agreement") == {"u5": "0.00", "u6": "0.00"}
    assert (out / "not_kept").read_text().splitlines() == [
        "u7 differs: jack 100.0%, above 5%",
        "u8 no text of jack (too noisy)",
    ]
    assert (out / "failed").read_text() == "u8 jack: too noisy\n"
    assert read_rows(out / "systems.tsv")[1:] == [
        ["polly", "4", "0.0007", "", "20.00", "4", "0.0007", "2", "0.0003", "50.0"],
        ["jack", "3", "0.0005", "20.00", "", "2", "0.0003", "2", "0.0003", "66.7"],
    ]
    assert read_rows(out / "agreement.tsv")[3:] == [
        ["u7", "0.700", "100.00", "100.00", "no", "七"],
        ["u8", "0.800", "-", "-", "no", "八"],
    ]
    again = command("pseudo-label", tmp_path / "data", out, *LABEL, "--no-vad", "--keep-going", "--threshold", 100)
    assert again.returncode == 0, again.stderr
    assert list(read_table(out / "text")) == ["u5", "u6", "u7"]
    assert parrots["polly"].heard == [5, 6, 7, 8]  # another threshold costs no recognition
    write_wav(tmp_path / "u6.wav", sine(0.9))
    parrots["polly"].texts[9] = parrots["jack"].texts[9] = "九"
    command("pseudo-label", tmp_path / "data", out, *LABEL, "--no-vad")
    assert read_table(out / "text") == {"u5": "五十个", "u6": "九"}


def test_numbers_as_they_are_written(parrots, tmp_path):
    pytest.importorskip("wetext")
    out = tmp_path / "out"
    command("pseudo-label", tmp_path / "data", out, *LABEL, "--no-vad", "--itn")
    assert read_table(out / "text")["u5"] == "50个"
    assert read_table(out / "text_raw")["u5"] == "五十个"
    written = written_form()
    assert written("it costs twenty five dollars", "en") == "it costs $25"
    assert written("zwanzig twenty", "de") == "zwanzig twenty"


def test_transcripts_are_compared_with_each_system(parrots, tmp_path):
    out = tmp_path / "out"
    done = command("pseudo-label", tmp_path / "data", out, *LABEL, "--check", "--agree", 1, "--keep-going")
    assert done.returncode == 0, done.stderr
    assert read_table(out / "text") == {"u5": "五十个", "u7": "七", "u8": "八"}
    assert read_table(out / "not_kept") == {"u6": "differs: polly 100.0%, jack 100.0%, above 5%"}
    assert [row[0] for row in read_rows(out / "systems.tsv")] == ["system", "transcript", "polly", "jack"]
    assert read_rows(out / "systems.tsv")[2][3] == "16.67"  # one of six characters


def test_an_interrupted_run_goes_on(parrots, tmp_path):
    out = tmp_path / "out"
    jack = parrots["jack"]
    jack.texts[8] = "八"
    listen, left = jack.texts, iter((5,))

    def interrupted(self, samples, language):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return listen[5]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parrot, "__call__", interrupted)
        assert command("pseudo-label", tmp_path / "data", out, "--system", "jack", "--system", "polly", "--no-vad")
    assert jack.heard == []
    done = command("pseudo-label", tmp_path / "data", out, "--system", "jack", "--system", "polly", "--no-vad")
    assert done.returncode == 0, done.stderr
    assert jack.heard == [6, 7, 8]  # the fifth was done
    assert list(read_table(out / "text")) == ["u5", "u6", "u8"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--system", "polly"), "give two or more"),
        ((*LABEL, "--agree", "2"), "agree: 2 systems where there are 1"),
        ((*LABEL, "--system", "polly"), "polly is a name that is taken"),
        (("--system", "polly", "--check", "--itn"), "itn: of labels that are new"),
        ((*LABEL, "--vad-max-speech-frame", "4000"), "above 30 s"),
        (("--system", "polly", "--system", "nowhere"), "nowhere"),
    ],
)
def test_options_that_do_not_fit(parrots, tmp_path, options, said):
    done = command("pseudo-label", tmp_path / "data", tmp_path / "out", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_an_input_is_not_replaced(parrots, tmp_path):
    done = command("pseudo-label", tmp_path / "data", tmp_path / "data", *LABEL, "--no-vad")
    assert done.returncode == 1
    assert "is an input" in done.stderr


def read_rows(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
