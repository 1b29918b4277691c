"""Alignment of given text by Fun-ASR-Nano's CTC head, times of words, and what happens where there is no such head."""

import logging
import shutil

import numpy as np
import pytest
import torch
from support.paths import GOLDENS
from support.tiny_fun_asr import write_published_form, write_transformers_form

import firered
from firered.align.config import AlignConfig
from firered.asr import families
from firered.asr.families.fun_asr_times import TimedToken, words_of
from firered.asr.fun_asr_config import FunAsrConfig
from firered.asr.llm_config import LlmConfig
from firered.audio.frontend import fbank
from firered.errors import AudioError, ModelError, OptionError
from firered.punc.own_marks import sentences_by_own_marks
from firered.results import Word
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.text.bpe_tokenizer import BpeTokenizer

SIZE, COMMAND = "2,127,426,538 bytes", "firered-download Fun-ASR-Nano-2512"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "Fun-ASR-Nano-2512")


@pytest.fixture(scope="module")
def without_head(tmp_path_factory):
    return write_published_form(tmp_path_factory.mktemp("fun") / "Fun-ASR-Nano-2512", ctc=False)


@pytest.fixture(scope="module")
def aligner(published):
    return families.FUN_ASR.load_aligner(published, AlignConfig(), "cpu")


def speech(front_end, seconds=2.0, seed=0):
    noise = np.random.default_rng(seed).normal(0, 3000, round(16000 * seconds))
    return Speech(f"utt{seed}", fbank(noise.astype(np.float32), front_end), seconds, Context(), front_end)


def test_the_recognisers_own_text_gets_the_recognisers_own_times(published, aligner):
    asr = families.FUN_ASR.load(published, FunAsrConfig(dtype="float32", max_length=12, split_truncated=False), "cpu")
    utterance = speech(asr.front_end, 3.0)
    (recognised,) = asr.recognise([utterance])
    assert recognised.words
    (aligned,) = aligner.align([utterance], [recognised.text])
    assert aligned.words == recognised.words
    assert aligned.token_times == recognised.token_times
    assert aligned.alignment.blank == aligner.loaded.config.blank
    (reading,) = aligner.word_times([utterance], [recognised.text])
    assert reading.ctc_text == recognised.ctc_text


def test_the_language_model_is_not_loaded(aligner):
    assert not hasattr(aligner.loaded, "llm")
    assert {path.name for path in aligner.sources} == {"config.yaml", "model.pt", "multilingual.tiktoken"}


def test_a_batch_gives_what_each_utterance_gives_alone(aligner):
    utterances = [speech(aligner.front_end, seconds, seed) for seed, seconds in enumerate([1.5, 4.0, 2.2])]
    texts = ["你好", "hello, world", "5G"]
    single = [aligner.align([own], [text])[0] for own, text in zip(utterances, texts, strict=True)]
    for one, other in zip(aligner.align(utterances, texts), single, strict=True):
        assert [one.words, one.alignment.labels] == [other.words, other.alignment.labels]


def test_long_recordings_are_aligned_over_all_their_windows(published):
    aligner = families.FUN_ASR.load_aligner(published, AlignConfig(window_seconds=2.0), "cpu")
    utterance = speech(aligner.front_end, 7.0)
    (result,) = aligner.align([utterance], ["你好 hello there and so on"])
    assert len(result.alignment.labels) == aligner.front_end.rows(len(utterance.feats))
    assert result.words[-1].end_s > 2.0


def test_words_rise_inside_the_recording_and_are_those_of_the_text(aligner):
    text = "$10 和 C++, [noise] “NASA” 的 iPhone15 — ok?"
    (result,) = aligner.align([speech(aligner.front_end, 6.0)], [text])
    assert "".join(word.text for word in result.words) == text.replace(" ", "")
    edges = [time for word in result.words for time in (word.start_s, word.end_s)]
    assert edges == sorted(edges)
    assert edges[0] >= 0
    assert edges[-1] <= 6.0
    tag = next(number for number, word in enumerate(result.words) if word.text == "[noise]")
    before, own, after = result.words[tag - 1 : tag + 2]
    assert (own.start_s, own.end_s) == (before.end_s, after.start_s)
    assert own.score is None
    assert all(word.end_s > word.start_s for word in result.words if word is not own)


