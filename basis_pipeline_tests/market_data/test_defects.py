"""Every known defect of the vendor files is found or repaired: on a replica that plants it, and on the real files."""

from __future__ import annotations

import numpy as np
import pytest

from basis_pipeline_tests.market_data import defects_chain, defects_funding_and_files, defects_tables, defects_venues
from basis_pipeline_tests.market_data.defects import DEFECTS
from basis_pipeline_tests.market_data.replica import Truth
from basis_pipeline_tests.market_data.world import World, stamps

PARTS = (defects_venues, defects_funding_and_files, defects_chain, defects_tables)
"""Importing them registers the defects."""


@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defect_is_handled_in_the_replica(name: str, replica: tuple[World, Truth]) -> None:
    DEFECTS[name].holds(replica[0], DEFECTS[name].replica)


@pytest.mark.real_data
@pytest.mark.parametrize("name", sorted(DEFECTS))
def test_defect_is_handled_in_the_real_files(name: str, real_world: World) -> None:
    DEFECTS[name].holds(real_world, DEFECTS[name].real)


def test_all_known_defects_are_covered() -> None:
    assert sorted(DEFECTS) == [f"D-{number:02d}" for number in range(1, 36)]


def test_the_replica_and_the_real_files_give_no_error(replica: tuple[World, Truth]) -> None:
    assert replica[0].report.errors == ()
    assert {finding.rule for finding in replica[0].report.failed_checks} == {"funding_hole"}


def test_repaired_okx_rates_are_the_true_ones(replica: tuple[World, Truth]) -> None:
    world, truth = replica
    frame = world.frame("funding_rates", "okx", "BTCUSDT").query("quality == 'observed'")
    assert frame["funding_rate"].tolist() == [truth.funding[stamp] for stamp in stamps(frame).tolist()]


def test_bars_rebuilt_from_five_minutes_are_the_bars_that_were_cut_out(replica: tuple[World, Truth]) -> None:
    world, truth = replica
    frame = world.frame("perp_candles_1h", "binance", "BTCUSDT")
    prices = ["open", "high", "low", "close"]
    assert (frame[prices].to_numpy() == truth.btc[prices].to_numpy()).all()
    assert np.allclose(frame["volume"], truth.btc["volume"], atol=0.02)
