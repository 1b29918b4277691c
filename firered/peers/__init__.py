"""The other systems of the papers' tables, each run through its own library, behind one file.

Nothing of them is copied, and nothing here is needed for decoding: their packages are the extra `peers`, or are named
by the error where one is missing. They are handed samples and text, never files: all systems hear the same audio.
"""

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from firered.errors import FireRedError, ModelError, OptionError
from firered.hub.catalogue import MODELS
from firered.optional import EXTRA_OF

KINDS = ("vad", "lid", "punc", "asr")


@dataclass(frozen=True)
class VadAnswer:
    """Where a recording has speech.

    `probs` are the posteriors of speech, (T,) float32, one for each 10 ms frame that our own detectors would have; None
    of a detector that only decides. `segments` are (start, end) in seconds, by the detector's own rules.
    """

    probs: np.ndarray | None
    segments: Sequence[tuple[float, float]]


class VadPeer(Protocol):
    """Finds speech in samples (n,): float32, mono, 16 kHz, full scale 1.0."""

    def __call__(self, samples: np.ndarray) -> VadAnswer: ...  # noqa: D102 - the class says it


class LidPeer(Protocol):
    """The language of samples (n,): its label as references have it (`en`, `zh-yue`), and a confidence from 0 to 1.

    The confidence is None of a system that gives none.
    """

    def __call__(self, samples: np.ndarray) -> tuple[str, float | None]: ...  # noqa: D102


class PuncPeer(Protocol):
    """A text with punctuation of one without."""

    def __call__(self, text: str) -> str: ...  # noqa: D102


class AsrPeer(Protocol):
    """The text that is spoken in samples (n,); `language` is a code such as `zh`, None where it is not known."""

    def __call__(self, samples: np.ndarray, language: str | None) -> str: ...  # noqa: D102


Load = Callable[[str | None, str], Any]  # of (model, device): the adapter, one of the four above


@dataclass(frozen=True)
class Peer:
    """One system.

    Attributes:
        name: on command lines.
        kind: vad, lid, punc or asr.
        about: what it is, in a few words.
        package: what pip installs.
        load: its adapter, of (model, device); the module with its library is imported then.
        printed_name: what the papers' tables call it; empty where they do not have it.
        folder: name of the folder of its weights under pretrained_models; empty where they come with the package.
        fetch: the command that puts that folder there.
        setting: what stands for `model` where none is given, of a peer whose `model` is a setting.
    """

    name: str
    kind: str
    about: str
    package: str
    load: Load
    printed_name: str = ""
    folder: str = ""
    fetch: str = ""
    setting: str | None = None

    def open(self, model: str | None = None, device: str = "auto", models: Path = MODELS) -> Any:  # noqa: ANN401
        """The adapter, ready to be called.

        Args:
            model: its weights, where they are not those of `models`; of some peers, a setting: see the peer's file.
            device: cpu, cuda, cuda:N or auto.
            models: the folder that holds weights which do not come with packages.

        Raises:
            ModelError: its package or its weights are missing; the message says how to get them.
        """
        place = self.weights(model, models)
        try:
            return self.load(place, device)
        except FireRedError:
            raise
        except ModuleNotFoundError as error:
            extra = EXTRA_OF.get((error.name or "").partition(".")[0])
            more = f", or with others: pip install 'firered[{extra}]'" if extra else ""
            raise ModelError(
                f"{self.name}: {error.name} is not installed; it comes with: pip install {self.package}{more}"
            ) from error
        except Exception as error:  # whatever another's library raises of weights that it cannot load
            source = f" from {place}" if place else ""
            raise ModelError(f"{self.name} cannot be loaded{source}: {type(error).__name__}: {error}") from error

    def weights(self, model: str | None, models: Path = MODELS) -> str | None:
        """What is loaded: `model` where it is given, else the peer's folder in `models`, or its setting, if it has any.

        Raises:
            ModelError: there is no such folder.
        """
        if model is not None or not self.folder:
            return self.setting if model is None else model
        place = models / self.folder
        if not place.is_dir():
            raise ModelError(f"{place}: no weights of {self.name} here. Get them with\n  {self.fetch}")
        return str(place)

    @property
    def version(self) -> str:
        """The installed package and its version; the package alone where it is not installed under that name."""
        try:
            return f"{self.package} {importlib.metadata.version(self.package)}"
        except importlib.metadata.PackageNotFoundError:
            return self.package


def _from(module: str, function: str = "load") -> Load:
    """The loader of a module of this package, which is imported when the loader is called."""

    def load(model: str | None, device: str) -> Any:  # noqa: ANN401 - one of the adapters
        return getattr(importlib.import_module(f"firered.peers.{module}"), function)(model, device)

    return load


def _hub(name: str) -> str:
    """The command that fetches a model of Hugging Face."""
    return f"hf download {name} --local-dir {MODELS / name.rpartition('/')[2]}"


