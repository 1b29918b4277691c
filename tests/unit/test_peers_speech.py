"""Adapters of languages, punctuation and recognition: their libraries' own classes where installed, else stand-ins."""

import logging
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from support import tiny_peers
from support.corpora import EGS

from firered.errors import DataError, ModelError, OptionError
from firered.lid.labels import labels
from firered.peers import PEERS, chosen, codes, dolphin, find_peer
from firered.peers.codes import dolphin_label, label_of
from firered.peers.directory import log_left_alone
from firered.peers.funasr_asr import Paraformer, SenseVoice, without_tags
from firered.peers.funasr_model import text_of
from firered.peers.funasr_punc import CtPunc
from firered.peers.speechbrain_lid import Ecapa
from firered.peers.whisper_lid import WhisperLid
from firered.scoring.published import names_of, published

SOUND = np.random.default_rng(0).uniform(-0.3, 0.3, 16000).astype(np.float32)


@pytest.fixture(autouse=True)
def messages_as_they_were():
    with log_left_alone():
        yield


class AutoModel:
    """What stands for FunASR's: it notes what it is given."""

    def __init__(self, text):
        self.text, self.given = text, []

    def generate(self, input, **more):
        self.given.append((input, more))
        return [{"key": "rand_key", "text": self.text}]


class TestFunAsr:
    def test_tags_are_no_part_of_the_text(self):
        tagged = "<|zh|><|NEUTRAL|><|Speech|><|woitn|>甚至出现交易几乎停滞的情况"
        assert without_tags(tagged) == "甚至出现交易几乎停滞的情况"
        assert without_tags("<|en|><|EMO_UNKNOWN|><|BGM|><|withitn|>The tribe. a < b |>") == "The tribe. a < b |>"
        assert without_tags("<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>") == ""

    def test_samples_and_language_are_handed_on(self):
        model = AutoModel("<|yue|><|HAPPY|><|Speech|><|woitn|>你好")
        assert SenseVoice(model)(SOUND, "yue") == "你好"
        assert SenseVoice(model)(SOUND, None) == "你好"
        ((first, told), (_, untold)) = model.given
        assert first[0] is SOUND
        assert (told["language"], told["use_itn"], untold["language"]) == ("yue", False, "auto")
        with pytest.raises(OptionError, match="SenseVoice knows zh, en, yue, ja, ko, not th"):
            SenseVoice(model)(SOUND, "th")
        assert Paraformer(AutoModel("你 好"))(SOUND, "zh") == "你 好"

    def test_no_text_is_an_empty_one_and_any_other_answer_an_error(self):
        assert text_of([]) == ""
        for wrong in ([{"value": []}], [{"text": None}], None, [{"text": "a"}, {"text": "b"}]):
            with pytest.raises(ModelError, match="FunASR gave no text but"):
                text_of(wrong)

    def test_a_text_that_would_be_fetched_is_not_handed_on(self):
        model = AutoModel("")
        with pytest.raises(DataError, match="begins like an address"):
            CtPunc(model)("https://example.com/a b")
        assert CtPunc(model)(" ") == " "
        assert model.given == []

    def test_a_directory_without_weights_is_an_error_and_not_a_random_network(self, tmp_path, monkeypatch):
        stand_in = ModuleType("funasr")
        stand_in.AutoModel = lambda **_: pytest.fail("it was opened")
        monkeypatch.setitem(sys.modules, "funasr", stand_in)
        (tmp_path / "config.yaml").write_text("model: CTTransformer\n")
        with pytest.raises(ModelError, match=r"model\.pt: cannot be read"):
            PEERS["ct-punc"].open(str(tmp_path), "cpu")
        (tmp_path / "model.pt").write_text("version https://git-lfs.github.com/spec/v1\n")
        for name in ("ct-punc", "paraformer", "sensevoice-small", "fsmn-vad"):
            with pytest.raises(ModelError, match="a pointer of Git LFS"):
                PEERS[name].open(str(tmp_path), "cpu")

    def test_its_own_punctuation_model(self, tmp_path):
        pytest.importorskip("funasr")
        tiny_peers.write_ct_transformer(tmp_path / "punc")
        threads = torch.get_num_threads()
        punctuate = PEERS["ct-punc"].open(str(tmp_path / "punc"), "cpu")
        assert torch.get_num_threads() == threads  # its own default is four
        assert punctuate("一二三 hello") == "一，二，三，hello."
        assert punctuate("一") == "一。"

    def test_its_own_recogniser_is_told_the_language(self, tmp_path):
        pytest.importorskip("funasr")
        tiny_peers.write_sense_voice(tmp_path / "asr", next((EGS / "mini").rglob("train_bpe1000.model")))
        recognise = PEERS["sensevoice-small"].open(str(tmp_path / "asr"), "cpu")
        texts = [recognise(SOUND, language) for language in ("zh", "yue", "zh")]
        assert texts[0] == texts[2] != texts[1]


