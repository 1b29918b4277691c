"""Language identification: the published cases."""

import json

import pytest
import soundfile
import torch
from support.paths import GOLDENS
from support.tiny_vad import write_tiny_model

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.audio.load import read_blocks
from firered.hub.catalogue import CHECKPOINT
from firered.lid.config import LidConfig
from firered.lid.identify import Lid
from firered.models.aed import AedConfig
from firered.models.aed import Lid as LidModel
from firered.output.published import published
from firered.runtime.speech import Speech
from firered.text.tokenizer import SPECIAL

LABELS = ("zh", "en", "ja", "mandarin", "yue", "wu")
SYMBOLS = (*SPECIAL, *LABELS)


@pytest.fixture(scope="module")
def golden():
    """The published cases, and their utterances."""
    top = GOLDENS / "tiny"
    cases = json.loads((top / "lid_expected.json").read_text())
    audio = AudioConfig()
    speech = [Speech.of(of_samples(case["uttid"], read_blocks(str(top / case["wav"]), audio))) for case in cases["b1"]]
    return top / "FireRedLID", cases, speech


@pytest.fixture(scope="module")
def random_model(tmp_path_factory):
    """A model directory of random weights, for what depends on no golden."""
    top = tmp_path_factory.mktemp("lid") / "FireRedLID"
    write_tiny_model(top, 1, 0)  # for its cmvn.ark
    config = AedConfig(odim=len(SYMBOLS), lid_odim=len(SYMBOLS), d_model=16, n_head=2, n_layers_enc=1, n_layers_dec=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        torch.save(LidModel(config).checkpoint(), top / CHECKPOINT)
    (top / "dict.txt").write_text("".join(f"{symbol} {n}\n" for n, symbol in enumerate(SYMBOLS)))
    return top


@pytest.mark.parametrize(("case", "size"), [("b1", 1), ("b5", 5)])
def test_every_published_case(case, size, golden):
    directory, cases, speech = golden
    lid = Lid.from_pretrained(directory, device="cpu")
    got = [result for n in range(0, len(speech), size) for result in lid.identify(speech[n : n + size])]
    assert len(got) == len(cases[case]) == 18
    for result, expected in zip(got, cases[case], strict=True):
        fields = published(result)
        assert {name: fields[name] for name in ("uttid", "lang", "dur_s")} == {
            name: expected[name] for name in ("uttid", "lang", "dur_s")
        }
        assert fields["confidence"] == pytest.approx(expected["confidence"], abs=2e-3), expected["uttid"]


def test_the_likeliest_have_probabilities_of_both_levels(golden):
    directory, _, speech = golden
    lid = Lid.from_pretrained(directory, device="cpu")
    result = lid.identify(speech[:1])[0]
    assert (result.lang, result.language, result.dialect) == ("zh mandarin", "zh", "mandarin")
    assert [guess.language for guess in result.top] == ["zh", "en", "ja"]
    chinese = result.top[0]
    assert list(chinese.dialects) == ["mandarin", "yue", "wu"]
    assert all(guess.dialects == {} for guess in result.top[1:])
    # The published confidence is the mean of the two.
    assert result.confidence == pytest.approx((chinese.probability + chinese.dialects["mandarin"]) / 2, abs=1e-4)


@pytest.mark.parametrize(
    ("options", "possible"),
    [
        ({"constrain": True}, {"zh mandarin", "zh yue", "zh wu", "en", "ja"}),
        ({"languages": "en, yue"}, {"zh yue", "en"}),
        ({"languages": "ja"}, {"ja"}),
        ({"languages": "wu,mandarin", "constrain": True}, {"zh wu", "zh mandarin"}),
    ],
)
def test_only_these_may_win(options, possible, golden, random_model):
    directory, _, speech = golden
    for model in (directory, random_model):
        results = Lid.from_pretrained(model, LidConfig(**options), "cpu").identify(speech)
        assert {result.lang for result in results} <= possible
        for result in results:
            assert sum(guess.probability for guess in result.top) == pytest.approx(1, abs=1e-5)
            spoken = next((guess.dialects for guess in result.top if guess.language == "zh"), None)
            if spoken is not None and "zh" not in possible and options.get("constrain"):
                assert sum(spoken.values()) == pytest.approx(1, abs=1e-5)


def test_call_with_samples(golden):
    directory, cases, _ = golden
    path = directory.parent / cases["b1"][4]["wav"]
    samples, _ = soundfile.read(path, dtype="int16")
    lid = Lid.from_pretrained(directory, device="cpu")
    assert lid(path).lang == lid(samples, "x").lang == "en"
