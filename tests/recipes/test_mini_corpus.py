"""The corpora of egs/mini and egs/fsdd: grammar, synthetic sounds, mixtures and splits."""

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from firered.corpora.mixtures import levelled, united
from firered.data.datadir import DataDir, read_table
from firered.data.validate import validate
from firered.errors import DataError

EGS = Path(__file__).resolve().parents[2] / "egs"
sys.path[:0] = [str(EGS / "mini/local"), str(EGS / "fsdd/local")]  # recipes' scripts are no package

import make_corpus  # noqa: E402
import mixtures  # noqa: E402
import prepare  # noqa: E402
import sounds  # noqa: E402
import synth  # noqa: E402
from grammar import Grammar  # noqa: E402
from make_corpus import ASR, LANGUAGES, LID, VOICES, NamedScript, Script, distinct, planned  # noqa: E402
from write_sets import plain_text  # noqa: E402

RATE = synth.SAMPLE_RATE


def rng(seed=0):
    return np.random.default_rng(seed)


def marks(events, size):
    """(size,) booleans of the samples that lie in an event."""
    marked = np.zeros(size, bool)
    for start, end, _ in events:
        marked[round(start * RATE) : round(end * RATE)] = True
    return marked


@pytest.fixture(scope="module")
def synthesiser():
    try:
        return synth.Synthesiser()
    except synth.FireRedError as error:
        pytest.skip(str(error))


class TestGrammar:
    def test_every_sentence_follows_the_rules(self, tmp_path):
        (tmp_path / "g.txt").write_text("# a comment\n\nS = {A} {B}. | {B}!\nA = x\nB = y | z\nB = w\n")
        grammar, source = Grammar(tmp_path / "g.txt"), random.Random(1)
        assert {grammar.sentence(source) for _ in range(200)} == {"x y.", "x z.", "x w.", "y!", "z!", "w!"}

    def test_a_phrase_is_part_of_a_sentence(self, tmp_path):
        (tmp_path / "g.txt").write_text("S = {A} {B}.\nA = x | y\nB = z{A}\n")
        grammar, source = Grammar(tmp_path / "g.txt"), random.Random(1)
        assert {grammar.phrase(source) for _ in range(100)} == {"x", "y", "zx", "zy"}

    def test_rules_of_several_files_add_up_and_any_of_them_can_be_asked_for(self, tmp_path):
        (tmp_path / "g.txt").write_text("S = {A}\nA = x\n")
        (tmp_path / "h.txt").write_text("A = y\nB = b{A}\n")
        grammar, source = Grammar(tmp_path / "g.txt", tmp_path / "h.txt"), random.Random(1)
        assert {grammar.sentence(source) for _ in range(50)} == {"x", "y"}
        assert {grammar.sentence(source, "B") for _ in range(50)} == {"bx", "by"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("S = {A}\n", "no rule for A"),
            ("A = x\n", "no rule for S"),
            ("S = x\nnonsense\n", "g.txt:2: `NAME ="),
            (None, "g.txt: No such file"),
        ],
    )
    def test_mistakes_are_named(self, tmp_path, text, message):
        if text is not None:
            (tmp_path / "g.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            Grammar(tmp_path / "g.txt")

    def test_there_are_many_more_sentences_than_are_drawn(self):
        for language in ("zh", "en"):
            grammar, source = Grammar(EGS / f"mini/grammar/{language}.txt"), random.Random(1)
            drawn = [plain_text(grammar.sentence(source)) for _ in range(4000)]
            assert len(set(drawn)) > 2000, language

    def test_sentences_with_names_have_names_that_no_other_sentence_knows(self):
        named, plain = NamedScript(seed=3), Script(seed=3)
        for grammar in ("zh", "en", "cs"):
            names = [named.phrase("train", grammar) for _ in range(100)]
            assert len(set(names)) > 90, grammar
            usual = "\n".join(plain.sentence("train", grammar) for _ in range(3000))
            assert sum(name in usual for name in names) < 5, grammar
            texts = [named.sentence("train", grammar) for _ in range(200)]
            assert len(set(texts)) > 190, grammar
            assert not any(mark in text for text in texts for mark in "{}|"), grammar

    def test_names_change_no_other_set(self, monkeypatch):
        texts = {name: [task.lines for task in tasks] for name, tasks in planned(2, 0.01)[0].items()}
        monkeypatch.setattr(make_corpus, "NAMED", {})
        monkeypatch.setattr(make_corpus, "NAMES", {})
        without = {name: [task.lines for task in tasks] for name, tasks in planned(2, 0.01)[0].items()}
        assert len(texts["train"]) > len(without["train"])
        assert len(texts["phrases"]) > len(without["phrases"])
        for name, lines in without.items():
            assert texts[name][: len(lines)] == lines, name
            assert name in ("train", "dev", "phrases") or texts[name] == lines, name

    def test_no_part_has_a_sentence_of_another(self):
        script = Script(seed=3)
        texts = {
            part: {plain_text(script.sentence(part, "de")) for _ in range(300)} for part in ("test", "dev", "train")
        }
        assert not texts["test"] & texts["dev"]
        assert not texts["test"] & texts["train"]
        assert not texts["dev"] & texts["train"]
        assert min(map(len, texts.values())) > 10

    def test_no_two_utterances_of_a_test_set_are_alike(self):
        script = Script(seed=3)
        for grammar in LANGUAGES:
            tasks = script.utterances("test", {grammar: LID["test"]}, script.sentence)
            assert len({task.lines[0].text for task in tasks}) == LID["test"], grammar

    def test_too_small_a_grammar_is_told(self):
        assert distinct(iter("xyxz").__next__, 3) == ["x", "y", "z"]
        with pytest.raises(DataError, match="only 1 of 2 different sentences, such as x"):
            distinct(lambda: "x", 2)

    def test_voices_of_test_are_used_nowhere_else(self):
        assert not set(VOICES["test"]) & {*VOICES["train"], *VOICES["dev"]}

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("今天下雨，我们回家。", "今天下雨我们回家"),
            ("请给我一杯 coffee，谢谢！", "请给我一杯 coffee 谢谢"),
            ("hello, what's this?", "hello what's this"),
            ("¿dónde está?", "dónde está"),
        ],
    )
    def test_transcripts_have_no_punctuation(self, text, plain):
        assert plain_text(text) == plain


