"""Steps of decoding as CUDA graphs (CUDA C++ Programming Guide, CUDA Graphs): many small kernels launched as one.

A step of few hypotheses is hundreds of kernels that each run for a few microseconds, and launching them from Python
takes longer than they do. `FIRERED_CUDA_GRAPHS=0` leaves graphs out.
"""

import gc
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

log = logging.getLogger(__name__)

MOST_ROWS = 256  # of more hypotheses arithmetic takes the time; on an H200 graphs won at 192 rows and lost at 384


def graphs_help(device: torch.device, rows: int) -> bool:
    """Whether steps of so many rows are faster as graphs: on CUDA, unless they are switched off or have failed."""
    return device.type == "cuda" and rows <= MOST_ROWS and not _off()


class StepGraph:
    """A step that is run as it is at first, recorded when it comes again, and replayed from then on.

    Recording takes about as long as running, so what is called once after each `forget` loses nothing.
    """

    def __init__(self) -> None:
        self._seen = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._tokens = self._logits = torch.empty(0)

    def __call__(self, compute: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
        """Logits (rows, V) of tokens (rows,).

        Args:
            compute: gives them. Until `forget` it is the same, all shapes are, and all that it reads and writes stays
                where it is; it waits for nothing on the device.
            tokens: of this step.
        """
        if self._graph is None and self._seen and not _off():
            self._record(compute, tokens)
        self._seen = True
        if self._graph is None:
            return compute(tokens)
        self._tokens.copy_(tokens)
        self._graph.replay()
        return self._logits.clone()  # the next graph may write over it

    def forget(self) -> None:
        """Shapes or places are about to change."""
        self._graph, self._seen = None, False

    def _record(self, compute: Callable[[Tensor], Tensor], tokens: Tensor) -> None:
        """Make the graph of a step; where that fails there are none from now on."""
        global _failure
        given = self._tokens = tokens.clone()
        try:
            self._graph, self._logits = _recorded(lambda: compute(given), tokens.device)
        except RuntimeError as error:
            _failure = str(error).partition("\n")[0]
            log.warning("CUDA graphs are off, a step cannot be recorded: %s", _failure)


_failure = ""


def failure() -> str:
    """Why there are no graphs in this process any more; empty where none has failed."""
    return _failure


def _off() -> bool:
    return bool(_failure) or os.environ.get("FIRERED_CUDA_GRAPHS") == "0"


class _Own(threading.local):
    """What graphs of a thread share, on each device: the stream on which they are recorded, and memory.

    Graphs of one thread run one after the other, so what is left of one step may be written over by the next.
    """

    def __init__(self) -> None:
        self.places: dict[torch.device, tuple[torch.cuda.Stream, torch.cuda.CUDAGraph]] = {}

    def of(self, device: torch.device) -> tuple[torch.cuda.Stream, torch.cuda.CUDAGraph]:
        """The stream, and a graph that keeps the memory: without any, the allocator would give it up."""
        if device not in self.places:
            stream, keeper = torch.cuda.Stream(), torch.cuda.CUDAGraph()
            self.places[device] = stream, keeper
            _capture(keeper, stream, None, lambda: torch.zeros(1, device=device))
        return self.places[device]


_own = _Own()


def _recorded(compute: Callable[[], Tensor], device: torch.device) -> tuple[torch.cuda.CUDAGraph, Tensor]:
    """A graph of a computation, which is not run, and where its result will be.

    `torch.cuda.graph` would do this, but it also empties the allocator's cache, for which a search has no time.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.device(device):
        stream, keeper = _own.of(device)
        return graph, _capture(graph, stream, keeper, compute)


def _capture(
    graph: torch.cuda.CUDAGraph,
    stream: torch.cuda.Stream,
    keeper: torch.cuda.CUDAGraph | None,
    compute: Callable[[], Tensor],
) -> Tensor:
    """Record a computation; it shares the memory of `keeper`, if there is one."""
    current = torch.cuda.current_stream()
    stream.wait_stream(current)
    with _no_collection(), torch.cuda.stream(stream):
        # Other threads may go on with what recording forbids, such as taking memory.
        graph.capture_begin(pool=None if keeper is None else keeper.pool(), capture_error_mode="thread_local")
        try:
            result = compute()
        finally:
            graph.capture_end()
    current.wait_stream(stream)
    return result


@contextmanager
def _no_collection() -> Iterator[None]:
    """Collect no garbage: what has lain about from before might be freed in a way that recording forbids."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
