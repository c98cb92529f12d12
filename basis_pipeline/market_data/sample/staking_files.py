"""Files of staking tokens: pegs, ether.fi distributions and yields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from basis_pipeline.domain.timeline import DAY, HOUR, iso, month_start
from basis_pipeline.market_data.sample.aave_files import straight_lines
from basis_pipeline.market_data.sample.chain import StakingToken, market_discount
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.formats import Column, csv_bytes
from basis_pipeline.market_data.sample.period import HOURS_PER_DAY, Floats, Period, dates, epoch_seconds, iso_blank

_WEEK = 7 * DAY
_FIRST_SUNDAY_AFTER_EPOCH = 3 * DAY
_RESTAKED_ONLY_FROM = month_start("2025-02") + 8 * DAY
_TOP_UP_EVERY, _TOP_UP_DELAY = 8, 12 * DAY
_SEASON = (30 * DAY, 90 * DAY, 105 * DAY)
_EIGEN_USD, _ETHFI_USD = 3.5, 2.8
_AT_PEG = 0.5
_NOTIONAL_USD = 10_000


def peg_csv(token: StakingToken, ratio: Floats, factors: Factors) -> bytes:
    """Protocol rate and 24-hour median of the market rate, with the vendor's constant route costs."""
    period = factors.period
    stamps, protocol = period.stamps(HOUR), straight_lines(ratio)
    trades = 1.0 - market_discount(token, factors, warmup=HOURS_PER_DAY - 1)[:-1]
    market = protocol * np.median(np.lib.stride_tricks.sliding_window_view(trades, HOURS_PER_DAY), axis=1)
    premium = 100 * (market / protocol - 1)
    benefit = -token.cost_usd - premium / 100 * _NOTIONAL_USD
    cost = np.full(len(stamps), token.cost_usd)
    columns: dict[str, Column] = {
        "timestamp": iso_blank(stamps), "protocol_rate": protocol, "asset": token.symbol,
        "source": "aave_oracle_derived", "quote_currency": "ETH",
        "date_oracle": dates(stamps), "date_market": dates(stamps),
        "market_rate": market, "dex": token.dex, "market_rate_median_24h": market, "peg_premium_percent": premium,
        "base_asset": "ETH", "processed_date": _processed(period),
        "direct_gas_cost_usd": cost, "dex_gas_cost_usd": cost,
        "dex_execution_cost_bps": cost, "dex_execution_cost_usd": cost,
        "total_direct_cost_usd": cost, "total_dex_cost_usd": 2 * cost, "cost_difference_usd": cost,
        "optimal_route_by_cost": "direct_staking", "net_dex_benefit_usd": benefit,
        "optimal_route_with_costs": np.where(benefit > 0, "dex_swap", token.redemption),
        "peg_status": np.where(premium < -_AT_PEG, "discount", "at_peg"),
    }  # fmt: skip
    return csv_bytes(columns)


@dataclass(frozen=True)
class Distribution:
    """EIGEN paid for the week [start, end], both days included; amounts in EIGEN and ETH."""

    start: int
    end: int
    earned: int
    restaked: int
    not_restaked: int

    @property
    def per_eeth(self) -> float:
        """EIGEN per eETH and week; the denominator is restaked ETH only from 2025-02-09, as published."""
        idle = 0 if self.start >= _RESTAKED_ONLY_FROM else self.not_restaked
        return round(self.earned / (self.restaked + idle), 3)


@dataclass(frozen=True)
class TopUp:
    """ETHFI added to a week's distribution and paid twelve days after its end."""

    week: Distribution
    payout: int
    ethfi: int

    @property
    def per_eeth(self) -> float:
        return round(self.ethfi / (self.week.restaked + self.week.not_restaked), 3)


def distributions(factors: Factors) -> list[Distribution]:
    """The weeks from Sunday to Saturday inside the period."""
    period = factors.period
    first = period.start + (_FIRST_SUNDAY_AFTER_EPOCH - period.start) % _WEEK
    starts = np.arange(first, period.end - _WEEK + 1, _WEEK).tolist()
    draws = factors.normal("ether.fi/weeks", 3 * len(starts)).reshape(-1, 3).tolist()
    return [
        Distribution(
            start,
            start + 6 * DAY,
            int(370_000 * (1 + 0.03 * earned)),
            int(1_600_000 * (1 + 0.02 * restaked)),
            int(450_000 * (1 + 0.05 * idle)),
        )
        for start, (earned, restaked, idle) in zip(starts, draws, strict=True)
    ]


def top_ups(factors: Factors) -> list[TopUp]:
    """One top-up every eight weeks, if it is paid inside the period."""
    weeks = distributions(factors)[::_TOP_UP_EVERY]
    amounts = (30_000 + 470_000 * factors.uniform("ether.fi/top-ups", len(weeks))).astype(int).tolist()
    paid = [TopUp(week, week.end + _TOP_UP_DELAY, amount) for week, amount in zip(weeks, amounts, strict=True)]
    return [top_up for top_up in paid if top_up.payout < factors.period.end]


def distributions_csv(factors: Factors) -> bytes:
    weeks = distributions(factors)
    columns: dict[str, Column] = {
        "staking_period_start": [_date(week.start) for week in weeks],
        "staking_period_end": [_date(week.end) for week in weeks],
        "eigen_earned": [week.earned for week in weeks],
        "eth_restaked": [week.restaked for week in weeks],
        "eth_not_restaked": [week.not_restaked for week in weeks],
        "eigen_per_eeth_weekly": [f"{week.per_eeth:.3f}" for week in weeks],
    }
    return csv_bytes(columns)


