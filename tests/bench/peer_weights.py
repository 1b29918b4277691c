"""Systems of `peers.py weights`: the same real weights of Whisper, greedy, utterance by utterance, on recordings."""


def measure(args):
    raise NotImplementedError
