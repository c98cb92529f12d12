"""The status page: what a session may do, and what it holds is worth."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.timings import Timing
from basis_pipeline.runs.live.page import status_page
from basis_pipeline.runs.live.record import SessionLimits
from basis_pipeline.runs.live.status import live_status
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.live.stage import MINUTE, Stage


def test_the_page_says_what_the_session_may_do_and_what_its_positions_are_worth(there: Stage) -> None:
    """1.331 BTC less the fee kept in BTC at 50,000, sold short at 49,990; USDT is worth a dollar here."""
    there.limits = SessionLimits(
        read_only=False, max_trade_size_usd=70_000.0, max_transfer_size_usd=500.0, stop_loss=0.15, addresses=2
    )
    there.session().run(until=START + 3 * MINUTE)
    status = live_status(there.path)
    assert status.limits == there.limits
    worth = status.values_usd
    assert worth["binance:BaseToken:BTC"] == pytest.approx(1.331 * 0.999 * 50_000.0)
    assert worth["binance:Perp:BTCUSDT"] == pytest.approx(1.331 * (49_990.0 - 50_000.0))
    assert worth["binance:BaseToken:USDT"] == pytest.approx(there.account.cash)
    assert sum(worth.values()) == pytest.approx(there.last_state.pnl.equity_usd)
    page = status_page(status)
    assert "orders up to 70,000 USD; transfers up to 500 USD to 2 listed addresses; trading stops at a loss" in page
    assert f'<td>together<td class="n"><td class="n">{there.last_state.pnl.equity_usd:,.2f}' in page
    assert f"equity {there.last_state.pnl.equity:,.2f} USDT, drawdown" in page


def test_seconds_stand_in_columns_beside_their_budget(there: Stage) -> None:
    there.session().run(until=START + 3 * MINUTE)
    status = live_status(there.path)
    observed = Timing(3, seconds=1.2, worst=0.6, median=0.2, p95=0.4, budget=0.5, over=1)
    page = status_page(replace(status, phases={"observe": observed}, delays={}))
    cells = "".join(f'<td class="n">{cell}' for cell in ("0.200", "0.400", "0.600", "3", "0.5", "1"))
    assert f"<tr><td>observe{cells}" in page
    ahead = status_page(replace(status, ages={"binance BTC/USDT": -0.04}))
    assert "<td>binance BTC/USDT<td>0.0 s" in ahead, "the exchange's clock may be ahead of ours"


def test_a_session_that_sends_nothing_says_so_first(there: Stage) -> None:
    there.limits = SessionLimits(
        read_only=True, max_trade_size_usd=100.0, max_transfer_size_usd=100.0, stop_loss=0.15, addresses=0
    )
    there.session()
    assert "limits: read only: no order is sent; no transfers" in status_page(live_status(there.path))


def test_equity_that_only_has_noise_is_no_line(there: Stage) -> None:
    """The legs cancel: a price that moves leaves float noise, which would fill the whole height."""
    session = there.session()
    session.run(until=START + 3 * MINUTE)
    status = live_status(there.path)
    still = tuple((at, 99_940.0 + 1e-9 * place) for place, (at, _) in enumerate(status.equity_line))
    assert "<polyline" in status_page(replace(status, equity_line=(*still, ("later", 99_941.0))))
    assert "<polyline" not in status_page(replace(status, equity_line=still))
