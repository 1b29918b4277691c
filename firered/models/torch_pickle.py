"""The pickles of `torch.save`, interpreted: they describe plain values and tensors, and nothing in them is run.

Python's own `pickle` calls what a pickle names. Here a name is a name: the few that torch.save needs are known, and any
other is refused. Each step costs no more than its bytes in the file, so that a small pickle cannot take memory or time.
"""

import math
import pickle
import pickletools
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Operations = Iterable[tuple[pickletools.OpcodeInfo, Any, int | None]]  # as pickletools.genops gives them

STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.DoubleStorage": torch.float64,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_ARGUMENTS = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINSTRING"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(frozen=True)
class Name:
    """A name that a pickle refers to; nothing is imported by it."""

    name: str


class Interpreter:
    """Builds what a pickle describes.

    Args:
        storage: the numbers (n,) of a storage, by what the pickle says of it; None where tensors are not wanted.
    """

    def __init__(self, storage: Callable[[object], Tensor | None]) -> None:
        self._storage = storage
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[Any, Any] = {}

    def run(self, operations: Operations) -> object:
        """The value that the pickle describes.

        Raises:
            UnpicklingError: it does what torch.save never asks for.
        """
        for opcode, argument, _ in operations:
            if opcode.name == "STOP":
                return self._stack.pop()
            if opcode.name in _ARGUMENTS:
                self._stack.append(argument)
            elif opcode.name in _VALUES:
                self._stack.append(_VALUES[opcode.name])
            elif opcode.name != "PROTO":
                self._do(opcode.name, argument)
        raise pickle.UnpicklingError("it has no end")

    def _do(self, operation: str, argument: Any) -> None:  # noqa: ANN401 - of the operation
        stack = self._stack
        match operation:
            case "MARK":
                self._marks.append(len(stack))
            case "GLOBAL":
                stack.append(Name(argument.replace(" ", ".", 1)))
            case "BINPUT" | "LONG_BINPUT":
                self._memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(self._memo[argument])
            case "BINPERSID":
                stack.append(self._storage(stack.pop()))
            case "REDUCE" | "NEWOBJ":
                name, arguments = self._pop(2)
                stack.append(_made(name, arguments))
            case "BUILD":
                _set_state(stack[-2], stack.pop())
            case _:
                self._collect(operation)

    def _collect(self, operation: str) -> None:
        """Operations of lists, dicts and tuples."""
        stack = self._stack
        match operation:
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_DICT":
                stack.append({})
            case "TUPLE":
                stack.append(tuple(self._marked()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(self._pop(_TUPLES[operation])))
            case "APPEND" | "APPENDS":
                items = self._pop(1) if operation == "APPEND" else self._marked()
                _need(list, stack[-1]).extend(items)
            case "SETITEM" | "SETITEMS":
                items = self._pop(2) if operation == "SETITEM" else self._marked()
                for key, value in zip(items[::2], items[1::2], strict=True):
                    if not isinstance(key, str | int | float):  # others could take any time to compare
                        raise pickle.UnpicklingError(f"a key of type {type(key).__name__}")
                    _need(dict, stack[-1])[key] = value
            case _:
                raise pickle.UnpicklingError(f"operation {operation}")

    def _pop(self, count: int) -> list[Any]:
        if len(self._stack) < count:
            raise pickle.UnpicklingError("its stack is empty")
        popped = self._stack[-count:]
        del self._stack[-count:]
        return popped

    def _marked(self) -> list[Any]:
        return self._pop(count) if (count := len(self._stack) - self._marks.pop()) else []


def _need(kind: type, value: Any) -> Any:  # noqa: ANN401 - the value itself
    if not isinstance(value, kind):
        raise pickle.UnpicklingError(f"{type(value).__name__} where {kind.__name__} belongs")
    return value


def _made(name: object, arguments: object) -> object:
    """What a name gives with these arguments."""
    if not isinstance(name, Name) or not isinstance(arguments, tuple):
        raise pickle.UnpicklingError("a call of no name")
    match name.name, arguments:
        case "argparse.Namespace", ():
            return Namespace()
        case "collections.OrderedDict", ():
            return OrderedDict()
        case "torch._utils._rebuild_tensor_v2", (numbers, offset, size, stride, *_):  # then gradients and hooks
            return _tensor(numbers, offset, size, stride)
        case "torch._utils._rebuild_parameter", (tensor, *_):
            return tensor
        case (("torch.Size" | "__builtin__.set" | "builtins.set" | "torch.device"), (value, *_)):
            return value  # a set is the list of what is in it, a device its name
        case "_codecs.encode", (str(text), "latin1"):
            return text  # bytes, which torch.save writes so
    raise pickle.UnpicklingError(f"it asks for {name.name[:80]}")


def _set_state(built: object, state: object) -> None:
    if isinstance(built, OrderedDict):
        return  # attributes of a state dict, such as versions
    _need(Namespace, built).__dict__.update({_need(str, key): value for key, value in _need(dict, state).items()})


def _tensor(numbers: Any, offset: Any, size: Any, stride: Any) -> Tensor | None:  # noqa: ANN401 - not yet checked
    """A tensor over the numbers (n,) of a storage."""
    if not isinstance(size, tuple) or not isinstance(stride, tuple) or len(size) != len(stride):
        raise pickle.UnpicklingError("a tensor of no shape")
    if not all(type(number) is int and number >= 0 for number in (offset, *size, *stride)):
        raise pickle.UnpicklingError("a tensor of no shape")
    if numbers is None:
        return None
    count, there = math.prod(size), len(_need(Tensor, numbers))
    last = offset + sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    # As many numbers as its shape has, so that none is a large tensor that repeats a few.
    if count > there or (count and last >= there):
        raise pickle.UnpicklingError(f"a tensor of {size} over {there} numbers")
    return numbers.as_strided(size, stride, numbers.storage_offset() + (offset if count else 0))
