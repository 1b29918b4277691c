"""Augmentation on the fly: what is drawn, each kind by itself, and what is heard."""

import math
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from support.signals import noise, sine, write_wav
from support.train_corpus import NO_MASKS, SMALL_AED, make_all, values

from firered.audio.framing import SAMPLE_RATE
from firered.data.datadir import read_table
from firered.errors import AudioError, FireRedError, OptionError
from firered.train.data.augment import WaveAugment
from firered.train.data.config import AugmentConfig
from firered.train.data.draws import AS_IT_IS, Draw, Draws, Sound
from firered.train.rehearsal import preview
from firered.train.settings import settings_of
from firered.train.tasks import TASKS

SPEECH = (noise(32000, amplitude=0.2, seed=3) * 32768).astype(np.float32)
MANY = 4000


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    """A folder like MUSAN's, and rooms."""
    folder = tmp_path_factory.mktemp("sounds")
    write_wav(folder / "musan/noise/free-sound/hum.wav", sine(3.0, hertz=100.0))
    write_wav(folder / "musan/music/fma/flute.wav", sine(4.0, hertz=1000.0))
    for number in range(4):
        write_wav(folder / f"musan/speech/librivox/s{number}.wav", sine(5.0, hertz=2000.0 + 500 * number))
    rng = np.random.default_rng(2)
    for number in range(3):
        tail = rng.normal(0, 0.1, 3000) * np.exp(-np.arange(3000) / 800)
        write_wav(
            folder / f"rirs/room{number}.wav", np.concatenate([np.zeros(40 * number), [0.9], tail]), subtype="FLOAT"
        )
    return folder


def everything(sounds, **changes):
    options = {
        "speeds": "0.9 1.0 1.1", "musan": str(sounds / "musan"), "rirs": str(sounds / "rirs"), "volume": "0.125 2",
        "volume_prob": 0.5, "codecs": "mp3 opus mulaw 8k", "pad_prob": 0.2, "pad_seconds": 0.5,
    }  # fmt: skip
    return AugmentConfig(**(options | changes))


def drawn(config, epoch=0, count=MANY, seed=7):
    draws = Draws(config, seed, epoch, count)
    return [draws[index] for index in range(count)]


def test_seed_epoch_and_utterance_decide_and_nothing_else(sounds):
    config = everything(sounds)
    first = drawn(config)
    later = Draws(config, 7, 0, MANY)
    assert [repr(later[index]) for index in reversed(range(MANY))] == [repr(draw) for draw in reversed(first)]
    assert repr(drawn(config, epoch=1)) != repr(first)
    assert repr(drawn(config, seed=8)) != repr(first)


def test_draws_of_past_epochs_are_forgotten(sounds):
    """Memory does not grow from epoch to epoch; what is asked for again is drawn again, and the same; seed 0 is one."""
    augment = WaveAugment(everything(sounds), seed=0)
    first = repr(augment.draws(0, 50)[7])
    for epoch in range(30):
        augment.draws(epoch, 50)
        assert len(augment._draws) <= augment.kept
    assert repr(augment.draws(0, 50)[7]) == first


def test_each_kind_is_drawn_by_itself(sounds):
    """Shares are those of the options, kinds come together as often as chance has it, and none changes another."""
    draws = drawn(everything(sounds))
    has = {
        "room": np.array([draw.room is not None for draw in draws]),
        "music": np.array([any(sound.kind == "music" for sound in draw.sounds) for draw in draws]),
        "babble": np.array([any(sound.kind == "babble" for sound in draw.sounds) for draw in draws]),
        "codec": np.array([bool(draw.codec) for draw in draws]),
        "volume": np.array([draw.volume != 1.0 for draw in draws]),
        "noise": np.array([not math.isnan(draw.snr_db) and draw.before == 0 for draw in draws]),
    }
    wanted = dict.fromkeys(has, 0.3) | {"volume": 0.5, "noise": 0.3 * 0.8}
    assert {name: found.mean() for name, found in has.items()} == pytest.approx(wanted, abs=0.03)
    for one in has:
        for other in has:
            together = has[one] & has[other]
            assert one == other or together.mean() == pytest.approx(has[one].mean() * has[other].mean(), abs=0.025)
    # Without rooms, and without noise: all else is drawn as before.
    dry = drawn(everything(sounds, rirs=""))
    assert [repr(draw) for draw in dry] == [repr(_without_room(draw)) for draw in draws]
    quiet = drawn(everything(sounds, music_prob=0.0, codec_prob=0.0))
    assert [(draw.room, draw.volume, draw.speed) for draw in quiet] == [
        (draw.room, draw.volume, draw.speed) for draw in draws
    ]


def _without_room(draw):
    return Draw(draw.speed, draw.before, draw.after, draw.snr_db, draw.pure_noise, None, draw.sounds, draw.volume,
                draw.codec, draw.codec_level)  # fmt: skip


