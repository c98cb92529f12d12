"""Position keys `venue:position_type:symbol` and the universe that resolves them to integer slots at wiring.

Inside the loop a quantity is addressed by its slot; at every boundary (events, results, errors, configuration) the
slot is the key again. Quantities by type: BaseToken, LST and Receivable in token units; aToken and debtToken SCALED
(amount / index, debt stored positive); Perp signed base quantity, or USD contracts of an inverse one; a short is
negative.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from basis_pipeline.domain.errors import ConfigError, PositionError


class PositionType(StrEnum):
    BASE_TOKEN = "BaseToken"
    A_TOKEN = "aToken"
    LST = "LST"
    DEBT_TOKEN = "debtToken"
    PERP = "Perp"
    RECEIVABLE = "Receivable"


class PositionKey(msgspec.Struct, frozen=True, order=True):
    """`venue:position_type:symbol`, case-sensitive, three non-empty parts (R26)."""

    venue: str
    position_type: PositionType
    symbol: str

    @classmethod
    def parse(cls, text: str) -> PositionKey:
        """Raise ConfigError where `text` does not follow the grammar."""
        parts = text.split(":")
        if len(parts) != 3 or not all(parts):
            raise ConfigError(f"position key {text!r} is not of the form venue:position_type:symbol.")
        if parts[1] not in set(PositionType):
            raise ConfigError(
                f"position key {text!r} has unknown type {parts[1]!r}.", remedy=f"use one of {', '.join(PositionType)}."
            )
        return cls(parts[0], PositionType(parts[1]), parts[2])

    def __str__(self) -> str:
        return f"{self.venue}:{self.position_type}:{self.symbol}"


class Instrument(msgspec.Struct, frozen=True):
    """What a position is a position in.

    Attributes:
        key: its position key.
        token: what is held or owed, e.g. `WETH` for `aave_v3:debtToken:debtWETH`; the base token of a perp.
        asset: what prices it, e.g. `ETH` for weETH, WETH and an ETH perp.
        quote: settlement currency of a perp, otherwise empty.
        ratio: symbol of the protocol ratio that converts the token into the asset, e.g. `weETH_ETH`; empty if 1.
    """

    key: PositionKey
    token: str
    asset: str
    quote: str = ""
    ratio: str = ""

    @property
    def position_type(self) -> PositionType:
        return self.key.position_type

    @property
    def inverse(self) -> bool:
        """A perp that settles in the coin it is on and is counted in USD contracts."""
        return self.key.position_type is PositionType.PERP and self.quote == self.token

    @property
    def sign(self) -> float:
        """-1 for debt, which is stored positive; +1 for everything else."""
        return -1.0 if self.key.position_type is PositionType.DEBT_TOKEN else 1.0


class Universe:
    """The declared positions of one mode, in a fixed order: instrument <-> slot."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments: tuple[Instrument, ...] = tuple(instruments)
        self.keys: tuple[str, ...] = tuple(str(instrument.key) for instrument in self.instruments)
        self.assets: tuple[str, ...] = tuple(dict.fromkeys(instrument.asset for instrument in self.instruments))
        self._slots = {key: slot for slot, key in enumerate(self.keys)}
        if len(self._slots) != len(self.keys):
            repeated = sorted({key for key in self.keys if self.keys.count(key) > 1})
            raise ConfigError(f"positions declared twice: {', '.join(repeated)}.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Universe) and self.instruments == other.instruments

    def __hash__(self) -> int:
        return hash(self.instruments)

    def __len__(self) -> int:
        return len(self.instruments)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self.instruments)

    def slot(self, key: str | PositionKey) -> int:
        """Slot of a declared key; raise PositionError with the nearest declared one otherwise (R26)."""
        text = str(key)
        if (slot := self._slots.get(text)) is not None:
            return slot
        nearest = difflib.get_close_matches(text, self.keys, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "declare it in the mode's position subscriptions."
        raise PositionError(f"position {text} is not declared by this mode.", code="POS-002", remedy=hint)

    def find(self, key: str | PositionKey) -> int | None:
        return self._slots.get(str(key))

    def slots_of(self, *types: PositionType, venue: str | None = None, token: str | None = None) -> tuple[int, ...]:
        """Slots whose instrument has one of `types` and, where given, that venue and that token; in slot order."""
        return tuple(
            slot
            for slot, instrument in enumerate(self.instruments)
            if instrument.position_type in types
            and venue in (None, instrument.key.venue)
            and token in (None, instrument.token)
        )
