"""Model directories in a reduced number format: what firered-quantize does."""

import argparse
import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor

from firered.asr.families import FAMILIES
from firered.data.atomic import owner
from firered.errors import ModelError, OptionError, writing
from firered.hub.catalogue import CHECKPOINT, QUANTISED
from firered.models.aed import Aed, EncoderDecoder, Lid
from firered.models.checkpoint import load_checkpoint, model_files
from firered.models.filling import in_float, in_int8
from firered.models.quantise import Layers
from firered.models.stored import write_stored

log = logging.getLogger("firered")

_MB = 1e6


def quantise_model(model: Path, out: Path, dtype: str, keep: Sequence[str], *, overwrite: bool) -> None:
    """Write a model directory whose weights are in a reduced number format.

    The directory appears when it is complete: it is written beside `out` under another name.

    Args:
        model: a directory of recognition with an AED, or of language identification.
        out: the directory to write.
        dtype: int8 or bfloat16.
        keep: with int8, patterns of names of layers that are left in float32.
        overwrite: whether an `out` that exists is replaced.

    Raises:
        OptionError: `out` exists, or a pattern fits no layer.
        ModelError: the model is of a kind that has no such form.
    """
    if out.exists() and not overwrite:
        raise OptionError(f"{out}: there is such a directory; --overwrite replaces it")
    if out.exists() and (not out.is_dir() or out.resolve() == model.resolve()):
        raise OptionError(f"{out}: cannot be replaced, it is the model itself or no directory")
    if keep and dtype != "int8":
        raise OptionError("keep: layers are kept out of int8; bfloat16 has all")
    kind = _kind_of(model)
    tensors = _tensors(kind, model / CHECKPOINT, dtype, keep)
    unfinished = out.with_name(f".firered-{owner()}{os.urandom(4).hex()}.tmp")
    with writing(out):
        unfinished.mkdir(parents=True)
        try:
            _copy_others(model, unfinished)
            write_stored(unfinished / QUANTISED, tensors, dtype, keep, model.absolute().name)
            (unfinished / QUANTISED).chmod(
                (unfinished / CHECKPOINT).stat().st_mode
            )  # the library's is its owner's alone
            _put_in_place(unfinished, out)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    before, after = (model / CHECKPOINT).stat().st_size, (out / QUANTISED).stat().st_size
    log.info("%s: weights %.1f MB, were %.1f MB (%.0f%%)", out, after / _MB, before / _MB, 100 * after / before)


def _kind_of(model: Path) -> type[EncoderDecoder]:
    """The class of a directory's model.

    Raises:
        ModelError: it is quantised already, or of a kind that this is not for.
    """
    if (model / QUANTISED).exists():
        raise ModelError(f"{model}: is in a reduced number format; give the published model")
    (checkpoint, *_) = model_files(model, CHECKPOINT, "cmvn.ark", "dict.txt")
    args, _ = load_checkpoint(checkpoint)
    if getattr(args, "lid_odim", None) is not None:
        return Lid
    if FAMILIES["aed"].recognises(model):
        return Aed
    raise ModelError(f"{model}: no recogniser with encoder and decoder, nor language identification")


def _tensors(kind: type[EncoderDecoder], checkpoint: Path, dtype: str, keep: Sequence[str]) -> dict[str, Tensor]:
    """The tensors of the file: what loading the model in this format makes of its layers, and all else of it."""
    found: dict[str, Tensor] = {}
    if dtype != "int8":
        return dict(kind.load(checkpoint, in_float(getattr(torch, dtype))).state_dict())
    layers = Layers(checkpoint, keep, found)
    model = kind.load(checkpoint, in_int8(layers, kind.quantised_parts()))
    unused = [one for one in keep if not any(fnmatchcase(name, one) for name in layers.kept)]
    if unused:
        some = ", ".join([name.rpartition(".")[0] for name in found if name.endswith(".int8")][:3])
        raise OptionError(f"keep: {unused[0]!r} fits no layer; layers are called {some}, ...")
    return found | dict(model.state_dict())


def _copy_others(model: Path, out: Path) -> None:
    """Copy all files but the weights; the checkpoint keeps what it says of the model."""
    for path in sorted(model.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != CHECKPOINT:
            shutil.copyfile(path, out / path.name)
    args, _ = load_checkpoint(model / CHECKPOINT)
    empty: Mapping[str, object] = {"args": argparse.Namespace(**vars(args)), "model_state_dict": {}}
    torch.save(empty, out / CHECKPOINT)


def _put_in_place(unfinished: Path, out: Path) -> None:
    """Rename a complete directory, and remove the one that was in its place."""
    if not out.exists():
        unfinished.rename(out)
        return
    old = unfinished.with_suffix(".old")
    out.rename(old)
    try:
        unfinished.rename(out)
    except OSError:
        old.rename(out)
        raise
    shutil.rmtree(old)
