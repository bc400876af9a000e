"""JSON text for any value a Python program has at hand: one encoder for every framing and dialect."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
import orjson

from .exceptions import DecodeError, EncodeError

__all__ = [
    "Default",
    "convert",
    "dumps",
    "escape_separators",
    "loads",
    "replace_surrogates",
    "to_jsonable",
    "with_timestamp",
]

_T = TypeVar("_T")

Default = Callable[[Any], Any]
"""A hook for values that JSON does not know: returns something it does know, or raises TypeError."""

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# U+2028, U+2029 and U+0085 are legal in JSON strings, but clients built on `str.splitlines` cut lines there.
_SEPARATORS = re.compile(rb"\xe2\x80[\xa8\xa9]|\xc2\x85")
_ESCAPES = {b"\xe2\x80\xa8": b"\\u2028", b"\xe2\x80\xa9": b"\\u2029", b"\xc2\x85": b"\\u0085"}


def escape_separators(text: bytes) -> bytes:
    """Return JSON `text` with U+2028, U+2029 and U+0085 written as escapes."""
    if text.isascii():
        return text
    return _SEPARATORS.sub(lambda match: _ESCAPES[match[0]], text)


def replace_surrogates(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs are joined, lone ones become U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def to_jsonable(value: Any) -> Any:
    """Return `value` (pydantic model, msgspec Struct, attrs object, set, Decimal, bytes ...) as plain JSON types.

    Bytes become base64 text, as in msgspec. Raises TypeError for anything else.
    """
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_dump_model)


def _dump_model(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    if dump is None or isinstance(value, type):
        raise TypeError(f"{type(value).__name__} has no JSON form")
    return dump(mode="json")


def dumps(value: Any, default: Default | None = None, *, indent: bool = False) -> bytes:
    """Return `value` as compact JSON, UTF-8, safe for clients that split lines too eagerly.

    `indent` writes it over several lines, two spaces a level. Integers of any size stay exact, lone surrogates
    become U+FFFD, NaN and infinities null. Raises EncodeError for a value that has no JSON form.
    """
    hook = to_jsonable if default is None else _first_of(default, to_jsonable)
    try:
        text = orjson.dumps(value, hook, orjson.OPT_INDENT_2 if indent else None)
    except TypeError as exc:
        text = _dumps_exact(value, hook, exc, indent=indent)
    return text if text.isascii() else escape_separators(text)


def _first_of(first: Default, second: Default) -> Default:
    def hook(value: Any) -> Any:
        try:
            return first(value)
        except TypeError:
            return second(value)

    return hook


def _dumps_exact(value: Any, hook: Default, reason: TypeError, *, indent: bool) -> bytes:
    """Encode what orjson refuses: integers beyond 64 bits, keys that are no strings, lone surrogates."""
    try:
        # The detour through text turns NaN and infinities into null, as orjson does.
        plain = json.loads(json.dumps(value, default=hook), parse_constant=lambda _: None)
        separators = None if indent else (",", ":")
        text = json.dumps(plain, ensure_ascii=False, indent=2 if indent else None, separators=separators)
    except Exception as exc:
        cause = reason.__cause__ or reason
        raise EncodeError(f"value cannot be written as JSON: {cause}") from exc
    return replace_surrogates(text).encode()


def with_timestamp(value: Any, seconds: int, default: Default | None = None) -> Any:
    """Return `value` with `"timestamp": seconds` if its JSON form is an object without one, else as it is.

    Keys in alphabetical order stay in alphabetical order. Raises EncodeError for a value that has no JSON form.
    """
    if not isinstance(value, dict | list | str | int | float | None):
        value = msgspec.json.decode(dumps(value, default))
    if not isinstance(value, dict) or "timestamp" in value:
        return value
    stamped = {**value, "timestamp": seconds}
    names = list(value)
    if all(isinstance(name, str) for name in names) and names == sorted(names):
        return dict(sorted(stamped.items()))
    return stamped


def loads(text: str | bytes, decoder: msgspec.json.Decoder[Any] | None = None, *, what: str = "JSON") -> Any:
    """Return the value of JSON `text`: integers of any size exact, lone surrogates as U+FFFD.

    `decoder` reads it as something more definite. Raises DecodeError, which says that it is not `what`.
    """
    decode = decoder.decode if decoder is not None else msgspec.json.decode
    try:
        try:
            return decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            # Half an emoji is legal JSON, and models and browsers do cut there; msgspec refuses it.
            plain = text if isinstance(text, str) else text.decode()
            if not _SURROGATE.search(plain):
                raise
            return decode(dumps(json.loads(plain)))
    except (msgspec.MsgspecError, RecursionError, ValueError) as exc:
        line = text if isinstance(text, bytes) else text.encode(errors="replace")
        raise DecodeError(f"not {what}: {exc}", line=line) from exc


def convert(value: Any, kind: type[_T], *, what: str) -> _T:
    """Return plain JSON data as a `kind`. Raises DecodeError, which says that it is not `what`, and which field."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError, UnicodeError) as exc:
        # The last one is of a lone surrogate where there should be no text at all.
        raise DecodeError(f"not {what}: {exc}") from exc
