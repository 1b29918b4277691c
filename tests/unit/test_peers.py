"""Other systems: posteriors of any step on our frames, adapters around stand-ins, and the files that runs write."""

import json
import sys
from types import ModuleType

import numpy as np
import pytest
import soundfile
from support.paths import SHARED

from firered.audio.config import AudioConfig
from firered.audio.frames import of_samples
from firered.cli import peer as cli
from firered.data.archives import read_matrix
from firered.data.datadir import DataDir
from firered.errors import ModelError, OptionError
from firered.peers import PEERS, Peer, VadAnswer, chosen, find_peer
from firered.peers.fsmn import Fsmn
from firered.peers.posteriors import as_int16, held, hops_of, segments_of
from firered.peers.silero import Silero
from firered.peers.ten import Ten
from firered.peers.webrtc import WebRtc
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runs.peer import run_asr_peer, run_lid_peer, run_punc_peer, run_vad_peer
from firered.scoring.config import SampleConfig, VadScoreConfig
from firered.scoring.published import names_of, published
from firered.scoring.vad import score_vad

RATE = 16000


def noise(seconds, seed=0):
    return np.random.default_rng(seed).uniform(-0.5, 0.5, round(seconds * RATE)).astype(np.float32)


@pytest.fixture
def data(tmp_path):
    """A data directory of two recordings."""
    folder = tmp_path / "data"
    folder.mkdir()
    for name, seconds in (("one", 1.0), ("two", 0.7)):
        soundfile.write(folder / f"{name}.wav", noise(seconds), RATE)
    (folder / "wav.scp").write_text("".join(f"{name} {folder}/{name}.wav\n" for name in ("one", "two")))
    return folder