def test_a_tag_is_not_spelt_out(aligner):
    utterance = speech(aligner.front_end)
    plain, tagged = (aligner.align([utterance], [text])[0] for text in ("你 好", "<sil> 你 [noise] 好"))
    assert tagged.alignment == plain.alignment
    assert [word for word in tagged.words if word.score is not None] == list(plain.words)


def test_a_text_of_tags_alone_is_all_blanks(aligner):
    (result,) = aligner.align([speech(aligner.front_end)], ["[noise]"])
    assert set(result.alignment.labels) == {aligner.loaded.config.blank}
    assert result.words == (Word("[noise]", 0.0, 2.0),)


def test_capitals_are_aligned_in_the_likelier_spelling(aligner):
    utterance = speech(aligner.front_end, 4.0)
    capital, small, mixed = (aligner.align([utterance], [text])[0] for text in ("HELLO YOU", "hello you", "Hello You"))
    assert capital.alignment.score >= small.alignment.score
    assert [word.text for word in capital.words] == ["HELLO", "YOU"]
    assert [word.text for word in mixed.words] == ["Hello", "You"]


def test_texts_that_cannot_be_aligned(aligner):
    outcomes = aligner.align([speech(aligner.front_end, 0.3)] * 2, ["far too long for this", ""])
    assert all(isinstance(outcome, AudioError) for outcome in outcomes)
    assert "do not fit into 5 encoder frames" in str(outcomes[0])


def test_published_word_times_of_the_other_system_are_refused(published):
    with pytest.raises(OptionError, match="timestamps"):
        families.FUN_ASR.load_aligner(published, AlignConfig(timestamps="reference"), "cpu")


def test_without_a_head_the_file_that_has_one_is_named(without_head, tmp_path):
    with pytest.raises(ModelError) as caught:
        families.FUN_ASR.load_aligner(without_head, AlignConfig(), "cpu")
    size = (without_head / "model.pt").stat().st_size
    for part in (f"{without_head}/model.pt, {size:,} bytes", SIZE, f"{COMMAND} --to {without_head.parent}"):
        assert part in str(caught.value)
    assert str(caught.value).endswith("--hub modelscope")
    other = write_transformers_form(tmp_path / "m")
    with pytest.raises(ModelError, match=f"{other}, has no CTC head.*{COMMAND} --hub modelscope"):
        families.FUN_ASR.load_aligner(other, AlignConfig(), "cpu")


def test_whether_a_directory_can_align_is_known_without_loading_it(published, without_head):
    assert families.FUN_ASR.lacks_aligner(published) == ""
    assert SIZE in families.FUN_ASR.lacks_aligner(without_head)


@pytest.mark.parametrize("timestamps", ["pauses", "none"])
def test_recognition_without_a_head_says_once_where_times_are_to_be_had(without_head, caplog, timestamps):
    with caplog.at_level(logging.WARNING):
        config = FunAsrConfig(dtype="float32", max_length=8, split_truncated=False, timestamps=timestamps)
        asr = families.FUN_ASR.load(without_head, config, "cpu")
    said = [message for message in caplog.messages if SIZE in message and COMMAND in message]
    assert len(said) == (timestamps == "pauses")
    (result,) = asr.recognise([speech(asr.front_end)])
    assert result.words is None
    assert result.token_times is None
    assert result.confidence > 0


