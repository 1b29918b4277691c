"""The guard on the golden model: the AED against its own CTC head."""

from support.paths import GOLDENS

from firered.align.aligner import Aligner
from firered.asr.aed_config import AsrConfig
from firered.asr.families.aed import Asr
from firered.audio.like import as_frames
from firered.runtime.speech import Speech


def test_the_aed_against_its_own_ctc_head():
    tiny = GOLDENS / "tiny"
    model, path = tiny / "FireRedASR2-AED", tiny / "wav/utt05.wav"
    (decoded,) = Aligner.from_pretrained(model, device="cpu").word_times(
        [Speech.of(as_frames(str(path)))], ["the quick"]
    )
    assert Asr.from_pretrained(model, AsrConfig(), "cpu")(path).ctc_text is None
    for most, flagged in ((0.9, False), (0.1, True)):
        asr = Asr.from_pretrained(model, AsrConfig(guard="flag", guard_ctc_distance=most), "cpu")
        result = asr(path)
        assert result.text == "the quick brown fox jumps over the lazy dog"
        assert result.ctc_text == decoded.ctc_text
        assert [flag.split(":")[0] for flag in result.flags] == ["disagreement"] * flagged
