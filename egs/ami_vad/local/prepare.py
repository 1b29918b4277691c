"""AMI meetings, or excerpts of them, with the turns of their speakers as labels of voice activity."""

from collections.abc import Iterator
from pathlib import Path

from firered.cli.corpus import prepare
from firered.corpora.corpus_set import CorpusSet, Entry
from firered.corpora.files import files_below, not_there
from firered.scoring.config import VadScoreConfig
from firered.scoring.inputs.labels import Span, read_labels

MIX = "Mix-Headset"  # of the streams of a meeting the one that is used
GET = (
    "lay the RTTM files of the meetings there; amicorpus/<meeting>/audio/<meeting>.Mix-Headset.wav is <meeting> in them"
)


def read(corpus: Path) -> Iterator[CorpusSet]:
    """Data directory of the recordings under CORPUS, wav files and the RTTM files that label them."""
    spans: dict[str, list[Span]] = {}
    for rttm in files_below(corpus, ".rttm"):
        for meeting, of_file in read_labels(rttm, VadScoreConfig()).spans.items():
            spans.setdefault(meeting, []).extend(of_file)
    if not spans:
        raise not_there(corpus / "*.rttm", GET)
    found = CorpusSet("ami", corpus)
    for wav in files_below(corpus, ".wav"):
        meeting, _, stream = wav.stem.partition(".")
        if wav.stem in spans:
            meeting = wav.stem
        elif stream not in ("", MIX):
            found.leave_out(wav.stem, f"another stream than {MIX}: {wav}")
            continue
        if meeting in spans:
            found.add(Entry(meeting, wav, speech=sorted(spans[meeting])))
        else:
            found.miss(meeting, f"no labels in {corpus}/*.rttm")
    yield found


if __name__ == "__main__":
    prepare(read)
