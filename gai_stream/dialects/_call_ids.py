"""One id for one call: clients that find a call by its id alone lose one, or the whole run, when two share theirs."""

from __future__ import annotations

from ._calls import OutgoingCall, made_up_id

__all__ = ["CallIds"]


class CallIds:
    """Give each call of an answer an id of its own: the provider's, unless an earlier call has it."""

    def __init__(self) -> None:
        self._of_calls: dict[OutgoingCall, str] = {}
        self._latest: dict[str, str] = {}

    def of(self, call: OutgoingCall) -> str:
        """Return the id under which `call` is told, always the same."""
        id = self._of_calls.get(call)
        if id is None:
            id = made_up_id(call.id, len(self._of_calls)) if call.id in self._latest else call.id
            self._of_calls[call] = self._latest[call.id] = id
        return id

    def of_result(self, id: str) -> str:
        """Return the id of the latest call that the provider calls `id`; `id` itself if there is none."""
        return self._latest.get(id, id)
