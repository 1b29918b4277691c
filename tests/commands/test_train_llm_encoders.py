"""Speech-LLMs on encoders of other models, and what a merged one holds."""

import csv
import json

import pytest
import torch
from safetensors.torch import load_file
from support.byte_llm import make_llm
from support.paths import GOLDENS, SHARED
from support.tiny_fun_asr import write_published_form
from support.tiny_transformers import write_whisper
from support.train_corpus import NO_MASKS, SMALL_AED, TEXTS, losses, make_all, run, values
from transformers import WhisperFeatureExtractor, WhisperModel

from firered.asr.families import SPEECH_LLM
from firered.asr.families.fun_asr_loaded import padded_rows
from firered.asr.families.speech_llm import LlmAsr, LlmEncoder
from firered.asr.llm_config import LlmConfig
from firered.audio.config import AudioConfig
from firered.audio.frontend import PUBLISHED, SAMPLES, fbank
from firered.audio.load import read_blocks
from firered.errors import ModelError, OptionError
from firered.models.checkpoint import load_checkpoint
from firered.models.fun_asr_checkpoint import load_published
from firered.models.fun_asr_config import CheckpointConfig
from firered.models.llm_encoders import WhisperFrames, WhisperSizes
from firered.train import checkpoints
from firered.train.merged import write_merged
from firered.train.settings import settings_of
from firered.train.tasks import TASKS
from firered.train.tasks.llm_encoders import first_encoder

GREEDY = {"beam_size": 1, "dtype": "float32", "window_seconds": 30.0}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("corpus"))
    make_llm(folder / "qwen")
    (folder / "sanm").mkdir()
    write_published_form(folder / "sanm")
    write_whisper(folder / "whisper")
    return folder


def content(corpus, out, steps, encoder, **model):
    model = {"encoder": str(corpus / encoder), "llm": str(corpus / "qwen"), "lora_rank": 4, "dropout": 0.0} | model
    return values("llm", corpus, out, steps=steps, model=model, specaugment=NO_MASKS, optim={"lr": 5e-3})


def samples_of(corpus, key):
    (block,) = read_blocks(corpus / f"data/{key}.wav", AudioConfig())
    return block


def test_rows_of_sanm_are_those_of_fun_asr(corpus):
    encoder, _ = first_encoder(corpus / "sanm")
    config = CheckpointConfig.of_directory(corpus / "sanm")
    assert encoder.front_end == config.front_end
    feats = [fbank(samples_of(corpus, key), config.front_end) for key in ("a1", "b3")]
    rows, counts = padded_rows(feats, config.front_end, torch.device("cpu"), torch.float32)
    padded = torch.nn.utils.rnn.pad_sequence(feats, batch_first=True)
    with torch.no_grad():
        wanted = load_published(corpus / "sanm", config, torch.float32).encoder.encode(rows, counts)
        found, lengths = encoder.eval()(padded, torch.tensor([len(own) for own in feats]))
    assert lengths.tolist() == counts.tolist()
    for own, other, length in zip(wanted, found, counts.tolist(), strict=True):
        torch.testing.assert_close(other[:length], own[:length])


