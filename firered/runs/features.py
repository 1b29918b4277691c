"""Stored features and the front end of a model: which one it has, and what is done about features of another."""

import logging
import shlex
from pathlib import Path

from firered.asr.families import find
from firered.audio.fbank_conf import why_unfit
from firered.audio.frontend import PUBLISHED, FrontEnd
from firered.data.utterance import Utterance
from firered.errors import DataError, ModelError, Problem
from firered.hub.catalogue import CHECKPOINT, MODELS
from firered.runs.inputs import Inputs

log = logging.getLogger(__name__)


def front_end_of(model: str | Path) -> FrontEnd:
    """The front end of a model by its directory or published name: a recogniser's own, else that of FireRedASR2S.

    Raises:
        ModelError: there is no such model, or it takes samples.
    """
    try:
        directory, family = find(model)
    except ModelError:
        place = Path(model) if Path(model).exists() else MODELS / model
        if (place / CHECKPOINT).is_file() and (place / "cmvn.ark").is_file():
            return PUBLISHED  # voice detection, language identification
        raise
    front_end = family.features_of(directory)
    if front_end.plain:
        raise ModelError(f"{directory}: this model takes the audio as it is, and computes features of its own")
    return front_end


def refuse_unfit(inputs: Inputs, front_end: FrontEnd, model: Path) -> None:
    """Take out the utterances that have nothing but features of another front end, and say what is done about others.

    Those that have audio keep it alone: their features are computed of it.

    Raises:
        DataError: no utterance is left; the message has the command that makes the right features.
    """
    unfit: dict[str, str] = {}
    kept: list[Utterance] = []
    of_audio = ""
    for utterance in inputs.utterances:
        try:
            reason = why_unfit(utterance.feats, front_end) if utterance.feats else ""
        except DataError as error:
            reason = str(error)
        if reason and not utterance.rxfilename:
            unfit[utterance.id] = f"{utterance.feats}: {reason}"
        else:
            of_audio = of_audio or reason
            kept.append(utterance)
    command = _command(inputs, model)
    if of_audio:
        log.warning("feats.scp is not used, the audio is: %s; `%s` stores such features", of_audio, command)
    if not unfit:
        return
    remedy = f"put a wav.scp beside feats.scp and run `{command}`"
    if not kept:
        raise DataError(f"{next(iter(unfit.values()))}; {remedy}")
    inputs.problems += [Problem(key, f"{reason}; {remedy}") for key, reason in unfit.items()]
    inputs.utterances = kept


def _command(inputs: Inputs, model: Path) -> str:
    """The command line that makes features for a model."""
    data = str(inputs.data.path) if inputs.data is not None else "IN"
    return shlex.join(["firered-fbank", data, f"{data.rstrip('/')}-{model.name}", "--for", str(model)])
