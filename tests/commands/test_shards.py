"""firered-shards, and training on what is in tar files."""

import gzip
import io
import json
import shutil
import signal
import tarfile

import numpy as np
import pytest
import soundfile
from support.commands import command, killed_at
from support.copies import write_tar
from support.signals import noise, write_wav
from support.train_corpus import NO_MASKS, SMALL_AED, SMALL_VAD, TEXTS, losses, make_all, run, values, write_config

from firered.audio.load import read
from firered.corpora.indexed import indexed, training_sets
from firered.data.datadir import read_table, write_table
from firered.data.validate import validate
from firered.errors import AudioError, DataError
from firered.train.rehearsal import activations, kept_bytes, measured_activations, rehearsed
from firered.train.settings import settings_of
from firered.train.tasks import TASKS


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("corpus"))


def pack(data, out, *options, status=0):
    done = command("shards", data, out, *options)
    assert done.returncode == status, done.stderr
    return done


def members(path):
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


@pytest.mark.parametrize("form", ["flac", "wav"])
def test_a_shard_has_audio_text_and_what_is_known(corpus, tmp_path, form):
    pack(corpus / "data", tmp_path / "out", "--per-shard", 4, "--format", form)
    shards = sorted((tmp_path / "out").glob("*.tar"))
    assert [shard.name for shard in shards] == ["shard-000000.tar", "shard-000001.tar"]
    found = {name: content for shard in shards for name, content in members(shard).items()}
    assert sorted(found) == sorted(f"{key}.{suffix}" for key in TEXTS for suffix in (form, "txt", "json"))
    assert [len(members(shard)) for shard in shards] == [12, 6]
    for key, text in TEXTS.items():
        samples, rate = soundfile.read(io.BytesIO(found[f"{key}.{form}"]), dtype="int16")
        assert (samples == soundfile.read(corpus / f"data/{key}.wav", dtype="int16")[0]).all()
        assert found[f"{key}.txt"].decode() == text
        known = json.loads(found[f"{key}.json"])
        assert known["duration"] == len(samples) / rate
        assert (known["key"], known["text"], known["language"]) == (
            key,
            text,
            read_table(corpus / "data/utt2lang")[key],
        )


def test_the_folder_is_a_data_directory_with_byte_offsets_and_durations(corpus, tmp_path):
    pack(corpus / "data", tmp_path / "out", "--per-shard", 2)
    out = tmp_path / "out"
    assert validate(out, feats=False) == []
    for key, place in read_table(out / "wav.scp").items():
        shard, _, offset = place.rpartition(":")
        with tarfile.open(shard) as tar:
            assert next(member.offset_data for member in tar if member.name == f"{key}.flac") == int(offset)
        assert (read(place) == read(corpus / f"data/{key}.wav")).all()
        assert float(read_table(out / "utt2dur")[key]) == pytest.approx(len(read(place)) / 16000)
    assert read_table(out / "text") == TEXTS
    assert (out / "rttm").read_text() == (corpus / "data/rttm").read_text()
    features = command("fbank", out, tmp_path / "fbank")  # every command reads it
    assert features.returncode == 0, features.stderr
    assert list(read_table(tmp_path / "fbank/feats.scp")) == sorted(TEXTS)


def test_segments_are_cut_and_dots_do_not_end_a_key(tmp_path):
    write_wav(tmp_path / "long.wav", noise(48000, seed=4))
    data = tmp_path / "data"
    write_table(data / "wav.scp", {"long": str(tmp_path / "long.wav")})
    write_table(data / "segments", {"a.b": "long 0.5 1.5", "a_b": "long 1 2", "c/d": "long 2 3"})
    write_table(data / "text", {"a.b": "one", "a_b": "two", "c/d": "three"})
    pack(data, tmp_path / "out")
    names = list(members(tmp_path / "out/shard-000000.tar"))
    assert len({name.split(".")[0] for name in names}) == 3
    assert all(name.count(".") == 1 and "/" not in name for name in names)
    assert (read(read_table(tmp_path / "out/wav.scp")["a.b"]) == read(tmp_path / "long.wav")[8000:24000]).all()
    assert not (tmp_path / "out/segments").exists()
    # Without its tables the folder is what others make, too.
    for path in (tmp_path / "out").iterdir():
        if path.suffix != ".tar":
            path.unlink()
    again = indexed(tmp_path / "out", tmp_path / "index")
    assert read_table(again / "text") == {"a.b": "one", "a_b": "two", "c/d": "three"}


