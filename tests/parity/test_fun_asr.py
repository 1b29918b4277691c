"""Fun-ASR-Nano: what the published code gives for a tiny checkpoint of its format."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.close import assert_same
from support.paths import GOLDENS

from firered.align.config import AlignConfig
from firered.asr.families import FUN_ASR
from firered.asr.families.fun_asr import FunAsr
from firered.asr.families.fun_asr_times import published_items, timed_tokens
from firered.asr.fun_asr_config import FunAsrConfig
from firered.audio.frontend import fbank
from firered.audio.like import as_frames
from firered.data.datadir import write_table
from firered.models.fun_asr import heard_rows
from firered.results import VadResult
from firered.runtime.context import Context
from firered.runtime.speech import Speech
from firered.system.config import SystemConfig
from firered.system.system import Modules, System
from firered.text.bpe_tokenizer import SPECIAL, BpeTokenizer
from firered.text.fun_asr import Request, clean, without_marks
from firered.text.fun_asr_context import Known, context_block, new_context_block
from firered.text.llm_tokenizer import ChatTokenizer
from firered.text.replacing import Replacer, replaced
from firered.train.data.fun_asr import Line, example
from firered.train.objectives.tokens import token_loss
from firered.train.settings import settings_of
from firered.train.tasks import TASKS

TOLERANCE = 1e-5  # of a tensor's largest value
CODES = {"中文": "zh", "英文": "en", None: None}


@pytest.fixture(scope="module")
def goldens(shared):
    return shared("goldens/FunASRNano")


@pytest.fixture(scope="module")
def expected(goldens):
    return json.loads((goldens / "funasr_expected.json").read_text())


@pytest.fixture(scope="module")
def tensors(goldens):
    return np.load(goldens / "funasr_tensors.npz")


@pytest.fixture(scope="module")
def checkpoint(goldens):
    return goldens / "Fun-ASR-Nano-2512"


@pytest.fixture(scope="module")
def default(checkpoint):
    return recogniser(checkpoint)


def recogniser(checkpoint, **options):
    config = FunAsrConfig(**{"dtype": "float32", "max_length": 64, "split_truncated": False, **options})
    return FunAsr.from_pretrained(checkpoint, config, "cpu")


def speech_of(asr, wav, context=None):
    frames = as_frames(str(GOLDENS / "tiny" / wav), front_end=asr.front_end)
    return Speech.of(frames, context)


def assert_close(got, wanted):
    assert got.shape == wanted.shape
    assert np.abs(np.asarray(got) - wanted).max() <= TOLERANCE * np.abs(wanted).max()


def setting(expected, name):
    """The options and the context of one of the settings."""
    given = expected["settings"][name]
    generate = given.get("llm_kwargs", {})
    options = {
        "itn": given.get("itn", True),
        "max_length": given.get("max_length", expected["max_length"]),
        "beam_size": generate.get("num_beams", 1),
        "repetition_penalty": generate.get("repetition_penalty", 1.0),
        "hotword_use": "prompt",
    }
    return options, Context(tuple(given.get("hotwords", ())), CODES[given.get("language")])


@pytest.mark.parametrize(
    "name", ["default", "noitn", "hotwords", "language", "all", "maxlen3", "penalty", "keep_special", "beam2"]
)
def test_every_setting_single_and_in_one_batch(name, checkpoint, expected):
    options, context = setting(expected, name)
    asr = recogniser(checkpoint, **options)
    cases = expected["results"][name]
    speech = [speech_of(asr, case["wav"], context) for case in cases]
    single = [asr.recognise([utterance])[0] for utterance in speech]
    end = "<|im_end|>" if name == "keep_special" else ""  # which is how the answer is read there
    assert [result.text + end for result in single] == [case["text"] for case in cases]
    if name != "keep_special":
        assert [result.plain_text for result in single] == [case["text_tn"] for case in cases]
    if "ctc_text" in cases[0]:
        assert [result.ctc_text for result in single] == [case["ctc_text"] for case in cases]
    assert_same(asr.recognise(speech), single)


def test_all_settings_are_covered(expected):
    assert len(expected["settings"]) == 9


@pytest.mark.parametrize("name", ["default", "noitn", "hotwords", "language", "all"])
def test_what_the_language_model_is_given(name, checkpoint, expected):
    options, context = setting(expected, name)
    asr = recogniser(checkpoint, **options)
    for case in expected["results"][name]:
        rows, _ = asr.loaded.rows([speech_of(asr, case["wav"])])
        before, after = (asr.loaded.tokenizer.ids_of(text) for text in asr.loaded.prompt(context, asr.config.itn))
        heard = asr.loaded.heard(rows.shape[1])
        assert [*before, *[0] * heard, *after] == case["source_ids"]
        assert [len(before), heard] == [*case["fbank_beg"], *case["fake_token_len"]]


def test_generated_ids(default, expected):
    for case in expected["results"]["default"]:
        (decoded,) = default._decode([speech_of(default, case["wav"])])
        best = decoded.hypotheses[0]
        assert [*best.tokens, *[default.loaded.tokenizer.eos_id] * best.finished] == case["generated_ids"]


def test_encoder_adaptor_and_ctc_head(default, tensors, expected):
    names = [name.partition(".")[0] for name in tensors if name.endswith(".feats") and name.startswith("utt")]
    assert len(names) == 2
    with torch.inference_mode():
        for name in names:
            feats = tensors[f"{name}.feats"]
            rows, lengths = torch.from_numpy(feats)[None], torch.tensor([len(feats)])
            encoded = default.loaded.encoder.encode(rows, lengths)
            assert_close(encoded[0], tensors[f"{name}.encoder"])
            assert_close(default.loaded.encoder.adaptor(encoded, lengths)[0][0], tensors[f"{name}.adaptor"])
            (log_probs,) = default.loaded.encoder.ctc_log_probs(encoded, lengths)
            assert_close(log_probs, tensors[f"{name}.ctc_logprobs"])
            embeds = torch.from_numpy(tensors[f"{name}.inputs_embeds"])[None]
            assert_close(default.loaded.llm(inputs_embeds=embeds).logits[0, -1], tensors[f"{name}.logits_last"])


def test_whole_utterances_from_their_audio(default, tensors):
    """The filterbank's own tolerance (see test_feats) comes on top."""
    for name in [name for name in tensors if name.endswith(".encoder") and name.startswith("utt")]:
        key = name.partition(".")[0]
        speech = [speech_of(default, f"wav/{key}.wav")]
        wanted = tensors[name]
        got = default.encode(speech)[0].feats.numpy()
        assert got.shape == wanted.shape
        assert np.abs(got - wanted).max() <= 1e-3 * np.abs(wanted).max()


