"""Reading fields of a JSON body: what is wrong is named by its place, with the fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from gai_stream.exceptions import DecodeError

__all__ = ["at", "check", "kind", "need", "objects", "one_of", "present", "take"]

T = TypeVar("T")

_WORDS: Final[dict[Any, str]] = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict[str, Any]: "an object",
    list[str]: "a list of strings",
    list[Any]: "a list",
    bool | str: "true, false or a string",
    str | list[str]: "a string or a list of strings",
    str | list[Any]: "a string or a list",
    list[dict[str, Any]]: "a list of objects",
    str | dict[str, Any]: "a string or an object",
}


def at(place: str, key: str) -> str:
    """Return the path of `key` in the object at `place`, which is "" for the body itself."""
    return f"{place}.{key}" if place else key


def kind(value: object) -> str:
    """Return the JSON name of `value`'s type, with its article."""
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "a list"
        case _:
            return "an object"


def present(body: Any, example: str) -> dict[str, Any]:
    """Return a copy of the object `body` without what is null. `example` says what to send instead of anything else."""
    if not isinstance(body, dict):
        raise DecodeError(f"body must be a JSON object, not {kind(body)}; send {example}")
    return {key: value for key, value in body.items() if value is not None}


def check(value: Any, type_: Any, field: str) -> Any:
    """Return `value` as `type_`, which is one of `_WORDS` or Any."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        found = "a list of something else" if isinstance(value, list) else kind(value)
        raise DecodeError(f"{field} must be {_WORDS[type_]}, not {found}") from None


def take(item: dict[str, Any], key: str, type_: Any, place: str = "") -> Any:
    """Remove `key` from `item` and return its value, None without one."""
    value = item.pop(key, None)
    return None if value is None else check(value, type_, at(place, key))


def need(item: dict[str, Any], key: str, type_: Any, place: str = "") -> Any:
    """Remove `key`, which must be there, from `item` and return its value."""
    if item.get(key) is None:
        raise DecodeError(f"{at(place, key)} is missing; send {_WORDS[type_]}")
    return check(item.pop(key), type_, at(place, key))


def one_of(value: str, words: Sequence[str], field: str) -> str:
    """Return `value` if it is one of `words`."""
    if value not in words:
        raise DecodeError(f"{field} must be one of {', '.join(words)}, not {value[:40]!r}")
    return value


def objects(value: Any, field: str, read: Callable[[dict[str, Any], str], T]) -> list[T]:
    """Read a list of objects, each with its place in the body and without what is null."""
    if not isinstance(value, list):
        raise DecodeError(f"{field} must be a list of objects, not {kind(value)}")
    read_items = []
    for number, item in enumerate(value):
        place = f"{field}[{number}]"
        if not isinstance(item, dict):
            raise DecodeError(f"{place} must be an object, not {kind(item)}")
        read_items.append(read({key: inner for key, inner in item.items() if inner is not None}, place))
    return read_items
