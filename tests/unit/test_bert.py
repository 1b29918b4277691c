"""BERT: what the library's computes, whatever the padding; sizes that do not fit together are refused."""

from dataclasses import asdict, replace

import pytest
import torch
from transformers import BertConfig, BertModel

from firered.errors import ModelError
from firered.models.bert import ACTIVATIONS, Bert, BertSizes

SIZES = BertSizes(
    vocab_size=50,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=36,
    max_position_embeddings=20,
    type_vocab_size=2,
)


def batch():
    """Token ids and mask of texts of 12, 5 and 1 tokens."""
    torch.manual_seed(3)
    ids, lengths = torch.randint(1, 50, (3, 12)), torch.tensor([12, 5, 1])
    mask = (torch.arange(12) < lengths[:, None]).long()
    return ids * mask, mask


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_it_is_the_librarys(activation):
    sizes = replace(SIZES, hidden_act=activation)
    torch.manual_seed(0)
    theirs = BertModel(BertConfig(**asdict(sizes)), add_pooling_layer=False).eval()
    ours = Bert(sizes).eval()
    ours.load_state_dict(dict(theirs.named_parameters()))
    ids, mask = batch()
    with torch.inference_mode():
        for rows in (slice(0, 3), slice(0, 1)):
            expected = theirs(ids[rows], attention_mask=mask[rows]).last_hidden_state
            found = ours(ids[rows], mask[rows])
            real = mask[rows].bool()
            assert torch.allclose(found[real], expected[real], atol=1e-5)


def test_what_a_text_gives_does_not_depend_on_its_batch():
    model = Bert(SIZES).eval()
    ids, mask = batch()
    with torch.inference_mode():
        together = model(ids, mask)
        for row, length in enumerate(mask.sum(1).tolist()):
            alone = model(ids[row : row + 1, :length], mask[row : row + 1, :length])
            assert torch.allclose(together[row, :length], alone[0], atol=1e-5)


def test_new_weights_are_as_the_library_makes_them():
    torch.manual_seed(0)
    model = Bert(replace(SIZES, vocab_size=5000, hidden_size=64))
    table = model.embeddings.word_embeddings.weight
    assert float(table[1:].detach().std()) == pytest.approx(0.02, rel=0.05)
    assert not bool(table[0].any())
    assert not model.encoder["layer"][0].output.dense.bias.any()


@pytest.mark.parametrize(("change", "message"), [({"hidden_act": "?"}, "hidden_act"), ({"hidden_size": 17}, "17")])
def test_sizes_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ModelError, match=message):
        Bert(replace(SIZES, **change))
