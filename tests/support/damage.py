"""Ways in which the files of a model directory can be damaged, drawn at random."""

import io
import json
import os
import random
import zipfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from firered.data.archives import write_matrix

VALUES: tuple[object, ...] = ("abc", "", b"x", None, True, -1, 0, 1, 2, 3, 7, 0.5, float("nan"), float("inf"))
VALUES += (10**9, 2**40, 10**30, [], [80], {}, (1, 2))
TYPES = (torch.int64, torch.bool, torch.float64, torch.half, torch.complex64, torch.bfloat16, torch.int8)
TEXTS = (
    b"",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    b"<!DOCTYPE html>\n<html><body>404</body></html>\n",
    b"\x1f\x8b\x08\x00" + bytes(50),
    b"\xff\xfe<\x00s\x00>\x00",
    b"PK\x03\x04",
    b"PK\x05\x06" + bytes(18),
    b"[" * 5000,
    bytes(4096),
)


def bytes_changed(path: Path, rng: random.Random) -> None:
    data = bytearray(path.read_bytes())
    # Most of a checkpoint is weights; its header, directory and pickle are where there is more to break.
    reach = len(data) if rng.random() < 0.3 else min(len(data), rng.choice((64, 4096, 30000)))
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(reach)
        data[place if rng.random() < 0.7 else -1 - place] = rng.randrange(256)
    path.write_bytes(data)


