"""Live audio between a source and the thread that works on it: order, room, loss, errors and the clock."""

import threading

import numpy as np
import pytest

from firered.audio.arriving import Arriving
from firered.errors import AudioError


class Scripted:
    """A source that does what it is told with the other side."""

    name = "a script"

    def __init__(self, act):
        self.act = act

    def read(self, into):
        self.act(into)


def ramp(count, first=0):
    return np.arange(first, first + count, dtype=np.int16)


def taken(arriving):
    return [piece for piece in arriving.pieces(0.05) if piece is not None]


def test_pieces_come_in_order_and_none_is_longer_than_a_tenth_of_a_second():
    def act(into):
        for first, count in ((0, 5000), (5000, 1), (5001, 1600), (6601, 399)):
            assert into.put(ramp(count, first), 16000)
        assert into.put(ramp(0), 16000)

    with Arriving(Scripted(act), 60) as arriving:
        pieces = taken(arriving)
    assert max(len(samples) for samples, _ in pieces) == 1600
    assert np.concatenate([samples for samples, _ in pieces]).tolist() == list(range(7000))
    assert {rate for _, rate in pieces} == {16000}
    assert arriving.waiting_s == 0


def test_a_source_that_can_wait_does_and_nothing_is_lost():
    most = []

    def act(into):
        for n in range(40):
            into.put(ramp(1600, 1600 * n % 1000), 16000)
            most.append(into.waiting_s)

    with Arriving(Scripted(act), 0.5) as arriving:
        assert sum(len(samples) for samples, _ in taken(arriving)) == 64000
    assert max(most) <= 0.6 + 1e-6
    assert arriving.lost_s == 0


def test_what_a_source_that_cannot_wait_loses_is_silence_and_is_told():
    filled, again = threading.Event(), threading.Event()

    def act(into):
        for n in range(30):
            into.offer(np.full((1600, 2), n + 1, np.int16), 16000)
        filled.set()
        again.wait(5)
        into.offer(np.full((1600, 2), 99, np.int16), 16000)

    with Arriving(Scripted(act), 1.0) as arriving:
        filled.wait(5)
        found = []
        for piece in arriving.pieces(0.05):
            if piece is None:
                continue
            found.append(int(piece[0][0, 0]))
            assert piece[0].shape[1] == 2
            again.set()
    assert found == [*range(1, 11), *[0] * 20, 99]
    assert arriving.lost_s == pytest.approx(2.0)


def test_silence_for_what_was_lost_takes_no_memory_and_no_room():
    arriving = Arriving(Scripted(lambda _: None), 1.0)
    arriving.offer(np.ones(16000, np.int16), 16000)
    for _ in range(3600):
        arriving.offer(np.ones(16000, np.int16), 16000)
    pieces = arriving.pieces(0.01)
    assert sum(len(next(pieces)[0]) for _ in range(10)) == 16000
    arriving.offer(np.ones(1600, np.int16), 16000)
    silence = arriving._pieces[0][0]
    assert len(silence) == 3600 * 16000
    assert silence.strides == (0,)
    assert not arriving._full


def test_an_error_comes_after_the_audio_before_it():
    def act(into):
        into.put(ramp(1600), 16000)
        raise AudioError("unplugged")

    with Arriving(Scripted(act), 60) as arriving:
        pieces = arriving.pieces(5)
        assert len(next(pieces)[0]) == 1600
        with pytest.raises(AudioError, match="unplugged"):
            next(pieces)


def test_after_a_stop_what_has_arrived_is_handed_on_and_no_more():
    ready = threading.Event()

    def act(into):
        into.put(ramp(3200), 16000)
        ready.set()
        into.stopped.wait(5)
        assert not into.put(ramp(1600), 16000)
        into.offer(ramp(1600), 16000)

    with Arriving(Scripted(act), 60) as arriving:
        ready.wait(5)
        arriving.stopped.set()
        assert sum(len(samples) for samples, _ in taken(arriving)) == 3200


def test_a_source_that_hangs_does_not_keep_a_stop_from_working():
    hangs = threading.Event()
    with Arriving(Scripted(lambda _: hangs.wait(60)), 60) as arriving:
        assert next(arriving.pieces(0.01)) is None
        arriving.stopped.set()
        assert taken(arriving) == []
    hangs.set()


@pytest.mark.parametrize(("pace", "expected"), [(1.0, 100.1), (4.0, 100.025), (0.0, 100.0)])
def test_the_clock_begins_with_the_first_sample(pace, expected):
    now = [500.0]
    arriving = Arriving(Scripted(lambda _: None), 60, pace=pace, clock=lambda: now[0])
    assert arriving.clock_s() == 0
    arriving.put(ramp(1600), 16000)
    now[0] = 600.0
    assert arriving.clock_s() == pytest.approx(expected)
