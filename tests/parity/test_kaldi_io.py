"""Released Kaldi archives."""

from firered.audio.frontend import Cmvn
from firered.data.archives import read_matrix, write_matrix


def test_released_cmvn_is_rewritten_to_the_same_bytes(shared, tmp_path):
    released = shared("models/FireRedVAD/VAD/cmvn.ark")
    write_matrix(tmp_path / "cmvn.ark", read_matrix(str(released)))
    assert (tmp_path / "cmvn.ark").read_bytes() == released.read_bytes()
    Cmvn.read(tmp_path / "cmvn.ark")
