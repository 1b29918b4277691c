"""Speech of espeak-ng with the times of its words, by way of its C library."""

import ctypes
import re
import subprocess
from dataclasses import dataclass

import numpy as np
import soxr

from firered.errors import FireRedError

SAMPLE_RATE = 16000  # `firered.audio.frontend` has it too, but takes seconds to import
# espeak-ng's voices by language; its plain `cmn` reads the pinyin of Chinese characters as if it were English.
LANGUAGES = {"zh": "cmn-latn-pinyin", **{name: name for name in ("yue", "en", "es", "fr", "de", "ru")}}
# Where espeak-ng takes the wrong reading of a character: one that has no other.
_RESPELLED = {"银行": "银航", "音乐": "音月", "睡觉": "睡叫", "重庆": "虫庆", "地铁": "弟铁", "着急": "招急"}

_LIBRARY = "libespeak-ng.so.1"
_SYNCHRONOUS, _PHONEME_EVENTS, _UTF8, _CHARACTERS, _RATE, _PITCH = 2, 1, 1, 1, 1, 3
_END_OF_LIST, _WORD, _PHONEME = 0, 1, 7
_PAUSES = (b"_", b"_:")
_HAN = "[\u4e00-\u9fff]"
_WORD_AT = re.compile(f"{_HAN}|(?:(?!{_HAN})[\\w'-])+")
_STRETCH = re.compile(f"(?:{_HAN}|[，。？！])+|(?:(?!{_HAN})[^，。？！])+")


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int) for name in ("type", "identifier", "position", "length", "milliseconds", "sample")),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Voice:
    """A variant of espeak-ng's voices, with pitch (0 to 99, normal is 50) and speed (words a minute)."""

    variant: str
    pitch: int = 50
    speed: int = 170


@dataclass(frozen=True)
class Word:
    """A word, or a Chinese character, and its time."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Spoken:
    """Samples at 16 kHz with full scale 1.0, and the words in them."""

    samples: np.ndarray
    words: list[Word]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / SAMPLE_RATE

    def shifted(self, seconds: float) -> list[Word]:
        """The words with later times."""
        return [Word(word.text, word.start_s + seconds, word.end_s + seconds) for word in self.words]


def _installed(name: str) -> str:
    """The path of a library of the system; its name where that is not to be found out.

    By its name alone a library comes that the process has already under that name, such as the one of the package
    espeakng-loader, which reads words for hotwords with other data.
    """
    try:
        known = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return name
    found = re.search(rf"^\s*{re.escape(name)} .* => (\S+)$", known, re.MULTILINE)
    return found[1] if found else name


class Synthesiser:
    """espeak-ng as a library, at most one in a process.

    Its noise and echo carry over from one sentence to the next: the same samples come out for the same sentences in the
    same order from the start of a process.

    Raises:
        FireRedError: espeak-ng is not installed, or incomplete.
    """

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL(_installed(_LIBRARY))
        except OSError:
            raise FireRedError(f"{_LIBRARY} is not here: install espeak-ng (apt-get install espeak-ng)") from None
        self._rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, None, _PHONEME_EVENTS)
        if self._rate <= 0:
            raise FireRedError("espeak-ng does not start: its data files are missing")
        self._samples: list[np.ndarray] = []
        self._events: list[_Event] = []
        self._callback = _Callback(self._collect)  # the library holds on to it
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, language: str, text: str, voice: Voice) -> Spoken:
        """Synthesise a text of one of LANGUAGES; Latin words in Chinese text are pronounced in English."""
        whole = Spoken(np.zeros(0, np.float32), [])
        for stretch in filter(str.strip, _STRETCH.findall(text) if language == "zh" else [text]):
            foreign = language == "zh" and not re.search(_HAN, stretch)
            whole = _joined(whole, self._stretch("en" if foreign else language, stretch, voice))
        return whole

    def _stretch(self, language: str, text: str, voice: Voice) -> Spoken:
        if language == "yue":
            text = re.sub(f"({_HAN})", r"\1 ", text)  # or there is one event for all characters of a word
        said = text
        for word, other in _RESPELLED.items() if language == "zh" else ():
            said = said.replace(word, other)
        self._synthesise(LANGUAGES[language], said, voice)
        words, open_word = [], None
        for event in self._events:
            starts = event.type == _WORD and event.length > 0
            if open_word and (starts or (event.type == _PHONEME and event.id.string in _PAUSES)):
                words.append(Word(*open_word, event.sample / self._rate))
                open_word = None
            if starts:
                found = _WORD_AT.match(text, event.position - 1)  # its length in the event ends at an apostrophe
                open_word = (found[0] if found else "", event.sample / self._rate)
        samples = np.concatenate([np.zeros(0, np.int16), *self._samples]).astype(np.float32) / 32768
        return Spoken(soxr.resample(samples, self._rate, SAMPLE_RATE), words)

    def _synthesise(self, language: str, text: str, voice: Voice) -> None:
        self._samples, self._events = [], []
        data = text.encode() + b"\0"
        failed = self._library.espeak_SetVoiceByName(f"{language}+{voice.variant}".encode())
        failed = failed or self._library.espeak_SetParameter(_RATE, voice.speed, 0)
        failed = failed or self._library.espeak_SetParameter(_PITCH, voice.pitch, 0)
        failed = failed or self._library.espeak_Synth(data, len(data), 0, _CHARACTERS, 0, _UTF8, None, None)
        if failed:
            raise FireRedError(f"espeak-ng cannot say {text!r} with the voice {language}+{voice.variant}")

    def _collect(self, samples: "ctypes._Pointer", count: int, events: "ctypes._Pointer") -> int:
        if count > 0:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _END_OF_LIST:
            self._events.append(_Event.from_buffer_copy(events[index]))
            index += 1
        return 0


def _joined(before: Spoken, after: Spoken) -> Spoken:
    """Both, without the pause at the end of the first."""
    if not before.words:
        return after
    offset_s = before.words[-1].end_s
    samples = np.concatenate([before.samples[: round(offset_s * SAMPLE_RATE)], after.samples])
    return Spoken(samples, before.words + after.shifted(offset_s))