class TestLanguages:
    def test_codes_become_labels_that_the_references_have(self):
        known = {label.code for label in labels()}
        assert {code: label_of(code) for code in ("he", "jv", "yue", "th")} == {
            **{"he": "iw", "jv": "jw", "yue": "zh-yue", "th": "th"}
        }
        for ours in [*codes.table("languages.tsv").values(), *codes.table("dolphin_regions.tsv").values()]:
            assert set(ours.split("-")) <= known, ours

    def test_every_dialect_of_dolphin_is_one_of_the_eight_or_none(self):
        assert dolphin_label("zh", "SICHUAN") == "zh-xinan"
        assert dolphin_label("ct", "HK") == "zh-yue"
        assert dolphin_label("zh", "ANHUI") == "zh"
        assert (dolphin_label("ja", "JP"), dolphin_label("jv", "ID")) == ("ja", "jw")
        pytest.importorskip("dolphin", reason="pip install dataoceanai-dolphin brings its list")
        with log_left_alone():
            from dolphin.languages import LANGUAGE_REGION_CODES
        chinese = {code for code in LANGUAGE_REGION_CODES if code.startswith(("zh-", "ct-"))}
        assert chinese == codes.table("dolphin_regions.tsv").keys()

    def test_speechbrains_answer(self):
        def classify(wavs):
            assert wavs.shape == (1, len(SOUND))
            return torch.zeros(1, 3), torch.tensor([-0.5]), torch.tensor([1]), ["he: Hebrew"]

        label, posterior = Ecapa(SimpleNamespace(classify_batch=classify))(SOUND)
        assert (label, posterior) == ("iw", pytest.approx(np.exp(-0.5)))

    def test_speechbrains_own_classes_from_a_directory_and_nowhere_else(self, tmp_path):
        pytest.importorskip("speechbrain")
        tiny_peers.write_ecapa(tmp_path / "ecapa")
        label, posterior = PEERS["speechbrain"].open(str(tmp_path / "ecapa"), "cpu")(SOUND)
        assert label in ("th", "iw", "zh")
        assert 1 / 3 <= posterior <= 1
        (tmp_path / "ecapa/classifier.ckpt").unlink()
        with pytest.raises(ModelError, match=r"classifier\.ckpt: cannot be read"):
            PEERS["speechbrain"].open(str(tmp_path / "ecapa"), "cpu")

    def test_whispers_probability_is_among_languages_alone(self):
        logits = torch.full((1, 1, 10), 5.0)
        logits[0, 0, 7], logits[0, 0, 8] = 2.0, 1.0
        given = []

        def model(**inputs):
            given.append(inputs)
            return SimpleNamespace(logits=logits)

        model.device, model.dtype = torch.device("cpu"), torch.float32
        settings = SimpleNamespace(lang_to_id={"<|en|>": 8, "<|he|>": 7}, decoder_start_token_id=9)
        model.generation_config = settings
        features = SimpleNamespace(input_features=torch.zeros(1, 80, 3000))
        label, probability = WhisperLid(lambda *_, **__: features, model)(SOUND)
        assert (label, probability) == ("iw", pytest.approx(np.exp(1) / (1 + np.exp(1))))
        assert given[0]["decoder_input_ids"].tolist() == [[9]]
        settings.lang_to_id = None
        with pytest.raises(ModelError, match="of one language"):
            WhisperLid(None, model)


class TestDolphin:
    @pytest.fixture
    def package(self):
        def transcribe(model, audio, lang_sym=None):
            assert audio.shape == (1, len(SOUND))
            return SimpleNamespace(text="<zh><CN> 你好", text_nospecial=f" 你好 {lang_sym}")

        return SimpleNamespace(transcribe=transcribe, detect_language=lambda model, audio: ("zh", "HUNAN"))

    def test_text_and_language(self, package):
        recognise = dolphin.Dolphin(None, package, frozenset({"zh", "ct"}))
        assert recognise(SOUND, None) == "你好 None"
        assert recognise(SOUND, "yue") == "你好 ct"
        with pytest.raises(OptionError, match="Dolphin knows ct, zh, not en"):
            recognise(SOUND, "en")
        with pytest.raises(DataError, match=r"31\.0 s; Dolphin takes 30 s at most"):
            recognise(np.zeros(31 * 16000, np.float32), None)
        assert dolphin.DolphinLid(None, package)(SOUND) == ("zh-xiang", None)

    def test_weights_that_it_would_fetch_over_are_left_alone(self, tmp_path):
        with pytest.raises(ModelError, match=r"no weights of Dolphin here \(small\.pt\)"):
            dolphin._name_in(tmp_path, {"small": "0" * 64})
        (tmp_path / "small.pt").write_bytes(b"other weights")
        with pytest.raises(ModelError, match="not the published file by its SHA-256"):
            dolphin._name_in(tmp_path, {"small": "0" * 64})

    def test_messages_of_others_stay_as_they_are(self):
        root = logging.getLogger()
        before = root.level, root.handlers[:]
        with log_left_alone():
            root.setLevel(logging.CRITICAL)
            root.addHandler(logging.NullHandler())
        assert (root.level, root.handlers) == before


def test_a_peer_without_its_weights_says_what_to_fetch(tmp_path):
    for name in ("speechbrain", "whisper-lid", "dolphin-lid", "ct-punc", "paraformer", "sensevoice-small"):
        with pytest.raises(ModelError, match=r"(hf|modelscope) download .*pretrained_models") as error:
            PEERS[name].open(None, "cpu", models=tmp_path)
        assert PEERS[name].folder in str(error.value)


def test_a_printed_name_is_one_of_the_tables_and_leads_to_the_peers():
    printed = {figure.system for figure in published()}
    for peer in PEERS.values():
        if peer.printed_name:
            assert peer.printed_name in printed
            assert peer.printed_name in names_of(peer.name)
    with pytest.raises(OptionError, match="there are speechbrain, whisper-lid, dolphin-lid"):
        find_peer("ct-punc", "lid")


def test_a_system_of_another_kind_is_no_name_of_the_model():
    assert chosen("asr", "Whisper Large v3") == []
    assert chosen("lid", "firered whisper-lid") == ["firered", "whisper-lid"]
    with pytest.raises(OptionError, match="dolphin-lid: no asr system of this name"):
        chosen("asr", "dolphin-lid")
