"""What a client of the realtime API asks of its session, in the present form and in the beta form: `Wanted`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from firered.errors import OptionError
from firered.live.config import LiveConfig
from firered.serve.errors import ApiError, invalid, unsupported
from firered.serve.loaded import Able
from firered.serve.params import Defaults, check_name, context_of
from firered.serve.samples import ALAW, PCM16, ULAW
from firered.serve.streams import Settings
from firered.vad.config import StreamVadConfig

_RATE = 24000  # of the API's PCM
_PHONE_RATE = 8000  # of G.711
_ENCODINGS = {"audio/pcm": PCM16, "audio/pcmu": ULAW, "audio/pcma": ALAW}
_BETA_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
# Seconds from one partial text to the next, and of the chunks of a recogniser that streams. With xhigh text is final.
DELAYS = {"minimal": (0.3, 0.16), "low": (0.4, 0.32), "medium": (0.6, 0.64), "high": (1.0, 0.96), "xhigh": (2.0, 1.28)}
FINAL = "xhigh"
_TURNS = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 300, "silence_duration_ms": 500}
_RESPONSES = ("create_response", "interrupt_response")  # of voice agents; a transcription has no responses
_ECHOED = ("id", "object", "type", "expires_at", "client_secret")  # that clients send back as they got them
_TEXTS = ("model", "language", "prompt", "delay")
_LISTS = ("languages", "keywords")


@dataclass(frozen=True)
class Wanted:
    """A session as its client has it.

    Attributes:
        format: of its audio, as in the present form.
        transcription: model, language, languages, keywords, prompt, delay.
        turn_detection: how turns are found; None: the client commits them.
    """

    format: Mapping[str, Any] = field(default_factory=lambda: {"type": "audio/pcm", "rate": _RATE})
    transcription: Mapping[str, Any] = field(default_factory=dict)
    turn_detection: Mapping[str, Any] | None = field(default_factory=lambda: dict(_TURNS))

    @property
    def only_final(self) -> bool:
        """Whether text is given when it is final, and not before."""
        return self.transcription.get("delay") == FINAL

    def settings(self, able: Able, defaults: Defaults, live: LiveConfig, vad: StreamVadConfig) -> Settings:
        """The settings of its stream.

        Raises:
            ApiError: something cannot be honoured.
        """
        kind = self.format["type"]
        interval_s, chunk_s = DELAYS[self.transcription.get("delay") or "medium"]
        if self.transcription.get("delay"):
            live = replace(live, interval_s=interval_s, chunk_s=chunk_s)
        if self.turn_detection is not None:
            turns = self.turn_detection
            silence_s = turns["silence_duration_ms"] / 1000
            fewest = max(1, min(vad.min_silence_frame, round(100 * silence_s)))
            try:
                live = replace(live, silence_s=silence_s, lead_s=turns["prefix_padding_ms"] / 1000)
                vad = replace(vad, speech_threshold=float(turns["threshold"]), min_silence_frame=fewest)
            except OptionError as error:
                raise invalid("turn_detection", str(error)) from None
        given = {name: [self.transcription[name]] if self.transcription.get(name) else [] for name in _TEXTS}
        given |= {name: list(self.transcription.get(name) or ()) for name in _LISTS}
        return Settings(
            rate=self.format.get("rate", _PHONE_RATE),
            encoding=_ENCODINGS[kind],
            context=context_of(given, able, defaults.context),
            live=live,
            vad=vad,
            turns=self.turn_detection is not None,
        )


def updated(wanted: Wanted, session: Any, defaults: Defaults, *, beta: bool) -> Wanted:  # noqa: ANN401 - what was sent
    """A session after an update, which changes what it names and nothing else.

    Args:
        wanted: the session before.
        session: the update's.
        defaults: the server's names of the model.
        beta: whether it is of the beta form.

    Raises:
        ApiError: a part of it is unknown or cannot be honoured; nothing of it holds then.
    """
    parts = dict(_object("session", session))
    if (kind := parts.get("type", "transcription")) != "transcription":
        raise unsupported("session.type", f"{str(kind)[:100]!r}: sessions are of the type transcription here")
    for name in _ECHOED:
        parts.pop(name, None)
    _refuse_log_probs(parts.pop("include", None))
    if beta:
        return _beta(wanted, parts, defaults)
    audio = dict(_object("session.audio", parts.pop("audio", None) or {}))
    own = dict(_object("session.audio.input", audio.pop("input", None) or {}))
    _refuse_rest("session", parts, "audio, include")
    _refuse_rest("session.audio", audio, "input")
    return _changed(wanted, own, "session.audio.input", defaults)


def _beta(wanted: Wanted, parts: dict[str, Any], defaults: Defaults) -> Wanted:
    """The flat form as the nested one."""
    own = {}
    if (name := parts.pop("input_audio_format", None)) is not None:
        if name not in _BETA_FORMATS:
            raise invalid("session.input_audio_format", f"not one of {', '.join(_BETA_FORMATS)}")
        own["format"] = {"type": _BETA_FORMATS[name]}
    for theirs, ours in (("input_audio_transcription", "transcription"), ("turn_detection", "turn_detection")):
        if theirs in parts:
            own[ours] = parts.pop(theirs)
    if "input_audio_noise_reduction" in parts:
        own["noise_reduction"] = parts.pop("input_audio_noise_reduction")
    parts.pop("modalities", None)  # a transcription is text, whatever they say
    _refuse_rest("session", parts, "input_audio_format, input_audio_transcription, turn_detection, include")
    return _changed(wanted, own, "session", defaults)


def _changed(wanted: Wanted, own: dict[str, Any], where: str, defaults: Defaults) -> Wanted:
    if own.pop("noise_reduction", None) is not None:
        raise unsupported(f"{where}.noise_reduction", "there is none here; null switches it off")
    if (form := own.pop("format", None)) is not None:
        wanted = replace(wanted, format=_format(form, f"{where}.format"))
    if (said := own.pop("transcription", None)) is not None:
        said = _transcription(said, f"{where}.transcription", defaults)
        wanted = replace(wanted, transcription={**wanted.transcription, **said})
    if "turn_detection" in own:
        turns = own.pop("turn_detection")
        before = wanted.turn_detection or _TURNS
        turns = None if turns is None else _turns(turns, before, f"{where}.turn_detection")
        wanted = replace(wanted, turn_detection=turns)
    _refuse_rest(where, own, "format, transcription, turn_detection, noise_reduction")
    return wanted


def _format(form: Any, where: str) -> dict[str, Any]:  # noqa: ANN401
    given = dict(_object(where, {"type": form} if isinstance(form, str) else form))
    kind, rate = given.pop("type", "audio/pcm"), given.pop("rate", None)
    _refuse_rest(where, given, "type, rate")
    if kind not in _ENCODINGS:
        raise invalid(f"{where}.type", f"{str(kind)[:100]!r} is not one of {', '.join(_ENCODINGS)}")
    if kind != "audio/pcm":
        if rate not in (None, _PHONE_RATE):
            raise invalid(f"{where}.rate", f"G.711 has {_PHONE_RATE}")
        return {"type": kind}
    if rate is not None and (not isinstance(rate, int) or isinstance(rate, bool) or not 8000 <= rate <= 192_000):
        raise invalid(f"{where}.rate", "not a number of samples a second from 8000 to 192000")
    return {"type": kind, "rate": rate or _RATE}


def _transcription(said: Any, where: str, defaults: Defaults) -> dict[str, Any]:  # noqa: ANN401
    given = dict(_object(where, said))
    found: dict[str, Any] = {}
    for name in _TEXTS:
        if name in given:
            found[name] = value = given.pop(name)
            if value is not None and not isinstance(value, str):
                raise invalid(f"{where}.{name}", "not a text")
    for name in _LISTS:
        if name in given:
            found[name] = value = given.pop(name)
            if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
                raise invalid(f"{where}.{name}", "not a list of texts")
    _refuse_rest(where, given, ", ".join((*_TEXTS, *_LISTS)))
    check_name(found.get("model") or "", defaults)
    if (delay := found.get("delay")) is not None and delay not in DELAYS:
        raise invalid(f"{where}.delay", f"{delay[:100]!r} is not one of {', '.join(DELAYS)}")
    if found.get("language"):  # each takes the other's place
        found.setdefault("languages", None)
    elif found.get("languages"):
        found.setdefault("language", None)
    return found


def _turns(turns: Any, before: Mapping[str, Any], where: str) -> dict[str, Any]:  # noqa: ANN401
    given = dict(_object(where, turns))
    if (kind := given.pop("type", "server_vad")) != "server_vad":
        raise unsupported(f"{where}.type", f"{str(kind)[:100]!r}: turns are found by server_vad, or committed (null)")
    for name in _RESPONSES:
        given.pop(name, None)
    if given.pop("idle_timeout_ms", None) is not None:
        raise unsupported(f"{where}.idle_timeout_ms", "nothing happens after silence in a transcription")
    found = dict(before)
    for name in ("threshold", "prefix_padding_ms", "silence_duration_ms"):
        value = given.pop(name, None)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
            raise invalid(f"{where}.{name}", "not a number from 0 on")
        found[name] = value
    _refuse_rest(where, given, "type, threshold, prefix_padding_ms, silence_duration_ms")
    return found


def _refuse_log_probs(include: Any) -> None:  # noqa: ANN401
    if include:
        raise unsupported("session.include", "live text has no log-probabilities of tokens")


def _object(where: str, value: Any) -> Mapping[str, Any]:  # noqa: ANN401
    if not isinstance(value, dict):
        raise invalid(where, "not an object")
    return value


def _refuse_rest(where: str, rest: Mapping[str, Any], known: str) -> None:
    """Refuse fields that nobody knows; a client that mixes the two forms learns which one it speaks."""
    if not rest:
        return
    name = str(next(iter(rest)))[:100]
    hint = ""
    if name == "audio":
        hint = "; `audio` is of the present form, this session has the beta form (OpenAI-Beta: realtime=v1)"
    elif name.startswith("input_audio_") or (name == "turn_detection" and where == "session"):
        hint = "; this is of the beta form, which begins with the header OpenAI-Beta: realtime=v1"
    raise ApiError(
        400, f"{where}.{name}: unknown; there are {known}{hint}", param=f"{where}.{name}", code="unknown_parameter"
    )


def shown(id: str, wanted: Wanted, *, beta: bool) -> dict[str, Any]:
    """A session as its client is shown it."""
    said = {name: wanted.transcription[name] for name in (*_TEXTS, *_LISTS) if wanted.transcription.get(name)}
    turns = None if wanted.turn_detection is None else dict(wanted.turn_detection)
    if beta:
        names = {present: flat for flat, present in _BETA_FORMATS.items()}
        return {
            "id": id,
            "object": "realtime.transcription_session",
            "input_audio_format": names[wanted.format["type"]],
            "input_audio_transcription": said or None,
            "turn_detection": turns,
            "input_audio_noise_reduction": None,
            "include": None,
            "expires_at": 0,
            "client_secret": None,
        }
    own: Mapping[str, Any] = {
        "format": dict(wanted.format),
        "transcription": said or None,
        "noise_reduction": None,
        "turn_detection": turns,
    }
    return {
        "id": id,
        "object": "realtime.transcription_session",
        "type": "transcription",
        "audio": {"input": own},
        "include": None,
        "expires_at": None,
    }
