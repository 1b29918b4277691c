"""firered-asr lists the texts that it doubts."""

import json

from support.commands import command
from support.paths import GOLDENS
from support.signals import noise, write_wav


def test_command_lists_the_reasons(tmp_path):
    tiny = GOLDENS / "tiny"
    write_wav(tmp_path / "wav/noise.wav", noise(5 * 16000, 0.02))
    (tmp_path / "wav/clear.wav").write_bytes((tiny / "wav/utt05.wav").read_bytes())
    flags = ["--model", tiny, "--guard-chars-per-second", "0.2", "--guard-ctc-distance", "1"]
    unsure = command("asr", tmp_path / "wav", tmp_path / "unsure", "--model", tiny, "--min-confidence", "0.999")
    assert unsure.returncode == 0, unsure.stderr
    assert "flagged, 0 of them dropped" in unsure.stderr
    assert "unsure: its confidence" in (tmp_path / "unsure/flags").read_text()
    for guard in ("flag", "drop"):
        done = command("asr", tmp_path / "wav", tmp_path / guard, *flags, "--guard", guard)
        assert done.returncode == 0, done.stderr
        assert "of 2 texts" in done.stderr
        listed = dict(line.split(" ", 1) for line in (tmp_path / guard / "flags").read_text().splitlines())
        assert "too fast" in listed["clear"]
        results = {
            result["uttid"]: result
            for result in map(json.loads, (tmp_path / guard / "asr.jsonl").read_text().splitlines())
        }
        assert {key: "; ".join(result["flags"]) for key, result in results.items() if "flags" in result} == listed
        text = dict(line.partition(" ")[::2] for line in (tmp_path / guard / "text").read_text().splitlines())
        assert text["clear"] == ("the quick brown fox jumps over the lazy dog" if guard == "flag" else "")
        assert results["clear"].get("dropped", text["clear"]) == "the quick brown fox jumps over the lazy dog"