def test_what_aligns_among_several_models(published, tmp_path):
    tiny = GOLDENS / "tiny"
    assert families.find_aligner(tiny)[1].name == "aed"
    assert families.find_aligner(tiny, "llm") == (tiny / "FireRedASR2-AED", families.AED)
    assert families.find_aligner(published) == (published, families.FUN_ASR)
    for name in ("FireRedASR2-LLM", "FireRedASR2-AED"):
        (tmp_path / name).symlink_to(tiny / name)
    (tmp_path / "Fun-ASR-Nano-2512").symlink_to(published)
    assert families.find_aligner(tmp_path, "fun-asr")[0] == tmp_path / "Fun-ASR-Nano-2512"
    assert families.find_aligner(tmp_path)[1].name == "aed"
    (tmp_path / "FireRedASR2-AED").unlink()
    assert families.find_aligner(tmp_path)[1].name == "fun-asr"
    for wanted in (None, "llm"):
        with pytest.raises(ModelError, match="no CTC head to align with; kinds that have: aed, fun-asr"):
            families.find_aligner(tiny / "FireRedASR2-LLM", wanted)


def test_the_other_llm_says_that_it_has_other_features(published):
    config = LlmConfig(align_model=str(published))
    with pytest.raises(ModelError, match="takes other features than this recogniser"):
        families.SPEECH_LLM.load(GOLDENS / "tiny/FireRedASR2-LLM", config, "cpu")


def test_load_gives_the_aligner_of_either_family(published):
    wav = GOLDENS / "tiny/wav/utt00.wav"
    for place in (published, GOLDENS / "tiny/FireRedASR2-AED"):
        result = firered.load(place, as_="aligner")(wav, "你好世界")
        assert [word.text for word in result.words] == list("你好世界")


def test_another_tensor_shape_of_the_head_is_no_head(published, tmp_path):
    copy = shutil.copytree(published, tmp_path / "m")
    state = torch.load(copy / "model.pt", weights_only=True)["state_dict"]
    state["ctc.ctc_lo.bias"] = torch.zeros(3)
    torch.save(state, copy / "model.pt")
    with pytest.raises(ModelError, match="has no CTC head, or not all of its tensors"):
        families.FUN_ASR.load_aligner(copy, AlignConfig(), "cpu")


# Words and marks: each character a token of one row, but for marks, which last until the next token starts.


@pytest.fixture(scope="module")
def spelling():
    return BpeTokenizer({bytes([byte]): byte for byte in range(256)})


def rows_of(tokenizer, text, mark_rows=20):
    tokens, row = [], 0
    for number in tokenizer.encode(text):
        rows = mark_rows if chr(number) in ".,!?" else 1
        tokens.append(TimedToken(number, row, row + rows, 0.5))
        row += rows
    return tokens, row


def test_a_mark_takes_no_time_of_the_words_around_it(spelling):
    text = "Hi there. Now go."
    tokens, rows = rows_of(spelling, text)
    words = words_of(text, tokens, spelling, 0.06 * rows)
    by_text = {word.text: word for word in words}
    assert (by_text["there."].start_s, by_text["there."].end_s) == (0.18, round(0.06 * 8, 3))
    assert by_text["Now"].start_s == round(0.06 * (8 + 20 + 1), 3)
    first, second = sentences_by_own_marks("u", text, words).sentences
    assert (first.text, second.text) == ("Hi there.", "Now go.")
    assert (first.end_s, second.start_s) == (by_text["there."].end_s, by_text["Now"].start_s)


@pytest.mark.parametrize("odd", ["C++", "$10", "3.5%", "GPT-4o", "don't", "—"])
def test_words_of_signs_and_digits_have_times(spelling, odd):
    text = f"ab {odd} cd"
    tokens, rows = rows_of(spelling, text, mark_rows=1)
    words = words_of(text, tokens, spelling, 0.06 * rows)
    assert [word.text for word in words] == ["ab", odd, "cd"]
    assert words[0].end_s < words[1].start_s < words[1].end_s < words[2].start_s
    (sentence,) = sentences_by_own_marks("u", text, words).sentences
    assert sentence.text == text
