"""What a recogniser family is: `Family`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from firered.align.config import AlignConfig
from firered.asr.config import RecogniserConfig

if TYPE_CHECKING:
    from firered.align.base import CtcAligner
    from firered.asr.recogniser import Encoder, Recogniser
    from firered.audio.frontend import FrontEnd

Loader: TypeAlias = Callable[[Path, Any, str], "Recogniser"]  # directory, options of the family's class, device


@dataclass(frozen=True)
class Family:
    """One kind of checkpoint directory.

    Attributes:
        name: the value of `--type` and `asr_type`.
        about: what it is, in a few words, for help and messages.
        files: patterns, relative to the directory, that each match something in every directory of this kind.
        config: its options; commands make flags of them.
        load: the recogniser of a directory on a device.
        published: names of published directories, the one that is meant by default first.
        times: what its word times come from: its own `timestamps` option, another model (`align_model`), or nothing.
        nbest: whether it gives more than one hypothesis an utterance.
        adapter: whether its encoder's output can also be had as the language model is given it.
        contents: whether files of these names hold what this family's do; called only where names are ambiguous.
        needs: `files` in words, for messages.
        load_encoder: what encodes without the rest of the model; None: the recogniser does.
        front_end: the features that a directory's model takes; None: it is loaded to be asked.
        load_aligner: what aligns given text by its CTC head; None: it has none.
        lacks_aligner: why a directory's own checkpoint cannot align, empty where it can; None: loading it tells.
        lacks_streaming: why a directory's own checkpoint has no streaming pass, empty where it has one; None: all of a
            kind with the option `streaming` have one.
        languages: codes of those that its models write, where they cannot be told one; empty: not known.
        told_language: whether its recogniser can be told the language of an utterance.
        writes_marks: whether the model of a directory writes the marks that its options speak of.
    """

    name: str
    about: str
    files: tuple[str, ...]
    config: type[RecogniserConfig]
    load: Loader
    published: tuple[str, ...] = ()
    times: str | None = None
    nbest: bool = False
    adapter: bool = False
    contents: Callable[[Path], bool] | None = None
    needs: str = ""
    load_encoder: "Callable[[Path, Any, str], Encoder] | None" = None
    front_end: "Callable[[Path], FrontEnd] | None" = None
    load_aligner: "Callable[[Path, AlignConfig, str], CtcAligner] | None" = None
    lacks_aligner: Callable[[Path], str] | None = None
    lacks_streaming: Callable[[Path], str] | None = None
    languages: tuple[str, ...] = ()
    told_language: bool = False
    writes_marks: Callable[[Path], bool] | None = None

    def encoder(self, directory: Path, config: RecogniserConfig, device: str) -> "Encoder":
        """What encodes, loaded on a device."""
        return (self.load_encoder or self.load)(directory, config, device)

    def features_of(self, directory: Path) -> "FrontEnd":
        """The front end of a directory's model.

        Raises:
            ModelError: the directory is incomplete or damaged.
        """
        return self.front_end(directory) if self.front_end else self.encoder(directory, self.config(), "cpu").front_end

    def punctuates(self, directory: Path, config: RecogniserConfig) -> bool:
        """Whether the model of a directory writes its own marks with these options."""
        return config.punctuates and (self.writes_marks is None or self.writes_marks(directory))

    def why_no_stream(self, directory: Path) -> str:
        """Why there is no streaming pass of a directory's model; empty where there is one.

        Raises:
            ModelError: the directory is incomplete or damaged.
        """
        if "streaming" not in self.config.names():
            return f"{directory}: models of the kind {self.name} have no streaming pass"
        return self.lacks_streaming(directory) if self.lacks_streaming else ""

    def recognises(self, directory: Path) -> bool:
        """Whether a directory has the files that one of this kind is known by."""
        there = all(any(directory.glob(pattern)) for pattern in self.files)
        return there and (self.contents is None or self.contents(directory))
