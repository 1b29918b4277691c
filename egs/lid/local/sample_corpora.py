"""Data directories with languages in the layouts of FLEURS, KeSpeech and MagicHub, to try the recipe without them."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import soundfile
import typer

from firered.corpora.files import recipe_table
from firered.data.datadir import DataDir, write_lines, write_table
from firered.errors import DataError

EGS = Path(__file__).resolve().parents[2]
# `zh <dialect>` -> subdialect of KeSpeech, or set of MagicHub
_KESPEECH = {"zh mandarin": "Mandarin", "zh north": "Northeastern", "zh xinan": "Southwestern"}
_MAGICHUB = {"zh yue": "md-yue-daily", "zh wu": "md-shanghai-daily"}
_FOLDERS = {"train": "train_phase1", "dev": "dev_phase1", "test": "test"}  # of KeSpeech


class Row:
    """An utterance of a data directory: its id, language, speaker, transcript and recording."""

    def __init__(self, key: str, data: DataDir) -> None:
        self.key, self.wav = key, Path((data.wav_scp or {})[key])
        self.language = (data.utt2lang or {})[key]
        self.speaker = (data.utt2spk or {})[key]
        self.text = (data.text or {}).get(key, "")


def write_fleurs(out: Path, part: str, rows: Sequence[Row], codes: Mapping[str, str]) -> None:
    """A table of seven columns and a folder of audio for each language."""
    for language, code in codes.items():
        own = [row for row in rows if row.language == code]
        lines = []
        for number, row in enumerate(own):
            wav = _linked(row.wav, out / f"data/{language}/audio/{part}/{row.key}.wav")
            samples = soundfile.info(wav).frames
            lines.append(f"{number}\t{row.key}.wav\t{row.text}\t{row.text}\t-\t{samples}\tOTHER")
        if lines:
            write_lines(out / f"data/{language}/{part}.tsv", lines)


def write_kespeech(out: Path, part: str, rows: Sequence[Row]) -> None:
    """The tables of the recognition task, and audio by speaker."""
    own = {row.key: row for row in rows if row.language in _KESPEECH}
    places = {key: Path(f"Audio/{row.speaker}/phase1/{key}.wav") for key, row in own.items()}
    for key, place in places.items():
        _linked(own[key].wav, out / place)
    folder = out / "Tasks/ASR" / _FOLDERS[part]
    write_table(folder / "wav.scp", {key: str(place) for key, place in places.items()})
    write_table(folder / "text", {key: row.text for key, row in own.items()})
    write_table(folder / "utt2spk", {key: row.speaker for key, row in own.items()})
    write_table(folder / "utt2subdialect", {key: _KESPEECH[row.language] for key, row in own.items()})


def write_magichub(out: Path, rows: Sequence[Row]) -> None:
    """A folder of read sentences for each dialect, without a partition."""
    for label, name in _MAGICHUB.items():
        own = [row for row in rows if row.language == label]
        if not own:
            continue
        lines = ["CHANNEL\tUTTRANS_ID\tSPEAKER_ID\tPROMPT\tTRANSCRIPTION"]
        for row in own:
            _linked(row.wav, out / name / f"WAV/{row.speaker}/{row.key}.wav")
            lines.append(f"C0\t{row.key}.wav\t{row.speaker}\t\t{row.text or '-'}")
        write_lines(out / name / "UTTRANSINFO.txt", lines)


def _linked(wav: Path, place: Path) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(wav.absolute())
    return place


def read_rows(folder: Path) -> list[Row]:
    """The utterances of a data directory without segments.

    Raises:
        DataError: it lacks recordings, languages or speakers.
    """
    data = DataDir(folder)
    if not (data.wav_scp and data.utt2lang and data.utt2spk):
        raise DataError(f"{folder}: needed are wav.scp, utt2lang and utt2spk")
    return [Row(key, data) for key in data.utt2lang]


def main(
    train: Annotated[Path, typer.Argument(help="data directory with utt2lang: `en`, `zh yue`")],
    dev: Annotated[Path, typer.Argument(help="data directory")],
    test: Annotated[Path, typer.Argument(help="data directory")],
    out: Annotated[Path, typer.Argument(help="folder to write fleurs/, KeSpeech/ and magichub/ in")],
) -> None:
    """Write the three corpora; audio is linked."""
    shutil.rmtree(out / "magichub", ignore_errors=True)
    known = recipe_table(EGS / "fleurs_lid/tables/languages.tsv")
    codes = {language: code for language, code in known.items() if code != "zh"}
    of_all = []
    for part, folder in (("train", train), ("dev", dev), ("test", test)):
        rows = read_rows(folder)
        write_fleurs(out / "fleurs", part, rows, codes)
        write_kespeech(out / "KeSpeech", part, rows)
        of_all += rows
    write_magichub(out / "magichub", of_all)


if __name__ == "__main__":
    typer.run(main)
