"""Which utterances an epoch has: weights, languages, windows of shards; none is lost, none comes twice."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firered.data.datadir import write_table
from firered.data.utterance import Utterance
from firered.errors import DataError, OptionError
from firered.train.data.batch import Batch
from firered.train.data.config import FeatureDataConfig
from firered.train.data.mixing import sampling_of
from firered.train.data.sampling import Sampling
from firered.train.data.stream import Stream, read
from firered.train.settings import settings_of


def counts(sampling, epochs):
    """How often each utterance came in these epochs."""
    return Counter(index for epoch in epochs for index in sampling.epoch(epoch).indices.tolist())


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=40),
    st.tuples(*[st.floats(0.05, 3.5)] * 3),
    st.integers(0, 99),
    st.integers(0, 20),
)
def test_every_utterance_comes_as_often_as_the_others_of_its_group(groups, weights, seed, buffer):
    groups = np.array(groups)
    sampling = Sampling(groups, weights, ["a", "b", "c"], seed, groups, buffer)
    found = counts(sampling, range(7))
    for group, weight in enumerate(weights):
        of_group = [found[index] for index in np.flatnonzero(groups == group).tolist()]
        assert sum(of_group) == round(7 * weight * len(of_group))
        assert not of_group or max(of_group) - min(of_group) <= 1
    for epoch in (0, 3):
        drawn = sampling.epoch(epoch)
        assert len(set(zip(drawn.indices.tolist(), drawn.passes.tolist(), strict=True))) == len(drawn.indices)
        places = np.concatenate(drawn.windows)
        assert sorted(places.tolist()) == list(range(len(drawn.indices)))


def test_passes_count_how_often_an_utterance_was_drawn():
    sampling = Sampling(np.zeros(10, int), [2.5], ["a"], 1)
    seen = Counter()
    for epoch in range(4):
        drawn = sampling.epoch(epoch)
        for index in range(10):
            own = sorted(drawn.passes[drawn.indices == index].tolist())
            assert own == list(range(seen[index], seen[index] + len(own)))
            seen[index] += len(own)
        assert len(np.unique(drawn.passes)) <= sampling.passes_at_once
    assert set(seen.values()) == {10}


def test_without_weights_an_epoch_is_everything_once():
    drawn = Sampling(np.array([0, 1, 1]), [1.0, 1.0], ["a", "b"], 1).epoch(3)
    assert drawn.indices.tolist() == [0, 1, 2]
    assert drawn.passes.tolist() == [3, 3, 3]
    assert [window.tolist() for window in drawn.windows] == [[0, 1, 2]]


def test_a_window_has_few_shards_and_another_order_in_every_epoch():
    shards = np.repeat(np.arange(20), 50)
    sampling = Sampling(np.zeros(1000, int), [1.0], ["a"], 1, shards, buffer=100)
    orders = []
    for epoch in range(3):
        windows = sampling.epoch(epoch).windows
        assert [len(window) for window in windows] == [100] * 10
        assert all(len(set(shards[window].tolist())) == 2 for window in windows)
        orders.append(np.concatenate(windows).tolist())
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] == np.concatenate(sampling.epoch(0).windows).tolist()


def config(**options):
    return FeatureDataConfig(**options)


def utterances(folder, name, languages, seconds=10):
    keys = [f"{name}{number}" for number in range(len(languages))]
    write_table(folder / name / "utt2lang", dict(zip(keys, languages, strict=True)))
    return [Utterance(key, key, f"/x/{key}.wav") for key in keys], np.full(len(keys), 100 * seconds)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0, 1e6])
def test_languages_are_drawn_by_their_temperature(tmp_path, temperature):
    zh, zh_frames = utterances(tmp_path, "zh", ["zh mandarin"] * 900)
    en, en_frames = utterances(tmp_path, "en", ["en"] * 100)
    paths = f"{tmp_path}/zh {tmp_path}/en"
    owner = {u.id: f"{tmp_path}/{u.id[:2]}" for u in zh + en}
    frames = np.concatenate([zh_frames, en_frames])
    sampling = sampling_of(config(train=paths, language_temperature=temperature), 1, zh + en, frames, owner)
    hours = sampling.hours(0, frames)
    share = 0.9 ** (1 / temperature) / (0.9 ** (1 / temperature) + 0.1 ** (1 / temperature))
    total = 1000 * 10 / 3600
    found = list(hours.values())
    assert sum(found) == pytest.approx(total, rel=0.01)
    assert found[0] / sum(found) == pytest.approx(share, abs=0.01)
    if temperature > 1:
        assert list(hours) == [f"{tmp_path}/zh zh", f"{tmp_path}/en en"]
        assert f"2.50 h of {tmp_path}/zh zh" in sampling.told(0, frames) or temperature != 1.0


def test_weights_and_languages_together(tmp_path):
    one, frames = utterances(tmp_path, "one", ["zh"] * 30 + ["en"] * 10)
    two, more = utterances(tmp_path, "two", ["en"] * 20)
    owner = {u.id: f"{tmp_path}/{u.id[:3]}" for u in one + two}
    paths, every = f"{tmp_path}/one {tmp_path}/two", np.concatenate([frames, more])
    mixed = sampling_of(config(train=paths, weights="1 3"), 1, one + two, every, owner)
    assert counts(mixed, [0]) == dict.fromkeys(range(40), 1) | dict.fromkeys(range(40, 60), 3)
    # 30 of zh and 10 + 60 of en, weighted; one language as often as the other: 50 each
    both = sampling_of(config(train=paths, weights="1 3", language_temperature=1e9), 1, one + two, every, owner)
    drawn = Counter("zh" if index < 30 else "en" for index in both.epoch(0).indices.tolist())
    assert (drawn["zh"], drawn["en"]) == pytest.approx((50, 50), abs=1)


def test_languages_that_are_missing_are_told(tmp_path):
    found, frames = utterances(tmp_path, "one", ["zh"] * 3)
    found.append(Utterance("stray", "stray", "/x/stray.wav"))
    owner = dict.fromkeys([u.id for u in found], f"{tmp_path}/one")
    with pytest.raises(DataError, match=r"1 utterances have no language in utt2lang \(stray, ...\)"):
        sampling_of(config(train=f"{tmp_path}/one", language_temperature=2.0), 1, found, np.append(frames, 9), owner)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "a b", "weights": "1"}, "needed is a number above 0 for each of 'a b'"),
        ({"train": "a", "weights": "0"}, "needed is a number above 0"),
        ({"train": "a", "weights": "two"}, "weights: 'two' are not numbers"),
        ({"train": "a", "language_temperature": 0.5}, "language_temperature: 0.5 is less than 1"),
    ],
)
def test_weights_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        config(**options)


def test_weights_stand_beside_the_sets_in_a_yaml_file():
    content = {"task": "aed", "out": "x", "data": {"train": {"data/a": 2, "data/b": 0.5}, "dev": ["c", "d"]}}
    data = settings_of(content, "test").sections["data"]
    assert (data.train, data.weights, data.dev) == ("data/a data/b", "2 0.5", "c d")
    assert data.weight_of_each() == {"data/a": 2.0, "data/b": 0.5}
    with pytest.raises(OptionError, match="weights are given twice"):
        settings_of(content | {"data": content["data"] | {"weights": "1 1"}}, "test")
    with pytest.raises(OptionError, match="weights are for tasks of audio"):
        settings_of(content | {"task": "lm"}, "test")


SHARDS, EACH = 7, 31


class _Ids:
    """A corpus in 7 shards, of which only sizes and ids matter."""

    def __init__(self):
        self.keys = [f"s{shard}-{number:02d}" for shard in range(SHARDS) for number in range(EACH)]
        self.sampling = None

    def sizes(self, epoch):
        return 20 + (np.arange(len(self.keys)) * 37 + (epoch or 0)) % 50

    def item(self, index, epoch):
        return self.keys[index], epoch

    def collate(self, items):
        return Batch([f"{key} {epoch}" for key, epoch in items], {}, len(items))


class _Ranks:
    """Three processes of a training with two workers each, which take a step together."""

    WORLD, WORKERS = 3, 2

    def __init__(self, buffer, weights, state=(0, 0), workers=WORKERS):
        groups = np.repeat([0, 0, 0, 1, 1, 1, 1], EACH)
        shards = np.repeat(np.arange(SHARDS), EACH)
        self.streams, self.loaders = [], []
        for rank in range(self.WORLD):
            sampling = Sampling(groups, weights, ["a", "b"], 5, shards, buffer)
            stream = Stream(_Ids(), 400, 5, rank, self.WORLD, 1, sampling)
            stream.epoch, stream.number = state
            self.streams.append(stream)
            self.loaders.append(iter(read(stream.corpus, stream, workers)))

    def step(self):
        """The ids of a step, and the epoch that it is of."""
        epoch, taken = self.streams[0].epoch, []
        for stream, loader in zip(self.streams, self.loaders, strict=True):
            request, batch = next(loader)
            taken += batch.keys if request.counts else []
            stream.move_on(request)
        assert len({(stream.epoch, stream.number) for stream in self.streams}) == 1
        return epoch, taken

    @property
    def state(self):
        return self.streams[0].epoch, self.streams[0].number


@pytest.mark.parametrize(("buffer", "weights"), [(0, (1.0, 1.0)), (60, (1.0, 1.0)), (45, (0.5, 1.75))])
def test_ids_over_shards_ranks_and_workers_and_kills(buffer, weights):
    """Seven shards, three ranks of two workers, killed in epochs 1 and 2, go through epoch 4."""
    whole = _Ranks(buffer, weights, workers=0)
    steps = []
    while whole.state[0] < 4:
        steps.append(whole.step())
    first, second = (sum(epoch == number for epoch, _ in steps) for number in (0, 1))
    kills = [first // 2 + 1, first + second // 3]  # in the middle of each
    found, state = [], (0, 0)
    for end in [*kills, len(steps)]:
        ranks = _Ranks(buffer, weights, state)
        while len(found) < end:
            found.append(ranks.step())
        state = ranks.state
        del ranks  # what its workers had read ahead is lost
    assert found == steps
    for epoch in range(4):
        ids = Counter(key for number, keys in found if number == epoch for key in keys)
        assert max(ids.values()) == 1  # each pass of an utterance
        if weights == (1.0, 1.0):
            assert ids.keys() == {f"{key} {epoch}" for key in _Ids().keys}
    every = Counter(key.split()[0] for _, keys in found for key in keys)
    for group, weight in zip(((0, 1, 2), (3, 4, 5, 6)), weights, strict=True):
        own = {every[key] for key in _Ids().keys if int(key[1]) in group}
        assert own == {round(4 * weight)}


def test_ranks_of_unequal_length_take_as_many_steps():
    streams = [Stream(_Ids(), 400, 5, rank, 3, 2) for rank in range(3)]
    steps = streams[0].steps(0)
    assert len(streams[0].batches(0)) % 6  # uneven
    taken = [list(islice(stream, 2 * steps)) for stream in streams]
    assert all(requests[-1].ends_epoch and requests[-1].epoch == 0 for requests in taken)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
def test_a_set_gets_its_share_of_the_hours_whatever_its_size(tmp_path, share):
    """Of long utterances, too, and beside sets that have weights."""
    new, frames = utterances(tmp_path, "new", ["zh"] * 400, seconds=3)
    more, of_more = utterances(tmp_path, "mor", ["zh"] * 100, seconds=6)
    old, of_old = utterances(tmp_path, "old", ["zh"] * 900, seconds=9)
    owner = {u.id: f"{tmp_path}/{u.id[:3]}" for u in new + more + old}
    paths, every = (
        " ".join(f"{tmp_path}/{name}" for name in ("new", "mor", "old")),
        np.concatenate([frames, of_more, of_old]),
    )
    mixed = sampling_of(config(train=paths, weights=f"1 2 {100 * share}%"), 1, new + more + old, every, owner)
    for epoch in range(3):
        hours = mixed.hours(epoch, every)
        assert hours[f"{tmp_path}/old"] / sum(hours.values()) == pytest.approx(share, abs=0.005)
        assert hours[f"{tmp_path}/new"] == pytest.approx(400 * 3 / 3600)
        assert hours[f"{tmp_path}/mor"] == pytest.approx(2 * 100 * 6 / 3600)
        assert mixed.counts(epoch)[f"{tmp_path}/new"] == 400


@pytest.mark.parametrize("weights", ["1 100%", "60% 40%", "50% 30%", "1 x%", "1 0%"])
def test_shares_that_cannot_be(weights):
    with pytest.raises(OptionError, match="weights: "):
        config(train="a b", weights=weights)


def test_old_data_is_mixed_in_by_an_option_of_the_command():
    content = {"task": "aed", "out": "x", "data": {"train": ["data/a", "data/b"], "dev": "c"}}
    data = settings_of(content, "test", ["data/old:0.3", "more:0.125"]).sections["data"]
    assert (data.train, data.weights) == ("data/a data/b data/old more", "1 1 30% 12.5%")
    assert data.share_of_each() == {"data/old": pytest.approx(0.3), "more": 0.125}
    weighted = {**content, "data": {"train": {"data/a": 2}, "dev": "c"}}
    assert settings_of(weighted, "test", ["old:0.5"]).sections["data"].weights == "2 50%"


@pytest.mark.parametrize("mix", ["data/old", "data/old:", "data/old:1", "data/old:0", ":0.3", "a b:0.3", "old:30%"])
def test_a_mix_that_cannot_be_read(mix):
    content = {"task": "aed", "out": "x", "data": {"train": "a", "dev": "b"}}
    with pytest.raises(OptionError, match="expected DIRECTORY:SHARE"):
        settings_of(content, "test", [mix])
    with pytest.raises(OptionError, match="tasks of audio alone"):
        settings_of(content | {"task": "lm"}, "test", ["old:0.3"])
