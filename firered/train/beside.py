"""The files that lie beside a model: written by the main process, read by all."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from accelerate import PartialState

from firered.audio.frontend import Cmvn
from firered.data.atomic import replacing
from firered.data.utterance import Utterance
from firered.errors import ModelError
from firered.text.tokenizer import DICT, PIECES_MODEL, Tokenizer, read_dict
from firered.train.data.config import FeatureDataConfig
from firered.train.data.speech import write_cmvn
from firered.train.sections import Settings

CMVN = "cmvn.ark"


def on_main_process(write: Callable[[], None]) -> None:
    """Call `write` in the main process; all processes wait until it is done."""
    state = PartialState()
    if state.is_main_process:
        write()
    state.wait_for_everyone()


def copy_beside(out: Path, *sources: Path) -> None:
    """Copy files into the folder of the model under their own names."""

    def write() -> None:
        for path in sources:
            _copy(path, out / path.name)

    on_main_process(write)


def copy_to(source: Path, path: Path) -> None:
    """Copy a file to a path."""
    on_main_process(lambda: _copy(source, path))


def tokens_beside(out: Path, init: str | None, tokens: str | None) -> Tokenizer:
    """The tokenizer of the initial model, or of the folder `tokens` where there is none; its files are copied to `out`.

    Raises:
        ModelError: neither is given, or their dictionaries differ.
    """
    given = init or tokens
    if not given:
        raise ModelError("data.tokens: no dictionary given; firered-tokens makes one from text")
    source = Path(given)
    if init and tokens and read_dict(Path(tokens) / DICT) != read_dict(source / DICT):
        raise ModelError(f"data.tokens: {tokens} has another dictionary than {init}; omit it to fine-tune")
    tokenizer = Tokenizer.from_dir(source)
    copy_beside(out, *(path for name in (DICT, PIECES_MODEL) if (path := source / name).is_file()))
    return tokenizer


def cmvn_beside(settings: Settings, utterances: Sequence[Utterance], initial: str | None) -> Cmvn:
    """Normalisation by the statistics of `data.cmvn`, else of the initial model, else of the training data.

    The statistics are written to the folder of the model.

    Raises:
        ModelError: given statistics cannot be read.
        DataError: none of the training utterances can be read.
    """
    config = settings.section("data", FeatureDataConfig)
    path = settings.out / CMVN
    given = config.cmvn or (initial and str(Path(initial) / CMVN))
    if given:
        Cmvn.read(Path(given))  # raises before anything is written
        on_main_process(lambda: _copy(Path(given), path))
    else:
        on_main_process(lambda: write_cmvn(utterances, config.cmvn_utterances, settings.train.seed, path))
    return Cmvn.read(path)


def _copy(source: Path, path: Path) -> None:
    if source.resolve() != path.resolve():
        with replacing(path) as unfinished:
            shutil.copyfile(source, unfinished)
