"""Candles and funding of the exchanges: what is validated in the end is what the venue served."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.timeline import HOUR, month_end, month_start
from basis_pipeline.market_data.downloads.exchanges import pages
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline_tests.market_data.downloads.conftest import Site
from basis_pipeline_tests.market_data.downloads.server import SYMBOL
from basis_pipeline_tests.market_data.world import stamps

SERIES = [
    ("binance", "spot_candles_1h", "2024-12"),  # milliseconds
    ("binance", "spot_candles_1h", "2025-01"),  # microseconds
    ("binance", "perp_candles_1h", "2025-01"),
    ("binance", "perp_candles_5m", "2025-01"),
    ("binance", "mark_candles_1h", "2025-01"),
    ("bybit", "spot_candles_1h", "2025-01"),
    ("bybit", "perp_candles_1h", "2025-01"),
    ("bybit", "mark_candles_1h", "2025-01"),
    ("okx", "perp_candles_1h", "2025-01"),
    ("okx", "mark_candles_1h", "2025-01"),
]


def validated(store: ValidatedStore, dataset: str, venue: str, month: str) -> pd.DataFrame:
    return store.read(dataset, venue, SYMBOL, month_start(month), month_end(month)).to_pandas()


@pytest.mark.parametrize(("venue", "dataset", "month"), SERIES)
def test_validated_candles_equal_what_was_served(site: Site, venue: str, dataset: str, month: str) -> None:
    report = site.download(month, month, venue=venue, dataset=dataset)
    assert [(outcome.status, outcome.error) for outcome in report.outcomes] == [("fetched", None)]
    rows = validated(site.ingest(), dataset, venue, month)
    truth = site.vendor.between(dataset, month_start(month), month_end(month) - 1)
    assert stamps(rows).tolist() == truth["timestamp"].tolist()
    for column in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(rows[column], truth[column])
    if dataset.startswith("mark"):
        assert rows["volume"].isna().all()
    else:
        # Coins, at OKX too, which counts contracts of 0.01.
        np.testing.assert_array_equal(rows["volume"], truth["volume"])


@pytest.mark.parametrize("venue", ["binance", "bybit", "okx"])
def test_validated_funding_is_the_realised_rate_at_its_settlement(site: Site, venue: str) -> None:
    site.download("2025-01", "2025-01", venue=venue, dataset="funding_rates")
    rows = validated(site.ingest(), "funding_rates", venue, "2025-01")
    truth = dict(site.vendor.settled(month_start("2025-01"), month_end("2025-01") - 1))
    assert dict(zip(stamps(rows).tolist(), rows["funding_rate"], strict=True)) == truth
    assert len(rows) == 93
    assert set(rows["interval_hours"]) == {8.0}


def test_the_archive_serves_a_whole_month_in_two_requests(site: Site) -> None:
    site.download("2025-01", "2025-01", venue="binance", dataset="spot_candles_1h")
    assert [path.rsplit("/", 1)[1] for path in site.vendor.paths] == [
        "BTCUSDT-1h-2025-01.zip",
        "BTCUSDT-1h-2025-01.zip.CHECKSUM",
    ]


def test_a_month_without_archive_comes_from_days_and_its_tail_from_the_api(site: Site) -> None:
    site.vendor.present = month_start("2025-02") + 10 * 24 * HOUR + 5 * HOUR
    site.download("2025-02", "2025-02", venue="binance", dataset="perp_candles_1h")
    assert site.vendor.asked("/daily/") == 2 * 10
    assert site.vendor.asked("/fapi/v1/klines") == 1
    rows = validated(site.ingest(), "perp_candles_1h", "binance", "2025-02")
    # The bar of 04:00 ended at 05:00, less than ten minutes ago.
    assert len(rows) == 10 * 24 + 4


def test_pages_overlap_by_one_row_and_leave_nothing_out() -> None:
    start, end = month_start("2025-01"), month_end("2025-01")
    found = list(pages(start, end, HOUR, 100))
    assert found[0][0] == start
    assert found[-1][1] == end - 1
    assert all(later[0] == earlier[1] for earlier, later in pairwise(found))
    assert all((last - first) // HOUR < 100 for first, last in found)


def test_a_row_that_two_pages_give_differently_is_refused(site: Site) -> None:
    edge = site.vendor.bars["perp_candles_1h"]["timestamp"] == month_start("2025-01") + 99 * HOUR
    once = [True]

    def revise(answer):
        if once.pop():
            site.vendor.bars["perp_candles_1h"].loc[edge, "close"] += 1e-4
        return answer

    site.vendor.plant("/market/history-candles", revise)
    report = site.download("2025-01", "2025-01", venue="okx", dataset="perp_candles_1h")
    assert "2025-01-05T03:00:00Z" in str(report.failed[0].error)
    assert not list(site.raw.rglob("*.csv"))


def test_a_symbol_that_the_exchange_does_not_know_is_named(site: Site) -> None:
    site.configure(lambda content: content["bybit"]["fetch"].update(perp_candles_1h=["NOPEUSDT"]))
    report = site.download("2025-01", "2025-01", symbol="NOPEUSDT")
    assert "perp_candles_1h bybit NOPEUSDT 2025-01: bybit answers BadSymbol" in str(report.failed[0].error)


def test_another_funding_interval_than_configured_is_refused(site: Site) -> None:
    site.vendor.rates[month_start("2025-01") + 4 * HOUR] = 1e-4
    report = site.download("2025-01", "2025-01", venue="bybit", dataset="funding_rates")
    assert "2025-01-01T04:00:00Z, which is not on the configured interval of 8 h" in str(report.failed[0].error)
