"""Collateral that is not the book's: anybody may lend any token for the executor, and Aave counts it.

That is a gift while something may be lent against it. Once governance says that nothing may (a loan to value of zero),
Aave lets nothing else be withdrawn as long as it counts: a unit of it would keep a whole stack from being reduced
(`validateHFAndLtv` of Aave V3). An order that withdraws therefore first says that it is not to count.
"""

from __future__ import annotations

from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.abi import call_data
from basis_pipeline.venues.live.calls import Call
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.deployment import Deployment

_RESERVES = 128
"""How many an account's configuration has room for: two bits each, the upper one says that it is collateral."""
_LOAN_TO_VALUE = 0xFFFF
"""The lowest 16 bits of a reserve's configuration, basis points (ReserveConfiguration.sol)."""


def released(chain: Chain, deployment: Deployment, settings: EngineSettings, order: Order) -> tuple[Call, ...]:
    """What `order` has to call first, so that foreign collateral keeps it from withdrawing nothing.

    Raises:
        VenueError: the node does not say.
    """
    lending = deployment.lending
    if lending is None or not any(step.operation is Operation.WITHDRAW for step in order.steps or (order,)):
        return ()
    account = chain.read(lending.pool, "getUserConfiguration(address)", ("uint256",), deployment.executor)
    used = [number for number in range(_RESERVES) if account >> 2 * number + 1 & 1]
    tokens = [chain.read(lending.pool, "getReserveAddressById(uint16)", ("address",), number) for number in used]
    supplied = (i.token for i in settings.universe if i.position_type is PositionType.A_TOKEN)
    ours = {deployment.token(symbol).address.lower() for symbol in supplied}
    release = "setUserUseReserveAsCollateral(address,bool)"
    return tuple(
        Call(lending.pool, call_data(release, token, False))
        for token in tokens
        if token.lower() not in ours and not _lent_against(chain, lending.pool, token)
    )


def _lent_against(chain: Chain, pool: str, token: str) -> bool:
    return bool(chain.read(pool, "getConfiguration(address)", ("uint256",), token) & _LOAN_TO_VALUE)
