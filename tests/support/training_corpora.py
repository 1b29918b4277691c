"""Corpora in their publishers' layouts with enough utterances to train on: every letter is a tone of its own."""

import json

import numpy as np

from support.signals import noise, sine, write_wav

LETTERS = "你好天气们大家听说"
WORDS = ("ONE", "TWO", "SIX", "TEN")
LETTER_S = 0.12


def spoken(text):
    """The sound of a text: a tone a letter between stretches of noise."""
    tones = [sine(LETTER_S, hertz=250.0 + 130.0 * (ord(letter) % 23)) for letter in text]
    quiet = noise(1600, amplitude=0.002, seed=len(text))
    return np.concatenate([quiet, *tones, quiet])


def texts(count, seed, letters=LETTERS):
    """Texts of two to four letters, or words."""
    rng = np.random.default_rng(seed)
    between = " " if letters is WORDS else ""
    return [between.join(rng.choice([*letters], rng.integers(2, 5))) for _ in range(count)]


def librispeech(folder, parts):
    """Parts by name, with so many utterances each."""
    for number, (part, count) in enumerate(parts.items()):
        place = folder / "LibriSpeech" / part / f"{100 + number}/7"
        lines = [(f"{100 + number}-7-{at:04d}", text) for at, text in enumerate(texts(count, number, WORDS))]
        for key, text in lines:
            write_wav(place / f"{key}.flac", spoken(text), 16000, format="FLAC")
        (place / f"{100 + number}-7.trans.txt").write_text("".join(f"{key} {text}\n" for key, text in lines))
    return folder


def aishell2(folder, parts):
    """Of the iOS channel: data, dev and test."""
    for number, (part, count) in enumerate(parts.items()):
        place, speaker = folder / "AISHELL-2/iOS" / part, f"C{number:04d}"
        lines = [(f"I{speaker}W{at:04d}", text) for at, text in enumerate(texts(count, number))]
        for key, text in lines:
            write_wav(place / "wav" / speaker / f"{key}.wav", spoken(text))
        (place / "wav.scp").write_text("".join(f"{key}\twav/{speaker}/{key}.wav\n" for key, _ in lines))
        (place / "trans.txt").write_text("".join(f"{key}\t{text}\r\n" for key, text in lines))
    return folder


def kespeech(folder, parts):
    """Of the recognition task: train_phase1, dev_phase1 and so on."""
    for number, (part, count) in enumerate(parts.items()):
        place, speaker = folder / "Tasks/ASR" / part, f"{1000001 + number}"
        tables = dict.fromkeys(("wav.scp", "text", "utt2spk", "utt2subdialect"), "")
        for at, text in enumerate(texts(count, number)):
            key = f"{speaker}_{at:08x}"
            audio = f"Audio/{speaker}/phase1/{key}.wav"
            write_wav(folder / audio, spoken(text))
            values = (audio, f"{text}<SPOKEN_NOISE>" if at == 0 else text, speaker, ("Mandarin", "Jiang-Huai")[at % 2])
            for name, value in zip(tables, values, strict=True):
                tables[name] += f"{key} {value}\n"
        place.mkdir(parents=True)
        for name, content in tables.items():
            (place / name).write_text(content)
    return folder


def commonvoice(folder, parts):
    """Of Chinese: train, dev and test."""
    place = folder / "zh-CN"
    for number, (part, count) in enumerate(parts.items()):
        rows = ["client_id\tpath\tsentence_id\tsentence\tup_votes"]
        for at, text in enumerate(texts(count, number)):
            clip = f"common_voice_zh-CN_{number}{at:04d}.mp3"
            write_wav(place / "clips" / clip, spoken(text), 16000, format="MP3")
            rows.append(f"{number:x}" * 128 + f"\t{clip}\tid\t{text}。\t2")
        (place / f"{part}.tsv").write_text("\n".join(rows) + "\n")
    return folder


def wenetspeech(folder, parts):
    """Subsets, S among them in M and L too; four utterances to a recording of opus."""
    wider = {"S": ["S", "M", "L"], "M": ["M", "L"]}
    audios = []
    for number, (subset, count) in enumerate(parts.items()):
        own = texts(count, number)
        for first in range(0, count, 4):
            aid, samples, segments = f"Y{number}{first:04d}_x", [], []
            for at, text in enumerate(own[first : first + 4]):
                begin = sum(map(len, samples)) / 16000
                samples += [spoken(text), np.zeros(3200)]
                times = {"begin_time": begin, "end_time": begin + len(samples[-2]) / 16000}
                segments.append(
                    {"sid": f"{aid}_S{at:05d}", "text": text, "subsets": wider.get(subset, [subset]), **times}
                )
            audios.append({"aid": aid, "path": f"audio/{subset.lower()}/{aid}.opus", "segments": segments})
            whole = np.concatenate(samples)
            write_wav(folder / audios[-1]["path"], np.repeat(whole, 3), 48000, format="OGG", subtype="OPUS")
    (folder / "WenetSpeech.json").write_text(json.dumps({"audios": audios}, ensure_ascii=False))
    return folder


MAKERS = {
    "librispeech": librispeech,
    "aishell2": aishell2,
    "kespeech": kespeech,
    "commonvoice": commonvoice,
    "wenetspeech": wenetspeech,
}
