"""The scripts that split and combine data directories."""

import os
import subprocess
import sys
from pathlib import Path

from firered.data.partition import known_files

UTILS = Path(__file__).resolve().parents[2] / "utils"


def make(path, **files):
    """A directory with these files: `wav_scp` stands for wav.scp, `_jsonl` and so on alike."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        for suffix in ("scp", "jsonl", "yaml"):
            name = name.replace(f"_{suffix}", f".{suffix}")
        (path / name).write_text(content, encoding="utf-8")
    return path


def contents(path):
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(path.iterdir()) if file.is_file()}


# Two recordings of one speaker each, cut into utterances; every known file is there, sorted.
def full(path):
    return make(
        path,
        wav_scp="r1 /data/a b.wav\nr2 sox r2.flac -t wav - |\n",
        reco2dur="r1 4.00\nr2 3.00\n",
        reco2file_and_channel="r1 fileA A\nr2 fileB B\n",
        segments="s1-a r1 0.00 1.50\ns1-b r1 2.00 4.00\ns2-c r2 0.00 3.00\n",
        text="s1-a 你好 world\ns1-b\ns2-c two  words\n",
        utt2spk="s1-a s1\ns1-b s1\ns2-c s2\n",
        spk2utt="s1 s1-a s1-b\ns2 s2-c\n",
        spk2gender="s1 f\ns2 m\n",
        utt2dur="s1-a 1.50\ns1-b 2.00\ns2-c 3.00\n",
        utt2num_frames="s1-a 148\ns1-b 198\ns2-c 298\n",
        utt2lang="s1-a zh\ns1-b zh\ns2-c en\n",
        feats_scp="s1-a f.ark:5\ns1-b f.ark:99\ns2-c f.ark:200\n",
        vad_scp="s1-a v.ark:5\ns1-b v.ark:99\ns2-c v.ark:200\n",
        probs_scp="r1 p.ark:3\nr2 p.ark:7\n",
        rttm="SPEAKER r1 1 0.00 1.50 <NA> <NA> s1 <NA> <NA>\n"
        "SPEAKER r1 1 2.00 2.00 <NA> <NA> s1 <NA> <NA>\n"
        "SPEAKER r2 1 0.00 3.00 <NA> <NA> s2 <NA> <NA>\n",
        ctm="r1 1 0.10 0.20 你\nr1 1 0.30 0.20 好\nr1 1 10.00 0.20 world\nr2 1 0.00 1.00 two\n",
        sentences_jsonl='{"uttid": "s1-a", "text": "你"}\n{"uttid": "s1-a", "text": "好"}\n{"uttid": "s2-c"}\n',
        failed="s1-b no speech in it\n",
    )


def run(script, *arguments, cwd):
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [str(UTILS / script), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_split_and_combine_scripts(tmp_path):
    source = full(tmp_path / "all")
    past = source.stat().st_mtime - 100
    for name in known_files(source):
        os.utime(source / name, (past, past))
    first = run("split_data.py", "all", 4, cwd=tmp_path)
    assert (first.returncode, first.stdout, first.stderr) == (0, "2\n", "")
    written = (source / "split4utt" / "1" / "text").stat().st_mtime_ns
    again = run("split_data.py", "all", 4, cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, "2\n")
    assert "not split again" in again.stderr
    assert (source / "split4utt" / "1" / "text").stat().st_mtime_ns == written
    other = run("split_data.py", "all", 1, "elsewhere", cwd=tmp_path)
    assert (other.returncode, other.stdout) == (0, "1\n")
    assert contents(tmp_path / "elsewhere" / "1") == contents(source)
    merged = run("combine_data.py", "out", "all/split4utt/2", "all/split4utt/1", cwd=tmp_path)
    assert (merged.returncode, merged.stdout, merged.stderr) == (0, "", "")
    assert contents(tmp_path / "out") == contents(source)


def test_scripts_say_what_is_wrong_without_a_traceback(tmp_path):
    gone = run("split_data.py", "gone", 4, cwd=tmp_path)
    assert (gone.returncode, gone.stdout, gone.stderr) == (1, "", "split_data.py: gone: no such data directory\n")
    bare = run("combine_data.py", "out", "gone", cwd=tmp_path)
    assert (bare.returncode, bare.stdout, bare.stderr) == (1, "", "combine_data.py: no data in gone\n")