def _scope(name: str) -> str:
    """The command that fetches a model of ModelScope."""
    return f"modelscope download --model {name} --local_dir {MODELS / name.rpartition('/')[2]}"


_ALL = (
    Peer("silero-vad", "vad", "Silero's detector, 32 ms a posterior", "silero-vad", _from("silero"), "Silero-VAD"),
    Peer("ten-vad", "vad", "TEN's detector, 16 ms a posterior", "ten-vad", _from("ten"), "TEN-VAD"),
    Peer(
        "webrtcvad",
        "vad",
        "WebRTC's detector, decisions only",
        "webrtcvad-wheels",
        _from("webrtc"),
        "WebRTC-VAD",
        setting="3",  # the mode
    ),
    Peer(
        "fsmn-vad",
        "vad",
        "FunASR's FSMN-VAD, segments only",
        "funasr",
        _from("fsmn"),
        "FunASR-VAD",
        "speech_fsmn_vad_zh-cn-16k-common-pytorch",
        _scope("iic/speech_fsmn_vad_zh-cn-16k-common-pytorch"),
    ),
    Peer(
        "speechbrain",
        "lid",
        "SpeechBrain's ECAPA-TDNN, 107 languages of VoxLingua107",
        "speechbrain",
        _from("speechbrain_lid"),
        "SpeechBrain",
        "lang-id-voxlingua107-ecapa",
        _hub("speechbrain/lang-id-voxlingua107-ecapa"),
    ),
    Peer(  # the report does not say which size: no printed name, so that no other size gets a Difference to it
        "whisper-lid",
        "lid",
        "Whisper's language identification; --model is any size, large-v3 without",
        "transformers",
        _from("whisper_lid"),
        "",
        "whisper-large-v3",
        _hub("openai/whisper-large-v3"),
    ),
    Peer(  # likewise
        "dolphin-lid",
        "lid",
        "Dolphin's languages and dialects, the latter as FireRedLID's eight",
        "dataoceanai-dolphin",
        _from("dolphin", "load_lid"),
        "",
        "dolphin-small",
        _scope("DataoceanAI/dolphin-small"),
    ),
    Peer(
        "ct-punc",
        "punc",
        "FunASR's CT-Transformer, Chinese and English",
        "funasr",
        _from("funasr_punc"),
        "FunASR-Punc",
        "punc_ct-transformer_cn-en-common-vocab471067-large",
        _scope("iic/punc_ct-transformer_cn-en-common-vocab471067-large"),
    ),
    Peer(
        "paraformer",
        "asr",
        "Paraformer-large of FunASR, Mandarin",
        "funasr",
        _from("funasr_asr", "load_paraformer"),
        "Paraformer-Large",
        "speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        _scope("iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-pytorch"),
    ),
    Peer(  # the tables have SenseVoice-L, which is not published
        "sensevoice-small",
        "asr",
        "SenseVoice-Small of FunASR, five languages",
        "funasr",
        _from("funasr_asr", "load_sense_voice"),
        "",
        "SenseVoiceSmall",
        _scope("iic/SenseVoiceSmall"),
    ),
    Peer(
        "dolphin-small",
        "asr",
        "Dolphin, 40 Eastern languages; --model is any of its sizes",
        "dataoceanai-dolphin",
        _from("dolphin", "load_recogniser"),
        "dolphin-small",
        "dolphin-small",
        _scope("DataoceanAI/dolphin-small"),
    ),
)

PEERS = {peer.name: peer for peer in _ALL}


def of_kind(kind: str) -> list[str]:
    """The names of the peers of a kind."""
    return [name for name, peer in PEERS.items() if peer.kind == kind]


def find_peer(name: str, kind: str) -> Peer:
    """The peer of a name.

    Raises:
        OptionError: there is none of this kind; the message lists them.
    """
    peer = PEERS.get(name)
    if peer is None or peer.kind != kind:
        raise OptionError(f"{name}: no {kind} system of this name; there are {', '.join(of_kind(kind)) or 'none yet'}")
    return peer


OWN = "firered"  # among the systems of a recipe, this project's own


def chosen(kind: str, system: str) -> list[str]:
    """The systems that a recipe's `--system` asks for, in order; none where it only says what the model is called.

    Raises:
        OptionError: some of its words are systems and others are not, one is there twice, or is of another kind.
    """
    words = system.split()
    if len(words) == 1 and words[0] in PEERS:
        find_peer(words[0], kind)
    known = {OWN, *of_kind(kind)}
    strange = [word for word in words if word not in known]
    if len(strange) == len(words):
        return []
    if strange:
        raise OptionError(
            f"system: {' '.join(strange)}: no {kind} system of this name; there are {', '.join(sorted(known))}"
        )
    if len(set(words)) < len(words):
        raise OptionError(f"system: {system}: a name is there twice")
    return words
