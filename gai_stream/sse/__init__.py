"""Server-Sent Events: all that is known here of `text/event-stream`.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html (WHATWG HTML, 9.2).
"""

from __future__ import annotations

# Not typing's, which takes longer to load than this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .decoder import OnOversize, SSEDecoder
    from .encoder import SSEEncoder
    from .message import ServerSentEvent
else:  # where type checkers do not see it: it would let every name through
    _HOMES = {"OnOversize": "decoder", "SSEDecoder": "decoder", "SSEEncoder": "encoder", "ServerSentEvent": "message"}

    def __getattr__(name: str) -> object:
        """Load a name when it is first used: who reads streams does not pay for what writes JSON."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value


__all__ = ["OnOversize", "SSEDecoder", "SSEEncoder", "ServerSentEvent"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