def test_ratios_are_those_of_kaldi_by_kind(sounds):
    draws = drawn(everything(sounds))
    noises = np.array([draw.snr_db for draw in draws if not math.isnan(draw.snr_db)])
    music = [sound.snr_db for draw in draws for sound in draw.sounds if sound.kind == "music"]
    babble = [[sound.snr_db for sound in draw.sounds if sound.kind == "babble"] for draw in draws]
    voices = np.bincount([len(voices) for voices in babble if voices], minlength=9)
    every = [snr for voices in babble for snr in voices]
    assert (noises.min(), noises.max()) == pytest.approx((0, 15), abs=0.1)
    assert (min(music), max(music)) == pytest.approx((5, 15), abs=0.1)
    assert (min(every), max(every)) == pytest.approx((13, 20), abs=0.1)
    assert voices[:3].sum() + voices[8:].sum() == 0
    assert voices[3:8].min() > 0.15 * voices.sum()
    # Mean and deviation hold where nothing else is said.
    plain = np.array([draw.snr_db for draw in drawn(AugmentConfig(noise=str(sounds / "musan/noise")))])
    assert (np.nanmean(plain), np.nanstd(plain)) == pytest.approx((10, 5), abs=0.4)


def level_of(signal, hertz):
    """Power of a tone in a signal."""
    time = np.arange(len(signal)) / SAMPLE_RATE
    return 2 * abs(np.mean(signal * np.exp(-2j * np.pi * hertz * time))) ** 2


def test_music_and_every_voice_are_at_their_ratios(sounds):
    augment = WaveAugment(everything(sounds), seed=1)
    draw = Draw(
        sounds=(Sound("music", 0.5, 0.5, 8.0), Sound("babble", 0.1, 0.2, 14.0), Sound("babble", 0.9, 0.7, 19.0))
    )
    told = []
    added = augment.apply(SPEECH, draw, np.random.default_rng(0), told) - SPEECH
    power = np.mean(SPEECH.astype(np.float64) ** 2)
    found = [10 * np.log10(power / level_of(added, hertz)) for hertz in (1000, 2000, 3500)]
    assert found == pytest.approx([8, 14, 19], abs=0.05)
    assert told == ["music flute at 8.0 dB", "babble s0 at 14.0 dB", "babble s3 at 19.0 dB"]


def test_the_ratio_is_that_of_the_speech_in_its_room(sounds):
    augment = WaveAugment(everything(sounds), seed=1)
    draw = Draw(before=3000, after=2000, room=0.5, sounds=(Sound("music", 0.5, 0.5, 8.0),))
    silent = Draw(before=3000, after=2000, room=0.5)
    wet = augment.apply(SPEECH, silent, np.random.default_rng(0))
    added = augment.apply(SPEECH, draw, np.random.default_rng(0)) - wet
    power = np.mean(wet[3000:-2000].astype(np.float64) ** 2)
    assert 10 * np.log10(power / level_of(added, 1000)) == pytest.approx(8, abs=0.05)


def test_length_is_what_speed_and_padding_make_it(sounds):
    augment = WaveAugment(everything(sounds, rooms=0), seed=1)
    draws = augment.draws(0, 300)
    for index in range(0, 300, 7):
        draw = draws[index]
        plain = augment.apply(SPEECH, Draw(draw.speed, draw.before, draw.after), np.random.default_rng(0))
        heard = augment.apply(SPEECH, draw, np.random.default_rng([1, 0, index]))
        assert len(heard) == len(plain)
        assert np.isfinite(heard).all()
        assert draws.frames(np.array([198] * 300))[index] >= (len(heard) - 400) // 160 + 1
    assert (augment.apply(SPEECH, AS_IT_IS, np.random.default_rng(0)) == SPEECH).all()


def test_noise_is_added_once(sounds):
    """Applied to its own output, noise would be louder; the same draw on the same samples is the same."""
    augment = WaveAugment(AugmentConfig(noise=str(sounds / "musan/noise")), seed=1)
    draw = Draw(snr_db=10.0)
    once = augment.apply(SPEECH, draw, np.random.default_rng(4))
    again = augment.apply(SPEECH, draw, np.random.default_rng(4))
    assert (once == again).all()
    ratio = 10 * np.log10(np.mean(SPEECH**2) / np.mean((once - SPEECH) ** 2))
    assert ratio == pytest.approx(10, abs=0.01)


def test_silent_noise_gives_no_nan(tmp_path):
    for kind in ("noise", "music", "speech"):
        write_wav(tmp_path / f"musan/{kind}/silent.wav", np.zeros(32000, np.float32))
    config = AugmentConfig(
        musan=str(tmp_path / "musan"), noise_prob=1, music_prob=1, babble_prob=1, pure_noise_prob=0.3
    )
    augment = WaveAugment(config, seed=1)
    draws = augment.draws(0, 40)
    for index in range(40):
        told = []
        heard = augment.apply(SPEECH, draws[index], np.random.default_rng(index), told)
        assert np.isfinite(heard).all()
        assert (heard == (0 if draws[index].pure_noise else SPEECH)).all()
        assert all("silence" in word for word in told)


