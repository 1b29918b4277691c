"""Sums of figures over batches and processes."""

from dataclasses import dataclass, field

from accelerate.utils import gather_object
from torch import Tensor


@dataclass
class Sums:
    """Loss, weight and counts of many batches; they stay on the device until they are read."""

    values: dict[str, Tensor | float] = field(default_factory=dict)

    def add(self, **values: Tensor | float) -> None:
        """Add to the values of these names."""
        for name, value in values.items():
            self.values[name] = self.values.get(name, 0.0) + value

    def over_processes(self) -> dict[str, float]:
        """Their sums over all processes."""
        parts = gather_object([{name: float(value) for name, value in self.values.items()}])
        names = sorted({name for part in parts for name in part})
        return {name: sum(part.get(name, 0.0) for part in parts) for name in names}