def cut(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    size = rng.choice((rng.randrange(len(data)), len(data) - 1 - rng.randrange(min(len(data), 200))))
    path.write_bytes(data[:size])


def stretch_changed(path: Path, rng: random.Random) -> None:
    data = path.read_bytes()
    first = rng.randrange(len(data))
    size = rng.choice((1, 16, 512, 5000))
    middle = rng.choice((b"", bytes(size), rng.randbytes(size), data[:size] * 2))
    path.write_bytes(data[:first] + middle + data[first + size :])


def other_thing(path: Path, rng: random.Random) -> None:
    path.unlink()
    match rng.randrange(5):
        case 0:
            path.mkdir()
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to("/dev/zero")
        case _:
            path.write_bytes(rng.choice(TEXTS))


def members_changed(path: Path, rng: random.Random) -> None:
    """The zip of a checkpoint written again with a change."""
    with zipfile.ZipFile(path) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    numbers = [place for place, (name, _) in enumerate(members) if "/data/" in name]
    place, other = rng.choice(numbers), rng.choice(range(len(members)))
    name, content = members[place]
    compression = zipfile.ZIP_STORED
    match rng.randrange(7):
        case 0:
            compression = zipfile.ZIP_DEFLATED
        case 1:
            del members[other]
        case 2:
            members[place] = name, content[: len(content) // 2]
        case 3:
            members[place] = name, content + bytes(rng.choice((1, 4, 4000)))
        case 4:
            members[place], members[other] = (name, members[other][1]), (members[other][0], content)
        case 5:
            members.append(members[other])
        case 6:
            members[other] = members[other][0].replace("/", "//"), members[other][1]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for member, data in members:
            archive.writestr(member, data)
    path.write_bytes(buffer.getvalue())


def content_of(path: Path) -> dict:
    with torch.serialization.safe_globals([Namespace]):
        return torch.load(path, weights_only=True)


def arguments_changed(path: Path, rng: random.Random) -> None:
    content = content_of(path)
    args = content["args"]
    name = rng.choice([*vars(args), "odim", "lid_odim", "N2", "cls_id", "encoder_downsample_rate"])
    match rng.randrange(8):
        case 0:
            vars(args).pop(name, None)
        case 1:
            setattr(args, rng.choice(("more", "_get_kwargs", "R", "n_head", "num_layers")), rng.choice(VALUES))
        case 2:
            content[rng.choice(("args", "model_state_dict"))] = rng.choice((*VALUES, dict(vars(args)), torch.ones(2)))
        case _:
            setattr(args, name, rng.choice(VALUES))
    torch.save(content, path)


def _tensor(value: Tensor, rng: random.Random) -> object:
    changes: list[Callable[[], object]] = [
        lambda: value.float().fill_(rng.choice((float("nan"), float("inf"), 3e38, 1e30))),
        lambda: value.float().index_fill(0, torch.tensor(rng.randrange(len(value))), float("nan")),
        lambda: value[None].clone(),
        lambda: value.flatten()[:-1].clone(),
        lambda: value.transpose(0, -1),
        lambda: value.to(rng.choice(TYPES)),
        lambda: value.to(torch.float8_e4m3fn),
        lambda: value.to_sparse(),
        lambda: value.to("meta"),
        lambda: torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8),
        lambda: value.flatten()[:1].expand(value.numel()).view_as(value),
        lambda: torch.zeros(1).expand(*value.shape[:-1], 10**6),
        lambda: torch.as_strided(value.clone(), value.shape, [0] * value.dim()),
        lambda: torch.zeros(0),
        lambda: torch.tensor(0.5),
        lambda: rng.choice(VALUES),
    ]  # fmt: skip
    return rng.choice(changes)()


def tensors_changed(path: Path, rng: random.Random) -> None:
    content = content_of(path)
    state = content["model_state_dict" if "model_state_dict" in content else "state_dict"]
    names = list(state)
    name, other = rng.choice(names), rng.choice(names)
    match rng.randrange(6):
        case 0:
            del state[name]
        case 1:
            state[rng.choice((f"{name}.more", 5, "", "\x1b[31m", name.replace(".0.", ".99.")))] = state[name]
        case 2:
            state[name] = state[other]
        case _:
            state[name] = _tensor(state[name], rng)
    torch.save(content, path)


def statistics_changed(path: Path, rng: random.Random) -> None:
    stats = np.zeros((2, 81)) + 1000.0
    stats[1] = 1e5
    match rng.randrange(5):
        case 0:
            stats[rng.randrange(2), rng.randrange(81)] = rng.choice(
                (float("nan"), float("inf"), 1e300, -1e300, 0.0, -5.0)
            )
        case 1:
            stats = np.zeros(rng.choice(((2, 80), (2, 82), (1, 81), (81, 2), (3, 81), (0, 81), (2, 0))))
        case 2:
            stats[0, -1] = rng.choice((0.0, -1.0, 1e300, 1e-300, float("nan")))
        case 3:
            stats[1] = stats[0] ** 2 / stats[0, -1]  # no variance
        case 4:
            kind = rng.choice((b"FM ", b"DM ", b"CM ", b"FV ", b"CM2", b"CM3", b"XX "))
            sizes = [rng.choice((-1, 0, 2, 81, 2**31 - 1, 10**8)).to_bytes(4, "little", signed=True) for _ in range(2)]
            path.write_bytes(b"\0B" + kind + b"\4" + sizes[0] + b"\4" + sizes[1] + rng.randbytes(700))
            return
    write_matrix(path, stats)


def lines_changed(path: Path, rng: random.Random) -> None:
    lines = path.read_bytes().split(b"\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            del lines[place]
        case 1:
            lines[place] = lines[other]
        case 2:
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            lines[place] = rng.choice((b"", b"a b c", b"\xff", b"x " + b"9" * 6000, "x ²".encode(), b"\0", b"x -1"))
        case 4:
            lines.insert(place, b"extra")
        case 5:
            path.write_text(path.read_text(encoding="utf-8"), encoding="utf-16")
            return
        case 6:
            lines = lines[: rng.randrange(len(lines))]
        case 7:
            lines[place] = lines[place] + b" 5"
    path.write_bytes(b"\n".join(lines))


def json_changed(path: Path, rng: random.Random) -> None:
    values = json.loads(path.read_text(encoding="utf-8"))
    _change_a_value(values, rng, [value for value in VALUES if not isinstance(value, bytes | tuple)])
    path.write_text(json.dumps(values), encoding="utf-8")


def yaml_changed(path: Path, rng: random.Random) -> None:
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    _change_a_value(values, rng, [value for value in VALUES if not isinstance(value, tuple)])
    path.write_text(yaml.safe_dump(values), encoding="utf-8")


def _change_a_value(place: Any, rng: random.Random, others: Sequence[object]) -> None:
    while True:  # somewhere in it
        key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.3:
            break
        place = inner
    if rng.random() < 0.2:
        del place[key]
    else:
        place[key] = rng.choice(others)


_ANY = (bytes_changed, cut, stretch_changed, other_thing)
_OF_KIND: dict[str, tuple[Callable[[Path, random.Random], None], ...]] = {
    ".tar": (members_changed, arguments_changed, arguments_changed, tensors_changed, tensors_changed),
    ".ark": (statistics_changed, statistics_changed),
    ".json": (json_changed, json_changed, json_changed),
    ".pt": (members_changed, tensors_changed, tensors_changed, tensors_changed),
    ".yaml": (yaml_changed, yaml_changed, yaml_changed, yaml_changed),
    ".tiktoken": (lines_changed,),
    ".txt": (lines_changed,),
    "": (lines_changed,),
}


def damage(path: Path, rng: random.Random) -> str:
    """Damage a file; the name of what was done, with which one failure can be looked at."""
    done = rng.choice((*_ANY, *_OF_KIND.get(path.suffix, ())))
    done(path, rng)
    return f"{done.__name__} of {path.name}"
