"""Copies of the corpora of tests/data/corpora as hubs have them, made of the layouts in which they are published."""

import gzip
import io
import json
import tarfile

import pytest
import soundfile

from firered.data.datadir import read_table
from support.corpora import lay_out

pyarrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'firered[parquet]'")
pytest.importorskip("pyarrow.parquet")


def write_parquet(path, rows, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path, **options)


def audio_of(path):
    return {"bytes": path.read_bytes(), "path": path.name}


def write_tar(path, members, compression=""):
    """A tar file of these contents by their names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, f"w:{compression}") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def write_jsonl(path, objects):
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as stream:
        stream.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in objects)


def aishell(release, out):
    """With no other column than text: ids are names of files."""
    root = release / "data_aishell"
    texts = read_table(root / "transcript/aishell_transcript_v0.8.txt")
    rows = [{"audio": audio_of(wav), "Text": texts[wav.stem]} for wav in root.glob("wav/test/*/*.wav")]
    write_parquet(out / "data/test-00000-of-00001.parquet", rows)


def librispeech(release, out):
    for part, place in (("clean", "clean/test/0000.parquet"), ("other", "other/test-00000-of-00001.parquet")):
        rows = []
        for listing in (release / f"LibriSpeech/test-{part}").glob("*/*/*.trans.txt"):
            reader, chapter = (int(name) for name in listing.name.removesuffix(".trans.txt").split("-"))
            for key, text in read_table(listing).items():
                flac = listing.parent / f"{key}.flac"
                ids = {"speaker_id": reader, "chapter_id": chapter, "id": key}
                rows.append({"file": flac.name, "audio": audio_of(flac), "text": text, **ids})
        write_parquet(out / place, rows, row_group_size=1)


def kespeech(release, out):
    tables = {name: read_table(release / "Tasks/ASR/test" / name) for name in ("wav.scp", "text", "utt2subdialect")}
    rows = [
        {"ID": key, "Text": text, "Dialect": tables["utt2subdialect"][key].replace("-", ""),
         "audio": audio_of(release / tables["wav.scp"][key])}
        for key, text in tables["text"].items()
    ]  # fmt: skip
    write_parquet(out / "data/test-00000-of-00002.parquet", rows[:1])
    write_parquet(out / "data/test-00001-of-00002.parquet", rows[1:])


def fleurs(release, out):
    for table in release.glob("data/*/test.tsv"):
        language, rows = table.parent.name, []
        for line in table.read_text().rstrip("\n").split("\n"):
            sentence, file, raw, text, _, samples, _ = line.split("\t")
            audio = {**audio_of(table.parent / "audio/test" / file), "path": f"test/{file}"}
            row = {"id": int(sentence), "num_samples": int(samples), "path": f"/cache/test/{file}", "audio": audio}
            rows.append({**row, "transcription": text, "raw_transcription": raw, "language": "Some"})
        write_parquet(out / f"parquet-data/{language}/test-00000-of-00001.parquet", rows)


def _common_voice(release):
    for table in release.glob("*/test.tsv"):
        heading, *lines = (line.split("\t") for line in table.read_text().splitlines())
        for line in lines:
            row = dict(zip(heading, line, strict=False))
            yield table, row, table.parent / "clips" / f"{row['path'].removesuffix('.mp3')}.mp3"


def commonvoice_parquet(release, out):
    rows = {}
    for table, row, clip in _common_voice(release):
        row = {"client_id": row["client_id"], "path": clip.name, "sentence": row["sentence"], "audio": audio_of(clip)}
        rows.setdefault(table.parent.name, []).append({**row, "locale": table.parent.name})
    for language, of_language in rows.items():
        write_parquet(out / language / "test/0000.parquet", of_language)


def commonvoice_tars(release, out):
    members = {}
    for table, _, clip in _common_voice(release):
        language = table.parent.name
        (out / "transcript" / language).mkdir(parents=True, exist_ok=True)
        (out / "transcript" / language / "test.tsv").write_bytes(table.read_bytes())
        members.setdefault(language, {})[f"{language}_test_0/{clip.name}"] = clip.read_bytes()
    for language, of_language in members.items():
        write_tar(out / f"audio/{language}/test/{language}_test_0.tar", of_language)


def _wenetspeech(release):
    """(subset, supervision, its recording's path, bytes of its stretch as wav) of each utterance of the test sets."""
    for audio in json.loads((release / "WenetSpeech.json").read_text())["audios"]:
        for segment in audio["segments"]:
            for subset in {"TEST_NET", "TEST_MEETING"} & set(segment["subsets"]):
                start, end = segment["begin_time"], segment["end_time"]
                samples, rate = soundfile.read(release / audio["path"], dtype="int16")
                wav = io.BytesIO()
                soundfile.write(wav, samples[round(start * rate) : round(end * rate)], rate, format="WAV")
                supervision = {
                    "id": segment["sid"], "recording_id": audio["aid"], "start": start, "duration": end - start,
                    "channel": 0, "text": segment["text"], "language": "Chinese",
                }  # fmt: skip
                yield subset, supervision, audio["path"], wav.getvalue()


def _cut(supervision, source):
    key, duration = supervision["id"], supervision["duration"]
    recording = {"id": key, "sources": [source], "sampling_rate": 16000, "num_samples": 1, "duration": duration}
    supervision = {**supervision, "recording_id": key, "start": 0.0}
    cut = {"id": f"{key}-7", "start": 0.0, "duration": duration, "channel": 0, "type": "MonoCut"}
    return {**cut, "supervisions": [supervision], "recording": recording}


def wenetspeech_shards(release, out):
    """As the corpus' hub has it: a wav a cut, under the folder that the manifest names, without its `data/`."""
    for wanted in ("TEST_NET", "TEST_MEETING"):
        cuts, members = [], {}
        for subset, supervision, _, wav in _wenetspeech(release):
            if subset == wanted:
                place = f"cuts_{subset}.00000000/TES/{supervision['id']}.wav"
                cuts.append(_cut(supervision, {"type": "file", "channels": [0], "source": f"data/{place}"}))
                members[place] = wav
        write_jsonl(out / f"data/cuts_{wanted}.00000000.jsonl.gz", cuts)
        write_tar(out / f"data/cuts_{wanted}.00000000.tar.gz", members, "gz")


def wenetspeech_parquet(release, out):
    """Bytes alone in the column of the audio, which has another name."""
    rows = {}
    for subset, supervision, _, wav in _wenetspeech(release):
        rows.setdefault(subset.lower(), []).append(
            {"utt_id": supervision["id"], "label": supervision["text"], "wav": wav}
        )
    for subset, of_subset in rows.items():
        write_parquet(out / f"data/{subset}-00000-of-00001.parquet", of_subset)


def wenetspeech_shar(release, out):
    """As lhotse's `export` to Shar writes it: beside each recording its manifest, named by the cut."""
    for wanted in ("TEST_NET", "TEST_MEETING"):
        cuts, members = [], {}
        for subset, supervision, _, wav in _wenetspeech(release):
            if subset == wanted:
                cut = _cut(supervision, {"type": "shar", "channels": [0], "source": ""})
                cuts.append(cut)
                members |= {f"{cut['id']}.wav": wav, f"{cut['id']}.json": json.dumps(cut["recording"]).encode()}
        write_jsonl(out / f"{wanted.lower()}/cuts.000000.jsonl.gz", cuts)
        write_tar(out / f"{wanted.lower()}/recording.000000.tar", members)


def wenetspeech_manifests(release, out):
    """As lhotse's preparation of the corpus writes it, beside the corpus' own audio."""
    (out / "audio").symlink_to(release / "audio")
    for wanted in ("TEST_NET", "TEST_MEETING"):
        utterances = [(supervision, path) for subset, supervision, path, _ in _wenetspeech(release) if subset == wanted]
        recordings = {
            supervision["recording_id"]: {"sources": [{"type": "file", "source": path}], "duration": 2.0}
            for supervision, path in utterances
        }
        place = out / "data/manifests"
        write_jsonl(
            place / f"wenetspeech_supervisions_{wanted}.jsonl.gz", [supervision for supervision, _ in utterances]
        )
        write_jsonl(
            place / f"wenetspeech_recordings_{wanted}.jsonl.gz", [{"id": key, **r} for key, r in recordings.items()]
        )


# Recipe, layout it has, how its copy is made.
COPIES = {
    "AISHELL-1, parquet": ("aishell", "aishell", aishell),
    "LibriSpeech, parquet": ("librispeech", "librispeech", librispeech),
    "KeSpeech, parquet": ("kespeech", "kespeech", kespeech),
    "FLEURS, parquet": ("fleurs_lid", "fleurs", fleurs),
    "FLEURS for recognition, parquet": ("fleurs", "fleurs", fleurs),
    "Common Voice for recognition, parquet": ("commonvoice", "commonvoice_asr", commonvoice_parquet),
    "Common Voice for recognition, tar": ("commonvoice", "commonvoice_asr", commonvoice_tars),
    "Common Voice, parquet": ("commonvoice_lid", "commonvoice", commonvoice_parquet),
    "Common Voice, tar": ("commonvoice_lid", "commonvoice", commonvoice_tars),
    "WenetSpeech, shards": ("wenetspeech", "wenetspeech", wenetspeech_shards),
    "WenetSpeech, Shar": ("wenetspeech", "wenetspeech", wenetspeech_shar),
    "WenetSpeech, parquet": ("wenetspeech", "wenetspeech", wenetspeech_parquet),
    "WenetSpeech, manifests": ("wenetspeech", "wenetspeech", wenetspeech_manifests),
}


def make_copy(name, folder):
    """The release of a corpus, and a copy of it."""
    _, layout, make = COPIES[name]
    release, copy = lay_out(layout, folder), folder / "copy of it"
    copy.mkdir()
    make(release, copy)
    return release, copy
