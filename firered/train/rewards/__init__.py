"""Rewards of reinforcement learning: what a recognised text is worth (FunAudio-ASR report, section 4.4.2)."""
