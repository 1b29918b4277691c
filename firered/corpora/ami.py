"""AMI meetings, or excerpts of them, with the turns of their speakers as labels of voice activity."""

from pathlib import Path

from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below, not_there
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import Span, read_labels

_MIX = "Mix-Headset"  # of the streams of a meeting the one that is used
_GET = (
    "lay the RTTM files of the meetings there; amicorpus/<meeting>/audio/<meeting>.Mix-Headset.wav is <meeting> in them"
)


def read_meetings(corpus: Path, name: str) -> CorpusSet:
    """The recordings under `corpus`, wav files and the RTTM files that label them.

    Raises:
        DataError: there are no RTTM files, or one cannot be read.
    """
    spans: dict[str, list[Span]] = {}
    for rttm in files_below(corpus, ".rttm"):
        for meeting, of_file in read_labels(rttm, VadScoreConfig()).spans.items():
            spans.setdefault(meeting, []).extend(of_file)
    if not spans:
        raise not_there(corpus / "*.rttm", _GET)
    found = CorpusSet(name, corpus)
    for wav in files_below(corpus, ".wav"):
        meeting, _, stream = wav.stem.partition(".")
        if wav.stem in spans:
            meeting = wav.stem
        elif stream not in ("", _MIX):
            found.leave_out(wav.stem, f"another stream than {_MIX}: {wav}")
            continue
        if meeting in spans:
            found.add(Entry(meeting, wav, speech=sorted(spans[meeting])))
        else:
            found.miss(meeting, f"no labels in {corpus}/*.rttm")
    return found
