"""Hand-made months that every gate accepts: a basis book over two months and lending books over one."""

from __future__ import annotations

from basis_pipeline.domain.evidence import DataUsage, SeriesUsage
from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.gates.evidence import ModeProfile, MonthEvidence
from basis_pipeline_tests.gates.bookkeeping import BASIS, CAPITAL, DIRECTIONAL, LENDING, STAKING
from basis_pipeline_tests.gates.books import BasisBook, LendingBook, ShortBook, StakingBook
from basis_pipeline_tests.gates.defects import run_again

SERIES = ("candles_1h/binance/BTCUSDT", "funding_8h/binance/BTCUSDT")


def _profile(**changes: object) -> ModeProfile:
    fields = {"config_digest": "c0ffee", "step": HOUR, "initial_capital": CAPITAL, "required_series": SERIES}
    return ModeProfile(**fields | changes)


def _usage(*, complete: bool = True) -> DataUsage:
    return DataUsage(tuple(SeriesUsage(*name.split("/"), rows=744, complete=complete) for name in SERIES))


def basis_months(kind: type[BasisBook] = BasisBook) -> tuple[MonthEvidence, MonthEvidence]:
    """The opening month of a basis book (744 steps) and the month after it."""
    book, found = kind(BASIS, "btc_basis", "2024-01"), []
    previous = None
    for month in ("2024-01", "2024-02"):
        tables = book.run(month)
        state = book.state()
        found.append(
            run_again(MonthEvidence(
                month=month, opening=previous is None, profile=_profile(market_neutral=True), universe=BASIS,
                tables=tables, market=book.market(), usage=_usage(), state=state, previous=previous,
            ))
        )  # fmt: skip
        previous = state
    opening, following = found
    return opening, following


def lending_month(kind: type[LendingBook] = LendingBook, hours: int | None = None) -> MonthEvidence:
    """The opening month of a lending book, or its first `hours`."""
    book = kind(LENDING, "pure_lending_usdt", "2024-01")
    tables = book.run("2024-01", hours)
    return run_again(MonthEvidence(
        month="2024-01", opening=True, profile=_profile(supplied_fraction=1.0), universe=LENDING, tables=tables,
        market=book.market(), usage=_usage(complete=hours is None), state=book.state(), previous=None,
        allow_open=hours is not None,
    ))  # fmt: skip


def staking_month(kind: type[StakingBook] = StakingBook) -> MonthEvidence:
    """The opening month of a book that stakes the coin it is counted in."""
    book = kind(STAKING, "eth_staking_only", "2024-01")
    tables = book.run("2024-01")
    return run_again(MonthEvidence(
        month="2024-01", opening=True, profile=_profile(coin_share_class=True), universe=STAKING, tables=tables,
        market=book.market(), usage=_usage(), state=book.state(), previous=None,
    ))  # fmt: skip


def directional_month() -> MonthEvidence:
    """The opening month of a book that is short."""
    book = ShortBook(DIRECTIONAL, "ml_btc", "2024-01")
    tables = book.run("2024-01")
    return run_again(MonthEvidence(
        month="2024-01", opening=True, profile=_profile(directional=True), universe=DIRECTIONAL, tables=tables,
        market=book.market(), usage=_usage(), state=book.state(), previous=None,
    ))  # fmt: skip