def top_ups_csv(factors: Factors) -> bytes:
    paid = top_ups(factors)
    columns: dict[str, Column] = {
        "top_up_date": [_date(one.payout) for one in paid],
        "staking_period_start": [_date(one.week.start) for one in paid],
        "staking_period_end": [_date(one.week.end) for one in paid],
        "ethfi_amount": [one.ethfi for one in paid],
        "ethfi_per_eeth_distributed": [f"{one.per_eeth:.3f}" for one in paid],
    }
    return csv_bytes(columns)


def drops_csv(factors: Factors) -> bytes:
    """Hand-collected drops: exact top-ups, and a season whose reward is a range written as text."""
    header = ("start_date", "end_date", "payout_date", "event", "reward_token", "reward_per_eeth", "extra_yield_pct")
    rows: list[tuple[object, ...]] = [
        (_date(one.week.start), _date(one.week.end), _date(one.payout), f"Top-Up #{number}", "ETHFI",
         f"{one.per_eeth:.3f}", '"~0.005–0.015%"')
        for number, one in enumerate(top_ups(factors), start=1)
    ]  # fmt: skip
    start, end, payout = (factors.period.start + offset for offset in _SEASON)
    if payout < factors.period.end:
        rows.append((_date(start), _date(end), _date(payout), "Season 1", "ETHFI", '"~3–8"', '"~0.1–0.4%"'))
    columns: dict[str, Column] = dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))
    return csv_bytes(columns | {"source_url": "synthetic", "notes": '"Invented."'})


_PERIOD_COLUMNS = (
    "period_start", "period_end", "payout_date", "period_days", "reward_type", "event_name", "eigen_per_eeth_weekly",
    "eigen_price_usd", "eth_price_usd", "weekly_reward_eth", "daily_yield_pct", "daily_yield_conservative",
    "daily_yield_aggressive", "daily_yield_final", "distribution_mechanism", "data_source", "data_quality",
    "defillama_reward_apy", "ethfi_per_eeth", "ethfi_price_usd", "distribution_eth",
)  # fmt: skip


def reward_periods_csv(eth_price: Floats, factors: Factors) -> bytes:
    """The vendor's derivation from the files above, constant token prices and period_days = end - start included.

    Args:
        eth_price: USD per ETH at every midnight.
        factors: of the sample.
    """
    rows = list(_reward_periods(eth_price, factors))
    return csv_bytes({name: [row.get(name, "") for row in rows] for name in _PERIOD_COLUMNS})


def _reward_periods(eth_price: Floats, factors: Factors) -> Iterator[dict[str, object]]:
    def on(day: int) -> float:
        return float(eth_price[(day - factors.period.start) // DAY])

    for week in distributions(factors):
        weekly = week.per_eeth * _EIGEN_USD / on(week.end)
        yield _dates(week.start, week.end, week.end) | {
            "reward_type": "EIGEN_via_KING", "event_name": "EIGEN_Weekly_Distribution",
            "eigen_per_eeth_weekly": week.per_eeth, "eigen_price_usd": _EIGEN_USD, "eth_price_usd": on(week.end),
            "weekly_reward_eth": weekly, **_yields(weekly / 7, 0.2), "distribution_mechanism": "king_protocol_weekly",
            "data_source": "real_eigen_distribution", "data_quality": "exact",
        }  # fmt: skip
    for one in top_ups(factors):
        amount = one.per_eeth * _ETHFI_USD / on(one.payout)
        span = _dates(one.week.start, one.week.end, one.payout)
        yield span | {
            "reward_type": "ETHFI_via_KING", "event_name": f"ETHFI_TopUp_{_date(one.payout).replace('-', '')}",
            "eth_price_usd": on(one.payout), **_yields(amount / 6, 0.1),
            "distribution_mechanism": "king_protocol_adhoc_topup", "data_source": "real_ethfi_topup",
            "data_quality": "exact", "ethfi_per_eeth": one.per_eeth, "ethfi_price_usd": _ETHFI_USD,
            "distribution_eth": amount,
        }  # fmt: skip


def supply_apy_csv(factors: Factors) -> bytes:
    """Daily APY of eETH, percent; rewards are counted from the 61st day on. No final newline."""
    stamps = factors.period.stamps(DAY)
    base = 2.8 + 0.4 * factors.normal("ether.fi/apy", len(stamps))
    reward = 0.8 + 0.1 * factors.normal("ether.fi/reward apy", len(stamps))
    columns: dict[str, Column] = {
        "Timestamp": epoch_seconds(stamps),
        "Date": dates(stamps),
        "Base": [f"{value:.2f}" for value in base],
        "Reward": [f"{value:.2f}" if day >= 60 else "" for day, value in enumerate(reward)],
    }
    return csv_bytes(columns, last_newline=False)


def _dates(start: int, end: int, payout: int) -> dict[str, object]:
    names = ("period_start", "period_end", "payout_date")
    return dict(zip(names, map(_date, (start, end, payout)), strict=True)) | {"period_days": (end - start) // DAY}


def _yields(daily: float, margin: float) -> dict[str, object]:
    low, high = daily * (1 - margin), daily * (1 + margin)
    return dict(zip(_PERIOD_COLUMNS[10:14], (daily, low, high, daily), strict=True))


def _date(stamp: int) -> str:
    return iso(stamp)[:10]


def _processed(period: Period) -> str:
    return iso(period.end).removesuffix("Z") + ".000000"
