"""Each scoring command from its inputs to the files in OUT; the number returned is the exit status."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from firered.data.datadir import write_lines
from firered.errors import writing
from firered.hub.find import system_name
from firered.options import Options, write_settings
from firered.scoring.asr import score_texts
from firered.scoring.config import (
    ErrorRateConfig,
    HotwordScoreConfig,
    LidScoreConfig,
    LiveScoreConfig,
    NormalizerConfig,
    PuncScoreConfig,
    SampleConfig,
    SourceConfig,
    TableConfig,
    VadScoreConfig,
)
from firered.scoring.hotwords import score_hotwords
from firered.scoring.inputs.pair import read_side, read_text
from firered.scoring.lid import score_lid
from firered.scoring.live import score_live
from firered.scoring.punc import score_punc
from firered.scoring.reports.asr import asr_report
from firered.scoring.reports.lid import lid_report
from firered.scoring.reports.live import live_report
from firered.scoring.reports.provenance import provenance, settings_of, speed_of
from firered.scoring.reports.punc import punc_report
from firered.scoring.reports.report import Report
from firered.scoring.reports.results import read_results, with_averages
from firered.scoring.reports.table import results_page
from firered.scoring.reports.vad import vad_report
from firered.scoring.text.normalise import normalizer
from firered.scoring.vad import score_vad

Paths = tuple[Path, Path, Path]  # REF, HYP, OUT


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Cycles of objects are not looked for: scores are millions of objects without a cycle, looked through in vain."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


@_nothing_collected()
def _run(
    command: str,
    paths: Paths,
    groups: tuple[Options, ...],
    sample: SampleConfig,
    source: SourceConfig,
    score: Callable[[Path, Path], Report],
) -> int:
    """Score REF and HYP, and write the report and the settings to OUT."""
    reference, hypothesis, out = paths
    if source.model and source.system is None:
        source = replace(source, system=system_name(source.model))
    made_by = provenance(reference, hypothesis, source)
    report = score(reference, hypothesis)
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    write_settings(out / "config.yaml", command, *groups, sample, source)
    report.write(out, made_by, source, settings_of(hypothesis), speed_of(hypothesis))
    return report.exit_status(sample)


def run_error_rate(
    paths: Paths,
    rule: NormalizerConfig,
    config: ErrorRateConfig,
    sample: SampleConfig,
    source: SourceConfig,
    hotwords: HotwordScoreConfig | None = None,
) -> int:
    """Error rates of texts; `asr_report` says which files."""
    normalise = normalizer(rule)
    wanted = hotwords or HotwordScoreConfig()

    def score(reference_path: Path, hypothesis_path: Path) -> Report:
        reference = read_text(reference_path, config.by_recording)
        hypothesis = read_text(hypothesis_path, config.by_recording)
        found = score_texts(reference, hypothesis, normalise, sample, config.by)
        if wanted.hotwords:
            baseline = wanted.hotword_baseline and read_text(Path(wanted.hotword_baseline), config.by_recording)
            found.hotwords = score_hotwords(found.aligned, reference, normalise, wanted, sample, baseline or None)
        return asr_report(found, reference, source, config)

    return _run("firered-score", paths, (rule, config, wanted), sample, source, score)


def run_vad(paths: Paths, config: VadScoreConfig, sample: SampleConfig, source: SourceConfig) -> int:
    """Frame-level scores of voice activity; `vad_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> Report:
        return vad_report(score_vad(reference, hypothesis, config, sample))

    return _run("firered-score vad", paths, (config,), sample, source, score)


def run_lid(paths: Paths, config: LidScoreConfig, sample: SampleConfig, source: SourceConfig) -> int:
    """Accuracy of languages; `lid_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> Report:
        labels, found = read_side(reference, "utt2lang"), read_side(hypothesis, "utt2lang", empty_value_ok=True)
        return lid_report(score_lid(labels, found, config, sample))

    return _run("firered-score lid", paths, (config,), sample, source, score)


def run_punc(paths: Paths, config: PuncScoreConfig, sample: SampleConfig, source: SourceConfig) -> int:
    """Precision and recall of punctuation; `punc_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> Report:
        return punc_report(score_punc(read_text(reference, False), read_text(hypothesis, False), config, sample))

    return _run("firered-score punc", paths, (config,), sample, source, score)


def run_live(
    paths: Paths, rule: NormalizerConfig, config: LiveScoreConfig, sample: SampleConfig, source: SourceConfig
) -> int:
    """Delays and revisions of live recognition; `live_report` says which files."""
    normalise = normalizer(rule)

    def score(reference: Path, hypothesis: Path) -> Report:
        return live_report(score_live(reference, hypothesis, normalise, config, sample))

    return _run("firered-score live", paths, (rule, config), sample, source, score)


def run_table(scores: list[Path], out: Path, config: TableConfig) -> int:
    """RESULTS.md of the scores in the folders or files given."""
    write_lines(out, list(results_page(config.title, with_averages(read_results(scores)), config)))
    return 0
