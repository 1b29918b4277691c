"""The parameters of a transcription: each is honoured, or refused with the reason (OpenAI's API, 2026-08)."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from firered.errors import OptionError
from firered.hotwords.lists import HotwordList
from firered.live.config import LiveConfig
from firered.runtime.context import Context
from firered.serve.errors import ApiError, invalid, unsupported
from firered.serve.loaded import Able
from firered.text.languages import AUTO, code_of, listed
from firered.vad.config import StreamVadConfig, VadConfig

JSON, TEXT, SRT, VTT, VERBOSE = "json", "text", "srt", "vtt", "verbose_json"
FORMATS = (JSON, TEXT, SRT, VTT, VERBOSE)
_WORD, _SEGMENT = "word", "segment"
_FRAME_MS = 10
_CHUNKING = "chunking_strategy"
_ALIASES = {"hotwords": "keywords", "hotword": "keywords"}
_LISTS = ("languages", "keywords", "timestamp_granularities", "include", "known_speaker_names")
_KNOWN = (
    *("model", "language", "prompt", "response_format", "temperature", "stream", _CHUNKING, *_LISTS),
    "known_speaker_references",
)
_MOST_KEYWORDS = 10_000
_SETTING = re.compile(r"chunking_strategy\[(\w+)\]")  # each of its settings as a field, as OpenAI's client sends them


@dataclass(frozen=True)
class Defaults:
    """What holds where a request says nothing: the server's names of the model, context and voice detector.

    Live streams have options and a voice detector of their own.
    """

    names: tuple[str, ...]
    context: Context
    vad: VadConfig
    live: LiveConfig = field(default_factory=LiveConfig)
    stream_vad: StreamVadConfig = field(default_factory=StreamVadConfig)


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        format: of the answer.
        stream: whether it comes in events, as recognition proceeds.
        words: whether it has word times; of `verbose_json`.
        segments: whether it has segments; likewise.
        log_probs: whether it has the tokens' log-probabilities.
        context: what the recogniser is given.
        vad: options of the voice detector, if others than the server's.
    """

    format: str
    stream: bool
    words: bool
    segments: bool
    log_probs: bool
    context: Context
    vad: VadConfig | None


def asked_for(fields: Sequence[tuple[str, str]], able: Able, defaults: Defaults) -> Asked:
    """What the fields of a form ask for.

    Raises:
        ApiError: a field is unknown, wrong, or cannot be honoured.
    """
    given = _by_name(fields)
    _check_model(given, defaults)
    _refuse_speakers(given)
    form = _one_of("response_format", _single(given, "response_format") or JSON, FORMATS)
    stream = _flag(given, "stream")
    if stream and form not in (JSON, TEXT):
        raise unsupported("response_format", f"{form} does not come in a stream; json and text do")
    _check_temperature(given)
    units = {_one_of("timestamp_granularities", unit, (_WORD, _SEGMENT)) for unit in given["timestamp_granularities"]}
    if units and form != VERBOSE:
        raise invalid("timestamp_granularities", f"response_format has to be {VERBOSE} for them, it is {form}")
    if _WORD in units and not able.times_words:
        raise unsupported("timestamp_granularities", f"{able.name} has no times of words here")
    return Asked(
        format=form,
        stream=stream,
        words=_WORD in units,
        segments=_SEGMENT in units or not units,
        log_probs=_wants_log_probs(given, form),
        context=context_of(given, able, defaults.context),
        vad=_chunking(_single(given, _CHUNKING), able, defaults.vad),
    )


