"""firered-pseudo-label with a detector and two recognisers: the bundled models on long recordings."""

import shutil

from support.commands import command
from support.paths import EGS

from firered.data.datadir import read_table
from firered.data.validate import validate
from firered.scoring.config import NormalizerConfig
from firered.scoring.metrics.error_rate import align_texts, total
from firered.scoring.text.normalise import normalizer

MODELS, TEST = EGS / "mini/models", EGS / "mini/test"
SYSTEMS = ("--system", MODELS / "FireRedASR2-AED", "--system", f"llm={MODELS / 'FireRedASR2-LLM'}")


def spoken(start, end, recording):
    """What is said in a stretch of a recording, by the times of its words."""
    rows = [line.split() for line in (TEST / "ctm").read_text(encoding="utf-8").splitlines()]
    own = [(float(row[2]) + float(row[3]) / 2, row[4]) for row in rows if row[0] == recording]
    return " ".join(word for middle, word in own if start <= middle < end)


def test_recordings_become_a_data_directory(tmp_path):
    """Kept labels are right, segments that the systems differ in are not there, and a broken recording is named."""
    folder = tmp_path / "wav"
    folder.mkdir()
    shutil.copy(TEST / "wav/talk-en-00001.flac", folder)
    (folder / "broken.wav").write_bytes(b"RIFF and nothing else")
    out = tmp_path / "out"
    done = command("pseudo-label", folder, out, *SYSTEMS, "--vad-model", MODELS, "--num-threads", 1)
    assert done.returncode == 1
    assert (out / "failed").read_text().startswith("broken vad: ")
    assert validate(out, feats=False) == []
    labels, segments = read_table(out / "text"), read_table(out / "segments")
    assert set(labels) | set(read_table(out / "not_kept")) == set(read_table(out / "vad/segments"))
    assert labels.keys() == segments.keys() == read_table(out / "utt2agreement").keys()
    assert 3 <= len(labels) < len(read_table(out / "vad/segments"))
    times = {key: line.split() for key, line in segments.items()}
    truth = {key: spoken(float(row[1]), float(row[2]), row[0]) for key, row in times.items()}
    counts = total(one.counts for one in align_texts(truth, labels, normalizer(NormalizerConfig())))
    assert counts.tokens > 15
    assert counts.errors == 0
    assert set(read_table(out / "wav.scp")) == {"talk-en-00001"}
