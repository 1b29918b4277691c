"""The tasks by name, each a module that holds its options, its loss and how it is built."""

import importlib
from collections.abc import Iterator, Mapping

from firered.train.task import TaskKind

_MODULES = {
    "best-rq": "best_rq",
    "aed": "aed",
    "ctc": "ctc",
    "lid": "lid",
    "llm": "llm",
    "fun-asr": "fun_asr",
    "grpo": "grpo",
    "vad": "vad",
    "stream-vad": "vad",
    "mvad": "vad",
    "punc": "punc",
    "lm": "lm",
}


class _Tasks(Mapping[str, TaskKind]):
    """The `KIND` of each task's module, which is imported on access: no task needs another task's packages."""

    def __getitem__(self, name: str) -> TaskKind:
        kind = importlib.import_module(f"{__name__}.{_MODULES[name]}").KIND
        assert isinstance(kind, TaskKind)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


TASKS: Mapping[str, TaskKind] = _Tasks()