class TestFrames:
    @pytest.mark.parametrize("hop", [256, 512])
    @pytest.mark.parametrize("num_samples", [400, 559, 560, 8000, 16001, 16383])
    def test_a_posterior_is_held_over_the_frames_whose_centre_its_window_covers(self, hop, num_samples):
        posteriors = np.random.default_rng(hop).uniform(size=-(-num_samples // hop)).astype(np.float32)
        found = held(posteriors, hop, num_samples)
        frames = of_samples("a", [np.ones(num_samples, np.float32)])
        for _ in frames:
            pass
        assert len(found) == frames.count
        for frame, value in enumerate(found):
            centre_s = 0.01 * frame + 0.005
            (covering,) = (i for i in range(len(posteriors)) if i * hop / RATE <= centre_s < (i + 1) * hop / RATE)
            assert value == posteriors[covering]

    def test_steps_of_512_samples_are_held_for_three_frames_or_four(self):
        found = held(np.arange(4), 512, 2048).tolist()
        assert found == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3]

    def test_posteriors_that_end_too_early_are_an_error(self):
        with pytest.raises(ValueError, match="3 posteriors of 256 samples are too few"):
            held(np.zeros(3), 256, 16000)

    def test_the_last_piece_is_filled_with_zeros(self):
        pieces = hops_of(np.ones(300, np.int16), 256)
        assert pieces.shape == (2, 256)
        assert pieces.sum() == 300

    def test_runs_of_decisions_are_segments_and_end_with_the_audio(self):
        assert segments_of(np.array([0, 1, 1, 0, 1]), 160, 750) == [(0.01, 0.03), (0.04, 750 / RATE)]
        assert segments_of(np.zeros(3), 160, 480) == []

    def test_samples_beyond_full_scale_are_cut(self):
        assert as_int16(np.array([-2, -1, 0, 0.5, 1], np.float32)).tolist() == [-32768, -32768, 0, 16384, 32767]


class TestAdapters:
    def test_silero_is_run_once_and_its_posteriors_are_as_it_gave_them(self, monkeypatch):
        calls = []

        class Model:
            def __call__(self, chunk, rate):
                calls.append(len(chunk))
                return np.float32(len(calls) / 10)

            def reset_states(self):
                calls.clear()

        def timestamps(audio, model, sampling_rate):
            model.reset_states()
            for start in range(0, len(audio), 512):
                model(audio[start : start + 512], sampling_rate)
            return [{"start": 512, "end": 1600}]

        package = ModuleType("silero_vad")
        package.get_speech_timestamps = timestamps
        monkeypatch.setitem(sys.modules, "silero_vad", package)
        peer = Silero(Model())
        for _ in range(2):
            answer = peer(np.zeros(1600, np.float32))
            assert answer.segments == [(0.032, 0.1)]
            np.testing.assert_allclose(answer.probs, [0.1, 0.1, 0.1, 0.2, 0.2, 0.2, 0.3, 0.3])
        assert len(calls) == 4

    def test_ten_gets_int16_hops_and_a_fresh_state_for_each_recording(self):
        made = []

        class Detector:
            def __init__(self, hop, threshold):
                self.hops = []
                made.append(self)

            def process(self, hop):
                assert (hop.dtype, hop.shape) == (np.int16, (256,))
                self.hops.append(hop)
                return (0.5 if len(self.hops) == 2 else 0.4), 0

        peer = Ten(Detector)
        answers = [peer(np.full(1000, 0.5, np.float32)) for _ in range(2)]
        assert [len(detector.hops) for detector in made] == [4, 4]
        assert made[0].hops[0][0] == 16384
        assert answers[0].segments == answers[1].segments == [(0.016, 0.032)]
        np.testing.assert_allclose(answers[0].probs, [0.4, 0.4, 0.5, 0.4])

    def test_webrtc_decides_on_ten_milliseconds_and_gives_no_posteriors(self):
        class Detector:
            def __init__(self, mode):
                self.mode, self.count = mode, 0

            def is_speech(self, data, rate):
                assert (len(data), rate, self.mode) == (320, 16000, 2)
                self.count += 1
                return self.count in (2, 3)

        answer = WebRtc(Detector, 2)(np.zeros(1000, np.float32))
        assert answer.probs is None
        assert answer.segments == [(0.01, 0.03)]

    def test_fsmn_hands_over_samples_and_reads_milliseconds(self):
        class Model:
            def generate(self, **given):
                assert given["input"].shape == (RATE,)
                assert given["fs"] == RATE
                return [{"key": "a", "value": [[70, 2340], [2620, 3000]]}]

        answer = Fsmn(Model())(np.zeros(RATE, np.float32))
        assert answer == VadAnswer(None, [(0.07, 2.34), (2.62, 3.0)])

    def test_fsmn_does_not_take_an_open_end(self):
        class Model:
            def generate(self, **given):
                return [{"key": "a", "value": [[70, -1]]}]

        with pytest.raises(ModelError, match="from 70 to -1 ms"):
            Fsmn(Model())(np.zeros(RATE, np.float32))

    @pytest.mark.parametrize("name", ["silero-vad", "ten-vad", "webrtcvad"])
    def test_real_ones_give_the_same_twice_and_nothing_for_silence(self, name):
        pytest.importorskip(name.replace("-", "_"), reason=f"pip install 'firered[peers]' brings {name}")
        recording = SHARED / "audio/firered/hello_zh.wav"
        if not recording.exists():
            pytest.skip(f"no recording of speech here: {recording}")
        try:
            peer = PEERS[name].open()
        except ModelError as error:
            pytest.skip(str(error))
        speech = soundfile.read(recording, dtype="float32")[0]
        first, again = peer(speech), peer(speech)
        assert first.segments == again.segments != []
        assert peer(np.zeros(RATE, np.float32)).segments == []
        if first.probs is not None:
            np.testing.assert_array_equal(first.probs, again.probs)


class TestTable:
    def test_every_name_that_the_papers_print_stands_beside_their_figures(self):
        printed = {figure.system for figure in published()}
        for peer in PEERS.values():
            if peer.printed_name:
                assert peer.printed_name in printed
                assert peer.printed_name in names_of(peer.name)

    def test_a_missing_package_is_named_with_what_installs_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "webrtcvad", None)
        monkeypatch.setitem(sys.modules, "funasr", None)
        with pytest.raises(ModelError, match=r"pip install webrtcvad-wheels, or with others: .*'firered\[peers\]'"):
            PEERS["webrtcvad"].open()
        with pytest.raises(ModelError, match=r"funasr is not installed; it comes with: pip install funasr$"):
            PEERS["fsmn-vad"].open("anywhere")

    def test_missing_weights_are_named_with_what_fetches_them(self, tmp_path):
        with pytest.raises(ModelError, match=r"no weights of fsmn-vad here. Get them with\n  modelscope download"):
            PEERS["fsmn-vad"].open(models=tmp_path)
        (tmp_path / PEERS["fsmn-vad"].folder).mkdir()
        assert PEERS["fsmn-vad"].weights(None, tmp_path) == str(tmp_path / PEERS["fsmn-vad"].folder)

    def test_what_a_library_raises_names_system_and_weights(self, tmp_path):
        def load(model, device):
            raise KeyError("config")

        with pytest.raises(ModelError, match=f"odd cannot be loaded from {tmp_path}/w: KeyError: 'config'"):
            Peer("odd", "vad", "", "odd", load).open(f"{tmp_path}/w")

    def test_names_are_of_their_kind(self):
        assert find_peer("ten-vad", "vad").printed_name == "TEN-VAD"
        with pytest.raises(OptionError, match="ten-vad: no lid system of this name"):
            find_peer("ten-vad", "lid")

    def test_a_recipes_system_is_a_list_of_known_ones_or_a_name(self):
        assert chosen("vad", "firered silero-vad ten-vad") == ["firered", "silero-vad", "ten-vad"]
        assert chosen("vad", "My own detector") == []
        assert chosen("vad", "") == []
        with pytest.raises(OptionError, match="silero: no vad system of this name; there are"):
            chosen("vad", "firered silero")
        with pytest.raises(OptionError, match="there twice"):
            chosen("vad", "firered firered")


