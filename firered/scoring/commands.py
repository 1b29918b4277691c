"""Each scoring command from its inputs to the files in OUT; the number returned is the exit status."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from firered.data.datadir import write_lines
from firered.options import Options, write_settings
from firered.scoring.asr import AsrScore, score_texts
from firered.scoring.config import (
    ErrorRateConfig,
    LidScoreConfig,
    NormalizerConfig,
    PuncScoreConfig,
    SampleConfig,
    SourceConfig,
    TableConfig,
    VadScoreConfig,
)
from firered.scoring.inputs.pair import read_side, read_text
from firered.scoring.lid import LidScore, score_lid
from firered.scoring.punc import PuncScore, score_punc
from firered.scoring.reports import asr as asr_report
from firered.scoring.reports import lid as lid_report
from firered.scoring.reports import punc as punc_report
from firered.scoring.reports import vad as vad_report
from firered.scoring.reports.page import write_page
from firered.scoring.reports.provenance import provenance
from firered.scoring.reports.result import finish
from firered.scoring.reports.table import read_results, results_page, with_averages
from firered.scoring.text.normalise import normalizer
from firered.scoring.vad import VadScore, score_vad


class Score(Protocol):
    """What every score has: ids without a hypothesis, and without a reference."""

    missing: list[str]
    extra: list[str]


S = TypeVar("S", bound=Score)


def _run(
    command: str,
    paths: tuple[Path, Path, Path],
    groups: tuple[Options, ...],
    sample: SampleConfig,
    source: SourceConfig,
    score: Callable[[Path, Path], S],
    write_report: Callable[[Path, S, dict, SourceConfig], None],
) -> int:
    """Score REF and HYP, write the report and the settings to OUT, and say what only one side has."""
    reference, hypothesis, out = paths
    made_by = provenance(reference, hypothesis, source)
    found = score(reference, hypothesis)
    out.mkdir(parents=True, exist_ok=True)
    write_settings(out / "config.yaml", command, *groups, sample, source)
    write_report(out, found, made_by, source)
    return finish(found.missing, found.extra, sample)


def run_error_rate(
    paths: tuple[Path, Path, Path],
    rule: NormalizerConfig,
    config: ErrorRateConfig,
    sample: SampleConfig,
    source: SourceConfig,
) -> int:
    """Error rates of texts; `asr_report` says which files."""
    normalise = normalizer(rule)
    said = read_text(paths[0], config.by_recording)

    def score(_: Path, hypothesis: Path) -> AsrScore:
        return score_texts(said, read_text(hypothesis, config.by_recording), normalise, sample)

    def write_report(out: Path, found: AsrScore, made_by: dict, source: SourceConfig) -> None:
        asr_report.write_report(out, found, said, made_by, source, config)
        title = " ".join(filter(None, ("Errors", source.test_set, source.system)))
        write_page(out / "errors.html", found, said, title, config)

    return _run("firered-score", paths, (rule, config), sample, source, score, write_report)


def run_vad(paths: tuple[Path, Path, Path], config: VadScoreConfig, sample: SampleConfig, source: SourceConfig) -> int:
    """Frame-level scores of voice activity; `vad_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> VadScore:
        return score_vad(reference, hypothesis, config, sample)

    return _run("firered-score vad", paths, (config,), sample, source, score, vad_report.write_report)


def run_lid(paths: tuple[Path, Path, Path], config: LidScoreConfig, sample: SampleConfig, source: SourceConfig) -> int:
    """Accuracy of languages; `lid_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> LidScore:
        return score_lid(read_side(reference, "utt2lang"), read_side(hypothesis, "utt2lang"), config, sample)

    return _run("firered-score lid", paths, (config,), sample, source, score, lid_report.write_report)


def run_punc(
    paths: tuple[Path, Path, Path], config: PuncScoreConfig, sample: SampleConfig, source: SourceConfig
) -> int:
    """Precision and recall of punctuation; `punc_report` says which files."""

    def score(reference: Path, hypothesis: Path) -> PuncScore:
        return score_punc(read_text(reference, False), read_text(hypothesis, False), config, sample)

    return _run("firered-score punc", paths, (config,), sample, source, score, punc_report.write_report)


def run_table(scores: list[Path], out: Path, config: TableConfig) -> int:
    """RESULTS.md of the scores in the folders or files given."""
    write_lines(out, results_page(config.title, with_averages(read_results(scores))))
    return 0
