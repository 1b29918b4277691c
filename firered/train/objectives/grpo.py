"""Group relative policy optimisation of a speech-LLM (FunAudio-ASR report, section 4.4)."""

import zlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from firered.audio.framing import FRAME_SHIFT_S
from firered.errors import FireRedError
from firered.search.config import GenerateConfig
from firered.search.generate import search
from firered.search.sampling import SampleConfig, Sampled, sample
from firered.train.data.batch import Batch
from firered.train.data.stream import seed_of
from firered.train.meter import Meter
from firered.train.objectives.grpo_config import GrpoConfig
from firered.train.objectives.grpo_report import dev_report, train_report
from firered.train.objectives.objective import BatchLoss, Objective
from firered.train.objectives.policies import Policy, Prompts
from firered.train.objectives.policy_loss import grouped, summed, token_losses, weight
from firered.train.rewards.reward import Rollout, Wanted, errors_of
from firered.train.rewards.table import Rewards


class GrpoObjective(Objective[Policy]):
    """A policy that is rewarded for what it writes.

    Nothing of it has dropout: a text has the same probability when it is drawn and when it is learnt from.

    Args:
        policy: the model.
        config: how rollouts are drawn and learnt from.
        rewards: what they are worth.
    """

    in_phases = True

    def __init__(self, policy: Policy, config: GrpoConfig, rewards: Rewards) -> None:
        super().__init__(policy, dropout=0.0)
        self.config, self.rewards = config, rewards
        self.file, self.updates = policy.file, config.updates
        policy.set_trained()
        self._reference = policy.frozen_copy() if config.beta else {}

    def train(self, mode: bool = True) -> "GrpoObjective":
        """Switch between learning and evaluation; the model stays in evaluation mode in both."""
        torch.nn.Module.train(self, False)
        self.training = mode
        return self

    def prepare(self, batch: Batch, seed: int, meter: Meter) -> Batch:
        """The rollouts of a batch with their advantages; in evaluation the errors of its greedy texts."""

        def phase(name: str) -> AbstractContextManager[None]:
            return meter.phase(name) if self.training else nullcontext()

        device = next(self.parameters()).device
        with phase("encoding"):
            tensors = {name: tensor.to(device) for name, tensor in batch.tensors.items()}
            prompts = self.model.prompts(tensors)
        limits = [self.config.limit(frames * FRAME_SHIFT_S) for frames in tensors["lengths"].tolist()]
        if not self.training:
            return self._evaluated(batch, prompts, limits)
        config = SampleConfig(self.config.group_size, self.config.temperature, self.config.top_p)
        with phase("rollout"):
            seeds = [seed_of(seed, zlib.crc32(key.encode())) for key in batch.keys]
            steps = self.model.steps(prompts, config.count, max(limits))
            drawn = sample(steps, limits, config, first=prompts.last, eos=self.model.tokenizer.eos_id, seeds=seeds)
        with phase("rewards"):
            rollouts = self._rollouts(drawn, batch.about, limits, device)
        if self._reference:
            with phase("reference"):
                rollouts["reference"] = self._reference_scores(prompts, rollouts)
        counted = _counted(rollouts, mask_truncated=self.config.mask_truncated)
        made = {**prompts._asdict(), **rollouts, "lengths": tensors["lengths"]}
        return replace(batch, tensors=made, weight=weight(counted, rollouts["limits"], self.config.of_loss))

    def _rollouts(
        self, drawn: Sequence[Sequence[Sampled]], about: Sequence[Wanted], limits: Sequence[int], device: torch.device
    ) -> dict[str, Tensor]:
        """Rollouts of all utterances in one row of tensors (M, ...), with the utterance of each in `group`."""
        flat = [own for of_utterance in drawn for own in of_utterance]
        group = torch.arange(len(drawn)).repeat_interleave(self.config.group_size)
        texts = [Rollout(self.model.tokenizer.text_of(own.tokens), own.finished) for own in flat]
        rewards = self.rewards.of(texts, [about[number] for number in group.tolist()])
        advantages, equal = self.advantages(rewards, group)
        found = {
            "group": group,
            "tokens": pad_sequence([torch.tensor(own.tokens) for own in flat], batch_first=True),
            "there": pad_sequence([torch.ones(len(own.tokens)) for own in flat], batch_first=True).bool(),
            "old": pad_sequence([torch.tensor(own.log_probs) for own in flat], batch_first=True),
            "finished": torch.tensor([own.finished for own in flat]),
            "limits": torch.tensor(limits)[group],
            "rewards": rewards,
            "advantages": advantages,
            "equal": equal,
        }
        return {name: tensor.to(device) for name, tensor in found.items()}

    def advantages(self, rewards: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
        """(M,) advantages of weighted rewards (M, K), and (M,) whether all of a group's are equal.

        The rewards are summed and then compared within the group, or compared each by itself and then summed.
        """
        deviation = self.config.scales
        if self.config.rewards == "sum_then_normalize":
            return grouped(self.rewards.total(rewards), group, deviation=deviation)
        parts = [grouped(column, group, deviation=deviation) for column in rewards.T]
        return sum(own for own, _ in parts) + torch.zeros(len(rewards)).to(rewards), torch.stack(
            [equal for _, equal in parts]
        ).all(0)

    def _reference_scores(self, prompts: Prompts, rollouts: Mapping[str, Tensor]) -> Tensor:
        self._reference = {name: value.to(prompts.embeds.device) for name, value in self._reference.items()}
        asked = rollouts["group"], rollouts["tokens"], rollouts["there"], self.config.temperature
        return self.model.scores(prompts, *asked, self._reference).log_probs

    def _evaluated(self, batch: Batch, prompts: Prompts, limits: Sequence[int]) -> Batch:
        """Errors (N, 3) and rewards (N, K) of the greedy texts of an utterance each."""
        steps = self.model.steps(prompts, 1, max(limits))
        room = torch.tensor(limits, device=prompts.embeds.device)
        eos = self.model.tokenizer.eos_id
        found = search(steps, room, GenerateConfig(beam_size=1), first=prompts.last, eos=eos)
        texts = [Rollout(self.model.tokenizer.text_of(own.tokens), own.finished) for own, *_ in found]
        counts = [errors_of(*pair) for pair in zip(texts, batch.about, strict=True)]
        tensors = {
            "errors": torch.tensor([[one.substitutions, one.deletions, one.insertions] for one in counts]),
            "rewards": self.rewards.of(texts, batch.about),
            "finished": torch.tensor([text.finished for text in texts]),
        }
        return replace(batch, tensors=tensors, weight=float(sum(one.tokens for one in counts)))

    def forward(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        """The loss of rollouts, summed over their weight; in evaluation the number of errors.

        Raises:
            FireRedError: the rollouts are not those of this model (`ratio_tolerance`), or it has lost its entropy.
        """
        if not self.training:
            return self._errors(tensors)
        prompts = Prompts(*(tensors[name] for name in Prompts._fields))
        asked = tensors["group"], tensors["tokens"], tensors["there"], self.config.temperature
        log_probs, entropy = self.model.scores(prompts, *asked)
        counted = _counted(tensors, mask_truncated=self.config.mask_truncated)
        if self.update == 0:
            self._check(log_probs.detach(), entropy, tensors)
        old, reference, advantages = tensors["old"], tensors.get("reference"), tensors["advantages"]
        found = token_losses(log_probs, old, reference, advantages, counted, self.config.of_loss)
        loss = summed(found.loss, counted, self.config.of_loss)
        there, groups = tensors["there"], tensors["group"].unique()
        first = torch.stack([(tensors["group"] == number).nonzero()[0, 0] for number in groups])
        counts = {
            "rollouts": len(there),
            "groups": len(groups),
            "equal_groups": tensors["equal"][first].sum(),
            "truncated": (~tensors["finished"]).sum(),
            "tokens": there.sum(),
            "counted": counted.sum(),
            "entropy": (entropy * there).sum(),
            "clipped": found.clipped.sum(),
            "reward": self.rewards.total(tensors["rewards"]).sum(),
            **self._each_reward(tensors["rewards"]),
        }
        if reference is not None:
            counts["kl"] = found.kl.sum()
        return BatchLoss(loss, {name: torch.as_tensor(value).double() for name, value in counts.items()})

    def _each_reward(self, rewards: Tensor) -> dict[str, Tensor]:
        return {f"reward_{name}": column.sum() for name, column in zip(self.rewards.names, rewards.T, strict=True)}

    def _check(self, log_probs: Tensor, entropy: Tensor, tensors: Mapping[str, Tensor]) -> None:
        """Stop where the first update would not be one of the policy that drew the rollouts, or it draws one text."""
        there = tensors["there"]
        off = float(((log_probs - tensors["old"]).exp() - 1).masked_fill(~there, 0.0).abs().max())
        tolerance = self.config.ratio_tolerance
        if tolerance and not off <= tolerance:
            raise FireRedError(
                f"the model gives its own rollouts other probabilities when it learns from them: a ratio is off 1 by "
                f"{off:.2g}, grpo.ratio_tolerance is {tolerance:g} (in bfloat16 both differ by rounding: raise it)"
            )
        mean = float((entropy * there).sum() / there.sum())
        if mean < self.config.min_entropy:
            raise FireRedError(
                f"the entropy of the rollouts is {mean:.2g} nats a token, grpo.min_entropy is "
                f"{self.config.min_entropy:g}: the model has collapsed to one text; lower optim.lr, or raise grpo.beta"
            )

    def _errors(self, tensors: Mapping[str, Tensor]) -> BatchLoss:
        errors = tensors["errors"].double()
        names = ("substitutions", "deletions", "insertions")
        counts = dict(zip(names, errors.sum(0), strict=True))
        counts |= {"utterances": torch.tensor(float(len(errors))), "truncated": (~tensors["finished"]).sum().double()}
        return BatchLoss(errors.sum(), counts | self._each_reward(tensors["rewards"]))

    @property
    def width(self) -> int:
        """The language model's width."""
        return int(self.model.llm.config.hidden_size)

    def report(self, loss: float, counts: Mapping[str, float]) -> dict[str, float]:
        """Rewards, lengths, KL, entropy and shares; in evaluation kinds of errors and rewards."""
        return train_report(counts) if "rollouts" in counts else dev_report(loss, counts)

    def exported(self) -> dict[str, Tensor]:
        """What the policy exports, under the names of `trained`."""
        return self.model.exported()

    def package(self, state: dict[str, Tensor]) -> dict[str, object]:
        """The policy's published layout."""
        return self.model.package(state)

    def save_beside(self, out: Path, state: dict[str, Tensor]) -> None:
        """What the policy writes."""
        self.model.save_beside(out, state)


def _counted(rollouts: Mapping[str, Tensor], *, mask_truncated: bool) -> Tensor:
    """(M, T) the tokens that are learnt from."""
    there = rollouts["there"]
    return there & rollouts["finished"][:, None] if mask_truncated else there
