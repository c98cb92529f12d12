"""What a 5-minute frame says of signals, of the bar that ended, and of an inverse contract."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.domain.errors import DataGapError
from basis_pipeline.domain.market import Direction, Signal
from basis_pipeline.domain.timeline import DAY, MINUTE
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import SeriesRef, SlotSources
from basis_pipeline.market_data.manifests import Coverage, MonthBody, RowCounts
from basis_pipeline.market_data.schemas import to_arrow
from basis_pipeline.market_data.validated import ValidatedStore, month_path
from basis_pipeline_tests.market_data.frame_builders import (
    FEBRUARY,
    FUNDING,
    PERP_5M,
    Market,
    bars,
    hours,
    instrument,
    spec_of,
)

STEP = 5 * MINUTE
SIGNALS = SeriesRef("ml_signals", "model", "ETHUSDT")
INVERSE = instrument("binance:Perp:ETHUSD", "ETH", "ETH", "ETH")
SPEC = spec_of(
    INVERSE,
    step=STEP,
    share_asset="ETH",
    signals=SIGNALS,
    sources={str(INVERSE.key): SlotSources(last=PERP_5M, funding=FUNDING)},
)


def frame(base: Path, stamps: list[int], signals: list[str], hole: range = range(0)) -> Frame:
    """A day of 5-minute bars (rows of `hole` missing) and of these signals."""
    market = Market()
    fine = hours(FEBRUARY - DAY, FEBRUARY + DAY, STEP)
    market.rows = {FUNDING: market.rows[FUNDING], PERP_5M: (fine, bars(fine, 2000.0))}
    for row in hole:
        market.without(PERP_5M, FEBRUARY + row * STEP, FEBRUARY + (row + 1) * STEP)
    store = market.publish(base)
    table = pd.DataFrame(
        {"timestamp": np.array(stamps), "signal": signals, "confidence": 0.7, "sd": 0.01, "drift": np.nan}
    )
    published = to_arrow(table.assign(quality="observed", source_file="a.csv"), dataset("ml_signals"))
    coverage = Coverage(stamps[0], stamps[-1], len(stamps))
    body = MonthBody(*_key(), "2024-02", coverage, RowCounts(kept=len(stamps)), ())
    partition = month_path(SIGNALS.venue, SIGNALS.symbol, "2024-02")
    ValidatedStore(base).publications("ml_signals").publish(partition, {"ml_signals": published}, body.to_builtins())
    return build_frame(store, SPEC, FEBRUARY, FEBRUARY + 2 * STEP * 6)


def _key() -> tuple[str, str, str]:
    return SIGNALS.dataset, SIGNALS.venue, SIGNALS.symbol


def test_a_signal_is_there_at_its_stamp_and_at_no_other(tmp_path: Path) -> None:
    """Two bars without a row are no news; the signal before them is not told again."""
    stamps = [FEBRUARY + row * STEP for row in range(12) if row not in (4, 5)]
    words = [("long", "short", "neutral", "hold")[row % 4] for row in range(12) if row not in (4, 5)]
    said = frame(tmp_path, stamps, words)
    for row in range(12):
        expected = Signal(Direction(("long", "short", "neutral", "hold")[row % 4]), 0.7, 0.01)
        assert said.at(FEBRUARY + row * STEP).signal == (None if row in (4, 5) else expected)


def test_a_model_that_falls_silent_is_a_gap_after_fifteen_minutes(tmp_path: Path) -> None:
    stamps = [FEBRUARY + row * STEP for row in range(12) if not 4 <= row <= 7]
    with pytest.raises(DataGapError, match=r"ml_signals of model ETHUSDT has no value at 2024-02-01T00:35:00Z"):
        frame(tmp_path, stamps, ["hold"] * len(stamps))


def test_the_bar_that_ended_is_told_with_its_open(tmp_path: Path) -> None:
    """Bar n opens at its level, goes 0.75 up and 0.5 down; where no bar ended all three are the mark."""
    stamps = hours(FEBRUARY, FEBRUARY + DAY, STEP)
    market = frame(tmp_path, stamps, ["hold"] * len(stamps), hole=range(5, 6))
    at = market.at(FEBRUARY + 3 * STEP)
    level = bars([FEBRUARY + 2 * STEP], 2000.0)["open"][0]
    assert at.opened == (level,)
    assert (at.low, at.high) == ((level - 0.5,), (level + 0.75,))
    after = market.at(FEBRUARY + 6 * STEP)
    assert after.opened == after.low == after.high == after.mark


def test_an_inverse_contract_is_one_dollar_of_coins(tmp_path: Path) -> None:
    stamps = hours(FEBRUARY, FEBRUARY + DAY, STEP)
    market = frame(tmp_path, stamps, ["hold"] * len(stamps))
    at = market.at(FEBRUARY)
    (mark,) = at.mark
    assert at.value == (at.price[0] / mark,) == (1.0,)
    assert at.underlying == (1.0 / mark,)
    notes = market.usage.stand_ins
    assert any(note.startswith("perp_candles_5m of binance ETHUSDT and its funding stand in for") for note in notes)
