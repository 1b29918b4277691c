"""firered-speak: texts spoken by a synthesiser in many voices, as a data directory."""

import logging
import shlex
import subprocess
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from firered.corpora.made.asking import deciding, note_all
from firered.corpora.made.mixed_config import SpeakConfig
from firered.data.datadir import KNOWN_FILES, UTTERANCE, DataDir, spk2utt_of, write_table
from firered.data.lines import read_lines
from firered.data.names import file_names, write_file_names
from firered.data.utterance import Utterance
from firered.data.write import seconds
from firered.errors import AudioError, DataError, FireRedError, OptionError
from firered.options import write_settings
from firered.processes import group
from firered.runs.config import RunConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs
from firered.runs.journal import Run

log = logging.getLogger(__name__)

_LAST_WORDS = 200  # characters of what a command says that fails


class SynthesisError(FireRedError):
    """A text that could not be spoken."""


def speak(data: Path, out: Path, config: SpeakConfig, job: RunConfig) -> int:
    """Write a data directory of the texts of DATA, spoken in voices that are drawn; the exit status.

    Utterances are called `VOICE-UTT`, speakers are voices. The other tables of DATA that are by utterance come along.

    Raises:
        DataError: there are no texts.
        OptionError: there are fewer voices than are to speak each text.
    """
    source = DataDir(data, [])
    texts = source.text
    if not texts:
        raise DataError(f"{data}: no text to speak")
    voices = _voices(config)
    drawn = _drawn(texts, voices, config)
    with Run[dict[str, Any]](out, fingerprint("firered-speak", deciding(config)), job, "utterances") as run:
        run.take(
            Inputs([Utterance(key, key) for key in drawn], source.problems or [], None), lambda k: texts[drawn[k][1]]
        )
        folder = out.absolute() / "wav"
        folder.mkdir(parents=True, exist_ok=True)
        names = file_names(drawn)
        write_file_names(folder, names)

        def result(key: str) -> dict[str, Any]:
            voice, utterance = drawn[key]
            return {"seconds": _spoken(texts[utterance], voice, folder / f"{names[key]}.wav", config)}

        there = {key for key in run.results if (folder / f"{names[key]}.wav").is_file()}
        note_all([key for key in drawn if key not in there], result, run, config.parallel)
        made = {key: run.results[key] for key in drawn if key in run.results}
        _write(source, {key: drawn[key] for key in made}, out)
        write_table(out / "wav.scp", {key: str(folder / f"{names[key]}.wav") for key in made})
        write_table(out / "utt2dur", {key: seconds(own["seconds"]) for key, own in made.items()})
        write_settings(out / "config.yaml", "firered-speak", config)
        return run.finish()


def _voices(config: SpeakConfig) -> list[str]:
    """The voices, of files those in them."""
    found: dict[str, None] = {}
    for given in config.voices:
        if Path(given).is_file():
            found |= {line.strip(): None for _, line in read_lines(Path(given)) if line.strip()}
        else:
            found[given] = None
    if not found:
        raise OptionError("voices: needed is one at least, as the command of --tts calls it")
    if len(found) < config.each:
        raise OptionError(f"each: {config.each} voices are to speak each text, and there are {len(found)} (--voices)")
    return list(found)


def _drawn(texts: Mapping[str, str], voices: Sequence[str], config: SpeakConfig) -> dict[str, tuple[str, str]]:
    """Voice and id of the text of each utterance. As long as there are voices left, none is drawn again."""
    found: dict[str, tuple[str, str]] = {}
    plain = {voice: "_".join(voice.split()) for voice in voices}
    if len(set(plain.values())) < len(voices):
        raise OptionError(f"voices: two become one speaker, as blanks are no part of ids: {', '.join(voices)}")
    for key in texts:
        rng = np.random.default_rng([config.seed, zlib.crc32(key.encode())])
        for number in rng.permutation(len(voices))[: config.each].tolist():
            found[f"{plain[voices[number]]}-{key}"] = voices[number], key
    return found


def _spoken(text: str, voice: str, wav: Path, config: SpeakConfig) -> float:
    """The seconds of a text, which is spoken to a file.

    Raises:
        SynthesisError: the command failed, or took too long.
        AudioError: what it wrote is no audio, or has none in it.
    """
    words = [word.replace("{voice}", voice).replace("{wav}", str(wav)) for word in shlex.split(config.tts)]
    wav.unlink(missing_ok=True)
    try:
        with group(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            _, said = process.communicate(f"{text}\n".encode(), config.text_seconds)
            status = process.returncode
    except subprocess.TimeoutExpired:
        raise SynthesisError(f"{words[0]}: took more than {config.text_seconds:g} s") from None
    except OSError as error:
        raise SynthesisError(f"{words[0]}: {error.strerror or error}") from None
    if status:
        last = " ".join(said.decode(errors="replace").split())[-_LAST_WORDS:]
        raise SynthesisError(f"{words[0]}: ended with status {status}: {last}")
    try:
        info = soundfile.info(wav)
    except (soundfile.LibsndfileError, OSError):
        raise AudioError(f"{words[0]}: wrote no audio file") from None
    if not info.frames:
        raise AudioError(f"{words[0]}: wrote a file without audio")
    return float(info.frames / info.samplerate)


def _write(source: DataDir, made: Mapping[str, tuple[str, str]], out: Path) -> None:
    """Write the tables of texts, of those who speak them, and what else is known of the texts."""
    speakers = {key: key.removesuffix(f"-{utterance}") for key, (_, utterance) in made.items()}
    write_table(out / "utt2spk", speakers)
    write_table(out / "spk2utt", spk2utt_of(speakers))
    write_table(out / "utt2voice", {key: voice for key, (voice, _) in made.items()})
    own = {"utt2spk", "utt2dur", "utt2num_frames", "feats.scp", "vad.scp", "ali.scp"}
    named = {path.name for path in source.path.iterdir() if path.is_file()}
    for name in sorted(named - own):
        labels = name.startswith("utt2") or name in ("text", "keywords")
        if labels and KNOWN_FILES.get(name, UTTERANCE) == UTTERANCE:
            table = source.table(name) or {}
            write_table(out / name, {key: table[old] for key, (_, old) in made.items() if old in table})