def test_a_silent_recording_among_others_is_passed_over(tmp_path):
    write_wav(tmp_path / "a-silent.wav", np.zeros(64000, np.float32))
    write_wav(tmp_path / "b-hum.wav", sine(3.0))
    augment = WaveAugment(AugmentConfig(noise=str(tmp_path)), seed=1)
    for seed in range(10):
        told = []
        augment.apply(SPEECH, Draw(snr_db=5.0), np.random.default_rng(seed), told)
        assert told == ["noise b-hum at 5.0 dB"]


def test_impulse_responses_that_cannot_be_used_are_named(tmp_path):
    write_wav(tmp_path / "rirs/silent.wav", np.zeros(8000, np.float32))
    augment = WaveAugment(AugmentConfig(rirs=str(tmp_path / "rirs")), seed=1)
    with pytest.raises(AudioError, match="impulse response silent: every sample is zero"):
        augment.apply(SPEECH, Draw(room=0.0), np.random.default_rng(0))
    with pytest.raises(FireRedError, match="nowhere"):
        WaveAugment(AugmentConfig(rirs=str(tmp_path / "nowhere")), seed=1)


def test_of_an_array_the_first_channel_is_the_response(tmp_path):
    both = np.zeros((4000, 2), np.float32)
    both[100, 0] = both[900, 1] = 0.9
    write_wav(tmp_path / "array.wav", both, subtype="FLOAT")
    heard = WaveAugment(AugmentConfig(rirs=str(tmp_path)), seed=1).apply(
        SPEECH, Draw(room=0.0), np.random.default_rng(0)
    )
    assert heard == pytest.approx(SPEECH, abs=1)


def test_simulated_rooms_are_those_of_their_seed():
    pytest.importorskip("pyroomacoustics", reason="the extra `rooms`")
    config = AugmentConfig(rooms=4)
    one, same, other = (WaveAugment(config, seed=seed) for seed in (1, 1, 2))
    draws = [Draw(room=room) for room in (0.0, 0.3, 0.6, 0.9)]
    heard = [one.apply(SPEECH, draw, np.random.default_rng(0)) for draw in draws]
    assert all((same.apply(SPEECH, d, np.random.default_rng(0)) == h).all() for d, h in zip(draws, heard, strict=True))
    assert (other.apply(SPEECH, draws[0], np.random.default_rng(0)) != heard[0]).any()
    assert all(len(wet) == len(SPEECH) and np.isfinite(wet).all() for wet in heard)
    assert all((a != b).any() for a, b in pairwise(heard))


def test_rooms_without_the_package_name_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ModuleNotFoundError) as caught:
        WaveAugment(AugmentConfig(rooms=1), seed=1)
    from firered.optional import advice_for

    assert "firered[rooms]" in advice_for(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"codecs": "mp3 gsm"}, "codecs: gsm not one of mp3, opus, mulaw, 8k"),
        ({"music_snr": "15 5"}, "music_snr: '15 5': needed are the lowest and then the highest"),
        ({"noise_snr": "5"}, "noise_snr: '5' is not two numbers"),
        ({"babble_speakers": "0 3"}, "babble_speakers: '0 3': .* from 1 on"),
        ({"volume": "-1 2"}, "volume: '-1 2': .* from 0 on"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        AugmentConfig(**options)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def test_training_reads_what_is_drawn(corpus, sounds, tmp_path):
    augment = everything(sounds).to_dict()
    content = values("aed", corpus, tmp_path, steps=1, model=SMALL_AED, specaugment=NO_MASKS, augment=augment)
    settings = settings_of(content, "test")
    task, again = (TASKS["aed"].build(settings).train for _ in range(2))
    for index in (5, 0, 3):  # in another order, as other workers have it
        assert (task.item(index, 2)[1] == again.item(index, 2)[1]).all()
    assert any((task.item(index, 0)[1].shape != task.item(index, 1)[1].shape) for index in range(6))


def test_a_preview_can_be_listened_to(corpus, sounds, tmp_path):
    content = values("aed", corpus, tmp_path, steps=1, model=SMALL_AED, augment=everything(sounds).to_dict())
    settings = settings_of(content, "test")
    folder = preview(settings, 5)
    wavs, texts = read_table(folder / "wav.scp"), read_table(folder / "text")
    rows = [line.split("\t") for line in (folder / "drawn.tsv").read_text().splitlines()]
    assert len(wavs) == len(texts) == 5
    assert rows[0] == ["id", "utterance", "drawn"]
    built = TASKS["aed"].build(settings).train
    told = read_table(corpus / "data/text")
    for key, utterance, words in rows[1:]:
        samples, rate = soundfile.read(wavs[key], dtype="int16")
        assert rate == SAMPLE_RATE
        said = []
        heard = built.audio(built.keys.index(utterance), 0, said)[0]
        assert words.startswith("; ".join(said) or "nothing")
        if "volume, so that it is not clipped" not in words:
            assert (samples == np.round(heard)).all()
        assert texts[key] == told[utterance]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cmvn.ark", "dict.txt", "preview"]  # of `build` above


def test_there_is_nothing_to_listen_to_in_text(corpus, tmp_path):
    settings = settings_of(values("lm", corpus, tmp_path, steps=1), "test")
    with pytest.raises(OptionError, match="--preview: the task lm has no audio"):
        preview(settings, 3)
