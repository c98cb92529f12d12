"""The asset `downloads`: off by default, fetches where it is enabled, fails with what could not be had."""

from __future__ import annotations

import dagster as dg

from basis_pipeline.defs.downloads import downloads
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline_tests.market_data.downloads.conftest import Site, site
from basis_pipeline_tests.market_data.downloads.server import status

__all__ = ["site"]
MONTH = {"first_month": "2025-01", "last_month": "2025-01"}


def materialize(site: Site, **config: object) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [downloads],
            resources={"workspace": WorkspaceResource.of(site.workspace)},
            run_config={"ops": {"downloads": {"config": config}}},
            instance=instance,
            raise_on_error=False,
        )


def test_nothing_is_fetched_unless_enabled(site: Site) -> None:
    ended = materialize(site, **MONTH)
    assert ended.success
    assert not ended.get_asset_materialization_events()
    assert not site.vendor.paths


def test_what_is_fetched_is_told_month_by_month(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    ended = materialize(site, **MONTH, venues=["bybit"])
    (event,) = ended.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["months fetched"].value == 4
    rows = {row.data["series"]: row.data for row in metadata["months"].records}
    assert rows["spot_candles_1h bybit BTCUSDT"]["rows"] == 744
    assert rows["funding_rates bybit BTCUSDT"]["rows"] == 93


def test_it_fails_with_what_could_not_be_had_and_keeps_the_rest(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    site.vendor.plant("funding/history", status(403), times=99)
    ended = materialize(site, **MONTH, venues=["bybit"])
    assert not ended.success
    said = str(ended.failure_data_for_node("downloads"))
    assert "1 of 4 months could not be had" in said
    assert "bybit answers" in said
    assert len(list(site.raw.rglob("*.csv"))) == 3
