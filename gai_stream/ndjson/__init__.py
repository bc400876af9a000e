"""Newline-delimited JSON: one value a line, ended by LF and by nothing else.

Source: https://github.com/ndjson/ndjson-spec and https://jsonlines.org; white space as in RFC 8259, section 2.
"""

from __future__ import annotations

# Not typing's, which takes longer to load than this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .decoder import Loads, NDJSONDecoder, OnError
    from .encoder import NDJSONEncoder
else:  # where type checkers do not see it: it would let every name through
    _HOMES = {"Loads": "decoder", "NDJSONDecoder": "decoder", "NDJSONEncoder": "encoder", "OnError": "decoder"}

    def __getattr__(name: str) -> object:
        """Load a name when it is first used: who reads lines does not pay for what writes them."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value


__all__ = ["Loads", "NDJSONDecoder", "NDJSONEncoder", "OnError"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
