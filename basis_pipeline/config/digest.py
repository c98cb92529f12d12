"""The digest of everything that decides behaviour, and the same in readable form by dotted key.

Names, descriptions, the opening month and the limits of gates do not decide behaviour (months that were judged by other
limits are stale all the same, see `runs.freshness`); lines of a venue file that the mode does not use
do not either, so that adding an instrument makes no other mode stale.
"""

from __future__ import annotations

import json
from typing import Any

from basis_pipeline.config.models import ModeFile
from basis_pipeline.config.universe import Venues
from basis_pipeline.config.venue_models import ShareClassFile
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.storage.digests import text_digest

_NOT_BEHAVIOUR = {"description", "opening_month", "venues", "gates"}


def behaviour_of(mode: ModeFile, venues: Venues, universe: Universe, share_class: ShareClassFile) -> dict[str, str]:
    """Dotted key -> value as JSON text, sorted by key."""
    tree: dict[str, Any] = mode.model_dump(mode="json", exclude=_NOT_BEHAVIOUR)
    tree["share_class_rules"] = {"market_neutral": share_class.market_neutral}
    tree["venues"] = {
        name: file.model_dump(mode="json", exclude={"description", "instruments", "name"})
        for name, file in venues.files.items()
    }
    declared = [i for i in universe if i.position_type is not PositionType.RECEIVABLE]
    tree["instruments"] = {
        str(i.key): venues.line(str(i.key)).model_dump(mode="json", exclude={"key"}) for i in declared
    }
    return dict(sorted(_flatten(tree).items()))


def digest_of(behaviour: dict[str, str]) -> str:
    """SHA-256 (hex) of the readable form."""
    return text_digest(*(f"{key}={value}" for key, value in behaviour.items()))


def _flatten(node: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in node.items():
        if isinstance(value, dict):
            flat |= _flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = json.dumps(value)
    return flat
