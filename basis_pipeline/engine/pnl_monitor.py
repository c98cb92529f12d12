"""Profit and loss: equity is the truth, attribution explains it, the residual is shown (R66)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.records import Exposure, PnL, Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import PnLState
from basis_pipeline.engine.attribution import RESIDUAL, Attribution


class _Ledger(NamedTuple):
    """Running sums in one numeraire. `step` and `flow` cover the current timestep, `cumulative` the whole record."""

    equity: float
    cumulative: float
    cumulative_attribution: tuple[float, ...]
    step: float
    flow: float
    attribution: tuple[float, ...]
    peak: float


class PnLMonitor:
    """Attributes the change of equity since the previous commit, and sums it over the timestep and the record.

    Safe to call several times per timestep: the first call accounts for the interval since the last one, later calls
    at the same timestamp only for what their deltas changed.
    """

    def __init__(
        self, settings: EngineSettings, state: PnLState, positions: Positions, market: MarketSnapshot | None
    ) -> None:
        self._attribution = Attribution(settings)
        width = self._attribution.width
        self._positions = positions
        self._market = market
        self._share = _open_ledger(state.equity, state.cumulative, fitted(state.attribution, width), state.peak)
        usd = _open_ledger(state.equity_usd, state.cumulative_usd, fitted(state.attribution_usd, width), state.peak_usd)
        self._usd = self._share if usd == self._share else usd
        self._candidate = (positions, market, self._share, self._usd)

    def update_state(
        self, exposure: Exposure, positions: Positions, market: MarketSnapshot, deltas: tuple[PositionDelta, ...]
    ) -> PnL:
        """P&L of a candidate commit reached by `deltas`; nothing is remembered before `commit`."""
        share = self._advance(self._share, exposure, market, deltas, _per_share)
        if self._usd is self._share and market.usd == market.share_price == 1.0:
            usd = share
        else:
            usd = self._advance(self._usd, exposure, market, deltas, _per_usd)
        self._candidate = (positions, market, share, usd)
        return PnL(
            share.equity,
            usd.equity,
            share.step,
            usd.step,
            share.cumulative,
            usd.cumulative,
            share.flow,
            usd.flow,
            share.attribution,
            usd.attribution,
        )

    @property
    def market(self) -> MarketSnapshot | None:
        """Where the next interval starts; None before the first commit."""
        return self._market

    def commit(self) -> None:
        self._positions, self._market, self._share, self._usd = self._candidate

    def state(self) -> PnLState:
        share, usd = self._share, self._usd
        return PnLState(
            share.cumulative_attribution,
            usd.cumulative_attribution,
            share.equity,
            usd.equity,
            share.cumulative,
            usd.cumulative,
            share.peak,
            usd.peak,
        )

    def _advance(
        self,
        ledger: _Ledger,
        exposure: Exposure,
        market: MarketSnapshot,
        deltas: tuple[PositionDelta, ...],
        numeraire: Callable[[MarketSnapshot], float],
    ) -> _Ledger:
        now = numeraire(market)
        before = self._market
        new_step = before is None or market.timestamp != before.timestamp
        if before is not None and new_step:
            parts = self._attribution.revalue(self._positions, before, market, numeraire(before), now)
        else:
            parts = [0.0] * self._attribution.width
        flow = self._attribution.explain(deltas, market, now, parts) if deltas else 0.0
        equity = exposure.equity * now
        change = equity - ledger.equity - flow
        peak = max(ledger.peak, equity)
        parts[RESIDUAL] += change - sum(parts)
        cumulative = tuple(map(float.__add__, ledger.cumulative_attribution, parts))
        if new_step:
            return _Ledger(equity, ledger.cumulative + change, cumulative, change, flow, tuple(parts), peak)
        attribution = tuple(map(float.__add__, ledger.attribution, parts))
        return _Ledger(
            equity, ledger.cumulative + change, cumulative, ledger.step + change, ledger.flow + flow, attribution, peak
        )


def _per_share(market: MarketSnapshot) -> float:
    return 1.0 / market.share_price


def _per_usd(market: MarketSnapshot) -> float:
    return market.usd


def _open_ledger(equity: float, cumulative: float, attribution: tuple[float, ...], peak: float) -> _Ledger:
    return _Ledger(equity, cumulative, attribution, 0.0, 0.0, (0.0,) * len(attribution), peak)


def fitted(attribution: tuple[float, ...], width: int) -> tuple[float, ...]:
    """Sums of a record that goes on live, or of a live one that is replayed, where nothing is adjusted."""
    if len(attribution) <= width:
        return attribution + (0.0,) * (width - len(attribution))
    kept = list(attribution[:width])
    kept[RESIDUAL] += sum(attribution[width:])
    return tuple(kept)
