"""Every task learns: one batch by heart, and only what is meant to change changes."""

import pytest
import torch
from support.paths import GOLDENS
from support.train_corpus import NO_MASKS, SMALL_AED, SMALL_VAD, losses, make_all, run, values

from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.audio.frontend import Cmvn, fbank
from firered.audio.load import read
from firered.data.datadir import read_table, write_table
from firered.models.aed import Aed, Lid
from firered.models.checkpoint import load_checkpoint
from firered.models.dfsmn import Dfsmn, DfsmnConfig
from firered.models.lstm_lm import LstmLm
from firered.text.tokenizer import EOS_ID, SOS_ID, Tokenizer
from firered.train.settings import settings_of
from firered.train.tasks import TASKS
from firered.vad.detect import Mvad, Vad


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def aed(corpus, tmp_path_factory):
    """A trained recognition model, its folder and its log."""
    out = tmp_path_factory.mktemp("aed") / "exp"
    content = values("aed", corpus, out, steps=150, model=SMALL_AED | {"dropout": 0.0}, specaugment=NO_MASKS)
    return out, run(content)


def state_of(out):
    return load_checkpoint(out / "model.pth.tar")[1]


def test_aed_learns_a_batch_by_heart(aed, corpus):
    out, lines = aed
    curve = losses(lines)
    assert curve[0] > 2.0
    assert curve[-1] < 0.03
    assert lines[-1]["accuracy"] == 1.0
    recogniser = Asr.from_pretrained(out, AsrConfig(softmax_smoothing=1.0), "cpu")
    assert recogniser(corpus / "data/a2.wav").text == "好天气"
    assert recogniser(corpus / "data/b3.wav").text == "们"


def test_ctc_learns_and_leaves_the_rest_bit_for_bit(aed, corpus, tmp_path):
    before = state_of(aed[0])
    lines = run(values("ctc", corpus, tmp_path, steps=600, model={"init": str(aed[0])}, optim={"lr": 0.1},
                       specaugment=NO_MASKS))  # fmt: skip
    assert losses(lines)[-1] < 0.04  # one layer on a frozen encoder: slower than the others
    after = state_of(tmp_path)
    assert after.keys() - before.keys() == {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}
    assert [name for name in before if not torch.equal(before[name], after[name])] == []
    assert Asr.from_pretrained(tmp_path, AsrConfig(timestamps="pauses"), "cpu")(corpus / "data/a2.wav").words


def test_joint_ctc_trains_head_and_encoder(corpus, tmp_path):
    model = SMALL_AED | {"dropout": 0.0, "ctc_weight": 0.5}
    lines = run(values("aed", corpus, tmp_path, steps=100, model=model, specaugment=NO_MASKS, optim={"lr": 6e-3}))
    assert lines[-1]["ctc"] < 0.3
    assert Aed.load(tmp_path / "model.pth.tar").has_ctc


@pytest.mark.parametrize("frozen", [False, True])
def test_lid_on_a_recognition_encoder(aed, corpus, tmp_path, frozen):
    model = {"encoder": str(aed[0]), "freeze_encoder": frozen, "dropout": 0.0, "label_smoothing": 0.0}
    lines = run(values("lid", corpus, tmp_path, steps=100, model=model, specaugment=NO_MASKS, optim={"lr": 6e-3}))
    assert losses(lines)[-1] < 0.05
    before, after = state_of(aed[0]), state_of(tmp_path)
    weights = [name for name in before if name.startswith("encoder.") and not name.endswith(".pe")]
    assert all(torch.equal(before[name], after[name]) for name in weights) == frozen
    assert Lid.load(tmp_path / "model.pth.tar").config.lid_odim == 10
    symbols = [line.split()[0] for line in (tmp_path / "dict.txt").read_text().splitlines()]
    assert symbols[5:] == ["en", "ja", "zh", "mandarin", "yue"]


@pytest.mark.parametrize(("task", "events", "lookahead"), [("vad", 1, 4), ("stream-vad", 1, 0), ("mvad", 3, 4)])
def test_vad_family(corpus, tmp_path, task, events, lookahead):
    content = values(task, corpus, tmp_path, steps=120, model=SMALL_VAD | {"dropout": 0.0}, specaugment=NO_MASKS,
                     optim={"lr": 0.01})  # fmt: skip
    lines = run(content)
    assert losses(lines)[-1] < 0.05
    assert lines[-1]["f1"] > 0.97
    args, state = load_checkpoint(tmp_path / "model.pth.tar")
    assert (args.odim, args.N2) == (events, lookahead)
    Dfsmn(DfsmnConfig.from_args(args)).load_state_dict(state)


def test_trained_detectors_find_what_was_labelled(corpus, tmp_path):
    for task in ("vad", "mvad"):
        run(values(task, corpus, tmp_path / task, steps=100, model=SMALL_VAD, specaugment=NO_MASKS,
                   optim={"lr": 0.01}))  # fmt: skip
    # b1 is speech from 0.2 to 1.0 s, and a start lies 5 frames earlier, an end 20 later; a3 is music, which is no voice
    ((start, end),) = Vad.from_pretrained(tmp_path / "vad", device="cpu")(corpus / "data/b1.wav").timestamps
    assert (start, end) == pytest.approx((0.15, 1.2), abs=0.04)
    assert Vad.from_pretrained(tmp_path / "vad", device="cpu")(corpus / "data/a3.wav").timestamps == ()
    found = Mvad.from_pretrained(tmp_path / "mvad", device="cpu")(corpus / "data/a3.wav").event2timestamps
    assert (len(found["speech"]), len(found["singing"]), len(found["music"])) == (0, 0, 1)