class TestSynthesiser:
    @pytest.mark.parametrize(
        ("language", "text", "words"),
        [
            ("zh", "今天去银行，好吗？", list("今天去银行好吗")),
            ("yue", "阿妈喺边度？", list("阿妈喺边度")),
            ("en", "it's half past nine, isn't it?", ["it's", "half", "past", "nine", "isn't", "it"]),
            ("zh", "我买了 two tickets，谢谢！", [*"我买了", "two", "tickets", *"谢谢"]),
            ("ru", "где вокзал?", ["где", "вокзал"]),
        ],
    )
    def test_words_and_their_times(self, synthesiser, language, text, words):
        found = synthesiser.say(language, text, synth.Voice("f2"))
        assert [word.text for word in found.words] == words
        times = [time for word in found.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert all(word.end_s - word.start_s > 0.03 for word in found.words)
        assert times[-1] <= found.duration_s < times[-1] + 0.5

    def test_the_pause_at_a_comma_is_in_no_word(self, synthesiser):
        found = synthesiser.say("en", "yes, no", synth.Voice("m1"))
        gap = slice(*(round(time * RATE) for time in (found.words[0].end_s + 0.03, found.words[1].start_s - 0.01)))
        assert gap.stop - gap.start > 0.05 * RATE
        assert np.abs(found.samples[gap]).max() < 0.05 * np.abs(found.samples).max()

    def test_pitch_and_speed(self, synthesiser):
        slow, fast = (synthesiser.say("en", "one two three four", synth.Voice("m3", speed=s)) for s in (120, 240))
        assert slow.words[-1].end_s > 1.5 * fast.words[-1].end_s

        def periods(pitch):
            samples = synthesiser.say("en", "one two three four", synth.Voice("m3", pitch=pitch)).samples
            return int(np.sum(np.diff(np.sign(samples)) > 0)) / len(samples)

        low, high = periods(5), periods(95)
        assert low != high

    @pytest.mark.parametrize("voice", sorted({voice for voices in VOICES.values() for voice in voices}))
    def test_every_voice_is_installed(self, synthesiser, voice):
        for language in LANGUAGES:
            assert len(synthesiser.say(language, "a", synth.Voice(voice)).samples) > 0

    def test_it_is_the_library_of_the_system_whatever_else_is_loaded(self, synthesiser):
        """espeakng-loader brings another of the same name, with which hotwords are read."""
        pytest.importorskip("espeakng_loader")
        code = (
            "import espeakng_loader, synth, zlib; from firered.hotwords import english; english.ways('qwertzuiop')\n"
            "print(zlib.crc32(synth.Synthesiser().say('zh', '今天去银行', synth.Voice('f2')).samples.tobytes()))"
        )
        env = {**os.environ, "PYTHONPATH": str(Path(synth.__file__).parent)}
        both, alone = (
            subprocess.run([sys.executable, "-c", own], env=env, capture_output=True, text=True)
            for own in (code, code.replace("english.ways('qwertzuiop')", "pass"))
        )
        assert (both.returncode, alone.returncode) == (0, 0), both.stderr + alone.stderr
        assert both.stdout == alone.stdout

    def test_a_voice_that_is_not_there(self, synthesiser):
        with pytest.raises(synth.FireRedError, match="nobody"):
            synthesiser._synthesise("xx-nobody", "a", synth.Voice("f1"))


class TestSounds:
    @pytest.mark.parametrize("make", [sounds.noise, sounds.music, sounds.singing])
    def test_length_level_and_seed(self, make):
        sound, again, other = make(rng(1), 1.7), make(rng(1), 1.7), make(rng(2), 1.7)
        assert len(sound) == round(1.7 * RATE)
        np.testing.assert_array_equal(sound, again)
        assert not np.allclose(sound, other)
        assert 0.5 < np.sqrt(np.mean(sound**2)) < 2.0

    def test_a_tone_has_its_harmonics_below_the_nyquist_frequency(self):
        tone = sounds._tone(np.full(RATE, 1000.0), np.array([1.0, 0.5, 0.25, *[1.0] * 20]))
        spectrum = np.abs(np.fft.rfft(tone)) / (RATE / 2)
        assert spectrum[[1000, 2000, 3000, 7000]] == pytest.approx([1.0, 0.5, 0.25, 1.0], abs=1e-6)
        assert spectrum[7500:].max() < 1e-6

    def test_a_vowel_is_strongest_at_its_formants(self):
        strengths = sounds._vowel(np.arange(100.0, 4000.0, 100.0), np.array([700.0, 1200.0, 2500.0]))
        assert np.argmax(strengths) == 6
        assert strengths[11] > 2 * strengths[9]
        assert strengths[24] > 2 * strengths[21]

    def test_silence_cannot_be_levelled(self):
        assert not levelled(np.zeros(4), 0.1).any()
        assert np.sqrt(np.mean(levelled(np.array([3.0, -1.0]), 0.1) ** 2)) == pytest.approx(0.1)


class TestMixtures:
    @pytest.mark.parametrize(
        ("words", "spans"),
        [
            ([], []),
            ([("a", 0.1, 0.3)], [(0.1, 0.3)]),
            ([("a", 0.1, 0.3), ("b", 0.49, 0.6)], [(0.1, 0.6)]),  # 190 ms
            ([("a", 0.1, 0.3), ("b", 0.5, 0.6), ("c", 0.6, 0.7)], [(0.1, 0.3), (0.5, 0.7)]),  # 200 ms
        ],
    )
    def test_speech_is_cut_at_pauses(self, words, spans):
        assert mixtures.speech_spans([synth.Word(*word) for word in words]) == spans

    @pytest.mark.parametrize(
        ("events", "merged"),
        [
            ([(1.0, 2.0, "music"), (0.0, 1.5, "music")], [(0.0, 2.0, "music")]),
            ([(0.0, 3.0, "music"), (1.0, 2.0, "music")], [(0.0, 3.0, "music")]),
            ([(0.0, 1.0, "music"), (0.5, 2.0, "speech")], [(0.0, 1.0, "music"), (0.5, 2.0, "speech")]),
            ([(2.0, 3.0, "speech"), (0.0, 1.0, "speech")], [(0.0, 1.0, "speech"), (2.0, 3.0, "speech")]),
        ],
    )
    def test_events_that_touch_are_one(self, events, merged):
        assert united(events) == merged

    def test_what_is_labelled_is_louder_than_the_rest(self):
        """A word that is a tone: its recordings are loud where the labels say, and nowhere else in the quiet ones."""
        tone = synth.Spoken(np.sin(np.arange(RATE) / 3.0).astype(np.float32), [synth.Word("la", 0.0, 1.0)])
        inside, outside, labels = [], [], set()
        for seed in range(30):
            samples, events = mixtures.mixture(rng(seed), iter([tone] * 50), 10.0)
            assert len(samples) == 10 * RATE
            assert np.abs(samples).max() <= 1.0
            assert events == sorted(events)
            assert all(0 <= start < end <= 10.0 for start, end, _ in events)
            labels |= {label for *_, label in events}
            marked = marks(events, len(samples))
            if marked.any() and not marked.all():
                inside.append(np.mean(samples[marked] ** 2))
                outside.append(np.median(samples[~marked] ** 2))
        assert len(inside) > 15
        assert np.mean(np.array(inside) > 10 * np.array(outside)) > 0.9
        assert labels == {"speech", "singing", "music"}

    def test_an_utterance_keeps_its_times(self):
        click = np.zeros(RATE, np.float32)
        click[4000] = 1.0
        samples, (word,) = mixtures.utterance(rng(1), synth.Spoken(click, [synth.Word("x", 0.25, 0.3)]))
        assert np.argmax(np.abs(samples)) == round(word.start_s * RATE)
        assert word.end_s - word.start_s == pytest.approx(0.05)
        assert len(samples) > RATE + np.argmax(np.abs(samples)) - 4000

    def test_an_utterance_for_training_has_silence_of_any_length_around_it_and_keeps_its_times(self):
        click = np.zeros(RATE, np.float32)
        click[[4000, 12000]] = 1.0
        spoken = synth.Spoken(click, [synth.Word("x", 0.0, 0.3), synth.Word("y", 0.75, 1.0)])
        before, after, digital = [], [], []
        for seed in range(200):
            samples, (first, last) = mixtures.varied_utterance(rng(seed), spoken)
            clicks = sorted(np.argsort(np.abs(samples))[-2:].tolist())
            assert clicks == [clicks[0], round(last.start_s * RATE)]
            assert 0 <= first.start_s < first.end_s <= last.start_s < last.end_s <= len(samples) / RATE
            before.append(clicks[0] - 4000)
            after.append(len(samples) - clicks[0] - (RATE - 4000))
            digital.append(np.count_nonzero(samples) == 2)
        assert (min(before) >= -0.02 * RATE, min(before) < 0, max(before) > 0.5 * RATE) == (True, True, True)
        assert (min(after) >= -0.02 * RATE, min(after) < 0.1 * RATE, max(after) > 0.7 * RATE) == (True, True, True)
        assert np.median(before) < 0.15 * RATE
        assert 0.1 < np.mean(digital) < 0.3

    def test_a_conversation_is_silent_between_its_turns(self):
        tone = synth.Spoken(np.sin(np.arange(RATE) / 3.0).astype(np.float32), [synth.Word("la", 0.0, 1.0)])
        samples, words, events = mixtures.conversation(rng(1), [tone] * 3)
        assert events == [(word.start_s, word.end_s, "speech") for word in words]
        assert all(after.start_s - before.end_s > 0.5 for before, after in itertools.pairwise(words))
        marked = marks(events, len(samples))
        assert np.mean(samples[marked] ** 2) > 100 * np.mean(samples[~marked] ** 2)


@pytest.fixture(scope="module")
def made(tmp_path_factory, synthesiser):
    """The same small corpus, made by one process and by two."""
    folders = [tmp_path_factory.mktemp(f"nj{nj}") / "data" for nj in (1, 2)]
    for nj, folder in enumerate(folders, start=1):
        command = [sys.executable, EGS / "mini/local/make_corpus.py", folder, "--scale", "0.01", "--nj", str(nj)]
        subprocess.run(command, check=True, capture_output=True)
    return folders


class TestCorpus:
    def test_it_is_the_same_on_any_number_of_processes(self, made):
        first, second = made
        files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
        assert len(files) > 100
        assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
        for path in files:
            assert (first / path).read_bytes().replace(bytes(first), bytes(second)) == (second / path).read_bytes(), (
                path
            )

    @pytest.mark.parametrize("name", ["train", "phrases", "dev", "test", "talk_test", "lid_train", "lid_test"])
    def test_sets_of_utterances_are_sound(self, made, name):
        data = DataDir(made[0] / name)
        assert validate(data.path, feats=False) == []
        words = {key: "".join(line.split()[4] for line in lines) for key, lines in data.lines("ctm").items()}
        assert words == {key: text.replace(" ", "") for key, text in data.text.items()}
        durations = data.durations()
        for key, lines in data.lines("ctm").items():
            start, length = map(float, lines[-1].split()[2:4])
            assert 0 < start + length <= durations[key] + 0.001  # a word may end with its recording

    @pytest.mark.parametrize("name", ["vad_train", "vad_test"])
    def test_sets_of_mixtures_are_sound(self, made, name):
        data = DataDir(made[0] / name)
        assert validate(data.path, feats=False, text=False) == []
        assert sorted(data.lines("rttm")) == sorted(data.wav_scp)

    def test_languages_and_speakers(self, made):
        labels = read_table(made[0] / "lid_train/utt2lang")
        assert set(labels.values()) == {"zh mandarin", "zh yue", "en", "es", "fr", "de", "ru"}
        assert {label for key, label in labels.items() if "-cs-" in key} == {"zh mandarin"}
        assert any("-phrase-" in key for key in labels)
        assert set(read_table(made[0] / "test/utt2spk").values()) <= set(VOICES["test"])
        assert set(ASR["train"]) == {"zh", "en", "cs", "yue"}

    def test_texts(self, made):
        punctuated = read_table(made[0] / "punc_train/text").values()
        assert {text[-1] for text in punctuated} >= set("。？.?")
        plain = read_table(made[0] / "lm_train/text").values()
        assert not set("".join(plain)) & set("，。？！,.?!")
        unseen = set(read_table(made[0] / "test/text").values())
        assert not unseen & {*plain, *map(plain_text, punctuated), *read_table(made[0] / "train/text").values()}


class TestFsdd:
    def corpus(self, folder, *names):
        (folder / "recordings").mkdir()
        for name in names:
            soundfile.write(folder / "recordings" / f"{name}.wav", np.zeros(800), 8000)
        return folder

    def test_splits(self, tmp_path):
        names = [
            f"{digit}_{speaker}_{index}" for digit in (0, 7) for speaker in ("ann", "bob") for index in (0, 4, 5, 30)
        ]
        digits, skipped = prepare.read_corpus(self.corpus(tmp_path, *names, "readme"))
        assert len(digits) == 16
        assert [line.split("/")[-1] for line in skipped] == ["readme.wav is not named <digit>_<speaker>_<index>.wav"]
        prepare.write_split(tmp_path / "official", digits, lambda digit: digit.index in prepare._OFFICIAL_TEST)
        prepare.write_split(tmp_path / "without_ann", digits, lambda digit: digit.speaker == "ann")
        texts = {path.parent.relative_to(tmp_path).as_posix(): read_table(path) for path in tmp_path.glob("*/*/text")}
        assert sorted(texts["official/test"]) == [
            *(f"ann-{word}-{index}" for word in ("seven", "zero") for index in ("00", "04")),
            *(f"bob-{word}-{index}" for word in ("seven", "zero") for index in ("00", "04")),
        ]
        assert texts["official/dev"]["ann-zero-05"] == "zero"
        assert set(texts["official/train"]) == {f"{s}-{w}-30" for s in ("ann", "bob") for w in ("seven", "zero")}
        assert {key[:3] for key in texts["without_ann/test"]} == {"ann"}
        assert len(texts["without_ann/test"]) == 8
        assert {key[:3] for name in ("train", "dev") for key in texts[f"without_ann/{name}"]} == {"bob"}
        assert validate(tmp_path / "official/train", feats=False) == []

    def test_nothing_there(self, tmp_path):
        with pytest.raises(DataError, match="no recordings"):
            prepare.read_corpus(tmp_path)
