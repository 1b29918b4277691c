"""Options of punctuation."""

from dataclasses import dataclass

from firered.options import Options, option


@dataclass(frozen=True)
class PuncConfig(Options):
    """Punctuation of text."""

    batch_size: int = option(4096, "tokens of a batch, padded to its longest text; bounds memory", low=1)
    sentence_max_length: int = option(
        -1,
        "with word times: sentences are cut before they get wider than so many Chinese characters (Latin letters and "
        "digits count half); -1 or 0: only at marks",
        low=-1,
    )
    overlap: int = option(
        0,
        "tokens that neighbouring windows share where a text is longer than the model takes; 0: none, as published",
        low=0,
    )
    strip: bool = option(
        False, "remove the text's own commas, stops, question and exclamation marks at the ends of words first"
    )
    published: bool = option(
        False,
        "write the text by the published rules: all in lower case but for sentence starts, spaces between Latin words "
        "only, marks inside words where a text has no times",
    )
    dtype: str = option("float32", "number format", choices=("float32", "bfloat16"))