def test_times_of_tokens(default, expected):
    """Of the text, and of what the CTC head itself reads."""
    loaded = default.loaded
    for case in expected["results"]["default"]:
        rows, lengths = loaded.rows([speech_of(default, case["wav"])])
        with torch.inference_mode():
            (log_probs,) = loaded.encoder.ctc_log_probs(loaded.encoder.encode(rows, lengths), lengths)
        assert log_probs.argmax(-1).tolist() == case["ctc_argmax"]
        assert loaded.ctc_tokenizer.encode(case["text"]) == case["text_token_ids_ctc"]
        for text, wanted in ((case["text"], case["timestamps"]), (case["ctc_text"], case["ctc_timestamps"])):
            tokens = timed_tokens(log_probs, loaded.ctc_tokenizer.encode(text), loaded.config.blank)
            items = published_items(tokens, loaded.ctc_tokenizer)
            scores = [item.pop("score") for item in items]
            assert items == [{name: item[name] for name in ("token", "start_time", "end_time")} for item in wanted]
            assert np.allclose(scores, [item["score"] for item in wanted], atol=0.0011)


def test_given_text_is_aligned_as_the_published_code_aligns_its_own(default, checkpoint, expected):
    aligner = FUN_ASR.load_aligner(checkpoint, AlignConfig(), "cpu")
    cases = expected["results"]["default"]
    speech = [speech_of(default, case["wav"]) for case in cases]
    for result, case in zip(aligner.align(speech, [case["text"] for case in cases]), cases, strict=True):
        got = [(token.token, token.start_s, token.end_s) for token in result.token_times]
        wanted = [(item["token"], item["start_time"], item["end_time"]) for item in case["timestamps"]]
        assert got == [(token, round(start, 3), round(end, 3)) for token, start, end in wanted]
        assert "".join(word.text for word in result.words) == case["text"].replace(" ", "")


def test_alignment_of_made_up_probabilities(expected, tensors):
    for number, case in enumerate(expected["align"]):
        log_probs = torch.from_numpy(tensors[f"align{number}"])
        tokens = timed_tokens(log_probs, case["targets"], case["blank"])
        found = [(token.id, token.first, token.end, round(token.probability, 3)) for token in tokens]
        wanted = [tuple(item[name] for name in ("token", "start_time", "end_time", "score")) for item in case["items"]]
        assert found == wanted


