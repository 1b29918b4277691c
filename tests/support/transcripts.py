"""Transcripts of any content, for the tests of what is written of them."""

from dataclasses import replace

from hypothesis import strategies as st

from firered.output.config import SubtitleConfig
from firered.results import Event, Sentence, Transcript, Trouble, Word


def made(sentences=(), words=(), uttid="a", dur_s=100.0, segments=None, **more):
    """A transcript of (start, end, text) sentences and words in milliseconds."""
    if segments is None:
        segments = [(start, end) for start, end, _ in sentences]
    sentences = [timed(Sentence, start, end, text=text, asr_confidence=0.9) for start, end, text in sentences]
    words = [timed(Word, start, end, text=text) for start, end, text in words]
    segments = [(start / 1000, end / 1000) for start, end in segments]
    return Transcript(
        uttid, "".join(sentence.text for sentence in sentences), sentences, segments, dur_s, words, "a.wav", **more
    )


def timed(cls, start_ms, end_ms, /, **fields):
    """A part of a transcript by its time in milliseconds."""
    return cls(start_s=start_ms / 1000, end_s=end_ms / 1000, **fields)


def in_ms(parts):
    """(start, end) of parts of a transcript in milliseconds."""
    return [(round(1000 * part.start_s), round(1000 * part.end_s)) for part in parts]


CHARACTERS = st.one_of(
    st.sampled_from(
        list("abcXYZ 019,.?!'\"<>&-/\\{}[]()=:;\t\n\r\u2028\x00\x1b你好世界，。？！、“”《》ก็ん゙한é\u0301שعब्😀")
    ),
    st.characters(codec="utf-8"),  # no text read or decoded holds half a surrogate pair
)
TEXTS = st.one_of(
    st.text(CHARACTERS, max_size=60),
    st.lists(st.sampled_from(["hello", "world.", "你好", "，", "-->", "00:01.000 --> 00:02.000", "\n\n", "NOTE", "1"]))
    .map(" ".join),
)  # fmt: skip
CONFIGS = st.builds(
    SubtitleConfig,
    max_line_width=st.one_of(st.just(0), st.integers(2, 60)),
    max_line_count=st.integers(1, 3),
    max_cue_seconds=st.sampled_from([0.0, 0.5, 3.0, 7.0]),
)

ANY_MS = st.integers(0, 40000)


@st.composite
def spans(draw, content, wild):
    """Spans with something in each: one after the other, or at any times."""
    at, found = 0, []
    for what in draw(st.lists(content, max_size=6)):
        start = at + draw(st.sampled_from([0, 0, 10, 5000]))
        at = start + draw(st.one_of(st.sampled_from([0, 1, 40, 400]), st.integers(0, 30000)))
        found.append((draw(ANY_MS), draw(ANY_MS), what) if wild else (start, at, what))
    return found


@st.composite
def transcripts(draw, wild=False):
    """Transcripts of any words in any script; with no words, those of the text, or others."""
    sentences = draw(spans(TEXTS, wild))
    kind = draw(st.sampled_from(["none", "own", "other"]))
    words = draw(spans(TEXTS, wild)) if kind == "other" else []
    for start, end, text in sentences if kind == "own" else ():
        parts = text.casefold().split()
        step = (end - start) // max(len(parts), 1)
        words += [(start + n * step, start + (n + 1) * step, part) for n, part in enumerate(parts)]
    segments = [(start, end) for start, end, _ in draw(spans(st.none(), wild))]
    kinds = st.sampled_from(["speech", "singing", "music"])
    events = [timed(Event, start, end, kind=kind) for start, end, kind in draw(spans(kinds, wild))]
    troubles = [timed(Trouble, start, end, reason=reason) for start, end, reason in draw(spans(TEXTS, wild))]
    dur_s = draw(st.sampled_from([0.025, 2.7854375, 2.7856875, 300.0]))
    return made(sentences, words, dur_s=dur_s, segments=segments, events=events, troubles=troubles)


ANY = st.one_of(transcripts(), transcripts(wild=True))


_WORDS = [(1000, 1400, "hello"), (1400, 2000, "world"), (3000, 3500, "你"), (3500, 4000, "好")]


def meeting(**more):
    """A transcript with something of each kind."""
    transcript = made([(1000, 2000, "Hello world."), (3000, 4000, "你好。")], _WORDS, "meeting", 10.0, **more)
    english, chinese = transcript.sentences
    return replace(
        transcript,
        sentences=[replace(english, lang="en"), replace(chinese, lang="zh yue", asr_confidence=0.4)],
        events=[timed(Event, 0, 900, kind="music")],
        troubles=[
            timed(Trouble, 5000, 6000, reason="recognition failed: out of memory", kind="failed"),
            timed(Trouble, 6000, 7000, reason="speech, but no text was recognised", kind="no text"),
            timed(Trouble, 7000, 8000, reason="the same word 9 times", text="啦啦啦", kind="doubt"),
        ],
    )


def in_language(transcript, lang):
    """The transcript with all its sentences in a language."""
    return replace(transcript, sentences=[replace(sentence, lang=lang) for sentence in transcript.sentences])


EVIL = [
    "</script><img src=x onerror=\"document.title='broken'\">",
    "<!--<script>",
    "]]></title><script>document.title='broken'</script>",
    "\"onmouseover='x' {{script}} &lt;&quot; {{data}}",
    "\\u003c/script>\u2028\u2029\x00",
]


def everywhere(text):
    """A transcript with a text wherever there can be one."""
    transcript = made([(0, 1000, text)], [(0, 500, text)], text, 1.0)
    troubles = [timed(Trouble, 0, 1, reason=text, text=text, kind=text)]
    events = [timed(Event, 0, 1, kind=text)]
    return replace(in_language(transcript, text), wav_path=text, troubles=troubles, events=events)
