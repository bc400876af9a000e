"""The output items of an answer on its way out: one is told after another, and all are kept for the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final, TypeAlias

from gai_stream.dialects._calls import OutgoingCall, legal_id, made_up_id
from gai_stream.events import Citation

from .response import annotation

__all__ = ["Output"]

_Tell: TypeAlias = Callable[..., Any]

_LONGEST_CALL_ID: Final = 64

# What the events of a call's arguments are called, and the field that holds them whole.
_ARGUMENTS: Final[dict[str, tuple[str, str]]] = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}


class _Open:
    """The item that is being told, and its part, of which `pieces` are the text."""

    __slots__ = ("index", "item", "part", "pieces", "size", "start")

    def __init__(self, index: int, item: dict[str, Any]) -> None:
        self.index = index
        self.item = item
        self.part: dict[str, Any] | None = None
        self.pieces: list[str] = []
        self.start = 0
        self.size = 0

    @property
    def place(self) -> dict[str, Any]:
        return {"item_id": self.item["id"], "output_index": self.index}


class Output:
    """Tell items: `tell(type, **fields)` makes a message of an event.

    `items` holds the finished ones, `stream_id` is what the ids of new ones are made from.
    """

    def __init__(self, tell: _Tell) -> None:
        self.items: list[dict[str, Any]] = []
        self.stream_id = ""
        self._tell = tell
        self._ids: set[str] = set()
        self._open: _Open | None = None
        self._call: _Open
        self._length = 0
        self._last_text: dict[str, Any] | None = None
        self._last_start = 0
        self._early: list[Citation] = []

    def text(self, text: str, *, refusal: bool) -> list[Any]:
        """Tell a piece of text, in a message item: the open one or a new one."""
        messages, message = self._item("message", "msg_", {"status": "in_progress", "role": "assistant", "content": []})
        kind, field = ("refusal", "refusal") if refusal else ("output_text", "text")
        if message.part is not None and message.part["type"] != kind:
            messages += self._close_part(message)
        if message.part is None:
            part = {"type": kind, field: ""} if refusal else _text_part()
            messages += self._open_part(message, part)
            if not refusal:
                early, self._early = self._early, []
                messages += self.cite(early)
        message.pieces.append(text)
        place = {**message.place, "content_index": len(message.item["content"])}
        if refusal:
            return [*messages, self._tell("response.refusal.delta", **place, delta=text)]
        message.size += len(text)
        self._length += len(text)
        return [*messages, self._tell("response.output_text.delta", **place, delta=text, logprobs=[])]

    def thought(self, text: str, id: str | None, encrypted: str | None) -> list[Any]:
        """Tell a piece of reasoning; encrypted content, which comes last, ends the item that it belongs to."""
        messages: list[Any] = []
        if id and self._open is not None and self._open.item["id"] != id:
            messages = self.close()
        more, item = self._item("reasoning", "rs_", {"summary": []}, id)
        messages += more
        if text:
            if item.part is None:
                messages += self._open_part(item, {"type": "summary_text", "text": ""})
            item.pieces.append(text)
            place = {**item.place, "summary_index": 0}
            messages.append(self._tell("response.reasoning_summary_text.delta", **place, delta=text))
        if encrypted:
            item.item["encrypted_content"] = encrypted
            messages += self.close()
        return messages

    def cite(self, citations: Sequence[Citation]) -> list[Any]:
        """Tell sources in the open text; or keep them for the next one, or for the end if the last one is closed."""
        messages = []
        for citation in citations:
            item = self._open
            if item is not None and item.part is not None and item.part["type"] == "output_text":
                entries = item.part["annotations"]
                entry = annotation(citation, start=item.start, here=item.size)
                messages.append(
                    self._tell(
                        "response.output_text.annotation.added",
                        **item.place,
                        content_index=len(item.item["content"]),
                        annotation_index=len(entries),
                        annotation=entry,
                    )
                )
                entries.append(dict(entry))
            elif self._last_text is not None:
                here = len(self._last_text["text"])
                self._last_text["annotations"].append(annotation(citation, start=self._last_start, here=here))
            else:
                self._early.append(citation)
        return messages

    def begin_call(self, call: OutgoingCall) -> list[Any]:
        """Open the item of a call."""
        names = {"call_id": legal_id(call.id, longest=_LONGEST_CALL_ID), "name": call.name, "status": "in_progress"}
        messages = self.close()
        if call.kind == "custom":
            more, self._call = self._item("custom_tool_call", "ctc_", {**names, "input": ""})
        else:
            more, self._call = self._item("function_call", "fc_", {**names, "arguments": ""})
        return messages + more

    def arguments(self, text: str) -> list[Any]:
        """Tell a piece of the open call's arguments."""
        self._call.pieces.append(text)
        name, _ = _ARGUMENTS[self._call.item["type"]]
        return [self._tell(f"response.{name}.delta", **self._call.place, delta=text)]

    def whole(self, item: dict[str, Any]) -> list[Any]:
        """Tell an item of the API's own as it is, once."""
        index = len(self.items) + (self._open is not None)
        id = item.get("id")
        if not isinstance(id, str):
            item = {**item, "id": made_up_id(self.stream_id, index, prefix="item_")}
        if item["id"] in self._ids:
            return []
        messages = self.close()
        self._ids.add(item["id"])
        self.items.append(item)
        return [
            *messages,
            self._tell("response.output_item.added", output_index=index, item=deepcopy(item)),
            self._tell("response.output_item.done", output_index=index, item=deepcopy(item)),
        ]

    def close(self, status: str = "completed") -> list[Any]:
        """Close the open item, if there is one."""
        item = self._open
        if item is None:
            return []
        messages = self._close_part(item)
        value = item.item
        if value["type"] in _ARGUMENTS:
            name, field = _ARGUMENTS[value["type"]]
            value[field] = "".join(item.pieces)
            fields = {field: value[field], "name": value["name"]}
            messages.append(self._tell(f"response.{name}.done", **item.place, **fields))
        if "status" in value:
            value["status"] = status
        self.items.append(value)
        self._open = None
        return [*messages, self._tell("response.output_item.done", output_index=item.index, item=deepcopy(value))]

    def _item(self, kind: str, prefix: str, fields: dict[str, Any], id: str | None = None) -> tuple[list[Any], _Open]:
        """Return the open item if it is of `kind`; else close it and open one."""
        if self._open is not None and self._open.item["type"] == kind:
            return [], self._open
        messages = self.close()
        index = len(self.items)
        if not id or id in self._ids:
            id = made_up_id(self.stream_id, index, prefix=prefix)
        self._ids.add(id)
        item = self._open = _Open(index, {"id": id, "type": kind, **fields})
        messages.append(self._tell("response.output_item.added", output_index=index, item=deepcopy(item.item)))
        return messages, item

    def _open_part(self, item: _Open, part: dict[str, Any]) -> list[Any]:
        item.part, item.pieces, item.start, item.size = part, [], self._length, 0
        name, places = _part_place(item)
        return [self._tell(f"response.{name}.added", **places, part=deepcopy(part))]

    def _close_part(self, item: _Open) -> list[Any]:
        part = item.part
        if part is None:
            return []
        name, places = _part_place(item)
        text = "".join(item.pieces)
        field = "refusal" if part["type"] == "refusal" else "text"
        part[field] = text
        if part["type"] == "output_text":
            self._last_text, self._last_start = part, item.start
        kind = "reasoning_summary_text" if part["type"] == "summary_text" else part["type"]
        fields: dict[str, Any] = {"logprobs": []} if part["type"] == "output_text" else {}
        item.item["summary" if item.item["type"] == "reasoning" else "content"].append(part)
        item.part = None
        return [
            self._tell(f"response.{kind}.done", **places, **{field: text}, **fields),
            self._tell(f"response.{name}.done", **places, part=deepcopy(part)),
        ]


def _text_part() -> dict[str, Any]:
    return {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}


def _part_place(item: _Open) -> tuple[str, dict[str, Any]]:
    """Return what the events of the open part are called, and where they are."""
    if item.item["type"] == "reasoning":
        return "reasoning_summary_part", {**item.place, "summary_index": len(item.item["summary"])}
    return "content_part", {**item.place, "content_index": len(item.item["content"])}