def _by_name(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """The values of each parameter; those of lists may have `[]` behind their names, as clients write them."""
    found: dict[str, list[str]] = {name: [] for name in _KNOWN}
    settings = {match[1]: _plain(value) for name, value in fields if (match := _SETTING.fullmatch(name))}
    if settings:
        found[_CHUNKING].append(json.dumps(settings))
    for written, value in fields:
        if _SETTING.fullmatch(written):
            continue
        name = written.removesuffix("[]")
        name = _ALIASES.get(name, name)
        if name not in _KNOWN:
            shown = written[:100]
            raise ApiError(400, f"{shown}: no such parameter", param=shown, code="unknown_parameter")
        found[name].append(value)
    return found


def _plain(value: str) -> str | float:
    """A field's value as a number, if it is one."""
    try:
        return float(value)
    except ValueError:
        return value


def _single(given: Mapping[str, list[str]], name: str) -> str:
    if len(given[name]) > 1:
        raise invalid(name, f"given {len(given[name])} times")
    return given[name][0].strip() if given[name] else ""


def _one_of(name: str, value: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise invalid(name, f"{value[:100]!r} is not one of {', '.join(choices)}")
    return value


def _flag(given: Mapping[str, list[str]], name: str) -> bool:
    value = _single(given, name).lower() or "false"
    return _one_of(name, value, ("true", "false", "1", "0")) in ("true", "1")


def _check_model(given: Mapping[str, list[str]], defaults: Defaults) -> None:
    check_name(_single(given, "model"), defaults)


def check_name(name: str, defaults: Defaults) -> None:
    """Raise ApiError where a model is asked for that is not here; no name is any."""
    if name and name not in defaults.names:
        raise no_model(name, defaults.names)


def no_model(name: str, names: Sequence[str]) -> ApiError:
    """The answer where a model is asked for that is not here."""
    message = f"model: {name[:100]!r} is not here; there is {', '.join(names)}"
    return ApiError(404, message, param="model", code="model_not_found")


def _refuse_speakers(given: Mapping[str, list[str]]) -> None:
    for name in ("known_speaker_names", "known_speaker_references"):
        if given[name]:
            raise unsupported(name, "speakers are not told apart here")
    if _single(given, "response_format") == "diarized_json":
        raise unsupported("response_format", "diarized_json: speakers are not told apart here")


def _check_temperature(given: Mapping[str, list[str]]) -> None:
    text = _single(given, "temperature")
    try:
        value = float(text or 0)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise invalid("temperature", f"{text[:100]!r} is not a number from 0 to 1")
    if value:
        raise unsupported("temperature", "texts are searched for and never drawn by chance: only 0 will do")


def _wants_log_probs(given: Mapping[str, list[str]], form: str) -> bool:
    for value in given["include"]:
        _one_of("include", value, ("logprobs",))
    if given["include"] and form != JSON:
        raise invalid("include", f"logprobs come with response_format {JSON}, not {form}")
    return bool(given["include"])


def context_of(given: Mapping[str, list[str]], able: Able, default: Context) -> Context:
    """What the recogniser is given, by `language`, `languages`, `prompt` and `keywords`.

    Raises:
        ApiError: the model cannot be told it.
    """
    prompt = _single(given, "prompt")
    if prompt and "prompt" not in able.uses:
        raise unsupported("prompt", f"{able.name} takes none; words that are likely to come are `keywords[]`")
    words = [word for value in given["keywords"] for line in value.splitlines() if (word := line.strip())]
    if words and "hotwords" not in able.uses:
        raise unsupported("keywords", f"{able.name} makes no use of them")
    if len(words) > _MOST_KEYWORDS:
        raise invalid("keywords", f"{len(words)}, at most {_MOST_KEYWORDS}")
    language = _language(given, able)
    return replace(
        default,
        language=language or default.language,
        prompt=prompt or default.prompt,
        hotwords=HotwordList([*words, *default.hotwords]) if words else default.hotwords,
    )


def _language(given: Mapping[str, list[str]], able: Able) -> str | None:
    """The language for the recogniser; None: it finds out. One that cannot be told may be given those it writes."""
    one = _single(given, "language")
    if one and given["languages"]:
        raise invalid("language", "give `language` or `languages[]`, not both")
    name = "languages" if given["languages"] else "language"
    written = [text.strip() for text in given["languages"] or [one]]
    wanted = [text for text in written if text and text.lower() != AUTO]
    if "language" in able.uses:  # which languages it knows, it tells itself
        return ",".join(code_of(text) or text for text in wanted) or None
    if others := [text[:100] for text in wanted if code_of(text) not in able.languages]:
        known = listed(able.languages) or "none that is known here"
        raise unsupported(name, f"{able.name} finds it out itself and writes {known}, not {', '.join(others)}")
    return None


def _chunking(text: str, able: Able, vad: VadConfig) -> VadConfig | None:
    """Options of the voice detector; None: the server's, which `auto` stands for."""
    if text in ("", "auto"):
        return None
    name = _CHUNKING
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or value.get("type") != "server_vad":
        raise invalid(name, f'{text[:100]!r} is neither auto nor {{"type": "server_vad", ...}}')
    if not able.finds_voice:
        raise unsupported(name, "this server has no voice detector")
    settings = {"type", *_VAD}
    if unknown := sorted(str(key) for key in value.keys() - settings):
        raise invalid(name, f"{', '.join(unknown)[:100]} unknown; there are {', '.join(sorted(settings))}")
    found = {}
    for key, (option, convert) in _VAD.items():
        if key in value:
            number = value[key]
            if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
                raise invalid(name, f"{key}: not a number")
            found[option] = convert(number)
    try:
        return replace(vad, **found)
    except OptionError as error:
        raise invalid(name, str(error)) from None


def _frames(ms: float) -> int:
    return round(ms / _FRAME_MS)


# What the API's settings are called here. Padding goes on both sides of a segment.
_VAD: Mapping[str, tuple[str, Callable[[float], Any]]] = {
    "threshold": ("speech_threshold", float),
    "prefix_padding_ms": ("extend_speech_frame", _frames),
    "silence_duration_ms": ("min_silence_frame", _frames),
}
