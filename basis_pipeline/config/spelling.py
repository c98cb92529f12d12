"""What somebody probably meant who wrote a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """A remedy: the nearest of the `known` names, or all of them; `prefix` is what they all begin with."""
    known = list(known)
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"did you mean {prefix}{found[0]}?" if found else f"known are {', '.join(prefix + one for one in known)}"
