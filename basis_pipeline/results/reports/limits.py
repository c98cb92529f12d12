"""The limits that a book was run with, as lines to draw: read from the configuration that its manifests keep."""

from __future__ import annotations

from typing import Any

import msgspec

from basis_pipeline.results.reports.chart import Level


class _Margin(msgspec.Struct, frozen=True):
    warn: float | None = None
    derisk: float | None = None
    emergency: float | None = None


class _Delta(msgspec.Struct, frozen=True):
    rebalance: float | None = None
    breach: float | None = None


class _Drift(msgspec.Struct, frozen=True):
    warn: float | None = None
    breach: float | None = None


class _Strategy(msgspec.Struct, frozen=True):
    target_ltv: float | None = None
    ltv_band: float | None = None
    health_factor_derisk: float | None = None
    health_factor_emergency: float | None = None
    sd_cap_bp: float | None = None
    drift: _Drift = _Drift()


class _Mode(msgspec.Struct, frozen=True):
    strategy: _Strategy = _Strategy()
    margin_ratio: _Margin = _Margin()
    delta: _Delta = _Delta()
    max_drawdown: float | None = None
    funding_floor_apr: float | None = None


class _Config(msgspec.Struct, frozen=True):
    mode: _Mode = _Mode()


def limits_of(config: dict[str, Any]) -> dict[str, list[Level]]:
    """Levels by the dimension whose chart they belong to; a limit that a mode does not have is no level.

    Margin, health factor and loan to value always show how far away their limits are; others only when they are near.
    """
    mode = msgspec.convert(config, _Config).mode
    margin, strategy, breach = mode.margin_ratio, mode.strategy, mode.delta.breach
    target, cap, drift = strategy.target_ltv or None, strategy.sd_cap_bp, strategy.drift
    reduced = target + (strategy.ltv_band or 0.0) if target else None
    found = {
        "margin_ratio": (("derisk", margin.derisk, "--warn", True), ("emergency", margin.emergency, "--loss", True)),
        "health_factor": (
            ("derisk", strategy.health_factor_derisk if target else None, "--warn", True),
            ("emergency", strategy.health_factor_emergency if target else None, "--loss", True),
        ),
        "loan_to_value": (("target", target, "--muted", True), ("reduced above", reduced, "--warn", True)),
        "delta": (("breach", breach, "--loss", False), ("breach", _negative(breach), "--loss", False)),
        "drawdown": (("exit", _negative(mode.max_drawdown), "--loss", False),),
        "funding_apr": (("floor", mode.funding_floor_apr, "--warn", False),),
        "predicted_sd": (("cap", None if cap is None else cap * 1e-4, "--warn", False),),
        "model_drift": (("warn", drift.warn, "--warn", True), ("no entry above", drift.breach, "--loss", True)),
    }
    return {
        dimension: [Level(label, value, colour, kept) for label, value, colour, kept in levels if value is not None]
        for dimension, levels in found.items()
    }


def _negative(value: float | None) -> float | None:
    return None if value is None else -value
