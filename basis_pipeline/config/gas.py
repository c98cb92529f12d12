"""How a book that is counted in another token pays for gas on a real chain.

A backtest charges such a book its gas in its own token (`_gas_slot` in `wiring`): nothing there holds ETH.
On a chain only ETH pays gas. Booking a cost in USDT while no USDT moves would make the book differ from the chain by
all the gas it ever paid; leaving the ETH out would make the gas disappear from the result. So the ETH of the wallet
becomes what it is, a position: it comes into the book with the opening, gas is taken out of it and is
`transaction_costs` in the share class, as in a backtest. What the ETH itself gains and loses is `dust_pnl`. The
strategy neither deploys nor sells it (`Lending.tank_slot`, `Basis.tank_slot`; the `gas_tank` of a hedged stack, whose
wallet also holds ETH that is to be staked).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.models import HedgedStakingStrategy
from basis_pipeline.config.shapes import build_strategy
from basis_pipeline.config.universe import GAS_KEY
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import ConfigError

_SUBSCRIPTIONS = "component_config.position_monitor.position_subscriptions"


def wire_on_chain(
    folder: ConfigFolder,
    name: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    tank: float = 0.0,
    late: bool = False,
) -> WiredMode:
    """A mode whose gas is paid from ETH that it holds, declared beside its own positions where they have none.

    A hedged stack keeps `tank` ETH of what it holds for that; `late` as of `wire_mode`. The added key is part of the
    record: a state of the mode without it is refused like one of any other configuration.

    Raises:
        ConfigError: the mode has scheduled flows, which would be booked without a transaction.
    """
    wired = wire_mode(folder, name, overrides, late=late)
    if wired.settings.flows:
        raise ConfigError(
            f"{name} has scheduled `flows`, but a book on chain changes by what really moves.",
            remedy="leave them out of live sessions; docs/guides/live-on-chain.md says how money comes and goes.",
        )
    if wired.settings.universe.find(GAS_KEY) is None:
        declared = wired.file.component_config.position_monitor.position_subscriptions
        added = {**(overrides or {}), _SUBSCRIPTIONS: [*declared, GAS_KEY]}
        wired = wire_mode(folder, name, added, late=late)
    settings = replace(wired.settings, gas_slot=wired.settings.universe.slot(GAS_KEY))
    if isinstance(wired.file.strategy, HedgedStakingStrategy):
        settings = replace(settings, gas_tank=tank)
    return dataclasses.replace(wired, settings=settings, strategy=build_strategy(wired.file, settings))
