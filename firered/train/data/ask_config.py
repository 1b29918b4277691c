"""Options of what Fun-ASR-Nano is asked in training: the section `prompt` of a training's YAML file."""

from dataclasses import dataclass

from firered.options import Options, option


@dataclass(frozen=True)
class AskConfig(Options):
    """The instruction; lines of published training data (`messages`) have their own."""

    itn: bool = option(
        True,
        "transcripts have numbers and marks as usual in writing, else none; the table utt2itn (yes, no) goes first",
    )
    language_share: float = option(
        0.5, "share of utterances whose instruction names their language, where utt2lang has one", low=0, high=1
    )
    english_share: float = option(
        0.0, "share of utterances with an instruction in English, which recognition does not use", low=0, high=1
    )
