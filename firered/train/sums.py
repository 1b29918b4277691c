"""Sums of figures over batches and processes."""

from collections import defaultdict
from dataclasses import dataclass, field

from accelerate.utils import gather_object
from torch import Tensor


@dataclass
class Sums:
    """Loss, weight and counts of many batches; they stay on the device until they are read.

    A count may be a vector, such as how often each of many things came up.
    """

    values: dict[str, Tensor | float] = field(default_factory=dict)

    def add(self, **values: Tensor | float) -> None:
        """Add to the values of these names."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + value

    def over_processes(self) -> dict[str, float]:
        """Their sums over all processes; of a vector those of its elements that are not 0, as `NAME NUMBER`."""
        parts = gather_object([self._numbers()])
        names = sorted({name for part in parts for name in part})
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}

    def _numbers(self) -> dict[str, float]:
        found: defaultdict[str, float] = defaultdict(float)  # what was read of a file has elements by name already
        for name, value in self.values.items():
            if isinstance(value, Tensor) and value.dim():
                for number in value.nonzero().flatten().tolist():
                    found[f"{name} {number}"] += float(value[number])
            else:
                found[name] += float(value)
        return dict(found)
