"""Options of the voice detectors."""

from dataclasses import dataclass
from typing import Any

from firered.errors import OptionError
from firered.options import Options, option


@dataclass(frozen=True)
class VadConfig(Options):
    """Voice segments of whole recordings. Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.4, "a frame at or above it is speech", low=0, high=1)
    min_speech_frame: int = option(20, "frames of speech that start a segment", low=1)
    max_speech_frame: int = option(2000, "longer segments are cut where speech is least likely", low=2)
    min_silence_frame: int = option(20, "frames of silence that end a segment", low=1)
    merge_silence_frame: int = option(0, "gaps shorter than this are filled", low=0)
    extend_speech_frame: int = option(0, "frames added on both sides of every segment", low=0)


@dataclass(frozen=True)
class MvadConfig(Options):
    """Segments of speech, singing and music, each detected independently. Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.4, "a frame at or above it is speech", low=0, high=1)
    singing_threshold: float = option(0.5, "a frame at or above it is singing", low=0, high=1)
    music_threshold: float = option(0.5, "a frame at or above it is music", low=0, high=1)
    min_event_frame: int = option(20, "frames of an event that start a segment", low=1)
    max_event_frame: int = option(2000, "longer segments are cut where the event is least likely", low=2)
    min_silence_frame: int = option(20, "frames without the event that end a segment", low=1)
    merge_silence_frame: int = option(0, "gaps shorter than this are filled", low=0)
    extend_speech_frame: int = option(0, "frames added on both sides of every segment", low=0)


# The streaming detector's presets: 0 finds most speech, 3 raises fewest false alarms.
STREAM_MODES: tuple[dict[str, Any], ...] = (
    {"speech_threshold": 0.3, "min_speech_frame": 8, "min_silence_frame": 20},
    {"speech_threshold": 0.5, "min_speech_frame": 10, "min_silence_frame": 15},
    {"speech_threshold": 0.7, "min_speech_frame": 15, "min_silence_frame": 10},
    {"speech_threshold": 0.9, "min_speech_frame": 20, "min_silence_frame": 5},
)


@dataclass(frozen=True)
class StreamVadConfig(Options):
    """Starts and ends of speech in audio as it arrives (streaming). Frames are 10 ms."""

    smooth_window_size: int = option(5, "frames of the moving average over posteriors", low=1)
    speech_threshold: float = option(0.5, "a frame at or above it is speech", low=0, high=1)
    pad_start_frame: int = option(5, "frames a start lies before the first frame of speech", low=0)
    min_speech_frame: int = option(8, "frames of speech that start a segment", low=1)
    max_speech_frame: int = option(2000, "after so many frames an end is forced and a new segment starts", low=2)
    min_silence_frame: int = option(20, "frames of silence that end a segment", low=1)

    @classmethod
    def mode(cls, number: int) -> "StreamVadConfig":
        """Preset 0 to 3, from most sensitive to strictest."""
        if not 0 <= number < len(STREAM_MODES):
            raise OptionError(f"mode: {number} is not one of 0, 1, 2, 3")
        return cls(**STREAM_MODES[number])
