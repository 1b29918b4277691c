"""firered-pseudo-label: segments, the texts of several systems, and a data directory of what they agree on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from firered.audio.config import AudioConfig
from firered.data.datadir import DataDir, read_table, write_table
from firered.data.lock import FolderLock
from firered.data.partition import known_files
from firered.errors import DataError, OptionError
from firered.hub.catalogue import MODELS
from firered.labelling.agreement import Judged, SystemRow, Texts, hours_of, judged, system_rows
from firered.labelling.config import LabelConfig
from firered.labelling.reports import write_agreement, write_systems
from firered.labelling.steps import Steps
from firered.labelling.systems import TRANSCRIPT, LabelSystem
from firered.options import Options, write_sections
from firered.runs.config import RunConfig, VadOutputConfig
from firered.runs.depends import fingerprint
from firered.runs.inputs import Inputs, resolve
from firered.runtime.config import ComputeConfig
from firered.scoring.config import NormalizerConfig
from firered.scoring.inputs.languages import languages_of
from firered.scoring.inputs.pair import Side
from firered.scoring.text.normalise import normalizer
from firered.vad.config import VadConfig

MOST_SECONDS = 30.0  # of a segment: more is more than the recognisers were trained on
_DETECTOR_FILES = ("probs.scp", "rttm", "vad.jsonl", "failed")  # of whole recordings, or of the detector's run
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Labelling:
    """How recordings are labelled.

    Attributes:
        systems: the recognisers; the texts of the first are the labels, unless transcripts are checked.
        config: what is kept.
        rule: what is compared.
        vad: options of the detector, and `vad_model` its directory; None: utterances are taken as they are.
        audio, compute, job: how audio is read, where models run, and resuming.
        models: the folder of the peers' weights.
    """

    systems: Sequence[LabelSystem]
    config: LabelConfig
    rule: NormalizerConfig
    vad: VadConfig
    audio: AudioConfig
    compute: ComputeConfig
    job: RunConfig
    vad_model: Path | None = None
    models: Path = MODELS


def check_options(config: LabelConfig, vad: VadConfig, systems: int, inputs: Sequence[str]) -> None:
    """Raise OptionError where the options of a command line do not fit together."""
    others = systems if config.check else systems - 1
    if others < 1:
        raise OptionError("system: give two or more (repeat --system), or one or more with --check")
    if config.agree > others:
        raise OptionError(f"agree: {config.agree} systems where there are {others} besides the one with the labels")
    if config.check and config.itn:
        raise OptionError("itn: of labels that are new; --check leaves transcripts as they are")
    if config.check and (len(inputs) != 1 or not (Path(inputs[0]) / "text").is_file()):
        raise OptionError("check: give one data directory with `text`")
    if config.vad and not config.check and vad.max_speech_frame > 100 * MOST_SECONDS:
        raise OptionError(f"vad_max_speech_frame: {vad.max_speech_frame} frames of 10 ms are above {MOST_SECONDS:g} s")


def label(paths: Sequence[str], out: Path, how: Labelling) -> int:
    """Exit status of labelling the recordings of `paths`; `out` gets a data directory of what is kept.

    Beside it: `not_kept` with reasons, `agreement.tsv` (every utterance), `systems.tsv`, and what detector and systems
    wrote, in `vad` and `systems`; what of these is done is not done again.

    Raises:
        DataError: there is nothing to label.
        FireRedError: a system cannot be loaded, or `out` not be written.
    """
    if any(Path(path).resolve() == out.resolve() for path in paths):
        raise OptionError(f"{out}: is an input, and would be replaced; give another OUT")
    lock = FolderLock(out)
    try:
        return _label(paths, out, how)
    finally:
        lock.release()


@dataclass(frozen=True)
class _Found:
    """The system with the labels, what becomes of each utterance, how long each is, and a row for each system."""

    label: str
    judged: dict[str, Judged]
    seconds: dict[str, float]
    rows: list[SystemRow]


def _label(paths: Sequence[str], out: Path, how: Labelling) -> int:
    config, failed = how.config, dict[str, dict[str, str]]()
    steps = Steps(out / "steps.json", resume=how.job.resume)
    if config.vad and not config.check:
        assert how.vad_model is not None, "a command with a detector finds its model"
        whole = resolve(paths, how.audio, by_segment=False, durations=False).utterances
        identity = fingerprint("firered-vad", how.vad, how.audio, how.vad_model)
        steps.run(out / "vad", identity, whole, lambda: _detect(paths, out / "vad", how))
        failed["vad"] = _reasons(out / "vad")
        paths = [str(out / "vad")]
    inputs = resolve(paths, how.audio, by_segment=True)
    if not inputs.utterances:
        raise DataError(f"no segment with speech in {' '.join(paths)}: nothing to label")
    data = paths[0] if inputs.data else _as_data_dir(inputs, out / "utterances")
    texts: dict[str, Texts] = {}
    if config.check:
        assert inputs.data is not None
        texts[TRANSCRIPT] = inputs.data.text or {}
    for system in how.systems:
        folder = out / "systems" / system.name
        log.info("%s -> %s", system.name, folder)
        identity = system.identity(how.audio, config.language, how.models)
        run = partial(system.run, data, folder, how.audio, how.compute, how.job, config.language, how.models)
        steps.run(folder, identity, inputs.utterances, run)
        texts[system.name] = read_table(folder / "text", empty_value_ok=True)
        failed[system.name] = _reasons(folder)
    found = _judge(inputs, texts, failed, how)
    problems = _write(inputs, out, found, failed, how)
    return 1 if problems and not how.job.keep_going else 0


def _detect(paths: Sequence[str], out: Path, how: Labelling) -> None:
    from firered.runs.vad import run_detector
    from firered.vad.detect import Vad

    assert how.vad_model is not None, "a command with a detector finds its model"
    log.info("segments -> %s", out)
    detector = Vad.from_pretrained(how.vad_model, how.vad, how.compute.device)
    run_detector("firered-vad", paths, out, how.vad_model, detector, VadOutputConfig(), how.audio, how.job)


def _as_data_dir(inputs: Inputs, out: Path) -> str:
    """The utterances of folders and files as a data directory, which all systems are given."""
    out.mkdir(parents=True, exist_ok=True)
    inputs.write_tables([utterance.id for utterance in inputs.utterances], out)
    return str(out)


def _reasons(folder: Path) -> dict[str, str]:
    """Why recordings or utterances failed in a command, by id."""
    lines = (folder / "failed").read_text(encoding="utf-8").splitlines()
    return dict(line.partition(" ")[::2] for line in lines)


def _judge(inputs: Inputs, texts: dict[str, Texts], failed: dict[str, dict[str, str]], how: Labelling) -> _Found:
    """What becomes of each utterance, and how long each is."""
    rule, first = normalizer(how.rule), next(iter(texts))
    keys = [utterance.id for utterance in inputs.utterances]
    seconds = {utterance.id: utterance.duration_s for utterance in inputs.utterances}
    data = inputs.data or DataDir(Path())
    languages = languages_of(Side(data.path, dict(texts[first]), data))
    config = how.config
    own = judged(keys, first, texts, seconds, rule, config, failed, languages)
    rows = system_rows(first, texts, own, seconds, rule, config.threshold, languages)
    return _Found(first, own, seconds, rows)


def _write(inputs: Inputs, out: Path, found: _Found, failed: dict[str, dict[str, str]], how: Labelling) -> list[str]:
    """Write the data directory and the reports; what failed, a line each."""
    kept = [key for key, one in found.judged.items() if not one.reason]
    for name in known_files(out):
        (out / name).unlink()  # of an earlier run
    inputs.write_tables(kept, out)
    for name in _DETECTOR_FILES:
        (out / name).unlink(missing_ok=True)
    spoken = {key: found.judged[key].label for key in kept}
    _write_texts(out, spoken, inputs, how.config)
    write_table(out / "utt2agreement", {key: f"{found.judged[key].agreement:.2f}" for key in kept})
    write_table(out / "not_kept", {key: one.reason for key, one in found.judged.items() if one.reason})
    write_agreement(out / "agreement.tsv", found.judged, found.seconds)
    write_systems(out / "systems.tsv", found.rows, how.config.threshold)
    problems = sorted(f"{key} {name}: {reason}" for name, own in failed.items() for key, reason in own.items())
    (out / "failed").write_text("".join(f"{line}\n" for line in problems), encoding="utf-8")
    sections: list[tuple[str, Options]] = [("labels", how.config), ("scoring", how.rule), ("audio", how.audio)]
    sections += [("vad", how.vad)] if how.config.vad and not how.config.check else []
    names = " ".join(f"--system {system.name}={system.peer or system.model}" for system in how.systems)
    write_sections(out / "config.yaml", f"firered-pseudo-label {names}", sections)
    log.info(
        "%d of %d utterances kept, %.2f of %.2f h; the others with reasons in %s",
        len(kept), len(found.judged), hours_of(kept, found.seconds), hours_of([*found.judged], found.seconds),
        out / "not_kept",
    )  # fmt: skip
    if problems:
        log.error("%d failed, listed with reasons in %s", len(problems), out / "failed")
    return problems


def _write_texts(out: Path, spoken: dict[str, str], inputs: Inputs, config: LabelConfig) -> None:
    """text; with ITN also text_raw, which has the labels as they were spoken."""
    if not config.itn:
        (out / "text_raw").unlink(missing_ok=True)  # of an earlier run
        write_table(out / "text", spoken)
        return
    from firered.labelling.itn import written_form

    written, languages = written_form(), (inputs.data and inputs.data.utt2lang) or {}
    codes = {key: config.language or languages.get(key, "").partition(" ")[0] for key in spoken}
    write_table(out / "text", {key: written(text, codes[key]) for key, text in spoken.items()})
    write_table(out / "text_raw", spoken)