def test_lm_learns_sentences(corpus, tmp_path):
    (tmp_path / "lines.txt").write_text("你好天气\n\n们好\n")
    data = {"train": str(tmp_path / "lines.txt"), "dev": str(tmp_path / "lines.txt")}
    content = values("lm", corpus, tmp_path / "exp", steps=150, data=data, optim={"lr": 0.02},
                     model={"embedding_dim": 24, "hidden_size": 24, "num_layers": 1, "dropout": 0.0})  # fmt: skip
    lines = run(content)
    # the first character cannot be known: one of two, once in each of two sentences of 5 and 3 tokens
    assert losses(lines)[-1] == pytest.approx(2 * 0.6931 / 8, abs=0.02)
    assert LstmLm.load(tmp_path / "exp/model.pth.tar").config.odim == 10


@pytest.mark.parametrize("ctc_weight", [0.0, 0.3])
def test_lora_leaves_base_weights_bit_for_bit(aed, corpus, tmp_path, ctc_weight):
    from peft import PeftModel

    model = SMALL_AED | {"init": str(aed[0]), "finetune": "lora", "lora_rank": 4, "lora_dropout": 0.0,
                         "keep_adapter": True, "ctc_weight": ctc_weight}  # fmt: skip
    run(values("aed", corpus, tmp_path, steps=5, model=model, optim={"lr": 0.01}))
    before, after = state_of(aed[0]), state_of(tmp_path)
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    attention = {"w_qs", "w_ks", "w_vs", "fc"}
    assert {name.split(".")[-2] for name in changed} == attention
    assert all(".mhsa." in name or "_attn." in name for name in changed)
    assert len(changed) == 4 + 8  # one encoder layer; self- and cross-attention of one decoder layer
    # The additions alone, put on the untouched weights, give the merged model again.
    base = Aed.load(aed[0] / "model.pth.tar")
    again = PeftModel.from_pretrained(base, tmp_path / "adapter").merge_and_unload().state_dict()
    for name in changed:
        torch.testing.assert_close(again[name], after[name], rtol=0, atol=1e-6)


def test_frozen_encoder(aed, corpus, tmp_path):
    model = SMALL_AED | {"init": str(aed[0]), "finetune": "frozen_encoder"}
    run(values("aed", corpus, tmp_path, steps=3, model=model))
    before, after = state_of(aed[0]), state_of(tmp_path)
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith("encoder.")} <= same
    assert "decoder.layer_stack.0.mlp.w_1.weight" not in same


@pytest.mark.parametrize("model", ["aed", "vad", "lm"])
def test_gradients_reach_every_parameter(corpus, tmp_path, model):
    sizes = {"aed": SMALL_AED | {"ctc_weight": 0.3}, "vad": SMALL_VAD, "lm": {"embedding_dim": 8, "hidden_size": 8}}
    task = TASKS[model].build(settings_of(values(model, corpus, tmp_path, steps=1, model=sizes[model]), "test"))
    batch = task.train.collate([task.train.item(index, 0) for index in range(6)])
    task.objective.train()
    task.objective(batch.tensors).loss.backward()
    without = [n for n, p in task.objective.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_fine_tuning_starts_from_the_published_loss(tmp_path):
    golden = GOLDENS / "tiny/FireRedASR2-AED"
    texts = read_table(GOLDENS / "tiny/text")
    wavs = {key: GOLDENS / "tiny/wav" / f"{key}.wav" for key in texts}
    write_table(tmp_path / "data/wav.scp", {key: str(path) for key, path in wavs.items()})
    write_table(tmp_path / "data/text", texts)
    content = values("aed", tmp_path, tmp_path / "exp", steps=5, specaugment=NO_MASKS, optim={"lr": 1e-3},
                     model={"init": str(golden), "dropout": 0.0, "label_smoothing": 0.0})  # fmt: skip
    del content["data"]["tokens"]
    curve = losses(run(content))
    assert curve[0] == pytest.approx(published_loss(golden, wavs, texts), rel=1e-4)
    assert curve[-1] < curve[0]
    assert Asr.from_pretrained(tmp_path / "exp", device="cpu")(wavs["utt00"]).text is not None
    tables = {"encoder.positional_encoding.pe", "decoder.positional_encoding.pe"}  # taken out of the goldens
    assert state_of(tmp_path / "exp").keys() == state_of(golden).keys() | tables


@torch.no_grad()
def published_loss(directory, wavs, texts):
    """Mean cross-entropy a token, one utterance at a time, as decoding loads the model."""
    model, tokenizer = Aed.load(directory / "model.pth.tar"), Tokenizer.from_dir(directory)
    cmvn, total, count = Cmvn.read(directory / "cmvn.ark"), 0.0, 0
    for key, path in wavs.items():
        feats, ids = cmvn(fbank(read(path)))[None], tokenizer.tokenize(texts[key]).ids
        logits, _, _ = model(feats, torch.tensor([feats.shape[1]]), torch.tensor([[SOS_ID, *ids]]))
        total -= logits[0].log_softmax(-1)[range(len(ids) + 1), [*ids, EOS_ID]].sum().item()
        count += len(ids) + 1
    return total / count