def test_a_padded_batch(default, tensors, expected):
    feats = [torch.from_numpy(tensors[f"{name}.feats"]) for name in expected["batch"]["utts"]]
    lengths = torch.tensor(expected["batch"]["lens"])
    rows = torch.nn.utils.rnn.pad_sequence(feats, batch_first=True)
    with torch.inference_mode():
        encoded = default.loaded.encoder.encode(rows, lengths)
        adapted = default.loaded.encoder.adaptor(encoded, lengths)[0]
    for number, length in enumerate(lengths.tolist()):
        assert_close(encoded[number, :length], tensors["batch.encoder"][number, :length])
        assert_close(adapted[number, :length], tensors["batch.adaptor"][number, :length])


def test_without_ctc_tensors_text_stays_and_times_go(checkpoint, expected, tmp_path, default):
    copy = tmp_path / "renamed"
    copy.mkdir()
    for path in checkpoint.iterdir():
        if path.name not in ("model.pt", "multilingual.tiktoken"):
            (copy / path.name).symlink_to(path)
    state = torch.load(checkpoint / "model.pt", weights_only=True)["state_dict"]
    torch.save({name: value for name, value in state.items() if not name.startswith("ctc")}, copy / "model.pt")
    asr = recogniser(copy)
    case = expected["batch_no_ctc"]
    results = asr.recognise([speech_of(asr, f"wav/{key}.wav") for key in case["utts"]])
    assert [result.text for result in results] == [wanted["text"] for wanted in case["results"]]
    assert [result.ctc_text for result in results] == [None] * len(results)
    assert not asr.times_words
    assert default.times_words


def test_short_and_stereo_audio(default, tensors, expected, goldens):
    samples = np.concatenate([*(fbank_input("utt00"),)])
    for number, case in enumerate(expected["short_samples_of_utt00"]):
        piece = samples[case["start"] : case["start"] + case["samples"]]
        rows = default.front_end.stacked(fbank(piece, default.front_end))
        assert len(rows) == case["lfr_frames"]
        assert default.loaded.heard(len(rows)) == case["audio_tokens"]
        assert np.abs(rows.numpy() - tensors[f"short{number}.feats"]).max() < 2e-3
    (frames,) = [as_frames(str(goldens / "stereo8k.wav"), front_end=default.front_end)]
    Speech.of(frames)
    assert round(frames.duration_s * 16000) == int(expected["stereo8k_samples"])


def fbank_input(name):
    import soundfile

    samples, _ = soundfile.read(GOLDENS / "tiny" / "wav" / f"{name}.wav", dtype="int16")
    return samples.astype(np.float32)


def test_audio_tokens_of_rows(expected):
    assert [[rows, heard_rows(rows, True)] for rows, _ in expected["audio_tokens_of_lfr_frames"]] == expected[
        "audio_tokens_of_lfr_frames"
    ]


def test_tokenizers(checkpoint, expected):
    ctc = BpeTokenizer.from_file(checkpoint / "multilingual.tiktoken")
    assert len(ctc) == expected["ctc_vocab_size"]
    for case in expected["ctc_tokenizer"]:
        assert ctc.encode(case["text"]) == case["ids"]
        assert [ctc.decode([number]) for number in case["ids"]] == case["each"]
    first = len(ctc) - len(SPECIAL)
    assert {name: first + SPECIAL.index(name) for name in expected["ctc_special"]} == expected["ctc_special"]
    llm = ChatTokenizer.from_dir(checkpoint / "Qwen3-0.6B")
    assert [llm.ids_of(case["text"]) for case in expected["llm_tokenizer"]] == [
        case["ids"] for case in expected["llm_tokenizer"]
    ]


def test_prompts_and_cleaning(expected, default):
    for case in expected["prompts"]:
        assert str(Request(case["language"], case["itn"], case["hotwords"])) == case["prompt"]
    for case in expected["clean"]:
        assert (clean(case["response"]), without_marks(case["response"])) == (case["text"], case["text_tn"])
    config = default.loaded.config
    for case in expected["prompt_variants"]:
        loaded = replace(
            default.loaded, config=replace(config, system_prompt=case["sys_prompt"], thinks=case["do_think"])
        )
        context = Context(prefix=case["prev_text"] or "")
        before, after = (loaded.tokenizer.ids_of(text) for text in loaded.prompt(context, True))
        heard = case["source_ids"].count(0)
        assert [*before, *[0] * heard, *after] == case["source_ids"]


