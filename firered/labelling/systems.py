"""The systems that label: this project's recognisers by their directory, others by their name in `firered.peers`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from firered.asr.families import find
from firered.audio.config import AudioConfig
from firered.errors import OptionError
from firered.hub.catalogue import MODELS
from firered.peers import PEERS, find_peer, of_kind
from firered.runs.config import RunConfig
from firered.runs.depends import Identity, fingerprint
from firered.runtime.config import ComputeConfig, ContextConfig

TRANSCRIPT = "transcript"  # what tables call the texts of a data directory that is checked


@dataclass(frozen=True)
class LabelSystem:
    """A recogniser.

    Attributes:
        name: in tables and of its folder.
        model: its directory, or weights of a peer; None: a peer's own.
        peer: its name among the peers; empty: it is a recogniser of this project.
    """

    name: str
    model: str | None
    peer: str = ""

    def identity(self, audio: AudioConfig, language: str | None, models: Path = MODELS) -> Identity:
        """What decides the texts, beside the utterances."""
        if self.peer:
            peer = PEERS[self.peer]
            weights = peer.weights(self.model, models) or ""
            place = Path(weights) if weights and Path(weights).exists() else weights
            return fingerprint(f"firered-peer asr {self.peer}", peer.version, str(language), audio, place)
        return fingerprint("firered-asr", str(language), audio, Path(self.model or ""))

    def run(
        self,
        data: str,
        out: Path,
        audio: AudioConfig,
        compute: ComputeConfig,
        job: RunConfig,
        language: str | None,
        models: Path = MODELS,
    ) -> int:
        """Exit status of recognising the utterances of a data directory, with what firered-asr or firered-peer writes.

        Raises:
            FireRedError: the system cannot be loaded, or `out` not be written.
        """
        if self.peer:
            from firered.runs.peer import run_asr_peer

            peer = PEERS[self.peer]
            weights, adapter = peer.weights(self.model, models), peer.open(self.model, compute.device, models)
            return run_asr_peer(peer, adapter, [data], out, weights, audio, job, language)
        from firered.runs.asr import run_asr

        directory, family = find(self.model or "")
        recogniser = family.load(directory, family.config(), compute.device)
        known = ContextConfig(language=language if family.told_language else None)
        return run_asr([data], out, directory, recogniser, audio, job, known)


def systems_of(words: Sequence[str], models: Path = MODELS) -> list[LabelSystem]:
    """The systems that a command line names, each looked for before any of them runs.

    Args:
        words: a model directory or published name, `NAME=` either of them, a peer's name, or `PEER=WEIGHTS`.
        models: the folder that holds the peers' weights.

    Raises:
        OptionError: a name is there twice.
        ModelError: a directory is no recogniser's, or a peer's weights are missing.
    """
    found: dict[str, LabelSystem] = {}
    for word in words:
        system = _system(word, models)
        if system.name in found or system.name == TRANSCRIPT:
            raise OptionError(f"system: {system.name} is a name that is taken; give another: --system NAME={word}")
        found[system.name] = system
    return list(found.values())


def _system(word: str, models: Path) -> LabelSystem:
    name, equals, rest = word.partition("=")
    if not equals:
        name, rest = "", word
    if rest in PEERS or name in PEERS:
        peer = find_peer(rest if rest in PEERS else name, "asr")
        weights = None if rest in PEERS else rest
        peer.weights(weights, models)
        return LabelSystem(_folder(name or rest), weights, peer.name)
    if not rest:
        raise OptionError(f"system: {word!r}: a model directory, or one of {', '.join(of_kind('asr'))}")
    directory, _ = find(rest)
    return LabelSystem(_folder(name or directory.name), str(directory))


def _folder(name: str) -> str:
    """The name, which has to do as that of a folder and of a column."""
    if not name or {"/", "\t", "\n", " "} & set(name) or name.startswith("."):
        raise OptionError(f"system: {name!r}: a name without blanks and slashes is needed: --system NAME=DIR")
    return name