def made(kind, name="odd"):
    return Peer(name, kind, "", "numpy", lambda model, device: None)


def vad(adapter, data, out, **output):
    given = VadOutputConfig(**output), AudioConfig(), RunConfig()
    return run_vad_peer(made("vad"), adapter, [str(data)], out, None, *given)


class TestRuns:
    def test_a_detector_writes_what_a_score_reads(self, data, tmp_path):
        def detect(samples):
            frames = (len(samples) - 400) // 160 + 1
            return VadAnswer(np.linspace(0, 1, frames), [(0.5, 99.0)])

        assert vad(detect, data, tmp_path / "out", textgrid=True) == 0
        out = DataDir(tmp_path / "out")
        assert {key: len(read_matrix(place)) for key, place in out.table("probs.scp").items()} == {"one": 98, "two": 68}
        assert [(part.start_s, part.end_s) for part in out.segments.values()] == [(0.5, 1.0), (0.5, 0.7)]
        assert sorted(path.name for path in (tmp_path / "out/textgrid").iterdir()) == ["one.TextGrid", "two.TextGrid"]
        assert "package: numpy" in (tmp_path / "out/config.yaml").read_text()
        (data / "rttm").write_text("SPEAKER one 1 0.5 0.5 <NA> <NA> speech <NA> <NA>\n")
        found = score_vad(data, tmp_path / "out", VadScoreConfig(), SampleConfig())
        assert found.recordings["one"].auc == 100.0

    def test_one_without_posteriors_has_no_area_and_a_silent_recording_is_not_missing(self, data, tmp_path):
        def decide(samples):
            return VadAnswer(None, [(0.2, 0.6)] if len(samples) == RATE else [])

        assert vad(decide, data, tmp_path / "out") == 0
        assert not (tmp_path / "out/probs.scp").exists()
        assert not (tmp_path / "out/probs.ark").exists()
        (data / "rttm").write_text("SPEAKER one 1 0.2 0.4 <NA> <NA> speech <NA> <NA>\n")
        found = score_vad(data, tmp_path / "out", VadScoreConfig(), SampleConfig())
        assert found.missing == []
        assert found.pooled.metrics == {"AUC-ROC%": None, "F1%": 100.0, "FAR%": 0.0, "MR%": 0.0}
        assert found.pooled.frames == 98 + 68

    def test_one_that_fails_at_a_recording_has_the_others_and_resumes(self, data, tmp_path, monkeypatch):
        calls = []

        def fails(samples):
            calls.append(len(samples))
            if len(samples) < RATE:
                raise RuntimeError("no good")
            return VadAnswer(np.ones(98), [(0.0, 1.0)])

        assert vad(fails, data, tmp_path / "out") == 1
        assert "two unexpected RuntimeError: no good" in (tmp_path / "out/failed").read_text()
        assert list(DataDir(tmp_path / "out").table("probs.scp")) == ["one"]

    def test_a_run_that_was_killed_goes_on_and_gives_the_same(self, data, tmp_path):
        def detect(samples):
            return VadAnswer(np.full((len(samples) - 400) // 160 + 1, 0.25), [(0.0, 0.5)])

        def killed(samples):
            if len(samples) < RATE:
                raise KeyboardInterrupt
            return detect(samples)

        seen = []
        with pytest.raises(KeyboardInterrupt):
            vad(killed, data, tmp_path / "out")
        assert vad(lambda samples: seen.append(len(samples)) or detect(samples), data, tmp_path / "out") == 0
        assert seen == [11200]
        assert vad(detect, data, tmp_path / "whole") == 0
        for name in ("probs.ark", "rttm", "segments", "vad.jsonl"):
            assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()

    @pytest.mark.parametrize(
        ("probs", "reason"),
        [(np.ones(97), "97 posteriors where the recording has 98"), (np.full(98, 1.5), "not between 0 and 1")],
    )
    def test_posteriors_that_are_none_are_refused(self, probs, reason, data, tmp_path):
        (data / "wav.scp").write_text(f"one {data}/one.wav\n")
        assert vad(lambda samples: VadAnswer(probs, []), data, tmp_path / "out") == 1
        assert reason in (tmp_path / "out/failed").read_text()

    def test_plots_need_posteriors(self, data, tmp_path):
        assert vad(lambda samples: VadAnswer(None, []), data, tmp_path / "out", plot=str(tmp_path / "plots")) == 1
        assert "--plot needs posteriors" in (tmp_path / "out/failed").read_text()

    def test_languages(self, data, tmp_path):
        given = AudioConfig(), RunConfig()
        assert run_lid_peer(made("lid"), lambda _: ("zh yue", 0.75), [str(data)], tmp_path / "out", None, *given) == 0
        out = DataDir(tmp_path / "out")
        assert out.table("utt2lang") == {"one": "zh-yue", "two": "zh-yue"}
        assert out.table("utt2lang_conf")["one"] == "0.750"
        line = json.loads((tmp_path / "out/lid.jsonl").read_text().splitlines()[1])
        assert line == {"uttid": "two", "lang": "zh yue", "confidence": 0.75, "dur_s": 0.7}

    def test_texts_of_utterances_in_the_language_that_is_known_of_each(self, data, tmp_path):
        (data / "segments").write_text("a one 0.1 0.5\nb two 0.0 0.7\n")
        (data / "utt2lang").write_text("a yue\n")
        heard = {}

        def recognise(samples, language):
            assert np.abs(samples).max() <= 0.5
            heard[len(samples)] = language
            return " some\n text "

        given = AudioConfig(), RunConfig(), "en"
        assert run_asr_peer(made("asr"), recognise, [str(data)], tmp_path / "out", None, *given) == 0
        assert heard == {6400: "yue", 11200: "en"}
        assert DataDir(tmp_path / "out").table("text") == {"a": "some text", "b": "some text"}

    def test_marks(self, tmp_path):
        (tmp_path / "in").mkdir()
        (tmp_path / "in/text").write_text("a hello\nb fails\n")

        def punctuate(text):
            if text == "fails":
                raise ValueError("no marks")
            return f"{text}."

        source = str(tmp_path / "in/text")
        assert run_punc_peer(made("punc"), punctuate, source, tmp_path / "out", None, RunConfig()) == 1
        assert (tmp_path / "out/text").read_text() == "a hello.\n"
        assert "b unexpected ValueError: no marks" in (tmp_path / "out/failed").read_text()


def command(monkeypatch, *words):
    monkeypatch.setattr(sys, "argv", ["firered-peer", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        cli.peer()
    return ended.value.code or 0


class TestCommand:
    def test_the_list_has_every_system(self, monkeypatch, capsys):
        assert command(monkeypatch, "--list") == 0
        lines = [line.split("\t")[:2] for line in capsys.readouterr().out.splitlines()]
        assert sorted(lines) == sorted([peer.kind, peer.name] for peer in PEERS.values())

    def test_a_run_and_its_errors(self, data, tmp_path, monkeypatch, caplog):
        pytest.importorskip("webrtcvad", reason="pip install 'firered[peers]' brings webrtcvad")
        assert command(monkeypatch, "vad", "webrtcvad", "--model", "2", data, tmp_path / "out") == 0
        assert "model: '2'" in (tmp_path / "out/config.yaml").read_text()
        assert command(monkeypatch, "vad", "webrtcvad", "--model", "4", data, tmp_path / "out") == 1
        assert command(monkeypatch, "vad", "nobody", data, tmp_path / "out") == 1
        assert command(monkeypatch, "sing", "webrtcvad", data, tmp_path / "out") == 1
        for line in ("'4' is no mode", "nobody: no vad system", "sing: no kind of system"):
            assert line in caplog.text