def test_streaming_by_prefix(default, expected):
    """The recording so far from its start, with all but the last five tokens of the text so far as its beginning."""
    tokenizer = default.loaded.tokenizer
    for case in expected["streaming"]:
        samples, prefix = fbank_input(case["wav"].removeprefix("wav/").removesuffix(".wav")), ""
        for number, step in enumerate(case["steps"]):
            piece = samples[: step["samples"]]
            feats = fbank(piece, default.front_end)
            speech = Speech("s", feats, len(piece) / 16000, Context(prefix=prefix), default.front_end)
            (result,) = default.recognise([speech])
            assert result.text == step["text"]
            if number < len(case["steps"]) - 1:
                prefix = tokenizer.decode(tokenizer.ids_of(result.text)[:-5]).replace("�", "")
                assert prefix == step["kept"]


def test_a_streaming_pass_over_whole_utterances(checkpoint, expected):
    """The same by the option: all steps of several utterances, together and alone."""
    asr = recogniser(checkpoint, streaming=True)
    cases = expected["streaming"]
    speech = [speech_of(asr, case["wav"]) for case in cases]
    together = asr.recognise(speech)
    for own, result in zip(speech, together, strict=True):
        assert_same(asr.recognise([own])[0], result)
    for case, result in zip(cases, together, strict=True):
        steps = [(step["text"], round(step["samples"] / 16000, 3)) for step in case["steps"]]
        changes = [step for before, step in zip([("", 0), *steps], steps, strict=False) if step[0] != before[0]]
        assert [(one.text, one.heard_s) for one in result.shown] == changes
        assert result.text == steps[-1][0]
        assert result.words


def test_segments_of_a_long_recording(default, expected):
    case = expected["long"]
    samples = fbank_input("long")
    pieces = [samples[16 * start : min(16 * end, len(samples))] for start, end in case["segments_ms"]]
    speech = [
        Speech(str(number), fbank(piece, default.front_end), len(piece) / 16000, Context(), default.front_end)
        for number, piece in enumerate(pieces)
    ]
    results = default.recognise(speech)
    assert " ".join(result.text for result in results) == case["result"]["text"]
    assert " ".join(result.ctc_text for result in results) == case["result"]["ctc_text"]
    starts = [start for start, _ in case["segments_ms"]]
    times = [
        (token.token, *((1000 * time + start) / 1000 for time in (token.start_s, token.end_s)))
        for start, result in zip(starts, results, strict=True)
        for token in result.token_times
    ]
    wanted = case["result"]["timestamps"]
    assert [token for token, *_ in times] == [item["token"] for item in wanted]
    edges = [[item["start_time"], item["end_time"]] for item in wanted]
    assert np.allclose([[start, end] for _, start, end in times], edges, atol=1e-6, rtol=0)


class Segments:
    """A detector that finds segments which are known."""

    def __init__(self, spans):
        self.spans = spans

    def detect(self, recordings):
        for spool in recordings:
            for _ in spool:
                pass
            yield spool, VadResult(spool.key, spool.duration_s, self.spans)


def test_a_long_recording_through_the_system(default, expected):
    """Segments that start at whole frames: from any other start the system's frames are up to 5 ms off."""
    case = expected["long"]
    spans = [(round(start, -1) / 1000, round(end, -1) / 1000) for start, end in case["segments_ms"]]
    system = System(Modules(vad=Segments(spans), asr=default), SystemConfig(lid=False))
    transcript = system(GOLDENS / "tiny/wav/long.wav")
    samples = fbank_input("long")
    pieces = [samples[round(16000 * start) : round(16000 * end)] for start, end in spans]
    speech = [
        Speech(str(number), fbank(piece, default.front_end), len(piece) / 16000, Context(), default.front_end)
        for number, piece in enumerate(pieces)
    ]
    results = default.recognise(speech)
    assert [sentence.text for sentence in transcript.sentences]
    assert transcript.text.replace(" ", "") == "".join(result.text for result in results).replace(" ", "")
    words = [(word.text, start + word.start_s) for (start, _), own in zip(spans, results, strict=True)
             for word in own.words]  # fmt: skip
    assert [word.text for word in transcript.words] == [text for text, _ in words]
    assert np.allclose([word.start_s for word in transcript.words], [start for _, start in words], atol=0.002)
    assert transcript.status == "ok"


# There Latin letters have no sound at all, so that a Latin target replaces every Latin word; here it replaces none.
LATIN = {"pythonpythonpython": "use the pithon code"}