def test_the_order_is_that_of_the_seed(corpus, tmp_path):
    for name, options in {"a": (), "b": (), "c": ("--seed", 2), "d": ("--no-shuffle",)}.items():
        pack(corpus / "data", tmp_path / name, *options)
    orders = {n: [m for m in members(tmp_path / f"{n}/shard-000000.tar") if m.endswith(".flac")] for n in "abcd"}
    assert orders["a"] == orders["b"] != orders["c"]
    assert orders["d"] == [f"{key}.flac" for key in sorted(TEXTS)]
    assert (tmp_path / "a/shard-000000.tar").read_bytes() == (tmp_path / "b/shard-000000.tar").read_bytes()


def test_what_cannot_be_read_is_listed_and_the_rest_is_packed(corpus, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(corpus / "data", data)
    (data / "a2.wav").write_bytes(b"no audio")
    write_table(data / "wav.scp", {key: str(data / f"{key}.wav") for key in TEXTS})
    pack(data, tmp_path / "out", "--per-shard", 2, status=1)
    assert (tmp_path / "out/failed").read_text().startswith("a2 ")
    assert sorted(read_table(tmp_path / "out/text")) == ["a1", "a3", "b1", "b2", "b3"]
    shutil.copy(corpus / "data/a2.wav", data / "a2.wav")
    pack(data, tmp_path / "out", "--per-shard", 2)
    pack(corpus / "data", tmp_path / "whole", "--per-shard", 2)
    for shard in sorted((tmp_path / "whole").glob("*.tar")):
        assert (tmp_path / "out" / shard.name).read_bytes() == shard.read_bytes()


def test_a_killed_run_resumes(corpus, tmp_path):
    out = tmp_path / "out"
    died = killed_at(out / ".journal.jsonl", 4, "firered-shards", corpus / "data", out, "--per-shard", 2)
    assert died.returncode == -signal.SIGKILL, died.stderr
    first = (out / "shard-000000.tar").stat().st_mtime_ns
    assert "resumes after" in pack(corpus / "data", out, "--per-shard", 2).stderr
    assert (out / "shard-000000.tar").stat().st_mtime_ns == first
    pack(corpus / "data", tmp_path / "whole", "--per-shard", 2)
    for name in ("shard-000001.tar", "shard-000002.tar", "text", "utt2dur"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_places_in_a_tar_that_hold_nothing(corpus, tmp_path):
    pack(corpus / "data", tmp_path / "out")
    shard = tmp_path / "out/shard-000000.tar"
    place = int(next(iter(read_table(tmp_path / "out/wav.scp").values())).rpartition(":")[2])
    for offset, reason in ((place + 7, "no file of a tar"), (place + 10**7, "no file of a tar")):
        with pytest.raises(AudioError, match=reason):
            read(f"{shard}:{offset}")
    content = bytearray(shard.read_bytes())
    content[place - 512 + 124] ^= 0x55  # the size in the header
    shard.write_bytes(content)
    with pytest.raises(AudioError, match="the tar is damaged here"):
        read(f"{shard}:{place}")


# -- data of others --


def flac(path):
    file = io.BytesIO()
    soundfile.write(file, soundfile.read(path, dtype="int16")[0], 16000, format="FLAC")
    return file.getvalue()


def webdataset(corpus, folder):
    """Shards as others write them: text in .txt or in JSON, no durations."""
    folder.mkdir()
    for number, keys in enumerate((("a1", "a2", "a3"), ("b1", "b2", "b3"))):
        content = {}
        for key in keys:
            content[f"x/{key}.flac"] = flac(corpus / f"data/{key}.wav")
            if number:
                content[f"x/{key}.json"] = json.dumps(
                    {"transcript": TEXTS[key], "lang": "zh", "speaker": key[0]}
                ).encode()
            else:
                content[f"x/{key}.txt"] = f"{TEXTS[key]}\n".encode()
        write_tar(folder / f"{number}.tar", content)
    return folder


def shar(corpus, folder):
    """As lhotse's Shar writes it."""
    folder.mkdir()
    cuts, audio = [], {}
    for key in TEXTS:
        samples = soundfile.read(corpus / f"data/{key}.wav")[0]
        seconds = len(samples) / 16000
        audio[f"cut-{key}.flac"] = flac(corpus / f"data/{key}.wav")
        audio[f"cut-{key}.json"] = b"{}"
        recording = {"id": key, "sources": [{"type": "shar", "channels": [0], "source": ""}], "sampling_rate": 16000,
                     "num_samples": len(samples), "duration": seconds}  # fmt: skip
        supervision = {"id": key, "recording_id": key, "start": 0.0, "duration": seconds, "channel": 0,
                       "text": TEXTS[key], "language": "zh" if key[0] == "a" else "en", "speaker": key[0]}  # fmt: skip
        cuts.append({"id": f"cut-{key}", "start": 0.0, "duration": seconds, "channel": 0, "recording": recording,
                     "supervisions": [supervision], "type": "MonoCut"})  # fmt: skip
    with gzip.open(folder / "cuts.000000.jsonl.gz", "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(cut) + "\n" for cut in cuts)
    write_tar(folder / "recording.000000.tar", audio)
    return folder


def manifest(corpus, folder):
    """A manifest of cuts whose recordings are files."""
    folder.mkdir()
    lines = []
    for key in TEXTS:
        seconds = len(soundfile.read(corpus / f"data/{key}.wav")[0]) / 16000
        path = str(corpus / f"data/{key}.wav")
        recording = {"id": key, "sources": [{"type": "file", "channels": [0], "source": path}],
                     "sampling_rate": 16000, "num_samples": round(16000 * seconds), "duration": seconds}  # fmt: skip
        supervision = {
            "id": key,
            "recording_id": key,
            "start": 0.0,
            "duration": seconds,
            "channel": 0,
            "text": TEXTS[key],
        }
        lines.append({"id": key, "start": 0.0, "duration": seconds, "channel": 0, "recording": recording,
                      "supervisions": [supervision], "type": "MonoCut"})  # fmt: skip
    (folder / "cuts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder / "cuts.jsonl"


@pytest.mark.parametrize("made", [webdataset, shar, manifest])
def test_training_reads_what_others_pack(corpus, tmp_path, made):
    """Features and texts are those of the data directory, and nothing is copied out of tar files."""
    path = made(corpus, tmp_path / "theirs")
    content = values("aed", corpus, tmp_path / "exp", steps=1, model=SMALL_AED, data={"train": str(path)})
    settings = training_sets(settings_of(content, "test"), lambda write: write())
    plain = settings_of(values("aed", corpus, tmp_path / "plain", steps=1, model=SMALL_AED), "test")
    built, expected = (TASKS["aed"].build(one).train for one in (settings, plain))
    assert sorted(built.keys) == sorted(key if made is not webdataset else f"x-{key}" for key in TEXTS)
    for index, key in enumerate(expected.keys):
        other = built.keys.index(key if made is not webdataset else f"x-{key}")
        assert (built.item(other, 0)[1] == expected.item(index, 0)[1]).all()
        assert built.item(other, 0)[2] == expected.item(index, 0)[2]
    index = tmp_path / "exp/index" / f"0-{path.name}"
    assert not (index / "audio").exists()
    assert (index / "utt2lang").exists() == (made is shar)  # of others some have no language
    if made is shar:
        assert read_table(index / "utt2lang")["b1"] == "en"
    # The second time it is there.
    stamp = (index / "wav.scp").stat().st_mtime_ns
    training_sets(settings_of(content, "test"), lambda write: write())
    assert (index / "wav.scp").stat().st_mtime_ns == stamp


def test_firered_shards_indexes_tars_and_packs_manifests(corpus, tmp_path):
    theirs = webdataset(corpus, tmp_path / "theirs")
    assert "in tar files already" in pack(theirs, tmp_path / "index").stderr
    assert sorted(read_table(tmp_path / "index/text").values()) == sorted(TEXTS.values())
    assert list((tmp_path / "index").glob("*.tar")) == []
    assert not (tmp_path / "index/source").exists()
    pack(manifest(corpus, tmp_path / "cuts"), tmp_path / "packed")
    assert [path.name for path in (tmp_path / "packed").glob("*.tar")] == ["shard-000000.tar"]
    assert read_table(tmp_path / "packed/text") == TEXTS
    assert not (tmp_path / "packed/source").exists()
    before = (tmp_path / "packed/shard-000000.tar").read_bytes()
    assert "in tar files already" in pack(tmp_path / "packed", tmp_path / "packed").stderr
    assert (tmp_path / "packed/shard-000000.tar").read_bytes() == before
    done = command("shards", corpus / "data", corpus / "data")
    assert (done.returncode, "OUT is DATA" in done.stderr) == (1, True)


def test_a_folder_of_shards_that_was_moved_is_found_again(corpus, tmp_path):
    pack(corpus / "data", tmp_path / "old")
    shutil.move(tmp_path / "old", tmp_path / "new")
    found = indexed(tmp_path / "new", tmp_path / "index")
    assert found == tmp_path / "index"
    for key, place in read_table(found / "wav.scp").items():
        assert (read(place) == read(corpus / f"data/{key}.wav")).all()
    assert indexed(tmp_path / "new", tmp_path / "new") == tmp_path / "new"  # in place
    assert indexed(tmp_path / "new", tmp_path / "none") == tmp_path / "new"
    assert not (tmp_path / "none").exists()


def test_what_others_packed_badly_is_listed(corpus, tmp_path, caplog):
    theirs = webdataset(corpus, tmp_path / "theirs")
    write_tar(theirs / "2.tar", {"c.txt": b"no audio", "d.flac": b"no flac", "d.txt": b"x", "e.json": b"{"})
    (theirs / "3.tar").write_bytes(b"not a tar at all" * 100)
    indexed(theirs, tmp_path / "index")
    skipped = dict(line.split(" ", 1) for line in (tmp_path / "index/skipped.txt").read_text().splitlines())
    assert skipped.keys() == {"c", "d", "e", "3.tar"}
    assert "no audio beside c.txt" in skipped["c"]
    assert "not a tar file" in skipped["3.tar"]
    assert len(read_table(tmp_path / "index/text")) == 6
    for path in theirs.glob("[012].tar"):
        path.unlink()
    with pytest.raises(DataError, match="not a tar file, or cut short"):
        indexed(theirs, tmp_path / "none")


# -- training --


def test_training_on_shards_is_training_on_the_data(corpus, tmp_path):
    pack(corpus / "data", tmp_path / "shards", "--per-shard", 2)
    for task, model in (("aed", SMALL_AED), ("vad", SMALL_VAD)):
        curves = [
            losses(run(values(task, corpus, tmp_path / f"{task}-{name}", steps=4, model=model, specaugment=NO_MASKS,
                              data={"train": str(data)}, augment={"speeds": "0.9 1.1"})))
            for name, data in (("plain", corpus / "data"), ("shards", tmp_path / "shards"))
        ]  # fmt: skip
        assert curves[0] == curves[1]


def test_a_shard_that_is_missing_is_told(corpus, tmp_path, caplog):
    pack(corpus / "data", tmp_path / "shards", "--per-shard", 2)
    lost = [key for key, place in read_table(tmp_path / "shards/wav.scp").items() if "000001" in place]
    (tmp_path / "shards/shard-000001.tar").unlink()
    data = {"train": str(tmp_path / "shards"), "batch_frames": 2000}
    run(values("aed", corpus, tmp_path / "exp", steps=2, model=SMALL_AED, data=data))
    for key in lost:
        assert f"{key} could not be read and was skipped: " in caplog.text


def test_the_log_tells_hours_speed_and_waiting(corpus, tmp_path, capfd):
    pack(corpus / "data", tmp_path / "shards", "--per-shard", 2)
    content = values("aed", corpus, tmp_path / "exp", steps=6, model=SMALL_AED, train={"log_steps": 2, "max_epochs": 3},
                     data={"train": {str(tmp_path / "shards"): 2}, "language_temperature": 3.0})  # fmt: skip
    config = write_config(tmp_path / "train.yaml", content)
    done = command("train", config)
    assert done.returncode == 0, done.stderr
    assert f"epoch 1 draws 0.00 h of {tmp_path}/shards zh" in done.stderr
    assert "epoch 3 draws" in done.stderr
    assert "hours a second" in done.stderr
    assert "of the time waiting for data" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "exp/speed.jsonl").read_text().splitlines()]
    assert all(line["utterances_per_s"] > 0 and line["audio_hours_per_s"] > 0 for line in lines)
    assert all(0 <= line["waiting"] <= 1 for line in lines)
    ratio = np.median([line["audio_hours_per_s"] * 3600 / line["utterances_per_s"] for line in lines])
    assert 0.8 < ratio < 1.6  # seconds of an utterance


def test_a_dry_run_shows_and_writes_nothing(corpus, tmp_path):
    content = values("aed", corpus, tmp_path / "exp", steps=0, model=SMALL_AED, data={"batch_frames": 260},
                     train={"max_epochs": 4, "accum_grad": 2, "max_steps": 0})  # fmt: skip
    done = command("train", write_config(tmp_path / "train.yaml", content), "--dry-run")
    assert done.returncode == 0, done.stderr
    frames = [88, 98, 108, 118, 128, 138]
    assert "aed: 6 examples, dev 6" in done.stdout
    assert f"longest example {frames[-1]} frames (1.4 s); padding " in done.stdout
    assert "epoch 1: 4 batches of 1 to 2 examples, 1.5 on average" in done.stdout
    assert "steps: 2 an epoch, 8 in all, of 2 batches with one process" in done.stdout
    assert "memory: weights 0.000 GB" in done.stdout
    assert not (tmp_path / "exp").exists()


def test_the_estimate_of_memory_is_what_a_batch_keeps(corpus, tmp_path):
    """In a model whose activations are no matter of a few large tensors."""
    model = SMALL_AED | {"d_model": 64, "n_layers_enc": 3, "ctc_weight": 0.3}
    settings = settings_of(values("aed", corpus, tmp_path, steps=1, model=model, data={"batch_frames": 600}), "test")
    with rehearsed(settings) as (task, stream):
        batches, sizes = stream.batches(0), stream.sizes(0)
        found = activations(measured_activations(settings, task, stream), [sizes[batch] for batch in batches])
        kept = [
            kept_bytes(task.objective, task.train.collate([task.train.item(i, 0) for i in batch]), False)
            for batch in batches
        ]
    assert max(map(len, batches)) > 3
    assert found == pytest.approx(kept, rel=0.1)
