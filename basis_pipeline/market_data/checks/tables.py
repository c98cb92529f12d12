"""Rewards and benchmarks: definitions that change, figures that two files state differently."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from basis_pipeline.domain.timeline import iso
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, first_places

_RATE_TOLERANCE = 0.15
"""Beyond the 4% to 10% by which the vendor's two divisors differ."""
_YIELD_TOLERANCE = 1e-6


def changed_definition(series: Series, _context: Context) -> Iterator[Finding]:
    """The vendor's rate per eETH divides by different stakes over time; ours has one definition."""
    basis = series.frame["published_basis"]
    if basis.nunique() > 1:
        restaked = series.stamps[(basis == "restaked").to_numpy(dtype=bool)]
        since = f" from {iso(int(restaked[0]))}" if len(restaked) else ""
        counts = ", ".join(f"{name} {count}" for name, count in basis.value_counts().sort_index().items())
        message = f"the published rate changes its divisor{since} ({counts}); tokens_per_eeth_week does not."
        count = int((basis != "all_stake").sum())
        yield Finding("WARN", "changed_definition", message, column="published_rate", count=count)


def periods_against_distributions(series: Series, context: Context) -> Iterator[Finding]:
    """Weekly rates that, scaled to their period, are not what the distribution of that period paid."""
    frame = series.frame
    for token in sorted(set(frame["reward_token"])):
        paid = context.peers(SeriesKey("reward_distributions", series.key.venue, token))
        if paid is None:
            continue
        both = frame[frame["reward_token"] == token].merge(
            paid.frame[["period_start", "period_end", "tokens_per_eeth_week"]], on=["period_start", "period_end"]
        )
        ratio = both["tokens_per_eeth"] * 7.0 / both["rate_days"] / both["tokens_per_eeth_week"] - 1.0
        off = both[(ratio.abs() > _RATE_TOLERANCE).to_numpy(dtype=bool)]
        if len(off):
            message = (
                f"{len(off)} {token} rates are not weekly rates of their period: {first_places(off['timestamp'])}."
            )
            remedy = "use reward_distributions."
            yield Finding("WARN", "rate_of_other_period", message, remedy, column="tokens_per_eeth", count=len(off))


def unusable_rewards(series: Series, _context: Context) -> Iterator[Finding]:
    """Estimates among the rewards, and days without a reward figure."""
    if "estimated" in series.frame:
        estimated = int(series.frame["estimated"].sum())
        if estimated:
            message = f"{estimated} of {len(series.frame)} rows are estimates from text ranges; flagged."
            yield Finding("WARN", "estimated_reward", message, count=estimated)
        return
    blank = int(series.frame["reward_apy"].isna().sum())
    if blank:
        message = f"{blank} of {len(series.frame)} days have no reward figure."
        yield Finding("INFO", "no_reward_figure", message, column="reward_apy", count=blank)


def benchmarks_against_each_other(series: Series, context: Context) -> Iterator[Finding]:
    """The same yield from two files must be the same number."""
    for other in context.other_venues(series.key):
        both = series.frame.merge(other.frame, on="timestamp", suffixes=("", "_other"))
        for column in ("apy", "apr"):
            off = both[(both[column] - both[f"{column}_other"]).abs() > _YIELD_TOLERANCE]
            if len(off):
                message = f"differs from {other.key.venue} at {first_places(off['timestamp'])}."
                yield Finding("WARN", "benchmark_difference", message, column=column, count=len(off))
        absent = np.setdiff1d(other.stamps, series.stamps)
        if len(absent):
            message = f"{other.key.venue} has {len(absent)} days more: {first_places(absent)}."
            yield Finding("INFO", "benchmark_days", message, count=len(absent))