def test_correction_of_finished_text(expected):
    latin = []
    for case in expected["postprocess_hotwords"]:
        matches = Replacer.of(case["hotwords"], case["threshold"]).matches(case["text"])
        if case["out"] in LATIN:
            latin.append(case["out"])
            assert replaced(case["text"], matches) == LATIN[case["out"]]
            continue
        assert replaced(case["text"], matches) == case["out"]
        assert [{**vars(match), "score": round(match.score, 3)} for match in matches] == case["matches"]
    assert latin == list(LATIN)


def test_context_blocks_of_training_prompts(expected):
    for case in expected["context_prompts"]:
        item, english = case["item"], case["lang"] == "en"
        known = Known(
            history=item.get("hist_context", ""),
            first_pass=item.get("one_pass_result", ""),
            hotwords=item.get("hotwords", ()),
            found_hotwords=item.get("asr_hotwords", ()),
        )
        assert context_block(known, english=english) == case["MultiContextPrompt"]
        assert context_block(known, english=english, history=True) == case["MultiContextPrompt_hist"]
        assert new_context_block(known, english=english) == case["MultiContextPromptNew"]


def test_training_lines(default, expected):
    """Input, labels, loss and share of right tokens of a published line of data."""
    loaded = default.loaded
    for case in expected["train"]:
        asked = f"{Request(itn=case['itn'])}<|startofspeech|>!{case['wav']}<|endofspeech|>"
        messages = [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": case["target"]},
        ]
        line = Line.parse(json.dumps({"messages": messages, "speech_length": 100, "text_length": 9}), "train.jsonl:1")
        rows, lengths = loaded.rows([speech_of(default, line.path)])
        made = example(line, loaded.tokenizer, loaded.heard(rows.shape[1]))
        assert made.ids == case["input_ids"]
        assert made.labels == case["labels"]
        with torch.inference_mode():
            heard = loaded.encoder.adaptor(loaded.encoder.encode(rows, lengths), lengths)[0][0, : len(made.speech)]
            embeds = loaded.llm.get_input_embeddings()(torch.tensor(made.ids))
            embeds[made.speech.start : made.speech.stop] = heard
            logits = loaded.llm(inputs_embeds=embeds[None]).logits
            loss = token_loss(logits[:, :-1], torch.tensor([made.labels[1:]]))
        assert int(loss.counts["tokens"]) == case["weight"]
        assert float(loss.loss / loss.counts["tokens"]) == pytest.approx(case["loss"], rel=1e-4)
        assert float(loss.counts["correct"] / loss.counts["tokens"]) == pytest.approx(case["acc"])


def test_training_by_the_task(checkpoint, expected, tmp_path):
    """The same by task fun-asr: a data directory read, features, tokens, loss and accuracy of each utterance."""
    cases = {f"utt{number}": case for number, case in enumerate(expected["train"])}
    folder = tmp_path / "data"
    folder.mkdir()
    write_table(folder / "wav.scp", {key: str(GOLDENS / "tiny" / case["wav"]) for key, case in cases.items()})
    write_table(folder / "text", {key: case["target"] for key, case in cases.items()})
    write_table(folder / "utt2itn", {key: "yes" if case["itn"] else "no" for key, case in cases.items()})
    data = {"train": str(folder), "dev": str(folder), "min_frames": 1}
    content = {"task": "fun-asr", "out": str(tmp_path / "out"), "data": data, "model": {"init": str(checkpoint)}}
    task = TASKS["fun-asr"].build(settings_of(content, "test"))
    task.objective.eval()
    for index, case in enumerate(cases.values()):
        batch = task.dev.collate([task.dev.item(index, None)])
        assert batch.tensors["ids"].tolist() == [case["input_ids"]]
        assert batch.tensors["labels"].tolist() == [case["labels"]]
        assert batch.weight == case["weight"]
        with torch.inference_mode():
            loss, counts = task.objective(batch.tensors)
        figures = task.objective.report(float(loss), {name: float(value) for name, value in counts.items()})
        assert float(loss) / batch.weight == pytest.approx(case["loss"], rel=1e-4)
        assert figures["accuracy"] == pytest.approx(case["acc"])
    state = task.objective.package(task.objective.exported())["state_dict"]
    before = torch.load(checkpoint / "model.pt", weights_only=True)["state_dict"]
    assert state.keys() == before.keys()
    same = [name for name, value in before.items() if torch.equal(state[name], value)]
    changed = sorted(before.keys() - set(same))
    assert same
    assert all(name.startswith("llm.model.layers.") for name in changed), changed[:3]  # whose LoRA is float32
    assert all(torch.equal(state[name], before[name].float()) for name in changed)
