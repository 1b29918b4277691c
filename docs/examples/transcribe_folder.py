"""Transcribes all recordings of a folder, which share batches, and shows how far it is.

python docs/examples/transcribe_folder.py recordings [models]
"""

import sys
from pathlib import Path

import firered


def main(folder: str, models: str = "pretrained_models") -> None:
    """Print the text of every recording, or why there is none."""
    recordings = sorted(path for path in Path(folder).iterdir() if path.is_file())
    results = firered.transcribe(recordings, models=models)  # an iterator: each comes as soon as it is known
    for done, (path, result) in enumerate(zip(recordings, results, strict=True), start=1):
        print(f"\r{done} of {len(recordings)}", end="", file=sys.stderr)
        if isinstance(result, firered.FireRedError):  # in the place of its transcript; the others are done
            print(f"{path.name}\tfailed: {result}")
        else:
            print(f"{path.name}\t{result.text}")


if __name__ == "__main__":
    main(*sys.argv[1:])
