"""Declared rules: pure functions from a series to a series, each entered in its ledger.

`clean` looks at one series alone; `complete` may look at the cleaned others of its family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from basis_pipeline.market_data.corrections import Corrections, SourceCorrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.rules.candles import contracts_to_coins, ignore_mark_volume, set_aside_implausible
from basis_pipeline.market_data.rules.downloads import came_from_venue, prefer_downloads
from basis_pipeline.market_data.rules.duplicates import drop_exact_duplicates, resolve_conflicts, set_aside_conflicts
from basis_pipeline.market_data.rules.fills import donor_of, fill_holes, hole_stamps
from basis_pipeline.market_data.rules.flags import flag_early_samples, flag_interpolated, flag_tip_spikes
from basis_pipeline.market_data.rules.frozen import FROZEN, frozen_bars, repair_frozen_bars
from basis_pipeline.market_data.rules.proxies import OVER_BUDGET, proxy_funding
from basis_pipeline.market_data.rules.stamps import (
    round_to_second,
    set_aside_off_grid,
    set_aside_off_interval,
    shift_labels,
)
from basis_pipeline.market_data.rules.tables import (
    keep_changes,
    prefer_sheet,
    set_aside_leading_blanks,
    set_aside_without_rate,
    set_aside_zeros,
)
from basis_pipeline.market_data.series import Series, Stamps

Rule = Callable[[Series], Series]
Peers = Callable[[SeriesKey], Series | None]
"""The cleaned series of a key, or None if there is none."""


def clean(series: Series, corrections: Corrections) -> Series:
    """Apply the rules that need nothing but the series itself and what is declared for its source."""
    fetched, declared = came_from_venue(series), corrections.of(series.key)
    if fetched.any():
        # What is declared of a vendor's files is not true of what the venue itself says.
        given = _apply(series.part(~fetched), _source_rules(series.key, declared))
        own = _apply(series.part(fetched), _source_rules(series.key, SourceCorrections()))
        series = _sorted(prefer_downloads(given.joined(own)))
    else:
        series = _apply(series, _source_rules(series.key, declared))
    return _sorted(_apply(series, _value_rules(series.key, corrections)))


def complete(series: Series, corrections: Corrections, peers: Peers, venues: list[SeriesKey]) -> Series:
    """Fill what is declared to be filled from other series. `venues`: the same dataset and symbol at other venues."""
    key, declared = series.key, corrections.of(series.key)
    if declared.frozen_bars:
        hourly = peers(SeriesKey(declared.frozen_bars.contradicted_by, key.venue, key.symbol))
        series = repair_frozen_bars(series, hourly, declared.frozen_bars.carry)
    if declared.fill:
        found = (peers(SeriesKey(donor.dataset, donor.venue, key.symbol)) for donor in declared.fill)
        series = fill_holes(series, [donor for donor in found if donor is not None])
    if key.dataset == "funding_rates":
        found = (peers(other) for other in venues)
        series = proxy_funding(
            series, [other for other in found if other is not None], corrections.general.funding_proxies_per_month
        )
    return series


def donors_consulted(series: Series, corrections: Corrections, venues: Sequence[SeriesKey]) -> set[SeriesKey]:
    """Series that had a say in a completed one, or would have had: none where nothing was missing or in doubt."""
    key, declared = series.key, corrections.of(series.key)
    donors: set[SeriesKey] = set()
    if declared.fill and (series.count("filled") or len(hole_stamps(series))):
        donors |= {SeriesKey(donor.dataset, donor.venue, key.symbol) for donor in declared.fill}
    if declared.frozen_bars and (frozen_bars(series.frame).any() or series.count("quarantined", FROZEN)):
        donors.add(SeriesKey(declared.frozen_bars.contradicted_by, key.venue, key.symbol))
    if key.dataset == "funding_rates":
        short = any(finding.rule == OVER_BUDGET for finding in series.findings)
        donors |= set(venues) if short or series.count("proxied") else set()
    return donors


def donated(series: Series, venues: Sequence[SeriesKey]) -> Iterator[tuple[SeriesKey, Stamps]]:
    """Donors and the stamps of the rows that they gave; a median is of all venues alike."""
    for entry in series.ledger:
        if entry.action == "filled" and (found := donor_of(entry.rule)):
            yield SeriesKey(found[0], found[1], series.key.symbol), entry.stamps
        elif entry.action == "proxied":
            yield from ((venue, entry.stamps) for venue in venues)


def _apply(series: Series, rules: Iterator[Rule]) -> Series:
    for rule in rules:
        series = rule(series)
    return series


def _sorted(series: Series) -> Series:
    frame = series.frame.sort_values(list(series.dataset.key), kind="stable", ignore_index=True)
    return replace(series, frame=frame)


def _source_rules(key: SeriesKey, declared: SourceCorrections) -> Iterator[Rule]:
    """What depends on where the rows come from: stamps, repetitions, units."""
    if key.dataset == "funding_rates":
        yield from (round_to_second, set_aside_off_interval)
    yield set_aside_off_grid
    if key.dataset == "aave_rates_1h":
        yield set_aside_leading_blanks
    if declared.zero_is_missing:
        yield lambda series: set_aside_zeros(series, declared.zero_is_missing)
    yield drop_exact_duplicates
    if declared.conflicts:
        yield lambda series: resolve_conflicts(series, declared.conflicts, "funding_rate")
    if declared.label_shift:
        yield lambda series: shift_labels(series, declared.label_shift)
    yield set_aside_conflicts
    if declared.contract_size:
        yield lambda series: contracts_to_coins(series, declared.contract_size)


def _value_rules(key: SeriesKey, corrections: Corrections) -> Iterator[Rule]:
    """What is looked at in the values, wherever they come from."""
    if "_candles_" in key.dataset:
        yield lambda series: set_aside_implausible(series, corrections.general.implausible_bars_per_month)
    yield from _dataset_rules(key.dataset)


def _dataset_rules(dataset: str) -> Iterator[Rule]:
    if dataset == "oracle_prices":
        yield lambda series: flag_interpolated(series, "price")
    if dataset == "lst_market_rates_1h":
        yield lambda series: flag_interpolated(series, "protocol_rate")
    if dataset == "gas_prices_1h":
        yield from (flag_early_samples, flag_tip_spikes)
    if dataset == "mark_candles_1h":
        yield ignore_mark_volume
    if dataset == "reward_periods":
        yield set_aside_without_rate
    if dataset == "execution_costs":
        yield keep_changes
    if dataset == "aave_risk_parameters":
        yield prefer_sheet
