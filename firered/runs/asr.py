"""Recognition and forced alignment over many utterances: the files that firered-asr and firered-align write."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from firered.asr.carried import carries
from firered.asr.config import RecogniserConfig
from firered.asr.recogniser import Recogniser
from firered.audio.config import AudioConfig
from firered.data.datadir import write_lines, write_table
from firered.data.hotwords import REPORT
from firered.data.write import ctm_line, json_line
from firered.output.published import milliseconds, published
from firered.results import AsrResult, Word
from firered.runs.config import RunConfig
from firered.runs.hotwords import lists_of, write_hotwords
from firered.runs.in_turns import InTurns
from firered.runs.inputs import Inputs, channel_name, resolve
from firered.runs.over_utterances import ModelRun
from firered.runtime.config import ContextConfig
from firered.runtime.context import Context

STREAMED, LIVE = "text_streaming", "live.jsonl"  # of a streaming pass
log = logging.getLogger(__name__)


def run_asr(
    paths: Sequence[str],
    out: Path,
    model: Path,
    asr: Recogniser,
    audio: AudioConfig,
    config: RunConfig,
    context: Context | ContextConfig | None = None,
    utt2lang: Path | None = None,
) -> int:
    """Exit status of a run over all utterances of `paths`, with everything firered-asr promises written to `out`.

    What is known of an utterance beforehand is in tables of the data directory (utt2lang, utt2prompt, and hotwords in
    utt2hotwords, spk2hotwords and reco2hotwords); else `context`, and of its language the table `utt2lang`.

    Raises:
        DataError: there is no input to process, no such table, or no list of hotwords that a table names.
        FireRedError: `out` cannot be written.
    """
    inputs = resolve(paths, audio, by_segment=True)
    options, known = asr.config, context or Context()
    if isinstance(known, ContextConfig):
        default, known = known, known.context()
    else:
        default = ContextConfig(language=known.language, prompt=known.prompt, hotword=known.hotwords.texts)
    lists = lists_of(inputs)
    seconds, kind, front_end = options.batch_seconds, AsrResult, asr.front_end
    run = ModelRun(
        "firered-asr",
        model,
        asr.sources,
        options,
        seconds,
        audio,
        config,
        kind,
        front_end,
        known,
        (default,),
        asr.check,
        utt2lang=utt2lang,
        hotwords=lists,
    )

    def write(results: Mapping[str, AsrResult]) -> None:
        write_asr(out, results, options)
        told = inputs.data is not None and inputs.data.table("utt2lang") is not None
        if not told and any(result.lang for result in results.values()):
            write_table(out / "utt2lang", {key: result.lang for key, result in results.items() if result.lang})
        given = dict.fromkeys([known.hotwords, *lists.values()])
        write_hotwords(out / REPORT, given, results.values(), asr.unwritable)
        _write_streaming(out, inputs, results)
        if asr.times_words:
            write_lines(out / "ctm", ctm_lines(inputs, {key: result.words or () for key, result in results.items()}))
        else:
            (out / "ctm").unlink(missing_ok=True)  # of an earlier run

    if not carries(asr, default.context_carry):
        status = run.over(inputs, out, asr.recognise, write)
    else:
        turns = InTurns(asr, inputs.utterances, default.context_carry)
        status = run.over(inputs, out, turns, write, turns.before, turns.begin, turns.batches(seconds))
    asr.drafting.report()
    return status


def write_asr(out: Path, results: Mapping[str, AsrResult], config: RecogniserConfig) -> None:
    """text, token, token_conf, utt2conf, asr.jsonl and, if asked for, nbest.jsonl, and flags."""
    write_table(out / "text", {key: result.text for key, result in results.items()})
    write_table(out / "token", {key: " ".join(result.tokens) for key, result in results.items()})
    write_table(
        out / "token_conf",
        {key: " ".join(f"{prob:.3f}" for prob in result.token_confidence) for key, result in results.items()},
    )
    write_table(out / "utt2conf", {key: f"{result.confidence:.3f}" for key, result in results.items()})
    in_order = [results[key] for key in sorted(results)]
    write_lines(out / "asr.jsonl", [json_line(published(result)) for result in in_order])
    if config.nbest > 1:
        nbest = {result.uttid: [published(hypothesis) for hypothesis in result.nbest] for result in in_order}
        write_lines(out / "nbest.jsonl", [json_line({"uttid": key, "nbest": best}) for key, best in nbest.items()])
    _write_flags(out / "flags", results, config)


def _write_flags(path: Path, results: Mapping[str, AsrResult], config: RecogniserConfig) -> None:
    """The reasons to doubt each text; without a guard only where there are any. A line says how many of which kind."""
    flags = {key: "; ".join(result.flags) for key, result in results.items() if result.flags}
    if not flags and config.guard == "off" and not config.min_confidence:
        path.unlink(missing_ok=True)  # of an earlier run
        return
    write_table(path, flags)
    kinds = Counter(flag.partition(":")[0] for result in results.values() for flag in result.flags)
    log.log(
        logging.WARNING if flags else logging.INFO,
        "%d of %d texts flagged, %d of them dropped%s; reasons in %s",
        len(flags),
        len(results),
        sum(bool(result.dropped) for result in results.values()),
        f" ({', '.join(f'{number} {kind}' for kind, number in sorted(kinds.items()))})" if kinds else "",
        path,
    )


def _write_streaming(out: Path, inputs: Inputs, results: Mapping[str, AsrResult]) -> None:
    """text_streaming and live.jsonl: what a streaming pass wrote, and when; nothing where there was none."""
    shown = {key: result.shown for key, result in results.items() if result.shown}
    if not shown:
        for name in (STREAMED, LIVE):
            (out / name).unlink(missing_ok=True)  # of an earlier run
        return
    write_table(out / STREAMED, {key: shown[key][-1].text if key in shown else "" for key in results})
    write_lines(out / LIVE, [json_line(one) for one in live_lines(inputs, results)])


def live_lines(inputs: Inputs, results: Mapping[str, AsrResult]) -> list[dict[str, object]]:
    """What `firered-score live` reads, on the recordings' time axes: the texts of each utterance, and its final one."""
    lines: list[dict[str, object]] = []
    utterances = [utterance for utterance in inputs.utterances if utterance.id in results]
    numbers = Counter[str]()  # of the segments of each recording, whatever others are recognised beside it
    for utterance in sorted(utterances, key=lambda own: (own.recording, own.start_s)):
        result, start_s = results[utterance.id], utterance.start_s
        own = {
            "reco": utterance.recording,
            "segment": numbers[utterance.recording],
            "start_s": round(start_s, 3),
            "clock_s": None,
        }
        for shown in result.shown:
            heard_s = round(start_s + shown.heard_s, 3)
            partial = {"heard_s": heard_s, "end_s": heard_s, "stable": "", "unstable": shown.text}
            lines.append({**own, "kind": "partial", **partial})
        end_s = round(start_s + result.dur_s, 3)
        words = [
            {"text": word.text, "start_s": round(start_s + word.start_s, 3), "end_s": round(start_s + word.end_s, 3)}
            for word in result.words or ()
        ]
        final = {"heard_s": end_s, "end_s": end_s, "text": result.text} | ({"words": words} if words else {})
        lines.append({**own, "kind": "final", **final})
        numbers[utterance.recording] += 1
    return lines


def ctm_lines(inputs: Inputs, words: Mapping[str, Sequence[Word]]) -> list[str]:
    """NIST CTM on the recordings' time axes, by recording, channel and start; words without text are left out."""
    lines = []
    for utterance in inputs.utterances:
        channel = "1" if utterance.channel is None else channel_name(utterance.channel)
        for word in words.get(utterance.id, ()):
            start_ms = milliseconds(utterance.start_s + word.start_s)
            duration_ms = milliseconds(word.end_s - word.start_s)
            line = ctm_line(utterance.recording, channel, start_ms, duration_ms, word.text)
            lines.append((utterance.recording, channel, start_ms, line))
    return [line for *_, line in sorted(lines, key=lambda entry: entry[:3]) if line]
