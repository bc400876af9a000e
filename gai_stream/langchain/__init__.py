"""LangChain: what its models, agents and graphs stream, as events.

`LangChainDecoder` reads the chunks of `stream` and `astream`, the dicts of `astream_events`, and what LangGraph yields;
`sse_response` and its like use it by themselves. `LangChainCallback` is for code that takes callbacks. Nothing here
imports LangChain, except the callback, when you ask for it.
"""

from __future__ import annotations

# Not typing's, which takes longer to load than this module.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from .callback import LangChainCallback
    from .decoder import LangChainDecoder
else:  # where type checkers do not see it: it would let every name through
    _HOMES = {"LangChainCallback": "callback", "LangChainDecoder": "decoder"}

    def __getattr__(name: str) -> object:
        """Load a name when it is first used: the callback needs langchain-core, and the decoder does not."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        return value


__all__ = ["LangChainCallback", "LangChainDecoder"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
