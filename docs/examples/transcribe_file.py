"""Prints the transcript of one recording: sentences with their times and languages.

python docs/examples/transcribe_file.py meeting.flac [models]
"""

import sys

import firered


def main(audio: str, models: str = "pretrained_models") -> None:
    """Transcribe the recording with the released models in a folder."""
    transcript = firered.transcribe(audio, models=models)
    for sentence in transcript.sentences:
        print(f"{sentence.start_s:8.2f} {sentence.end_s:8.2f} {sentence.lang or '-':12} {sentence.text}")
    for trouble in transcript.troubles:  # speech that gave no text, or whose text is in doubt
        print(f"{trouble.start_s:8.2f} {trouble.end_s:8.2f} {trouble.kind}: {trouble.reason}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
