"""The asset `downloads`: off by default, fetches where it is enabled, says what it could not have."""

from __future__ import annotations

import dagster as dg

from basis_pipeline.defs.downloads import downloads
from basis_pipeline.defs.market_data import market_data
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline_tests.definitions.conftest import Deployment, failure
from basis_pipeline_tests.market_data.downloads.conftest import Site, site
from basis_pipeline_tests.market_data.downloads.server import status

__all__ = ["site"]
MONTH = {"first_month": "2025-01", "last_month": "2025-01"}
FUNDING = month_path("bybit", "BTCUSDT", "2025-01")


def materialize(site: Site, **config: object) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral() as instance:
        return dg.materialize(
            [downloads],
            resources={"workspace": WorkspaceResource.of(site.workspace)},
            run_config={"ops": {"downloads": {"config": config}}},
            instance=instance,
            raise_on_error=False,
        )


def night(site: Site, **config: object) -> dg.ExecuteInProcessResult:
    """The nightly job of the real definitions, kept to one month of the vendor's."""
    with dg.DagsterInstance.ephemeral() as instance:
        chosen = {"ops": {"downloads": {"config": {**MONTH, **config}}}}
        return Deployment(site.workspace, instance).run("market_data", run_config=chosen)


def test_nothing_is_fetched_unless_enabled(site: Site) -> None:
    ended = materialize(site, **MONTH)
    assert ended.success
    assert not site.vendor.paths
    (event,) = ended.get_asset_materialization_events()
    assert "`enabled` is false" in str(event.materialization.metadata["months"].value)


def test_what_is_fetched_is_told_month_by_month(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    ended = materialize(site, **MONTH, venues=["bybit"])
    (event,) = ended.get_asset_materialization_events()
    metadata = event.materialization.metadata
    assert metadata["months fetched"].value == 4
    rows = {row.data["series"]: row.data for row in metadata["months"].records}
    assert rows["spot_candles_1h bybit BTCUSDT"]["rows"] == 744
    assert rows["funding_rates bybit BTCUSDT"]["rows"] == 93


def test_what_could_not_be_had_fails_the_check_and_the_rest_is_kept(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    site.vendor.plant("funding/history", status(403), times=99)
    ended = materialize(site, **MONTH, venues=["bybit"])
    assert ended.success
    (check,) = ended.get_asset_check_evaluations()
    assert not check.passed
    assert "1 months could not be had; first: " in str(check.description)
    assert "funding_rates bybit BTCUSDT 2025-01" in str(check.description)
    assert "bybit answers" in str(check.description)
    assert len(list(site.raw.rglob("*.csv"))) == 3


def test_a_night_fetches_before_it_ingests(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    ended = night(site, venues=["bybit"])
    assert ended.success
    asked = {str(event.asset_key.to_user_string()) for event in ended.get_asset_materialization_events()}
    assert asked >= {"downloads", "raw_files", "funding_rates", "perp_candles_1h"}
    rates = ValidatedStore(site.workspace.root.validated).publications("funding_rates").find(FUNDING)
    assert rates is not None
    assert sum(file.rows for file in rates.files) == 93


def test_a_vendor_that_is_down_keeps_no_other_from_being_ingested(site: Site) -> None:
    site.configure(lambda content: content.update(enabled=True))
    site.vendor.plant("/v5/market/instruments-info", status(403), times=999)
    ended = night(site, venues=["bybit", "okx"])
    assert ended.success
    failed = {
        check.asset_check_key.to_user_string() for check in ended.get_asset_check_evaluations() if not check.passed
    }
    assert failed == {"downloads:everything_fetched"}
    published = ValidatedStore(site.workspace.root.validated).publications("perp_candles_1h").publications()
    assert {found.partition.partition("/")[0] for found in published} == {"venue=okx"}


def test_a_root_without_downloads_is_ingested_all_the_same(site: Site) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ended = Deployment(site.workspace, instance).run("market_data")
        chosen = [event.asset_key.to_user_string() for event in ended.get_asset_materialization_events()]
        together = dg.materialize(
            [downloads, market_data],
            resources={"workspace": WorkspaceResource.of(site.workspace)},
            instance=instance,
        )
    assert ended.success
    assert "downloads" not in chosen
    assert [event.step_key for event in together.all_events if event.is_step_success] == ["downloads", "ingest"]


def test_partitions_of_downloaded_data_follow_the_calendar(site: Site) -> None:
    site.download("2025-01", "2025-01", venue="bybit")
    site.ingest()
    site.configure(lambda content: content.update(enabled=True))
    with dg.DagsterInstance.ephemeral() as instance:
        asset = Deployment(site.workspace, instance).definitions.get_assets_def("btc_basis")
    assert asset.partitions_def == dg.MonthlyPartitionsDefinition("2024-01", fmt="%Y-%m", end_offset=1)


def test_a_wrong_file_fails_the_night_and_hides_nothing(site: Site) -> None:
    site.configure(lambda content: content.update(enabeld=True))
    ended = night(site)
    assert not ended.success
    told, metadata = failure(ended, "downloads")
    assert "downloads.yaml" in told
    assert "unknown key 'enabeld' (did you mean enabled?)" in told
    assert metadata["code"] == "CONFIG-001"
