"""Lines of Fun-ASR-Nano's published training data: what they say, what is learnt of them, and which are none."""

import json

import pytest
from support.tiny_fun_asr import tokenizer

from firered.errors import DataError
from firered.text.fun_asr_context import Known, context_block, is_english
from firered.text.llm_tokenizer import ChatTokenizer
from firered.train.data.batch import NO_TARGET
from firered.train.data.fun_asr import SPEECH_ID, Line, example

ASKED = "Speech transcription:<|startofspeech|>!/data/a b.wav<|endofspeech|>"


def jsonl(asked=ASKED, answer="Hello.", system=True, more=None, **values):
    turns = [{"role": "system", "content": "You are a helpful assistant."}] * system
    turns += [{"role": "user", "content": asked}, {"role": "assistant", "content": answer, **(more or {})}]
    return json.dumps({"messages": turns, **values})


def test_what_a_line_says():
    line = Line.parse(jsonl(speech_length=315, text_length=3), "t.jsonl:1")
    assert line == Line("Speech transcription:", "/data/a b.wav", "Hello.", "", 315, 3)
    assert Line.parse(jsonl(system=False, more={"prev_content": "Well. "}), "t.jsonl:1").beginning == "Well. "


def test_only_the_text_and_its_end_are_learnt():
    chat = ChatTokenizer(tokenizer())
    line = Line.parse(jsonl(more={"prev_content": "Well. "}), "t.jsonl:1")
    made = example(line, chat, 5)
    learnt = [number for number in made.labels if number != NO_TARGET]
    assert learnt == [*chat.ids_of("Hello."), chat.eos_id]
    assert made.ids[-len(learnt) :] == learnt
    assert [made.ids[place] for place in made.speech] == [SPEECH_ID] * 5
    assert chat.decode(made.ids[made.speech.stop :]).endswith("Well. Hello.")
    without = example(line, chat, 5, system=False, thinks=False)
    assert "helpful" not in chat.decode(without.ids[: without.speech.start])
    assert "<think>" in chat.decode(without.ids[without.speech.stop :])


def test_a_context_block_has_the_language_of_its_instruction():
    for instruction, begins in (("语音转写：", "请结合"), ("Speech transcription:", "Please")):
        block = context_block(Known(hotwords=("a", "b")), english=is_english(instruction))
        assert block.startswith(begins)
        assert block.endswith("a, b\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not JSON"),
        ("[]", "messages of system, user and assistant"),
        ('{"messages": [{"role": "user"}]}', "messages of system, user and assistant"),
        (jsonl(answer=3), "messages of system, user and assistant"),
        (jsonl(asked="Speech transcription:"), "does not end in"),
        (jsonl(asked=f"{ASKED} and more"), "does not end in"),
        (jsonl(more={"prev_content": 1}), "prev_content is 1"),
        (jsonl(speech_length="long"), "speech_length is 'long'"),
    ],
)
def test_what_is_no_such_line_is_named(line, message):
    with pytest.raises(DataError, match=message) as caught:
        Line.parse(line, "train.jsonl:7")
    assert str(caught.value).startswith("train.jsonl:7: ")
