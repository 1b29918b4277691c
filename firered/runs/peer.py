"""Other systems over many recordings, utterances or texts: the files that firered-peer writes.

They are those of the command of the same kind, as far as the system gives what is in them, so that firered-score takes
either; reading, resuming and the list of failures are that command's, too.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from firered.audio.config import AudioConfig
from firered.audio.framing import num_frames
from firered.audio.frontend import SAMPLES
from firered.data.archives import MatrixWriter
from firered.data.datadir import write_lines, write_table
from firered.data.write import json_line, one_line
from firered.errors import ModelError, OptionError, Outcome
from firered.peers import AsrPeer, LidPeer, Peer, PuncPeer, VadAnswer, VadPeer
from firered.results import PuncResult, Result, VadResult, Word
from firered.runs.config import PeerConfig, PeerVadConfig, RunConfig, VadOutputConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import resolve
from firered.runs.journal import Run
from firered.runs.over_utterances import Loader, ModelRun, run_utterances
from firered.runs.punc import run_punc
from firered.runs.vad import ARK, Detected, write_results
from firered.runtime.batches import run_batch
from firered.runtime.config import ContextConfig
from firered.runtime.context import Context
from firered.runtime.speech import Speech

_ONE_BY_ONE = 1e-3  # seconds of a batch: adapters take one utterance at a time
_TOKENS = 4096  # of texts between two entries of the journal

R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Identified(Result):
    """The language of an utterance as another system has it."""

    uttid: str
    lang: str
    confidence: float | None  # of a system that gives none
    dur_s: float


@dataclass(frozen=True)
class Recognised(Result):
    """The text of an utterance as another system has it."""

    uttid: str
    text: str
    dur_s: float


@dataclass(frozen=True)
class _Found:
    """What a detector found in a recording, and the number of our frames that it has."""

    result: VadResult
    frames: int


@dataclass(frozen=True)
class _Detector:
    """What `write_results` asks of a detector."""

    config: PeerVadConfig


def run_vad_peer(
    peer: Peer,
    adapter: VadPeer,
    paths: Sequence[str],
    out: Path,
    model: str | None,
    output: VadOutputConfig,
    audio: AudioConfig,
    config: RunConfig,
) -> int:
    """Exit status of a detector over all recordings of `paths`: the files of firered-vad, posteriors if it has any.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
    """
    command, settings = _command(peer), PeerVadConfig(peer=peer.name, package=peer.version, model=model)
    inputs = resolve(paths, audio, by_segment=False, durations=False)
    identity = fingerprint(command, settings, audio)
    with Run(out, identity, config, read=Detected.from_dict, archive=ARK) as run:
        run.take(inputs)
        with MatrixWriter(out / ARK, append_at=run.mark if run.mark else None) as probs:

            def process(batch: list[Speech]) -> list[_Found]:
                return [_found(speech, adapter(speech.full_scale)) for speech in batch]

            def store(found: _Found) -> Detected:
                posteriors = found.result.probs
                place = probs.write(found.result.uttid, [posteriors])[0] if len(posteriors) else ""
                kept = replace(found.result, probs=np.zeros((0, 0), np.float32))  # hours of them would fill memory
                return Detected(kept, found.frames, found.result.dur, place.rpartition(":")[2])

            run_utterances(inputs.utterances, Loader(audio, SAMPLES), run, _ONE_BY_ONE, process, store, probs.tell)
        if not any(found.offset for found in run.results.values()):
            (out / ARK).unlink()
        write_results(command, _Detector(settings), inputs, output, audio, run)
        return run.finish()


def _found(speech: Speech, answer: VadAnswer) -> _Found:
    """The answer as a result, its segments cut at the end of the recording.

    Raises:
        ModelError: the posteriors are not one for each of our frames, or no probabilities.
    """
    frames, seconds = num_frames(len(speech.samples)), round(speech.duration_s, 3)
    probs = np.zeros((0, 0), np.float32) if answer.probs is None else np.asarray(answer.probs, np.float32)[:, None]
    if answer.probs is not None and len(probs) != frames:
        raise ModelError(f"{len(probs)} posteriors where the recording has {frames} frames")
    if not (np.isfinite(probs).all() and probs.min(initial=0) >= 0 and probs.max(initial=0) <= 1):
        raise ModelError("it gave posteriors that are not between 0 and 1")
    spans = [(round(start, 3), round(min(end, seconds), 3)) for start, end in answer.segments]
    kept = [(start, end) for start, end in spans if start < end]
    return _Found(VadResult(speech.key, seconds, kept, probs), frames)


def run_lid_peer(
    peer: Peer,
    adapter: LidPeer,
    paths: Sequence[str],
    out: Path,
    model: str | None,
    audio: AudioConfig,
    config: RunConfig,
) -> int:
    """Exit status of language identification over all utterances of `paths`: utt2lang, utt2lang_conf and lid.jsonl.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
    """

    def identify(speech: Speech) -> Identified:
        label, confidence = adapter(speech.full_scale)
        return Identified(speech.key, label, confidence, round(speech.duration_s, 3))

    def write(results: Mapping[str, Identified]) -> None:
        write_table(out / "utt2lang", {key: result.lang.replace(" ", "-") for key, result in results.items()})
        sure = {key: found.confidence for key, found in results.items() if found.confidence is not None}
        write_table(out / "utt2lang_conf", {key: f"{confidence:.3f}" for key, confidence in sure.items()})
        write_lines(out / "lid.jsonl", [json_line(results[key].to_dict()) for key in sorted(results)])

    return _over_utterances(peer, model, paths, out, audio, config, Identified, identify, write)


def run_asr_peer(
    peer: Peer,
    adapter: AsrPeer,
    paths: Sequence[str],
    out: Path,
    model: str | None,
    audio: AudioConfig,
    config: RunConfig,
    language: str | None = None,
) -> int:
    """Exit status of recognition of all utterances of `paths`: text and asr.jsonl.

    An utterance's language is that of utt2lang; where there is none, `language`.

    Raises:
        DataError: there is no input to process.
        FireRedError: `out` cannot be written.
    """

    def recognise(speech: Speech) -> Recognised:
        text = one_line(adapter(speech.full_scale, speech.context.language))
        return Recognised(speech.key, text, round(speech.duration_s, 3))

    def write(results: Mapping[str, Recognised]) -> None:
        write_table(out / "text", {key: result.text for key, result in results.items()})
        write_lines(out / "asr.jsonl", [json_line(results[key].to_dict()) for key in sorted(results)])

    context = Context(language=language)
    return _over_utterances(peer, model, paths, out, audio, config, Recognised, recognise, write, context)


def _over_utterances(
    peer: Peer,
    model: str | None,
    paths: Sequence[str],
    out: Path,
    audio: AudioConfig,
    config: RunConfig,
    kind: type[R],
    one: Callable[[Speech], R],
    write: Callable[[Mapping[str, R]], None],
    context: Context | None = None,
) -> int:
    """Exit status of a system over all utterances; `one` gives the result of an utterance."""
    settings, known = PeerConfig(peer=peer.name, package=peer.version, model=model), context or Context()
    more = (ContextConfig(language=known.language),) if known.language else ()
    run = ModelRun(
        _command(peer),
        None,
        (),
        settings,
        _ONE_BY_ONE,
        audio,
        config,
        kind,
        context=known,
        more_options=more,
        front_end=SAMPLES,
    )
    inputs = resolve(paths, audio, by_segment=True, durations=False)
    return run.over(inputs, out, lambda batch: [one(speech) for speech in batch], write)


class _Punctuator:
    """An adapter as `run_punc` takes it: text by text, without times."""

    batch_size = _TOKENS

    def __init__(self, adapter: PuncPeer, config: PeerConfig) -> None:
        self._adapter, self.config = adapter, config

    def punctuate(self, texts: Sequence[str], uttids: Sequence[str]) -> list[Outcome[PuncResult]]:
        """A result for each text, in its place the error where there is none."""

        def results(batch: list[tuple[str, str]]) -> list[PuncResult]:
            return [PuncResult(key, text, one_line(self._adapter(text))) for key, text in batch]

        pairs = list(zip(uttids, texts, strict=True))
        return [outcome for pair in pairs for outcome in run_batch([pair], results)]

    def sentences(
        self, utterances: Sequence[Sequence[Word]], uttids: Sequence[str], texts: Sequence[str]
    ) -> Sequence[Outcome[PuncResult]]:
        """Nothing: these systems are not given word times."""
        if utterances:
            raise OptionError("ctm: other systems punctuate without times")
        return []


def run_punc_peer(
    peer: Peer, adapter: PuncPeer, source: str, out: Path, model: str | None, config: RunConfig, kind: str = "auto"
) -> int:
    """Exit status of punctuating all texts of `source`: the text that firered-punc writes, with the tables beside it.

    Raises:
        DataError: `source` cannot be read.
        OptionError: `out` is the folder of `source`.
        FireRedError: `out` cannot be written.
    """
    punctuator = _Punctuator(adapter, PeerConfig(peer=peer.name, package=peer.version, model=model))
    return run_punc(source, out, None, punctuator, config, kind, command=_command(peer))


def _command(peer: Peer) -> str:
    """The command, as settings and journals have it."""
    return f"firered-peer {peer.kind} {peer.name}"
