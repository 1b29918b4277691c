"""How a model lies on the processes of a training: whole on each of them, or in shards."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method

from firered.errors import OptionError
from firered.models.relative_attention import RelativeAttention
from firered.search.scorers import Stepper
from firered.train.config import OptimConfig
from firered.train.objectives.objective import Objective
from firered.train.optimiser import optimiser_of
from firered.train.shards import whole


class Whole:
    """Every process has the whole model; where there are several they average gradients (DistributedDataParallel).

    Attributes:
        objective: what the loss is called of: the model with its loss, in what averages gradients.
        optimizer: of its trained parameters.
    """

    in_shards = False

    def __init__(self, plain: Objective, config: OptimConfig, accelerator: Accelerator) -> None:
        self.plain, self._accelerator = plain, accelerator
        self.objective: nn.Module
        self.optimizer: torch.optim.Optimizer
        self._prepare(config)

    def _prepare(self, config: OptimConfig) -> None:
        self.objective, self.optimizer = self._accelerator.prepare(self.plain, optimiser_of(config, self.plain))

    def collecting(self) -> AbstractContextManager[None]:
        """The block of a batch that others of the same step follow: gradients stay in the process."""
        return self._accelerator.no_sync(self.objective)

    def clip(self, most: float) -> float:
        """The norm of the gradient; where it is above `most` the gradient is scaled down to that."""
        return float(self._accelerator.clip_grad_norm_(self.objective.parameters(), most))

    def decoding(self) -> AbstractContextManager[None]:
        """The block in which the model writes text."""
        return nullcontext()

    def led(self, model: Stepper) -> Stepper:
        """A model in the middle of decoding, as all processes have to follow it together."""
        return model

    def settle(self) -> None:
        """Leave parameters as the optimiser knows them, after a pass without gradients."""

    def on_cpu(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies for the main process, whole and on the processor."""
        return (
            {name: tensor.detach().cpu() for name, tensor in tensors.items()}
            if self._accelerator.is_main_process
            else {}
        )


class Sharded(Whole):
    """Every process has a part of each weight, its gradient and its means: FSDP2, torch's `fully_shard`.

    The weights of a layer are whole while it computes. Weights stay in their own number formats, so frozen ones in
    bfloat16 travel as such; gradients are summed in that of the weights that are trained, float32.
    """

    in_shards = True

    def _prepare(self, config: OptimConfig) -> None:
        accelerator = self._accelerator
        if accelerator.num_processes == 1:
            raise OptionError(
                "train.sharding: fsdp shares a model out to several processes, and there is one: start it with "
                "torchrun or accelerate launch, or set train.sharding=none"
            )
        mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
        for part in list(self.plain.modules()):
            if isinstance(part, RelativeAttention):
                fully_shard(part.linear_pos, mesh=mesh)  # computes for its layer before that begins
        for layer in reversed(self.plain.layers()):  # those within others first
            fully_shard(layer, mesh=mesh)
        fully_shard(self.plain, mesh=mesh)
        register_fsdp_forward_method(self.plain, "decode")
        self.plain.to(accelerator.device)  # buffers, which are whole
        self.objective, self.optimizer = self.plain, optimiser_of(config, self.plain)

    @property
    def _sharded(self) -> FSDPModule:
        assert isinstance(self.plain, FSDPModule)
        return self.plain

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """The block of a batch that others of the same step follow: gradients stay in the process."""
        self._sharded.set_requires_gradient_sync(False)
        yield
        self._sharded.set_requires_gradient_sync(True)

    def clip(self, most: float) -> float:
        """The norm of the gradient over all processes; where it is above `most` the gradient is scaled down to that."""
        return float(whole(nn.utils.clip_grad_norm_(self.plain.parameters(), most)))

    @contextmanager
    def decoding(self) -> Iterator[None]:
        """The block in which the model writes text; where it takes its layers apart, all of them are whole in it."""
        parts = [part for part in self.plain.modules() if isinstance(part, FSDPModule)]
        apart = parts if self.plain.takes_layers_apart else []
        for part in apart:
            part.unshard()
        yield
        for part in apart:
            part.reshard()

    def led(self, model: Stepper) -> Stepper:
        """The model, whose outputs are those of the first process in all of them, so that all take the same steps."""
        return _Led(model)

    def settle(self) -> None:
        """Give back the weights that are whole since the last pass."""
        self._sharded.reshard()

    def on_cpu(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies for the main process, whole and on the processor, gathered one by one; all processes have to call."""
        found = {}
        for name, tensor in tensors.items():
            value = whole(tensor.detach())
            if self._accelerator.is_main_process:
                found[name] = value.cpu()
        return found


class _Led:
    """A stepper that all processes run on the same utterances."""

    def __init__(self, model: Stepper) -> None:
        self._model = model

    def step(self, tokens: Tensor) -> Tensor:
        logits = self._model.step(tokens).contiguous()
        torch.distributed.broadcast(logits, 0)
        return logits

    def reorder(self, index: Tensor) -> None:
        self._model.reorder(index)

    def select(self, utterances: list[int]) -> None:
        self._model.select(utterances)


def layout_of(sharding: str, plain: Objective, config: OptimConfig, accelerator: Accelerator) -> Whole:
    """The layout that the option `train.sharding` names."""
    return (Sharded if sharding == "fsdp" else Whole)(plain, config, accelerator)
