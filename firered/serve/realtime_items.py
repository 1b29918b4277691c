"""What live recognition gives as the realtime API's events: items, whose text grows by deltas."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from firered.results.live import Event, Final, LiveResult, Partial
from firered.serve.session import Clear, Commit, End, Told
from firered.text.joining import join_texts
from firered.text.languages import code_of

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_MEANT = {  # `type` of events with an item, which the present and the beta form have alike
    "started": "input_audio_buffer.speech_started",
    "stopped": "input_audio_buffer.speech_stopped",
    "committed": "input_audio_buffer.committed",
    "delta": f"{_TRANSCRIPTION}.delta",
    "completed": f"{_TRANSCRIPTION}.completed",
    "failed": f"{_TRANSCRIPTION}.failed",
}


def new_id(kind: str) -> str:
    """An id such as the API's own: of an event, an item, a session."""
    return f"{kind}_{uuid.uuid4().hex[:21]}"


def event(kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever becomes JSON
    """An event of the server."""
    return {"type": kind, "event_id": new_id("event"), **fields}


class Growing:
    """A text that is shown by deltas, which cannot be taken back.

    While a segment is open its stable text is shown. Its final text has marks and may correct words. Where it begins
    like what was shown, but for marks and capitals, what follows is the last delta; where words were corrected there is
    none. So the deltas, joined, are the words of the text where none was corrected, and all of it where nothing was
    shown before it was final.
    """

    def __init__(self) -> None:
        self.text = ""  # of the segments that are final
        self._shown = ""  # of the open one, with the space before it

    def partial(self, stable: str) -> str:
        """The delta as the stable text of the open segment has grown."""
        grown = join_texts([self.text, stable])[len(self.text) :]
        if not grown.startswith(self._shown):
            return ""
        delta, self._shown = grown[len(self._shown) :], grown
        return delta

    def final(self, text: str) -> str:
        """The delta as the open segment is final."""
        whole = join_texts([self.text, text])
        own, shown = whole[len(self.text) :], self._shown
        self.text, self._shown = whole, ""
        return own[len(shown) :] if own.startswith(shown) else rest_after(shown, own)


def rest_after(shown: str, text: str) -> str:
    """What of a text follows what was shown, where the two differ in marks, spaces and capitals alone; else nothing."""
    wanted = [character for character in shown.casefold() if character.isalnum()]
    at = 0
    for place, written in enumerate(text):
        if at == len(wanted):
            return text[place:]
        for character in written.casefold():
            if character.isalnum():
                if at == len(wanted) or wanted[at] != character:
                    return ""
                at += 1
    return ""


class Item:
    """A turn of speech."""

    def __init__(self, start_s: float) -> None:
        self.id, self.start_s, self.end_s = new_id("item"), start_s, start_s
        self.said = Growing()
        self.failed = False
        self.langs: dict[str, None] = {}

    def take(self, final: Final) -> str:
        """Take in the final of one of its segments; the delta."""
        self.end_s = final.end_s
        self.failed = self.failed or any(trouble.kind == "failed" for trouble in final.troubles)
        if final.lang and final.text and (code := code_of(final.lang)):
            self.langs[code] = None
        return self.said.final(final.text)


class Items:
    """Makes events of what a session tells.

    Args:
        beta: whether they are of the beta form.

    Attributes:
        turns: whether the server finds turns: each segment is an item. If not, an item is what lies between commits.
        only_final: whether text is given when it is final, and not before.
    """

    def __init__(self, beta: bool) -> None:
        self._beta = beta
        self.turns, self.only_final = True, False
        self._item: Item | None = None
        self._last: str | None = None  # id of the item before
        self._committed_s = 0.0

    def of(self, told: Told) -> Iterator[dict[str, Any]]:
        """The events of what became of an order."""
        done = 0
        for result in told.results:
            done += isinstance(result, Final)
            yield from self._found(result) if self.turns else self._found_in_commit(result)
        order = told.order
        if isinstance(order, Commit | End) and not (self.turns and (done or isinstance(order, End))):
            if isinstance(order, Commit) or self._item is not None:
                yield from self._commit(told.heard_s)
        elif isinstance(order, Clear):
            self._item, self._committed_s = None, told.heard_s
            yield event("input_audio_buffer.cleared")

    def _found(self, result: LiveResult) -> Iterator[dict[str, Any]]:
        """With turns that the server finds; where a segment is cut, one turn ends and the next begins."""
        if isinstance(result, Event):
            if result.kind == "speech_start":
                yield from self._begin(result.time_s)
            elif result.kind == "speech_end" and self._item is not None:
                yield self._event("stopped", audio_end_ms=_ms(result.time_s))
            return
        if self._item is None:
            yield from self._begin(result.start_s)
        assert self._item is not None
        if isinstance(result, Partial):
            yield from self._partial(result)
            return
        if result.cut:
            yield self._event("stopped", audio_end_ms=_ms(result.end_s))
        yield from self._committed()
        yield from self._delta(self._item.take(result))
        yield from self._completed(result.end_s - result.start_s)
        self._committed_s = result.end_s

    def _begin(self, start_s: float) -> Iterator[dict[str, Any]]:
        self._item = Item(start_s)
        yield self._event("started", audio_start_ms=_ms(start_s))

    def _found_in_commit(self, result: LiveResult) -> Iterator[dict[str, Any]]:
        if isinstance(result, Event):
            return
        self._item = self._item or Item(self._committed_s)
        if isinstance(result, Partial):
            yield from self._partial(result)
        else:
            yield from self._delta(self._item.take(result))

    def _commit(self, heard_s: float) -> Iterator[dict[str, Any]]:
        """The client's commit: where nothing was said the text is empty."""
        self._item = self._item or Item(self._committed_s)
        yield from self._committed()
        yield from self._completed(heard_s - self._committed_s)
        self._committed_s = heard_s

    def _partial(self, result: Partial) -> Iterator[dict[str, Any]]:
        assert self._item is not None
        if not self.only_final:
            yield from self._delta(self._item.said.partial(result.stable))

    def _delta(self, text: str) -> Iterator[dict[str, Any]]:
        if text:
            yield self._event("delta", content_index=0, delta=text)

    def _committed(self) -> Iterator[dict[str, Any]]:
        assert self._item is not None
        before = {"previous_item_id": self._last}
        yield self._event("committed", **before)
        for kind in ("created",) if self._beta else ("added", "done"):
            yield event(f"conversation.item.{kind}", **before, item=_shown(self._item.id))

    def _completed(self, seconds: float) -> Iterator[dict[str, Any]]:
        item, self._last = self._item, self._item.id if self._item else None
        assert item is not None
        if item.failed:
            error = {"type": "server_error", "code": "transcription_failed", "param": None}
            message = "a part of the audio could not be recognised"
            yield self._event("failed", content_index=0, error={**error, "message": message})
        else:
            usage = {"type": "duration", "seconds": round(seconds, 3)}
            more = {} if self._beta else {"languages": [{"code": code} for code in item.langs]}
            yield self._event("completed", content_index=0, transcript=item.said.text, usage=usage, **more)
        self._item = None

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
        assert self._item is not None
        return event(_MEANT[kind], item_id=self._item.id, **fields)


def _shown(id: str) -> Mapping[str, Any]:
    content = [{"type": "input_audio", "transcript": None}]
    return {
        "id": id,
        "object": "realtime.item",
        "type": "message",
        "status": "completed",
        "role": "user",
        "content": content,
    }


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
