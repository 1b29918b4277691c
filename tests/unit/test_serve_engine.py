"""The engine of a server: shared batches, turns, clients that leave, tests, and models that are unloaded."""

import threading
import time
import weakref
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi")

import torch
from support.serving import Told, told_system, wait_for, wav_bytes

from firered.runtime.context import Context
from firered.serve.config import ServeConfig
from firered.serve.engine import Engine
from firered.serve.keeper import Keeper
from firered.serve.turns import Turns
from firered.serve.work import JOB, REQUEST, Task, TooLong, Work
from firered.system.system import System

SECONDS = [(float(second), float(second + 1)) for second in range(10)]


class Listening:
    """Keeps what it is told."""

    def __init__(self):
        self.told, self.end = [], threading.Event()
        self.outcome = None

    def opened(self, recording):
        self.told.append("opened")

    def recognised(self, number, segment):
        self.told.append(number)

    def finished(self, outcome):
        self.outcome = outcome
        self.end.set()

    def result(self):
        assert self.end.wait(30)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def engine_of():
    """Makes engines that end with the test."""
    made = []

    def make(build, **options):
        engine = Engine(build, "told", (), ServeConfig(**options))
        engine.start()
        made.append(engine)
        return engine

    yield make
    for engine in made:
        engine.stop(0)


@pytest.fixture
def audio(tmp_path):
    path = tmp_path / "audio.wav"
    path.write_bytes(wav_bytes(10))
    return path


class Gate:
    """Holds a recogniser's calls until it is opened, and tells that there is one."""

    def __init__(self):
        self.open, self.calls, self.reached = threading.Event(), [], threading.Event()

    def __call__(self, batch):
        self.calls.append(batch)
        self.reached.set()
        assert self.open.wait(30)


def test_segments_are_told_in_order_and_make_the_transcript(engine_of, audio):
    engine, listening = engine_of(told_system(spans=SECONDS), turn_seconds=3.0), Listening()
    engine.submit(Task(audio), listening)
    heard = listening.result()
    assert listening.told == ["opened", *range(10)]
    assert heard.transcript.text == " ".join(["w0"] * 10)
    assert [part.start_s for part in heard.parts] == [start for start, _ in SECONDS]
    assert heard.transcript.dur_s == 10.0


def test_recordings_share_batches(engine_of, audio):
    gate = Gate()
    engine = engine_of(told_system(gate, [(0.0, 1.0)]), batch_wait_ms=1000.0)
    first = Listening()
    engine.submit(Task(audio), first)
    assert gate.reached.wait(30)  # alone: nobody else was on the way
    others = [Listening() for _ in range(5)]
    for listening in others:
        engine.submit(Task(audio), listening)
    wait_for(lambda: engine.turns.waiting_s == 5)
    gate.open.set()
    for listening in (first, *others):
        listening.result()
    assert [len(batch) for batch in gate.calls] == [1, 5]


def test_lists_of_hotwords_in_one_batch_are_each_their_own(engine_of, audio):
    """Two clients with other lists, and one without any, whose segments go through the model together."""
    gate = Gate()
    engine = engine_of(told_system(gate, [(0.0, 1.0)]), batch_wait_ms=1000.0)
    first = Listening()
    engine.submit(Task(audio), first)
    assert gate.reached.wait(30)
    lists = [[], ["left", "up"], ["right", "down"]]
    others = [Listening() for _ in lists]
    for listening, words in zip(others, lists, strict=True):
        engine.submit(Task(audio, Context(hotwords=words)), listening)
    wait_for(lambda: engine.turns.waiting_s == 3)
    gate.open.set()
    for listening in (first, *others):
        listening.result()
    assert sorted([phrase.text for phrase in speech.context.hotwords] for speech in gate.calls[1]) == lists


def work_of(rank, seconds):
    """A work whose segments wait."""
    work = Work(Task(None, rank=rank), Listening(), lambda _: None)
    stretches = [SimpleNamespace(span=(float(n), n + 1.0), duration_s=1.0) for n in range(seconds)]
    work.opened(SimpleNamespace(segments=stretches, close=lambda: None))
    return work


def test_a_long_recording_keeps_no_other_waiting():
    turns = Turns(4.0, 0.0, lambda: False)
    long, short = work_of(REQUEST, 100), work_of(REQUEST, 2)
    turns.add(long)
    turns.add(short)
    assert [piece.work for piece in turns.take()] == [long, short, long, short]
    assert [piece.work for piece in turns.take()] == [long] * 4


def test_requests_come_before_jobs_which_are_not_starved():
    turns = Turns(4.0, 0.0, lambda: False)
    job, request = work_of(JOB, 100), work_of(REQUEST, 100)
    turns.add(job)
    turns.add(request)
    shares = [[piece.work is job for piece in turns.take()] for _ in range(8)]
    assert sum(map(sum, shares)) == 2
    assert all(len(share) == 4 for share in shares)


def test_a_turn_waits_for_those_on_the_way_but_not_for_ever():
    coming = True
    turns = Turns(10.0, 0.2, lambda: coming)
    turns.add(work_of(REQUEST, 1))
    began = time.monotonic()
    assert len(turns.take()) == 1
    assert 0.15 < time.monotonic() - began < 5
    coming = False
    turns.add(work_of(REQUEST, 1))
    began = time.monotonic()
    assert len(turns.take()) == 1
    assert time.monotonic() - began < 0.15


