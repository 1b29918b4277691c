"""Live recognition on the released models: `LiveSystem`."""

from collections.abc import Mapping
from pathlib import Path

from firered.asr.carried import carries
from firered.asr.config import RecogniserConfig
from firered.asr.recogniser import Recogniser
from firered.audio.config import AudioConfig
from firered.hub.catalogue import MODELS
from firered.hub.find import find_model
from firered.lid.config import LidConfig
from firered.live.config import LiveConfig
from firered.live.session import Clock, LiveSession, clock
from firered.punc.config import PuncConfig
from firered.runtime.context import Context
from firered.system.config import ModulesConfig, SystemConfig
from firered.system.modules import Modules
from firered.system.system import Models, System
from firered.vad.config import StreamVadConfig
from firered.vad.detect import StreamVad

STREAM_VAD = "FireRedVAD/Stream-VAD"


class LiveSystem:
    """The modules that streams are recognised with; `session` begins a stream.

    Any number of sessions share the models. A session belongs to one thread at a time; whether a model may be used by
    several at once is up to the caller.

    Args:
        detector: the streaming voice detector.
        modules: language identification, recognition and punctuation.
        config: of live recognition.
        context: what the recogniser is given with every segment, where a session has none of its own.
        context_carry: sentences of a stream's earlier segments that the recogniser is told of if it takes such.
        own_marks: texts of recognisers that punctuate are cut into sentences by their own marks.
        quick: recognises open segments in the place of the recogniser of `modules`, such as one with greedy search.

    Examples:
        >>> import firered
        >>> import soundfile
        >>> system = firered.LiveSystem.from_pretrained("egs/mini/models")
        >>> session = system.session()
        >>> samples, rate = soundfile.read("egs/mini/test/wav/f3-zh-00003.flac", dtype="int16")
        >>> for begin in range(0, len(samples), 1600):
        ...     for result in session.accept(samples[begin : begin + 1600], rate):
        ...         if isinstance(result, firered.Partial):
        ...             print(result.end_s, repr(result.stable), repr(result.unstable))
        0.6 '' '你好'
        1.2 '你好' '谁星'
        1.8 '你好谁星' '期三去'
        >>> session.finish()[-1].text
        '你好，谁星期三去公园？'
    """

    def __init__(
        self,
        detector: StreamVad,
        modules: Modules,
        config: LiveConfig | None = None,
        context: Context | None = None,
        context_carry: int = 0,
        own_marks: bool = True,
        quick: Recogniser | None = None,
    ) -> None:
        self.detector, self.modules, self.config = detector, modules, config or LiveConfig()
        self.context, self.context_carry, self.own_marks = context or Context(), context_carry, own_marks
        self.quick = quick
        if modules.asr is not None:
            carries(modules.asr, context_carry)  # says where they are of no use

    @classmethod
    def from_pretrained(
        cls,
        models: Models = MODELS,
        config: LiveConfig | None = None,
        *,
        system: ModulesConfig | None = None,
        device: str = "auto",
        vad: StreamVadConfig | None = None,
        lid: LidConfig | None = None,
        asr: RecogniserConfig | None = None,
        punc: PuncConfig | None = None,
        context: Context | None = None,
        context_carry: int = 0,
        quick: Recogniser | None = None,
    ) -> "LiveSystem":
        """The system of released models.

        Args:
            models: as `System.from_pretrained` takes them; the detector is `FireRedVAD/Stream-VAD`.
            config: when segments end, how often the open one is recognised, what of its text is stable.
            system: which modules run and which recogniser; of a `SystemConfig` what is of recordings does not count.
            device: what the models run on.
            vad: options of the streaming detector.
            lid: of language identification.
            asr: of recognition, of the class that belongs to the model's family; by default it gives word times.
            punc: of punctuation.
            context: what the recogniser is given with every segment, such as hotwords.
            context_carry: sentences of a stream's earlier segments that the recogniser is told of if it takes such.
            quick: recognises open segments in the place of the recogniser, such as one with greedy search.

        Raises:
            ModelError: a model that is needed is missing or incomplete; the message names how to get it.
            OptionError: `asr` holds the options of another family.
        """
        whole_config = recognition_of(system or ModulesConfig())
        place = models.get(STREAM_VAD, MODELS) if isinstance(models, Mapping) else models
        detector = StreamVad.from_pretrained(find_model(Path(place), STREAM_VAD), vad, device)
        whole = System.from_pretrained(models, whole_config, device=device, lid=lid, asr=asr, punc=punc)
        return cls(detector, whole.modules, config, context, context_carry, whole_config.punc, quick)

    def session(
        self,
        id: str = "",
        *,
        context: Context | None = None,
        audio: AudioConfig | None = None,
        clock: Clock = clock,
    ) -> LiveSession:
        """A new stream.

        Args:
            id: of the stream; segments are named by it.
            context: what the recogniser is given with every segment of this stream, in the place of the system's.
            audio: which of several channels is taken.
            clock: seconds of any origin, by which computing is measured.
        """
        return LiveSession(
            *(self.detector, self.modules, self.config, context or self.context, self.context_carry, self.own_marks),
            quick=self.quick,
            id=id,
            audio=audio,
            clock=clock,
        )


def recognition_of(modules: ModulesConfig) -> SystemConfig:
    """The system that works on segments which are found elsewhere."""
    own = {name: getattr(modules, name) for name in ModulesConfig.names()}
    return SystemConfig(**own, vad=False, events=False)
