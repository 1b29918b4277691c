"""What was said before, carried on to the next segment of a recording."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.parrot import Parrot
from support.signals import noise, write_wav

from firered.asr.carried import Carried
from firered.asr.config import RecogniserConfig
from firered.audio.config import AudioConfig
from firered.audio.like import as_frames
from firered.data.datadir import read_table
from firered.results import AsrResult
from firered.runs.asr import run_asr
from firered.runs.config import RunConfig
from firered.runtime.batches import plan, plan_in_turns
from firered.runtime.config import ContextConfig
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.system.config import SystemConfig
from firered.system.stretches import Stretch, texts
from firered.system.system import Modules, System

LOUD = torch.full((400, 80), 14.0)


def segment(key, dur_s=4.0, **context):
    return Speech(key, LOUD, dur_s, Context(**context))


class Teller(Parrot):
    """Writes what it is told was said before, and what is said now, which it leaves out where `stops` says so."""

    def __init__(self, said, stops=(), read=None, **options):
        super().__init__(said, read, **options)
        self.told, self.batches, self._stops = {}, [], stops

    def recognise(self, utterances):
        self.batches.append([speech.key for speech in utterances])
        return super().recognise(utterances)

    def _heard(self, speech):
        if speech.context.history or speech.key not in self.told:
            self.told[speech.key] = speech.context.history
        heard = super()._heard(speech)
        if speech.context.history and speech.key in self._stops:
            return type(heard)(self._stops[speech.key], read=heard.read)
        return heard


def result(text, dur_s=4.0, flags=()):
    return AsrResult("u", text, 0.9, dur_s, [], [], flags=flags)


@pytest.mark.parametrize(
    ("texts", "sentences", "history"),
    [
        ([], 2, ""),
        (["好的。我们走。去哪里？"], 2, "我们走。去哪里？"),
        (["好的。", "我们走。去哪里？"], 3, "好的。我们走。去哪里？"),
        (["It is 3.5 m. Good! Now", "then what"], 2, "Now then what"),
        (["没有标点", "也没有"], 1, "也没有"),
        (["好的。", ""], 1, "好的。"),
    ],
)
def test_the_last_sentences_are_carried(texts, sentences, history):
    asr = Teller({"next": "现在"})
    carried = Carried(asr, sentences)
    for number, text in enumerate(texts):
        carried.note(("r", number), result(text))
    carried.note(("other", 0), result("另一个录音。"))
    carried.note(("r", len(texts) + 1), result("后面的。"))
    carried.recognise([segment("next")], [("r", len(texts))])
    assert asr.told == {"next": history}


@pytest.mark.parametrize(
    ("flags", "goes_on"),
    [
        (["repeated: 谢谢 9 times in a row"], False),
        (["truncated: x"], False),
        (["prompt_echo: x"], True),  # what stands there was recognised without any context
        (["carried: x"], True),
        (["carried: x", "unsure: y"], False),
    ],
)
def test_texts_in_doubt_are_not_carried(flags, goes_on):
    asr = Teller({"next": "现在"})
    carried = Carried(asr, 1)
    carried.note(("r", 0), result("好的。", flags=flags))
    carried.recognise([segment("next")], [("r", 1)])
    assert asr.told == {"next": "好的。" * goes_on}


def test_an_own_history_is_kept():
    asr = Teller({"next": "现在"})
    carried = Carried(asr, 1)
    carried.note(("r", 0), result("好的。"))
    carried.recognise([segment("next", history="别的。")], [("r", 1)])
    assert asr.told == {"next": "别的。"}


LONG, BEFORE = "我们今天讨论的是另外一件比较复杂的事情", "昨天下午大家都到会场里开了一个很长的会议。"


@pytest.mark.parametrize(
    ("written", "read", "why"),
    [
        ("", None, "there was no text"),
        ("我", None, "it had 0.2 characters a second, where 5.2 are usual in the recording"),
        ("我们今天讨论的是", LONG, "it had 2.0 characters a second, where 5.2 are usual in the recording"),
    ],
)
def test_too_little_text_is_recognised_again_without_what_was_said_before(written, read, why):
    asr = Teller({"u": LONG}, {"u": written}, None if read is None else {"u": read})
    carried = Carried(asr, 1)
    carried.note(("r", 0), result(BEFORE))
    (found,) = carried.recognise([segment("u")], [("r", 1)])
    assert found.text == LONG
    assert found.context_used == ()
    assert found.flags == (f"carried: with what was said before {why}; decoded again without it",)


def test_the_ctc_head_tells_where_a_recording_has_no_rate_yet():
    asr = Teller({"u": LONG}, {"u": "我们"}, {"u": LONG})
    carried = Carried(asr, 1)
    carried.note(("r", 0), result("好。", dur_s=0.5))
    (found,) = carried.recognise([segment("u")], [("r", 1)])
    assert found.text == LONG
    assert "it had 2 characters, where the CTC head reads 19" in found.flags[0]


def test_what_is_short_without_it_too_stays():
    asr = Teller({"u": "好"}, {"u": "好"})
    carried = Carried(asr, 1)
    carried.note(("r", 0), result(BEFORE))
    (found,) = carried.recognise([segment("u")], [("r", 1)])
    assert (found.text, found.flags, found.context_used) == ("好", (), ("history",))


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0.1, 9)), max_size=30), st.floats(1, 30))
def test_batches_in_turns_hold_everything_once_and_keep_each_groups_order(items, cap):
    numbered = [(number, length, group) for number, (group, length) in enumerate(items)]
    batches = plan_in_turns(numbered, cap)
    assert sorted(number for batch in batches for number in batch) == list(range(len(items)))
    for batch in batches:
        assert len({items[number][0] for number in batch}) == len(batch)
        assert len(batch) == 1 or len(batch) * max(items[number][1] for number in batch) <= cap
    for group in range(4):
        order = [number for batch in batches for number in batch if items[number][0] == group]
        assert order == sorted(order)


def test_one_item_a_group_is_planned_as_ever():
    items = [("a", 2.0), ("b", 1.0), ("c", math.nan), ("d", 3.0)]
    assert plan_in_turns([(name, length, name) for name, length in items], 6) == plan(items, 6)


# firered-asr

SAID = {
    "a-1": "昨天下午我们开会。",
    "a-2": "今天继续讨论。好的？",
    "a-3": "明天再说。",
    "b-1": "我们去公园。",
    "b-2": "公园很大。",
}


@pytest.fixture
def data(tmp_path):
    """Two recordings, of three segments and of two, whose ids do not sort by time."""
    place = tmp_path / "data"
    place.mkdir()
    for name in ("a", "b"):
        write_wav(tmp_path / f"{name}.wav", (noise(16000 * 7, 0.3) * 32767).astype(np.int16))
    (place / "wav.scp").write_text("".join(f"{name} {tmp_path / name}.wav\n" for name in ("a", "b")))
    times = {"a-1": "a 3.0 4.5", "a-2": "a 0.2 1.7", "a-3": "a 5.0 6.5", "b-1": "b 0.5 2.0", "b-2": "b 2.5 4.0"}
    (place / "segments").write_text("".join(f"{key} {value}\n" for key, value in times.items()))
    (place / "utt2spk").write_text("".join(f"{key} {key}\n" for key in times))
    return place


def run(data, out, asr, sentences=1):
    context = ContextConfig(context_carry=sentences)
    return run_asr([str(data)], out, data, asr, AudioConfig(), RunConfig(), context)


def test_segments_are_told_in_order_of_time(data, tmp_path):
    asr = Teller(SAID)
    assert run(data, tmp_path / "out", asr) == 0
    assert asr.told == {
        "a-2": "",
        "a-1": "好的？",
        "a-3": "昨天下午我们开会。",
        "b-1": "",
        "b-2": "我们去公园。",
    }
    assert [sorted(batch) for batch in asr.batches] == [["a-2", "b-1"], ["a-1", "b-2"], ["a-3"]]
    assert read_table(tmp_path / "out" / "text") == SAID


def test_off_all_share_one_batch_and_nothing_is_told(data, tmp_path):
    asr, plain = Teller(SAID), Teller(SAID)
    assert run(data, tmp_path / "out", asr, sentences=0) == 0
    assert run_asr([str(data)], tmp_path / "plain", data, plain, AudioConfig(), RunConfig()) == 0
    assert asr.batches == plain.batches
    assert len(asr.batches) == 1
    assert set(asr.told.values()) == {""}
    for name in ("text", "asr.jsonl"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "plain" / name).read_bytes()


def test_a_recogniser_without_use_for_it_is_warned_about(data, tmp_path, caplog):
    asr = Teller(SAID)
    asr.takes_history = False
    assert run(data, tmp_path / "out", asr) == 0
    assert len(asr.batches) == 1
    assert "makes no use of what was said before" in caplog.text


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_run_that_is_killed_gives_what_it_would_have(data, tmp_path, after):
    class Killed(Teller):
        def recognise(self, utterances):
            if len(self.batches) == after:
                raise KeyboardInterrupt
            return super().recognise(utterances)

    whole, second = Teller(SAID), Teller(SAID)
    assert run(data, tmp_path / "whole", whole) == 0
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "out", Killed(SAID))
    assert run(data, tmp_path / "out", second) == 0
    assert (tmp_path / "out" / "asr.jsonl").read_bytes() == (tmp_path / "whole" / "asr.jsonl").read_bytes()
    assert second.batches == whole.batches[after:]
    assert second.told == {key: whole.told[key] for key in second.told}


def test_what_follows_a_segment_that_is_done_again_is_done_again_too(data, tmp_path):
    class Killed(Teller):
        def recognise(self, utterances):
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().recognise(utterances)

    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path / "out", Killed(SAID))
    (data / "segments").write_text((data / "segments").read_text().replace("a 0.2 1.7", "a 0.1 1.7"))
    again = Teller(SAID | {"a-2": "不一样了。"})
    assert run(data, tmp_path / "out", again) == 0
    assert again.told["a-1"] == "不一样了。"


def test_flags_are_counted(data, tmp_path, caplog):
    asr = Teller(SAID, {"a-1": ""})
    assert run(data, tmp_path / "out", asr) == 0
    assert read_table(tmp_path / "out" / "text") == SAID
    assert "1 carried" in caplog.text
    assert read_table(tmp_path / "out" / "flags")["a-1"].startswith("carried: with what was said before there was no")


# The whole system


class Named(Stretch):
    """A segment whose id is the prompt of its context."""

    key = property(lambda self: self.context.prompt)

    def speech(self, front_end):
        return segment(self.key, 1.0)


def stretches(*recordings):
    """Segments of recordings, which may have the same name."""
    return [
        Named(spool, (0.0, 1.0), Context(prompt=key))
        for spool, keys in [(SimpleNamespace(key=keys[0]), keys) for keys in recordings]
        for key in keys
    ]


def test_the_system_tells_segments_of_each_recording_alone_and_takes_what_is_remembered():
    own = stretches(["a-1", "a-2", "a-3"], ["b-1", "b-2"])
    first, memo = Teller(SAID), {}
    found = texts("", first, own, memo, 1)
    assert [one.text for one in found] == list(SAID.values())
    assert first.told["a-2"] == SAID["a-1"]
    assert first.told["b-2"] == SAID["b-1"]
    again = Teller(SAID)
    assert texts("", again, own, dict(memo), 1) == found
    assert again.batches == []
    rest = {key: value for key, value in memo.items() if key[1] != "b-1"}
    again = Teller(SAID)
    assert texts("", again, own, rest, 1) == found
    assert again.told == {key: first.told[key] for key in ("a-1", "b-1", "a-2", "b-2", "a-3")}
    kept = {key: value for key, value in memo.items() if key[1] not in ("a-2", "b-2", "a-3")}
    again = Teller(SAID)
    assert texts("", again, own, kept, 1) == found
    assert again.batches == first.batches[1:]


def test_a_system_with_it_transcribes_recordings_of_the_same_name(tmp_path):
    asr = Teller({}, config=RecogniserConfig(guard_echo=False), echoes=lambda speech: "好的。")
    system = System(Modules(asr=asr), SystemConfig(vad=False, lid=False, punc=False), Context(prompt="x"), 2)
    loud = (noise(16000, 0.3) * 32767).astype(np.int16)
    outcomes = system.transcribe_frames([(as_frames(loud, "same"), ""), (as_frames(loud, "same"), "")])
    assert [outcome.text for outcome in outcomes] == ["好的。"] * 2
    assert set(asr.told.values()) == {""}