def test_who_leaves_takes_nothing_from_others(engine_of, audio):
    gate = Gate()
    engine = engine_of(told_system(gate, SECONDS), turn_seconds=2.0)
    leaves, stays = Listening(), Listening()
    work = engine.submit(Task(audio), leaves)
    assert gate.reached.wait(30)
    engine.submit(Task(audio), stays)
    wait_for(lambda: engine.turns.waiting_s > 10)
    engine.cancel(work)
    assert engine.turns.waiting_s == 10
    gate.open.set()
    assert len(stays.result().parts) == 10
    assert not leaves.end.is_set()
    assert sum(len(batch) for batch in gate.calls) == 12  # two of the first, which were on their way
    wait_for(lambda: engine.works == 0)
    assert work._recording.spool._own.file.closed


def test_a_recording_that_is_left_is_read_no_further(engine_of, tmp_path):
    path = tmp_path / "long.wav"
    path.write_bytes(wav_bytes(120))
    engine, listening = engine_of(told_system()), Listening()
    work = engine.submit(Task(path), listening)
    engine.cancel(work)
    wait_for(lambda: engine.works == 0)
    assert listening.told == []


def test_longer_recordings_than_allowed(engine_of, audio):
    engine, listening = engine_of(told_system()), Listening()
    engine.submit(Task(audio, longest_s=9.0), listening)
    with pytest.raises(TooLong):
        listening.result()


def test_a_recogniser_that_fails_fails_those_who_wait_and_works_on(engine_of, audio):
    fails = [True]

    def on_call(batch):
        if fails.pop():
            raise ValueError("no luck")

    engine = engine_of(told_system(on_call))
    fails[:] = [False, True, True]  # a batch of one is tried once; what follows works
    listening = Listening()
    engine.submit(Task(audio), listening)
    heard = listening.result()
    assert [trouble.kind for trouble in heard.transcript.troubles] == ["failed"]


def test_models_that_nobody_uses_go_and_come_back(engine_of, audio):
    systems, weights = [], []

    def build():
        system = told_system()()
        system.modules.asr.weights = torch.ones(64 << 20)  # 256 MB
        systems.append(weakref.ref(system))
        weights.append(weakref.ref(system.modules.asr.weights))
        return system

    engine = engine_of(build, idle_s=0.3, probe_s=0.0)
    keeper = Keeper(engine)
    keeper.start()
    try:
        wait_for(lambda: keeper.ready)
        with_models = _memory()
        wait_for(lambda: not engine.models.loaded)
        assert systems[0]() is None
        assert weights[0]() is None
        wait_for(lambda: _memory() < with_models - (200 << 20))
        assert keeper.ready
        listening = Listening()
        engine.submit(Task(audio), listening)
        assert listening.result().transcript.text == "w0"
        assert len(systems) == 2
    finally:
        keeper.stop()


def _memory():
    from firered.serve.measures import _memory as resident

    return resident()


def test_a_batch_that_takes_too_long_is_noticed_and_so_is_its_end(engine_of, audio):
    gate = Gate()
    engine = engine_of(told_system(gate), hang_s=0.3)
    listening = Listening()
    engine.submit(Task(audio), listening)
    assert gate.reached.wait(30)
    wait_for(lambda: engine.hung)
    gate.open.set()
    listening.result()
    assert not engine.hung


def test_a_thread_that_died_is_noticed(engine_of, audio, monkeypatch):
    engine = engine_of(told_system())
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(engine, "_recognised", lambda *_: 1 / 0)
    engine.submit(Task(audio), Listening())
    wait_for(lambda: engine.hung)


def test_a_test_decode_that_fails_is_noticed_and_one_that_succeeds(engine_of):
    fails = []

    def on_call(batch):
        if fails:
            raise ValueError("no luck")

    engine = engine_of(told_system(on_call), probe_s=0.1)
    keeper = Keeper(engine)
    keeper.start()
    try:
        wait_for(lambda: keeper.ready)
        fails.append(1)
        wait_for(lambda: not keeper.ready)
        assert keeper.state == "the test decode failed (RuntimeError)"
        fails.clear()
        wait_for(lambda: keeper.ready)
    finally:
        keeper.stop()


def test_models_that_cannot_be_loaded_are_told_of(engine_of):
    def build():
        raise ValueError("no such model")

    engine, told = engine_of(build), []
    keeper = Keeper(engine)
    keeper.failed = told.append
    keeper.start()
    wait_for(lambda: told)
    assert str(told[0]) == "no such model"
    assert not keeper.ready
    keeper.stop()


def test_several_workers_have_a_system_each(engine_of, audio):
    built = []

    def build():
        built.append(System(told_system(spans=SECONDS)().modules))
        return built[-1]

    engine = engine_of(build, workers=2, turn_seconds=1.0)
    several = [Listening() for _ in range(4)]
    for listening in several:
        engine.submit(Task(audio), listening)
    for listening in several:
        assert [part.start_s for part in listening.result().parts] == [start for start, _ in SECONDS]
        assert listening.told == ["opened", *range(10)]
    assert len(built) == 2
    assert all(isinstance(system.modules.asr, Told) for system in built)
