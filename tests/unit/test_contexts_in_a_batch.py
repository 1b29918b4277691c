"""Utterances with contexts of their own share a batch, and none learns of another's; what was said before is told."""

import numpy as np
import pytest
from support.close import assert_same
from support.tiny_fun_asr import write_published_form, write_transformers_form
from support.tiny_transformers import write_ctc, write_whisper

from firered.asr import families
from firered.audio.frontend import fbank
from firered.audio.like import as_frames
from firered.runtime.context import Context
from firered.runtime.speech import Speech

# As many as possible share a beginning with another.
CONTEXTS = (
    {},
    {"hotwords": ["hello world", "阿尔山"]},
    {"hotwords": ["阿尔山", "hello world"]},
    {"hotwords": ["goodbye"]},
    {"hotwords": [f"word {number}" for number in range(30)]},
    {"prompt": "names of stations follow"},
    {"history": "We met at the station."},
    {"history": "We met at the station.", "prompt": "names", "hotwords": ["goodbye"]},
)
WAYS = {
    "fun-asr": (write_published_form, {}),
    "fun-asr of transformers": (write_transformers_form, {}),
    "fun-asr by its prompt": (write_published_form, {"hotword_use": "prompt"}),
    "fun-asr by its graph": (write_published_form, {"hotword_use": "graph", "beam_size": 3, "hotword_score": 4.0}),
    "whisper": (write_whisper, {}),
    "ctc": (write_ctc, {}),
}


@pytest.fixture(scope="module")
def recogniser(request, tmp_path_factory):
    write, options = WAYS[request.param]
    family = families.FUN_ASR if request.param.startswith("fun") else families.TRANSFORMERS
    config = family.config(**{"dtype": "float32", "max_length": 16, "split_truncated": False, **options})
    return family.load(write(tmp_path_factory.mktemp("models") / "m"), config, "cpu")


def speech(asr, number, context):
    samples = np.random.default_rng(number).normal(0, 3000, 16000 + 4000 * (number % 3)).astype(np.int16)
    key = f"u{number}"
    if asr.front_end.plain:
        return Speech.of(as_frames(samples, key, front_end=asr.front_end), context)
    return Speech(key, fbank(samples.astype(np.float32), asr.front_end), len(samples) / 16000, context, asr.front_end)


def known(asr, values):
    """A context with those of the fields that the recogniser takes."""
    kind = getattr(asr, "kind", None)
    takes = {"prompt": kind is None or kind.takes_prompt, "history": asr.takes_history}
    return Context(**{name: value for name, value in values.items() if takes.get(name, True)})


@pytest.mark.parametrize("recogniser", WAYS, indirect=True)
def test_eight_utterances_with_eight_contexts_are_what_each_is_alone(recogniser):
    batch = [speech(recogniser, number, known(recogniser, own)) for number, own in enumerate(CONTEXTS)]
    single = [recogniser.recognise([utterance])[0] for utterance in batch]
    assert_same(recogniser.recognise(batch), single)
    assert_same(recogniser.recognise(batch[::-1])[::-1], single)


@pytest.mark.parametrize("recogniser", ["fun-asr by its prompt", "fun-asr by its graph", "whisper"], indirect=True)
def test_the_contexts_of_these_tests_make_a_difference(recogniser):
    texts = {recogniser.recognise([speech(recogniser, 0, known(recogniser, own))])[0].text for own in CONTEXTS}
    assert len(texts) > 2


@pytest.mark.parametrize("recogniser", WAYS, indirect=True)
@pytest.mark.parametrize("nothing", [None, "", [], (), [""], " "])
def test_no_hotwords_are_none_in_any_way(recogniser, nothing):
    plain = speech(recogniser, 1, Context())
    other = speech(recogniser, 1, Context(hotwords=nothing))
    assert recogniser.recognise([other]) == recogniser.recognise([plain])


@pytest.mark.parametrize("recogniser", WAYS, indirect=True)
def test_results_say_whether_what_was_said_before_was_used(recogniser):
    (result,) = recogniser.recognise([speech(recogniser, 2, Context(history="We met at the station."))])
    assert result.context_used == ("history",) * recogniser.takes_history


@pytest.mark.parametrize("recogniser", ["fun-asr", "fun-asr of transformers"], indirect=True)
def test_what_was_said_before_is_a_line_of_fun_asrs_context_block(recogniser):
    """Of the published training prompts, before all else; in the form of transformers a template has the rest."""
    both = "".join(recogniser.loaded.prompt(Context(hotwords=["a"], prompt="看。", history="我们走。"), itn=True))
    alone = "".join(recogniser.loaded.prompt(Context(history="我们走。"), itn=True))
    assert "历史转写结果：我们走。\n看。\n" in both
    assert both.index("看。") < both.index("[a]")
    assert "历史转写结果：我们走。\n" in alone
    if recogniser.loaded.processor is None:
        assert "**上下文信息：**\n\n\n历史转写结果：我们走。\n看。\n热词列表：[a]\n语音转写：" in both
        assert "**上下文信息：**\n\n\n历史转写结果：我们走。\n语音转写：" in alone


@pytest.mark.parametrize("recogniser", ["whisper"], indirect=True)
def test_what_was_said_before_stands_last_before_whispers_text(recogniser):
    kind, encode = recogniser.kind, recogniser.loaded.tokenizer.encode
    start = kind._prompt("en", Context())

    def before(**context):
        ids = kind._prompt("en", Context(**context))
        assert ids[-len(start) :] == start
        return ids[1 : -len(start)]

    said, asked = (encode(f" {text}", add_special_tokens=False) for text in ("hello world", "names"))
    assert before(history="hello world ") == said == before(prompt="hello world")
    assert before(history="hello world", prompt="names") == asked + said
    room = recogniser.loaded.network.config.max_target_positions // 2 - 1
    long = " ".join(["hello"] * room)
    ids = encode(f" {long}", add_special_tokens=False)
    assert before(history=long, prompt="names") == asked + ids[-(room - len(asked)) :]
    assert before(history="hello world", prompt=long) == ids[-room:]
