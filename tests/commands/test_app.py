"""firered as one app: its list of commands, flags and sections by module, and how a score's first word is taken."""

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
import yaml
from support.paths import TOP
from support.scoring_sides import call, score_of, write_side
from support.signals import noise, write_wav

from firered import __version__
from firered.asr.aed_config import AsrConfig
from firered.asr.drafting import Drafting
from firered.asr.families import options_of
from firered.asr.llm_config import LlmConfig
from firered.audio.config import AudioConfig
from firered.audio.frontend import PUBLISHED
from firered.cli import flags
from firered.cli.main import COMMANDS, main
from firered.errors import OptionError
from firered.options import Options, by_section, option, read_yaml, write_sections
from firered.results import AsrResult
from firered.runs.asr import run_asr
from firered.runs.config import RunConfig
from firered.runtime.config import ComputeConfig, ContextConfig
from firered.runtime.context import Context
from firered.system.system import Modules, System

BIN = Path(sys.executable).parent


def call_firered(*arguments):
    return subprocess.run([BIN / "firered", *map(str, arguments)], capture_output=True, text=True)


# The list


def test_the_list_has_all_commands_under_their_headings():
    shown = call_firered("--help").stdout
    assert call_firered().stdout == call_firered("-h").stdout == shown
    headings = ["Transcribe", "Modules", "Features", "Training", "Scoring", "Tools"]
    assert [heading for heading in re.findall(r"^(\w+):$", shown, re.MULTILINE) if heading != "Options"] == headings
    for name, entry in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.summary)}$", shown, re.MULTILINE)


def test_the_list_imports_no_command():
    code = (
        "import sys\n"
        "from firered.cli.main import main\n"
        "sys.argv = ['firered', '--help']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.partition('.')[0] in "
        "('torch', 'numpy', 'transformers', 'yaml', 'rich') or name.startswith('firered.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(re.findall(r"'([^']+)'", done.stdout.splitlines()[-1]))
    assert loaded == {f"firered.{name}" for name in ("cli", "cli.frame", "cli.main", "errors", "processes", "version")}


def test_version_and_a_name_that_is_no_command():
    assert call_firered("--version").stdout == f"firered {__version__}\n"
    done = call_firered("transscribe")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'transscribe'. Did you mean 'transcribe'?" in done.stderr


