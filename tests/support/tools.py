"""Marks of tests that need a program which is not everywhere."""

import shutil

import pytest

needs_ffmpeg = pytest.mark.skipif(
    not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is not installed here"
)
needs_sox = pytest.mark.skipif(not shutil.which("sox"), reason="sox is not installed here")
