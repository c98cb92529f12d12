"""Staking modes without friction, and the keys of what they hold."""

from __future__ import annotations

from typing import Any

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline_tests.builders import wired

ETH, USDT = "wallet:BaseToken:ETH", "wallet:BaseToken:USDT"
EIGEN, ETHFI = "wallet:BaseToken:EIGEN", "wallet:BaseToken:ETHFI"
WEETH, COLLATERAL, DEBT = "etherfi:LST:weETH", "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
MODES = ("eth_staking_only", "eth_leveraged", "usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged")

_SWAPS = {"weETH": {"slippage_bp": {10_000: 0.0}}, "EIGEN": {"slippage_bp": {10_000: 0.0}}}


def free_of_cost(mode: str, overrides: dict[str, Any] | None = None) -> WiredMode:
    """No gas, no slippage on pools, no transfer fees, nothing kept in reserve; exchanges charge what they charge."""
    venues = set(wired(mode).settings.venues)
    free: dict[str, Any] = {"reserve_fraction": 0.0}
    for venue in venues & {"wallet", "etherfi", "aave_v3", "curve", "uniswap", "instadapp"}:
        free[f"venues.{venue}.gas_units"] = {}
    free["venues.curve.swaps"] = {"weETH": _SWAPS["weETH"]}
    free["venues.uniswap.swaps"] = {"EIGEN": _SWAPS["EIGEN"], "ETHFI": _SWAPS["EIGEN"]}
    for venue in venues & {"wallet", "binance", "bybit"}:
        free[f"venues.{venue}.transfer_fee_usdt"] = 0.0
    return wired(mode, free | (overrides or {}))
