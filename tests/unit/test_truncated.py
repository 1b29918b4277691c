"""Files of containers made of chunks that would take for ever to walk through, and those that are whole."""

import struct

import pytest
from support.signals import noise, write_wav

from firered.audio.load import read
from firered.audio.truncated import examined, missing_bytes
from firered.errors import AudioError

HEADS = {
    "riff": b"RIFF\xff\xff\xff\x0fWAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16),
    "bare": b"RIFF\xff\xff\xff\x0fWAVE",
    "rf64": b"RF64\xff\xff\xff\xffWAVEds64" + struct.pack("<I", 28) + bytes(28),
    "rifx": b"RIFX\x0f\xff\xff\xffWAVE",
    "aiff": b"FORM\x0f\xff\xff\xffAIFF",
    "caf": b"caff\0\1\0\0",
}


class Counted:
    """A file that counts how often it is read."""

    def __init__(self, file):
        self._file, self.reads = file, 0

    def read(self, *size):
        self.reads += 1
        return self._file.read(*size)

    def __getattr__(self, name):
        return getattr(self._file, name)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_a_header_over_zeros_costs_a_few_steps(tmp_path, head):
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(50_000_000)
    with path.open("rb") as file:
        counted = Counted(file)
        with pytest.raises(ValueError, match="zeros where its samples should begin"):
            examined(counted)
        assert counted.reads < 10
        assert missing_bytes(file) == 0
    with pytest.raises(AudioError, match=r"a\.wav: zeros where its samples should begin"):
        read(path)


def test_a_file_of_empty_chunks_is_given_up(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(HEADS["riff"] + b"LIST\0\0\0\0" * 200_000)
    with path.open("rb") as file:
        counted = Counted(file)
        with pytest.raises(ValueError, match="damaged: 10000 chunks"):
            examined(counted)
        assert counted.reads < 10_010
    with pytest.raises(AudioError, match="damaged"):
        read(path)


def test_zeros_between_chunks_are_no_harm(tmp_path):
    whole = write_wav(tmp_path / "a.wav", noise(8000)).read_bytes()
    at = whole.index(b"data")
    padded = whole[:at] + b"JUNK" + struct.pack("<I", 4000) + bytes(4000) + bytes(16) + whole[at:]
    (tmp_path / "b.wav").write_bytes(padded)
    with (tmp_path / "b.wav").open("rb") as file:
        assert missing_bytes(file) == 0


@pytest.mark.parametrize("kind", ["WAV", "RF64", "AIFF", "CAF", "RIFX"])
def test_whole_files_lack_nothing_and_cut_ones_do(tmp_path, kind):
    options = {"format": "WAV", "endian": "BIG"} if kind == "RIFX" else {"format": kind}
    path = write_wav(tmp_path / "a", noise(8000), subtype="PCM_16", **options)
    with path.open("rb") as file:
        assert missing_bytes(file) == 0
    assert len(read(path)) == 8000
    if kind != "RF64":  # whose chunk of samples states no length
        path.write_bytes(path.read_bytes()[:-1000])
        with path.open("rb") as file:
            assert missing_bytes(file) == 1000
