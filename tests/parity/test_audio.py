"""Real recordings read in two ways."""

import numpy as np
import soundfile

from firered.audio.load import read


def test_soundfile_and_the_front_end_agree_on_real_audio(shared):
    path = shared("audio/firered/hello_zh.wav")
    np.testing.assert_array_equal(read(path), soundfile.read(path, dtype="int16")[0])
