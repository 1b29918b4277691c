"""The AED network: published tensors, features and position tables."""

import numpy as np
import pytest
import soundfile
import torch
from support.paths import GOLDENS

from firered.audio.frontend import Cmvn, fbank
from firered.models.aed import Aed

SOS, EOS, PAD = 3, 4, 2


@pytest.fixture(scope="module")
def golden(request):
    return GOLDENS / "tiny"


@torch.inference_mode()
def test_published_tensors(golden):
    expected = np.load(golden / "aed_tensors.npz")
    model = Aed.load(golden / "FireRedASR2-AED/model.pth.tar").prepare()
    lengths = torch.from_numpy(expected["lengths"])
    feats = torch.from_numpy(expected["feats"])
    targets = torch.from_numpy(expected["targets"])
    encoded, frames = model.encoder(feats, lengths)
    assert frames.tolist() == expected["encoder_lengths"].tolist()
    inputs = torch.cat([torch.full((len(targets), 1), SOS), targets], 1)
    inputs[inputs < 0] = PAD
    logits = model.decoder(inputs, encoded, frames)
    log_probs = model.ctc_log_probs(encoded)
    for n, length in enumerate(frames.tolist()):
        assert np.abs(encoded[n, :length].numpy() - expected["encoder_out"][n, :length]).max() < 1e-4
        assert np.abs(log_probs[n, :length].numpy() - expected["ctc_log_probs"][n, :length]).max() < 1e-4
        tokens = int((targets[n] != PAD).sum())
        assert np.abs(logits[n, :tokens].numpy() - expected["decoder_logits"][n, :tokens]).max() < 1e-4


def test_published_features(golden):
    expected = np.load(golden / "aed_tensors.npz")
    cmvn = Cmvn.read(golden / "FireRedASR2-AED/cmvn.ark")
    own = {}
    for path in (golden / "wav").glob("utt*.wav"):
        feats = cmvn(fbank(soundfile.read(path, dtype="int16")[0])).numpy()
        own.setdefault(len(feats), []).append(feats)
    for feats, length in zip(expected["feats"], expected["lengths"].tolist(), strict=True):
        # the transform's rounding in nearly empty bins reaches a few thousandths of a log unit (test_feats)
        assert min(np.abs(rows - feats[:length]).max() for rows in own[length]) < 5e-3


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_released_position_tables(part, golden):
    """Rows of the tables in published checkpoints, their first and last ones among them."""
    released = np.load(golden / "position_tables.npz")
    tables = Aed.load(golden / "FireRedASR2-AED/model.pth.tar").checkpoint()["model_state_dict"]
    (table,) = tables[f"{part}.positional_encoding.pe"]
    assert len(table) == released[f"{part}_length"] == released[f"{part}_rows"][-1] + 1
    assert np.abs(table.numpy()[released[f"{part}_rows"]] - released[part]).max() < 1e-4


def test_a_checkpoint_with_position_tables_is_the_same_model(golden, tmp_path):
    """Published checkpoints hold their tables; those of the goldens do without, to be small."""
    aed = Aed.load(golden / "FireRedASR2-AED/model.pth.tar")
    torch.save(aed.checkpoint(), tmp_path / "model.pth.tar")
    again = Aed.load(tmp_path / "model.pth.tar").state_dict()
    assert again.keys() == aed.state_dict().keys()
    assert all(torch.equal(again[name], value) for name, value in aed.state_dict().items())