def test_rows_of_whisper_are_those_of_transformers(corpus):
    encoder, _ = first_encoder(corpus / "whisper")
    samples = [samples_of(corpus, key) for key in ("a1", "b3")]
    own = WhisperModel.from_pretrained(corpus / "whisper")
    extractor = WhisperFeatureExtractor(feature_size=own.config.num_mel_bins)
    features = extractor([one / 32768 for one in samples], sampling_rate=16000, return_tensors="pt")["input_features"]
    frames = [fbank(one, SAMPLES) for one in samples]
    with torch.no_grad():
        wanted = own.encoder.eval()(features).last_hidden_state
        padded = torch.nn.utils.rnn.pad_sequence(frames, batch_first=True)
        found, lengths = encoder.eval()(padded, torch.tensor([len(one) for one in frames]))
    assert lengths.tolist() == [-(-len(one) // 320) for one in samples]
    for row, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[row, :length], wanted[row, :length], rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelError, match=r"an utterance of 30\.1 s: Whisper's encoder takes 30 s at most"):
        encoder(torch.zeros(1, 3010, 160), torch.tensor([3010]))


@pytest.mark.parametrize(
    ("encoder", "steps", "model"),
    [
        ("sanm", 40, {"adapter": "transformer", "adapter_rate": 2, "adapter_width": 64}),
        ("whisper", 2, {"adapter": "conv", "adapter_rate": 4, "trains": "adapter"}),  # of 30 s, whatever it is given
    ],
)
def test_it_learns_and_is_recognised_with(corpus, tmp_path, encoder, steps, model):
    curve = losses(run(content(corpus, tmp_path, steps, encoder, **model)))
    assert curve[-1] < (0.6 if steps > 10 else 1.0) * curve[0]
    assert SPEECH_LLM.front_end(tmp_path) == first_encoder(corpus / encoder)[0].front_end
    recogniser = LlmAsr.from_pretrained(tmp_path, LlmConfig(**GREEDY), "cpu")
    read = {key: recogniser(corpus / f"data/{key}.wav").text for key in TEXTS}
    # What training decodes with is what recognition does.
    task = TASKS["llm"].build(settings_of(content(corpus, tmp_path / "again", 1, encoder) | {"model": {
        "init": str(tmp_path), "dropout": 0.0}}, "test"))  # fmt: skip
    batch = task.dev.collate([task.dev.item(index, None) for index in range(len(TEXTS))])
    with torch.no_grad():
        tokens = task.objective.eval().decode(batch.tensors, "attention", lambda steps: steps)
    assert {key: task.text_of(ids) for key, ids in zip(batch.keys, tokens, strict=True)} == read
    whole = LlmEncoder.from_pretrained(tmp_path, LlmConfig(**GREEDY), "cpu")
    plain, adapted = (whole.encode(corpus / "data/a1.wav", adapter=given).feats for given in (False, True))
    assert len(adapted) == len(plain) // model["adapter_rate"]


def test_only_the_adapter_can_be_trained_and_a_published_encoder_is_as_before(corpus, tmp_path):
    run(content(corpus, tmp_path / "one", 2, "sanm", trains="adapter"))
    before = load_checkpoint(tmp_path / "one/asr_encoder.pth.tar")
    after = load_checkpoint(tmp_path / "one/model.pth.tar")[1]
    assert before[0].encoder_type == "sanm"
    assert [name for name, value in before[1].items() if not torch.equal(value, after[name])] == []
    run(values("aed", corpus, corpus / "aed", steps=1, model=SMALL_AED))
    run(content(corpus, tmp_path / "two", 1, "aed"))
    args, _ = load_checkpoint(tmp_path / "two/asr_encoder.pth.tar")
    assert not hasattr(args, "encoder_type")
    assert SPEECH_LLM.front_end(tmp_path / "two") == PUBLISHED


def test_what_an_encoder_cannot_do_is_said(corpus, tmp_path):
    run(content(corpus, tmp_path, 1, "whisper", trains="adapter"))
    with pytest.raises(OptionError, match=r"takes 30 s at most; give --window-seconds 30"):
        LlmAsr.from_pretrained(tmp_path, LlmConfig(**GREEDY | {"window_seconds": 40.0}), "cpu")
    with pytest.raises(OptionError, match="encoder_dtype: int8 is for the Conformer"):
        LlmAsr.from_pretrained(tmp_path, LlmConfig(**GREEDY, encoder_dtype="int8"), "cpu")
    given = content(corpus, tmp_path / "x", 1, "whisper") | {"augment": {"pad_prob": 0.5}}
    with pytest.raises(OptionError, match="pad_prob: the encoder takes a bounded length"):
        TASKS["llm"].build(settings_of(given, "test"))
    given = {"task": "grpo", "out": str(tmp_path / "g"), "model": {"init": str(tmp_path)},
             "data": {"train": str(corpus / "data"), "dev": str(corpus / "data")}}  # fmt: skip
    with pytest.raises(OptionError, match="has an encoder of another model, which is not trained by rewards"):
        TASKS["grpo"].build(settings_of(given, "test"))
    args, state = load_checkpoint(tmp_path / "asr_encoder.pth.tar")
    args.encoder_type = "wav2vec"
    checkpoints.save(tmp_path / "asr_encoder.pth.tar", {"args": args, "model_state_dict": state})
    with pytest.raises(ModelError, match="these are not the arguments of an AED: n_head"):
        LlmAsr.from_pretrained(tmp_path, LlmConfig(**GREEDY), "cpu")


def test_utterances_that_are_too_long_at_the_slowest_speed_are_left_out(corpus, tmp_path):
    given = content(corpus, tmp_path, 1, "whisper") | {"augment": {"speeds": "0.5 1.0"}}
    task = TASKS["llm"].build(settings_of(given, "test"))
    assert len(task.train.keys) == len(TEXTS)  # of a second or two
    encoder = WhisperFrames(WhisperSizes(16, 1, 2, 16, 80))
    assert encoder.longest_s == 30


def test_the_golden_merged_has_the_published_names_and_writes_the_published_texts(corpus, tmp_path):
    golden = GOLDENS / "tiny/FireRedASR2-LLM"
    given = values("llm", corpus, golden, steps=1, model={"init": str(golden), "llm": str(corpus / "qwen")})
    write_merged(settings_of(given, "test"), tmp_path)
    with (SHARED / "spec/state_dicts/llm_golden_tiny.tsv").open() as stream:
        published = {name: shape for name, shape in csv.reader(stream, delimiter="\t")}  # noqa: C416 - checks the rows

    def shapes(path):
        return {name: "x".join(map(str, value.shape)) for name, value in load_checkpoint(path)[1].items()}

    assert {name: shape for name, shape in shapes(golden / "model.pth.tar").items() if name in published} == published
    merged = {name: shape for name, shape in shapes(tmp_path / "model.pth.tar").items() if "encoder." not in name}
    assert merged == {name: shape for name, shape in published.items() if ".lora_" not in name}
    assert len(load_file(tmp_path / "adapter.safetensors")) == 4
    cases = json.loads((GOLDENS / "tiny/llm_expected.json").read_text())["greedy"]
    options = {name: value for name, value in cases["config"].items() if name != "batch_size"}
    recogniser = LlmAsr.from_pretrained(tmp_path, LlmConfig(dtype="float32", **options), "cpu")
    texts = {own["uttid"]: recogniser(GOLDENS / "tiny" / own["wav"]).text for own in cases["results"]}
    assert texts == {own["uttid"]: own["text"] for own in cases["results"]}
