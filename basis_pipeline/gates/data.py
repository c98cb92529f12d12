"""Gates on the market data a month was computed from."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.evidence import SeriesUsage
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, from_problems


def data_completeness(evidence: MonthEvidence) -> Finding:
    """Exactly the series the mode needs were used, and they reach the end of the month unless it may be open."""
    profile = evidence.profile
    delivered = {series.name for series in evidence.usage.series if series.rows}
    known = {*profile.required_series, *profile.optional_series}
    problems = [
        f"{name} is required and delivered nothing" for name in profile.required_series if name not in delivered
    ]
    problems += [f"{name} was used and is not declared" for name in sorted(delivered - known)]
    if not evidence.allow_open:
        short = [series.name for series in evidence.usage.series if not series.complete]
        problems += [f"{name} ends before the last step of {evidence.month}" for name in short]
    return from_problems(problems, f"{len(evidence.usage.series)} series as declared")


def fills_budget(evidence: MonthEvidence) -> Finding:
    """No series was filled from a second source beyond its budget."""
    worst = max(evidence.usage.series, key=_filled_share, default=None)
    if worst is None:
        return Finding(violated=False, message="no series used", value=0.0)
    share = _filled_share(worst)
    return Finding(
        violated=share > evidence.profile.thresholds.fills_budget,
        message=f"most filled in {evidence.month}: {worst.name}, {worst.filled} of {worst.rows} values",
        value=share,
    )


def _filled_share(series: SeriesUsage) -> float:
    return series.filled / series.rows if series.rows else 0.0


def proxied_funding(evidence: MonthEvidence) -> Finding:
    """No value was estimated from other venues."""
    proxied = [series for series in evidence.usage.series if series.proxied]
    named = ", ".join(f"{series.name} ({series.proxied})" for series in proxied)
    return Finding(
        violated=bool(proxied),
        message=f"estimated from other venues in {evidence.month}: {named or 'none'}",
        value=float(sum(series.proxied for series in proxied)),
    )


def slippage_stated(evidence: MonthEvidence) -> Finding:
    """No order was larger than the largest size its slippage was stated for."""
    events = evidence.tables["events"]
    found = events.filter(pc.equal(events["event_type"].cast(pa.string()), "slippage_extrapolated"))
    first = found["message"][0].as_py() if found.num_rows else "none"
    return Finding(
        violated=found.num_rows > 0,
        message=f"{found.num_rows} orders beyond the stated sizes; first: {first}",
        value=float(found.num_rows),
    )
