"""Values that must never be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LONG = 8
"""Parts of a URL from this length on may be a key."""


class Secret:
    """Shown as `***` wherever it is formatted, logged or part of an exception; `reveal` hands it to a client."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a secret is not written anywhere")


def keys_in(url: str) -> tuple[str, ...]:
    """Parts of a URL that may be a key or a password: whoever is behind it may repeat them in what he says."""
    place, *path = re.split("[/?&=]", url.partition("://")[2])
    user = place.rpartition("@")[0].split(":")
    return tuple(part for part in (*user, *path) if len(part) >= _LONG)


def without(keys: Iterable[str], text: str) -> str:
    """`text` with every one of `keys` left out."""
    for key in keys:
        text = text.replace(key, "***")
    return text
