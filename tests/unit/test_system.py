"""The system without models: options, times, troubles, joined text."""

import numpy as np
import pytest
from support.paths import GOLDENS

from firered.audio.like import as_frames
from firered.audio.spool import Spool
from firered.errors import ModelError, OptionError
from firered.output.published import published
from firered.results import AsrResult, PuncResult, Sentence, Word
from firered.system.assemble import Segment, transcript
from firered.system.config import SystemConfig
from firered.system.system import Modules, System
from firered.text.joining import join_texts


def test_routes_as_options():
    assert SystemConfig(route="yue=a,en=b/c").routes() == {"yue": "a", "en": "b/c"}
    assert SystemConfig(route={"yue": "a"}).routes() == {"yue": "a"}
    assert SystemConfig().routes() == {}
    with pytest.raises(OptionError, match="route: 'yue' is not of the form"):
        SystemConfig(route="yue")


def test_a_missing_model_is_named():
    with pytest.raises(ModelError, match="nowhere: no FireRedVAD/VAD"):
        System.from_pretrained("nowhere")


def record(text: str, tokens: list[str], **more: object) -> dict:
    return {"json": {"text": text, "confidence": 0.5, **more}, "tokens": tokens}


def recording() -> Spool:
    spool = Spool(as_frames(np.full(16000, 9, np.int16), "r"), "r.wav")
    assert sum(len(block) for block in spool) == 98
    return spool


def test_times_are_cut_off_after_adding():
    """As published: the seconds of a word are not made milliseconds before the segment's start is added."""
    segment = Segment((0.29, 1.0))  # 1000 * 0.29 is 290 less a little
    segment.asr = recognised("a b", ["▁A", "▁B"], words=[Word("a", 0.001, 0.29), Word("b", 0.3, 0.7)])
    segment.punc = PuncResult("", "a b", "A, b.", [Sentence("A,", 0.001, 0.29), Sentence("B.", 0.3, 0.7)])
    fields = published(transcript(recording(), [segment], []))
    assert segment.start_ms == int(1000 * 0.29)
    assert [(word["start_ms"], word["end_ms"]) for word in fields["words"]] == [(291, 580), (590, 990)]
    assert [(sentence["start_ms"], sentence["end_ms"], sentence["text"]) for sentence in fields["sentences"]] == [
        (290, 580, "A,"),
        (590, 1000, "B."),
    ]


def recognised(text: str, tokens: list[str], **more: object) -> AsrResult:
    return AsrResult("", text, 0.5, 1.0, tokens, [0.5] * len(tokens), **more)


@pytest.mark.parametrize(
    ("asr", "kinds", "text", "left_out"),
    [
        (recognised("好", ["好"]), [], "好", []),
        (recognised("", []), ["no text"], "", [""]),
        (recognised("", ["<sil>"]), ["no text"], "", [""]),
        (recognised("<b>", ["<blank>", "好"]), ["no text"], "", [""]),
        (recognised("好好好", ["好"], flags=["repeats"]), ["doubt"], "好好好", [""]),
        (recognised("", [], flags=["repeats"], dropped="好好好"), ["doubt"], "", ["好好好"]),
        (ValueError("x"), ["failed"], "", [""]),
    ],
)
def test_troubles(asr, kinds, text, left_out):
    result = transcript(recording(), [Segment((0.0, 1.0), asr=asr)], [])
    assert [trouble.kind for trouble in result.troubles] == kinds
    assert [trouble.text for trouble in result.troubles] == left_out
    assert result.text == text
    assert result.status == ("partial" if kinds else "ok")


def test_sentences_are_joined_with_a_space_between_half_width_text():
    assert join_texts(["Hello world.", "How are you?", "", "你好，", "ok.", "好"]) == (
        "Hello world. How are you?你好，ok.好"
    )


def test_modules_are_all_optional():
    result = System(Modules())(GOLDENS / "tiny/wav/utt00.wav")
    assert result.segments == ((0.0, 2.769),)
    assert result.status == "ok"
