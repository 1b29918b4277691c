"""Recognition while speech comes: what it gives at the end is what the masked pass over the whole utterance gives."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from support.close import assert_same
from support.paths import EGS
from support.streaming import MODEL, write_streaming

from firered.asr import families
from firered.asr.aed_config import AsrConfig
from firered.asr.streaming import StreamingRecogniser, streaming
from firered.audio.frontend import fbank
from firered.errors import ModelError, NoNumbersError, OptionError
from firered.hotwords.lists import HotwordList, Phrase
from firered.runtime.context import Context
from firered.runtime.speech import Speech

LM = EGS / "mini/models/lm"


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_streaming(tmp_path_factory.mktemp("streaming") / "model")


@pytest.fixture(scope="module")
def recordings():
    """Seconds of a conversation, some utterances, silence, what is shorter than a chunk, and next to nothing."""
    paths = [EGS / "mini/test/wav/talk-zh-00001.flac", *sorted((EGS / "mini/test/wav").glob("*.flac"))[:3]]
    found = [soundfile.read(path, dtype="int16")[0][: 16000 * 8] for path in paths]
    return [*found, np.zeros(16000, np.int16), found[0][:4000], found[1][:500]]


def load(directory, **options):
    options = {"timestamps": "pauses", "guard": "off"} | options
    return families.AED.load(directory, AsrConfig(**options), "cpu")


def speech_of(number, samples, context=None):
    return Speech(str(number), fbank(samples.astype(np.float32)), len(samples) / 16000, context or Context())


def utterances(recordings, context=None):
    return [speech_of(number, samples, context) for number, samples in enumerate(recordings)]


def through(stream, feats, *pieces):
    """A stream that was given features in pieces of these sizes, over and over."""
    start = turn = 0
    while start < len(feats):
        size = pieces[turn % len(pieces)]
        stream.accept(feats[start : start + size])
        start, turn = start + size, turn + 1
    return stream


@pytest.mark.parametrize("mode", ["ctc_prefix", "rescore"])
@pytest.mark.parametrize(
    "options",
    [
        {"chunk_seconds": 0.32},
        {"chunk_seconds": 0.64, "left_chunks": 2},
        {"chunk_seconds": 0.16, "elm_dir": str(LM), "elm_weight": 0.2, "nbest": 3},
    ],
)
def test_a_streaming_pass_ends_as_the_masked_pass(mode, options, directory, recordings):
    streamed = load(directory, mode=mode, streaming=True, **options).recognise(utterances(recordings))
    masked = load(directory, mode=mode, **options).recognise(utterances(recordings))
    assert sum(len(result.text) > 2 for result in streamed) >= 3
    for one, other in zip(streamed, masked, strict=True):
        assert_same(replace(one, shown=()), other, 1e-3)


def test_hotwords_of_a_stream_are_those_of_the_masked_pass(directory, recordings):
    context = Context(hotwords=HotwordList([Phrase("公园"), Phrase("星期三"), Phrase("apple")]))
    options = {"mode": "ctc_prefix", "chunk_seconds": 0.32, "hotword_use": "graph,correction", "hotword_score": 4.0}
    streamed = load(directory, streaming=True, **options).recognise(utterances(recordings, context))
    masked = load(directory, **options, guard_echo=False).recognise(utterances(recordings, context))
    for one, other in zip(streamed, masked, strict=True):
        assert_same(replace(one, shown=()), other, 1e-3)
    plain = load(directory, mode="ctc_prefix", chunk_seconds=0.32).recognise(utterances(recordings))
    assert [result.text for result in plain] != [result.text for result in streamed]


def test_more_hotwords_than_a_search_takes_are_refused(directory, recordings):
    context = Context(hotwords=HotwordList([Phrase("公园"), Phrase("星期三"), Phrase("apple")]))
    asr = load(directory, mode="rescore", streaming=True, hotword_candidates=2)
    with pytest.raises(OptionError, match="3 are more than hotword_candidates"):
        asr.check(context)
    with pytest.raises(OptionError, match="have the final text corrected"):
        asr.stream(context)
    corrected = load(directory, mode="rescore", streaming=True, hotword_candidates=2, hotword_use="correction")
    corrected.check(context)
    assert corrected.recognise(utterances(recordings[:1], context))[0].text


@pytest.mark.parametrize("pieces", [(1,), (7, 0, 64), (10**6,)])
def test_a_stream_in_any_pieces_ends_as_the_streaming_pass(pieces, directory, recordings):
    asr = load(directory, mode="rescore", streaming=True, chunk_seconds=0.32)
    for speech in utterances(recordings):
        (expected,) = asr.recognise([speech])
        stream = through(asr.stream(key=speech.key), speech.feats, *pieces)
        assert_same(stream.finish(speech.duration_s), expected, 1e-3)


def test_text_is_shown_with_the_chunk_that_it_is_known_with(directory, recordings):
    asr = load(directory, mode="ctc_prefix", streaming=True, chunk_seconds=0.32)
    speech = speech_of(0, recordings[0])
    (result,) = asr.recognise([speech])
    assert result.shown[-1].text == result.text
    assert len(result.shown) > 3
    stream, shown = asr.stream(), []
    for number in range(len(speech.feats)):
        assert stream.wanted == 32 * (stream.frames // 8 + 1) + 3 - number
        stream.accept(speech.feats[number : number + 1])
        text = stream.result().text
        if text != (shown[-1][0] if shown else ""):
            shown.append((text, round(number * 0.01 + 0.025, 3)))
    # a chunk of 0.32 s is known 30 ms and the rest of a window later
    assert shown == [(one.text, one.heard_s) for one in result.shown][: len(shown)]
    assert all(round((heard_s - 0.045) / 0.32, 6).is_integer() for _, heard_s in shown)
    assert all(one.heard_s == round(speech.duration_s, 3) for one in result.shown[len(shown) :])


def test_words_so_far_have_times_within_what_was_heard(directory, recordings):
    asr = load(directory, chunk_seconds=0.0)
    stream = through(asr.stream(chunk_s=0.32), speech_of(0, recordings[0]).feats[:400], 10)
    result = stream.result()
    assert result.words
    assert "".join(word.text for word in result.words) == result.text.replace(" ", "")
    assert all(0 <= word.start_s <= word.end_s <= result.dur_s for word in result.words)
    assert 0 < result.confidence <= 1
    assert load(directory, timestamps="none").stream().result().words is None


def test_nothing_is_decoded_twice(directory, recordings, monkeypatch):
    asr = load(directory, mode="rescore", streaming=True, chunk_seconds=0.32)
    asked = []
    whole = asr.loaded.model.ctc_log_probs
    monkeypatch.setattr(asr.loaded.model, "ctc_log_probs", lambda rows: asked.append(rows.shape[1]) or whole(rows))
    monkeypatch.setattr(asr.loaded.model.encoder, "forward", None)  # the whole pass
    (result,) = asr.recognise(utterances(recordings[:1]))
    assert result.text
    assert sum(asked) == -(-len(fbank(recordings[0].astype(np.float32))) // 4)
    assert set(asked[:-1]) == {8}


def test_long_utterances_are_streamed_in_windows(directory, recordings):
    asr = load(directory, mode="ctc_prefix", streaming=True, window_seconds=3)
    samples = np.concatenate(recordings[:3])
    (result,) = asr.recognise([speech_of(0, samples)])
    assert result.shown[-1].text == result.text
    times = [one.heard_s for one in result.shown]
    assert times == sorted(times)
    assert len(samples) / 16000 - 1 < times[-1] <= len(samples) / 16000
    late = [one.text for one in result.shown if one.heard_s > 6]
    assert len(set(late)) > 2
    assert len({text[:2] for text in late}) == 1  # what the first window wrote stands


def test_a_recogniser_of_whole_utterances_says_so(tmp_path):
    asr = load(MODEL)
    assert isinstance(asr, StreamingRecogniser)
    assert not asr.streams
    assert streaming(asr) is None
    with pytest.raises(OptionError, match="was made for whole utterances"):
        asr.stream()
    for options in ({"chunk_seconds": 0.32}, {"mode": "rescore", "streaming": True}):
        with pytest.raises(OptionError, match="was made for whole utterances"):
            load(MODEL, **options)
    headless = write_streaming(tmp_path / "headless", ctc=False)
    asr = load(headless, timestamps="none", chunk_seconds=0.32)
    assert streaming(asr) is None
    with pytest.raises(ModelError, match="no streams from this model"):
        asr.stream()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streaming": True}, "streaming: works with mode ctc_prefix or rescore, not attention"),
        ({"chunk_seconds": 0.3}, "0.3 is not a multiple of 0.04"),
        ({"left_chunks": 4}, "left_chunks: has no effect without chunk_seconds"),
    ],
)
def test_options_that_do_not_fit_together(options, message):
    with pytest.raises(OptionError, match=message):
        AsrConfig(**options)


def test_a_streaming_model_decodes_whole_utterances_as_any_other(directory, recordings):
    """In every mode, with full context and with chunks, and what its encoder gives follows the chunks."""
    speech = utterances(recordings[:2])
    full = load(directory).recognise(speech)
    chunked = load(directory, chunk_seconds=0.32).recognise(speech)
    assert [result.text for result in full] != [result.text for result in chunked]
    assert all(not result.shown for result in full + chunked)
    rows = [load(directory, chunk_seconds=seconds).encode(speech)[0].feats for seconds in (0.0, 0.32)]
    assert not torch.allclose(*rows, atol=1e-2)


def test_what_is_no_number_is_told(directory):
    asr = load(directory, mode="rescore", streaming=True)
    bad = torch.full((100, 80), torch.nan)
    stream = asr.stream()
    with pytest.raises(NoNumbersError):
        stream.accept(bad)
    good = speech_of(1, np.zeros(16000, np.int16))
    found = asr.recognise([Speech("0", bad, 1.0), good])
    assert isinstance(found[0], NoNumbersError)
    assert found[1].text == ""


@pytest.mark.parametrize("dtype", ["bfloat16", "int8"])
def test_in_reduced_formats_the_two_passes_agree_on_nearly_all(dtype, directory, recordings):
    options = {"mode": "ctc_prefix", "chunk_seconds": 0.32, "dtype": dtype}
    streamed = load(directory, streaming=True, **options).recognise(utterances(recordings[:4]))
    masked = load(directory, **options).recognise(utterances(recordings[:4]))
    same = sum(one.text == other.text for one, other in zip(streamed, masked, strict=True))
    assert same >= 3
