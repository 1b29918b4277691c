"""From encoder frames to what a language model takes (FireRedASR paper, section 2.2, "Adapter")."""

from torch import Tensor, nn

DOWNSAMPLE_RATE = 2  # encoder frames (40 ms) to a speech embedding (80 ms)


class Adapter(nn.Module):
    """Neighbouring frames side by side, Linear, ReLU, Linear."""

    def __init__(self, encoder_dim: int, llm_dim: int, downsample_rate: int = DOWNSAMPLE_RATE) -> None:
        super().__init__()
        self.downsample_rate = downsample_rate
        self.linear1 = nn.Linear(encoder_dim * downsample_rate, llm_dim)
        self.relu = nn.ReLU()
        self.linear2 = nn.Linear(llm_dim, llm_dim)

    def forward(self, frames: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Speech embeddings (N, T // rate, llm_dim) and their number (N,); frames left over at the end are dropped.

        Args:
            frames: (N, T, encoder_dim) encoder frames.
            lengths: (N,) frames of each utterance.
        """
        whole = frames.shape[1] // self.downsample_rate * self.downsample_rate
        stacked = frames[:, :whole].unflatten(1, (-1, self.downsample_rate)).flatten(2)  # (N, T // rate, rate * d)
        return self.linear2(self.relu(self.linear1(stacked))), lengths // self.downsample_rate