def test_console_names_are_the_commands():
    project = (TOP / "pyproject.toml").read_text(encoding="utf-8")
    scripts = dict(re.findall(r'^(firered-[\w-]+) = "([\w.:]+)"$', project, re.MULTILINE))
    for name, target in scripts.items():
        assert target == f"firered.cli.{COMMANDS[name.removeprefix('firered-')].target}"
    assert {f"firered-{name}" for name in COMMANDS} - scripts.keys() == {
        *("firered-transcribe", "firered-live", "firered-serve", "firered-doctor")
    }


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_under_both_names(name):
    done = call_firered(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: firered {name} ")
    if (BIN / f"firered-{name}").exists():
        alone = subprocess.run([BIN / f"firered-{name}", "--help"], capture_output=True, text=True).stdout
        # the usage line may be broken at another place
        assert " ".join(alone.split()).replace(f"firered-{name}", f"firered {name}", 1) == " ".join(done.stdout.split())


def test_the_log_has_the_name_that_was_called(tmp_path):
    done = call_firered("vad", tmp_path, tmp_path / "out", "--speech-threshold", 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "firered vad: error speech_threshold: 2.0 is more than 1\n"


# Several modules in one command


@dataclass(frozen=True)
class Ears(Options):
    """Hearing."""

    size: int = option(1, "how large", low=0, high=9)
    tone: str = option("low", "which tone", choices=("low", "high"))


@dataclass(frozen=True)
class Mouth(Options):
    """Speaking."""

    tone: str = option("loud", "which tone", choices=("loud", "high"))
    rounded: bool = option(False, "as an o")


@dataclass(frozen=True)
class Wide(Mouth):
    """Speaking in another way."""

    width: float = option(0.5, "how wide")


@dataclass(frozen=True)
class Words(Options):
    """What is spoken."""

    language: str = option("", "of the words")


@dataclass(frozen=True)
class Body(Options):
    """The whole; the names of its parts are switches here."""

    ears: bool = option(True, "has ears")
    kind: str = option("narrow", "which mouth", choices=("narrow", "wide"))


MODULES = {"ears": "ears", "mouth": "mouth", "words": "mouth"}


def kinds(given):
    values = read_yaml(given["config_file"]) if given.get("config_file") else {}
    return {"mouth": Wide if (given.get("kind") or values.get("kind")) == "wide" else Mouth}


@pytest.fixture
def parse(capsys):
    """What the options are after these words, by parameter; or what the command printed."""
    got = {}

    def command(name: Annotated[str, typer.Argument()], body: Body, ears: Ears, mouth: Mouth, words: Words) -> None:
        got.update(body=body, ears=ears, mouth=mouth, words=words)

    made = flags.script(command, {"tone": "high"}, MODULES, kinds).command

    def run(*arguments):
        got.clear()
        with pytest.raises(SystemExit):
            made.main(["x", *map(str, arguments)], prog_name="x")
        printed = capsys.readouterr()
        return dict(got) or printed.out + printed.err

    return run


def test_flags_carry_the_name_of_their_module(parse):
    got = parse("--ears-tone", "low", "--mouth-tone", "loud", "--mouth-rounded", "--mouth-language", "en", "--no-ears")
    assert got == {
        "body": Body(ears=False),
        "ears": Ears(tone="low"),
        "mouth": Mouth(tone="loud", rounded=True),
        "words": Words(language="en"),
    }
    assert parse()["ears"] == Ears(tone="high")


def test_bare_names_stand_for_the_only_module_that_has_them(parse):
    assert parse("--size", 3, "--rounded")["ears"].size == 3
    assert parse("--size", 3, "--ears-size", 4)["ears"].size == 4
    assert parse("--rounded")["mouth"].rounded
    with pytest.raises(OptionError, match="--tone: several modules have it: --ears-tone, --mouth-tone"):
        parse("--tone", "high")


def test_help_has_full_names_under_the_headings_of_their_classes(parse):
    shown = parse("--kind", "wide", "--help")
    headings = [line.rstrip(":") for line in shown.splitlines() if re.fullmatch(r"\S.*:", line)]
    own = ["Arguments", "Options", "The whole; the names of its parts are switches here", "Hearing"]
    assert headings == [*own, "Speaking in another way", "Speaking", "What is spoken"]
    assert "--ears-size" in shown
    assert "  --size" not in shown
    assert "which tone (low, high) [default: high]" in " ".join(shown.split())  # the preset's


def test_a_message_names_the_module(parse):
    with pytest.raises(OptionError, match=r"^ears: tone: 'loud' is not one of low, high$"):
        parse("--ears-tone", "loud")


def test_options_follow_the_kind(parse, tmp_path):
    assert parse("--kind", "wide", "--mouth-width", 2)["mouth"] == Wide(tone="high", width=2.0)
    assert parse("--mouth-width", "2", "--kind=wide")["mouth"].width == 2.0
    assert "No such option: --mouth-width" in parse("--mouth-width", 2)
    (tmp_path / "c.yaml").write_text("kind: wide\nmouth: {width: 3}\n")
    assert parse("--config", tmp_path / "c.yaml")["mouth"].width == 3.0
    with pytest.raises(OptionError, match=r"c\.yaml: mouth: unknown options width; known: language, rounded, tone"):
        parse("--config", tmp_path / "c.yaml", "--kind", "narrow")


# Sections


def settings(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_sections_and_bare_keys_of_a_file(parse, tmp_path):
    path = settings(tmp_path, "ears: {size: 2, tone: low}\nmouth:\n  language: en\nrounded: true\nbody:\n")
    got = parse("--config", path, "--size", 3)
    assert got["ears"] == Ears(size=3, tone="low")
    assert (got["mouth"], got["words"]) == (Mouth(tone="high", rounded=True), Words(language="en"))
    assert parse("--config", settings(tmp_path, "ears: false\n"))["body"] == Body(ears=False)
    assert parse("--config", settings(tmp_path, "body: {ears: false}\nears: {size: 5}\n"))["body"] == Body(ears=False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("tone: high", "tone: is in ears and mouth: name the section"),
        ("nose: {}", "unknown options nose; known: body, ears, mouth"),
        ("ears: {shape: round}", "ears: unknown options shape; known: size, tone"),
        ("mouth: 3", "mouth: expected `name: value` lines under it"),
        ("mouth: [3]", "mouth: expected `name: value` lines under it"),
        ("ears: 3", "body: ears: 3 is not a value of type bool"),
        ("ears: {size: 10}", "ears: size: 10 is more than 9"),
        ("size: many", "ears: size: 'many' is not a value of type int"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(parse, tmp_path, text, reason):
    path = settings(tmp_path, text)
    with pytest.raises(OptionError, match=f"^{re.escape(f'{path}: {reason}')}"):
        parse("--config", path)


def test_a_bad_flag_is_not_blamed_on_the_file(parse, tmp_path):
    path = settings(tmp_path, "size: 3\n")
    with pytest.raises(OptionError, match=r"^ears: size: 10 is more than 9"):
        parse("--config", path, "--size", 10)


@pytest.mark.parametrize("text", ["[" * 20000, "a: 2024-13-45\n", "? {a: 1}\n: 2\n"])
def test_a_file_that_yaml_cannot_be_read_from(tmp_path, text):
    with pytest.raises(OptionError, match=r"c\.yaml: not readable as YAML"):
        read_yaml(settings(tmp_path, text))


def test_written_sections_read_back(tmp_path):
    path = tmp_path / "config.yaml"
    write_sections(path, "x", [("ears", Ears(size=2)), ("mouth", Mouth()), ("mouth", Words("zh"))])
    assert yaml.safe_load(path.read_text())["mouth"] == {"tone": "loud", "rounded": False, "language": "zh"}
    sections = {"ears": Ears.names(), "mouth": Mouth.names() | Words.names()}
    found = by_section(read_yaml(path), sections, "x")
    assert (Ears.of(found["ears"]), Words.of(found["mouth"])) == (Ears(size=2), Words("zh"))


# firered transcribe and firered-asr


@pytest.mark.parametrize(
    "flag", ["--lid-beam-size", "--asr-dtype", "--punc-overlap", "--vad-speech-threshold", "--mvad-music-threshold"]
)
def test_every_modules_options_are_in_transcribe(flag):
    shown = call_firered("transcribe", "--help").stdout
    assert f"\n  {flag} " in shown
    assert f"\n  --{flag.split('-', 3)[3]} " not in shown


def test_transcribe_takes_the_llm_options_with_its_type():
    shown = call_firered("transcribe", "--asr-type", "llm", "--help").stdout
    assert "--asr-repetition-penalty" in shown
    assert "--asr-softmax-smoothing" not in shown


def test_the_options_are_those_of_the_directory(tmp_path):
    aed, llm = ["dict.txt", "train_bpe1000.model"], ["asr_encoder.pth.tar", "Qwen2-7B-Instruct/config.json"]
    for name, files in (("a", aed), ("FireRedASR2-LLM", llm)):
        for file in ("model.pth.tar", "cmvn.ark", *files):
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).touch()
    assert options_of(tmp_path / "a") is AsrConfig
    assert options_of(tmp_path / "FireRedASR2-LLM") is options_of(tmp_path) is LlmConfig
    assert options_of(tmp_path, "aed") is options_of(tmp_path / "none") is AsrConfig
    shown = call_firered("asr", "--model", tmp_path, "--help").stdout
    assert "--repetition-penalty" in shown
    assert "--softmax-smoothing" in call_firered("asr", "--model", tmp_path, "--type", "aed", "--help").stdout


class Recorder:
    """A recogniser that notes the context of what it is given."""

    config, sources, times_words, front_end, punctuates = AsrConfig(), (), False, PUBLISHED, False
    drafting = Drafting(on=False)

    def __init__(self):
        self.contexts = []

    def check(self, context):
        pass

    def unwritable(self, hotwords):
        return {}

    def recognise(self, utterances):
        self.contexts += [utterance.context for utterance in utterances]
        return [AsrResult(utterance.key, "好", 0.5, utterance.duration_s, ["好"], [0.5]) for utterance in utterances]


def test_context_reaches_the_recogniser(tmp_path):
    known = ContextConfig(language="yue", prompt="a").context()
    assert known == Context(language="yue", prompt="a")
    wav, recorder = write_wav(tmp_path / "u.wav", noise(16000)), Recorder()
    for context in (known, Context()):
        assert run_asr([str(wav)], tmp_path / "out", tmp_path, recorder, AudioConfig(), RunConfig(), context) == 0
    assert recorder.contexts == [known, Context()]
    assert {"language", "prompt"} <= read_yaml(tmp_path / "out/config.yaml").keys()


def test_context_reaches_the_recogniser_of_the_system(tmp_path):
    recorder, known = Recorder(), Context(prompt="a")
    System(Modules(asr=recorder), context=known)(write_wav(tmp_path / "u.wav", noise(16000)))
    assert recorder.contexts == [known]


@pytest.mark.parametrize("device", ["meta", "cuda:", "cuda:x", "gpu", ""])
def test_no_such_device(device):
    with pytest.raises(OptionError, match="is not auto, cpu, cuda or cuda:N"):
        ComputeConfig(device=device)


# firered score


@pytest.fixture
def sides(tmp_path, monkeypatch):
    """A reference in a folder `vad`, and a hypothesis beside it."""
    monkeypatch.chdir(tmp_path)
    write_side(Path("vad"), text={"u": "你 好"})
    write_side(Path("hyp"), text={"u": "你 们"})
    return tmp_path


def test_a_folder_of_a_scores_name_is_a_reference(sides, monkeypatch):
    assert call(monkeypatch, "vad", "hyp", "out") == 0
    assert score_of(Path("out"))["errors"] == 1
    assert call(monkeypatch, "vad", "hyp", "out", "--bootstrap", "0") == 0
    assert call(monkeypatch, "text", "vad", "hyp", "explicit") == 0
    assert score_of(Path("explicit"))["errors"] == 1


def test_a_word_more_is_the_name_of_a_score(sides, monkeypatch, caplog):
    write_side(Path("text"), text={"u": "你"})
    assert call(monkeypatch, "text", "vad", "hyp", "out") == 0
    assert score_of(Path("out"))["errors"] == 1
    assert call(monkeypatch, "text", "hyp", "other") == 0
    assert call(monkeypatch, "vad", "hyp", "vad", "third") == 1  # voice activity, of which there is none here


def test_without_such_a_folder_it_is_a_score(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "vad", "hyp", "out") == 2
    assert "Usage: firered-score vad " in capsys.readouterr().err


def test_scores_under_firered(sides, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["firered", "score", "text", "vad", "hyp", "out"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert score_of(Path("out"))["errors"] == 1
