"""What strangers do to a book by adding to it: it stops nothing and spoils nothing, whatever they send, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.record import tick_records
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.chain.anvil import HERE, compiled
from basis_pipeline_tests.chain.bench import MINUTE, SETTINGS, Bench, owner
from basis_pipeline_tests.chain.market import ETHER
from basis_pipeline_tests.chain.test_leverage import (
    COLLATERAL,
    DEBT,
    ETH,
    LST,
    book_is_chain,
    loan_to_value,
    operations,
    run,
    set_rate,
)
from basis_pipeline_tests.live.faults import KilledError, dying_at

DUST = 3e-4
"""weETH worth less than one USDT: nobody looks at such a difference, and an order for all there is takes it along."""


def send_staked(there: Bench, amount: float) -> None:
    node, market = there.node, there.market
    node.do(market.weeth, "transfer(address,uint256)", market.executor, round(amount * ETHER))


def lend_for_it(there: Bench, amount: float) -> None:
    node, market, units = there.node, there.market, round(amount * ETHER)
    node.do(market.weeth, "approve(address,uint256)", market.pool, units)
    node.do(market.pool, "supply(address,uint256,address,uint16)", market.weeth, units, market.executor, 0)


def repay_for_it(there: Bench, amount: float) -> None:
    node, market, units = there.node, there.market, round(amount * ETHER)
    node.do(market.weth, "approve(address,uint256)", market.pool, units)
    node.do(market.pool, "repay(address,uint256,uint256,address)", market.weth, units, 2, market.executor)


def send_ether(there: Bench, amount: float) -> None:
    there.node.send(there.market.executor, b"", value=round(amount * ETHER))


def pay_owner(there: Bench, amount: float) -> None:
    there.node.send(owner(), b"", value=round(amount * ETHER))


def once(there: Bench, happens: Callable[[], None]) -> None:
    """While an order waits for its block: after it was played through and signed."""

    def strike() -> None:
        there.clock.script = lambda: None
        happens()

    there.clock.script = strike


def received(there: Bench) -> dict[str, float]:
    """Tokens that the record has as given by somebody, by position."""
    found: dict[str, float] = {}
    for _, record in tick_records(there.journal):
        for entry in record.deltas:
            if entry.delta.source is DeltaSource.RECEIPT:
                key = SETTINGS.universe.keys[entry.delta.slot]
                found[key] = found.get(key, 0.0) + entry.delta.amount
    return found


def profit(session: LiveSession) -> float:
    assert session.engine is not None
    return session.engine.state().pnl.cumulative


def trades(session: LiveSession) -> bool:
    assert session.engine is not None
    return session.engine.health.may_execute


def test_dust_that_an_entry_takes_along_does_not_stop_it(there: Bench) -> None:
    """The entry supplies all weETH there is, a little more than it has minted."""
    session = there.session()
    session.start()
    send_staked(there, DUST)
    session.tick()
    session.tick()
    assert operations(there) == [Operation.ATOMIC_LEVER]
    book_is_chain(there, session)
    assert received(there) == {LST: pytest.approx(DUST, rel=1e-9)}
    assert there.quantity(COLLATERAL) == pytest.approx(159.2 / 1.04 + DUST, rel=1e-12)


def test_a_gift_in_the_block_of_the_entry_is_in_the_book_and_no_profit(there: Bench) -> None:
    """A whole weETH, 2,600 USDT, between playing through and the block: the order's own booking still adds up."""
    session = there.session()
    session.start()
    once(there, lambda: send_staked(there, 1.0))
    session.tick()
    assert operations(there) == [Operation.ATOMIC_LEVER]
    session.tick()
    book_is_chain(there, session)
    assert received(there) == {LST: pytest.approx(1.0, rel=1e-9)}
    assert abs(profit(session)) < 0.01, "ETH: gas and interest of minutes"
    assert trades(session)


def test_collateral_that_somebody_has_lent_for_it_leaves_with_the_rest(there: Bench) -> None:
    run(there)
    lend_for_it(there, 0.001)
    set_rate(there, 0.97)
    session = run(there)
    assert operations(there) == [Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER]
    assert (there.quantity(DEBT), there.quantity(COLLATERAL), there.quantity(LST)) == (0.0, 0.0, 0.0)
    book_is_chain(there, session)


@pytest.mark.parametrize("kind", [Kind.FACTS, Kind.STATE])
def test_an_order_that_took_a_gift_along_is_booked_by_the_next_process(there: Bench, kind: Kind) -> None:
    session = there.session(database=dying_at(kind, after=kind is Kind.FACTS))
    once(there, lambda: send_staked(there, 1.0))
    with pytest.raises(KilledError):
        session.run(until=there.clock.wall() + MINUTE)
    session = run(there)
    assert operations(there) == [Operation.ATOMIC_LEVER] * 2, "the gift is put to work"
    assert received(there)[LST] == pytest.approx(1.0, rel=1e-9)
    book_is_chain(there, session)


@pytest.mark.parametrize("adds", [send_ether, pay_owner, send_staked, lend_for_it, repay_for_it])
def test_a_gift_between_an_order_and_its_comparison_ends_no_session(
    there: Bench, adds: Callable[[Bench, float], None]
) -> None:
    """Who could end a session for the price of a transaction would do it at every order."""
    session = there.session()
    session.start()
    waits = iter(range(100))

    def after_the_block() -> None:
        if there.transactions() and next(waits) == 0:
            adds(there, 0.05)

    there.clock.script = after_the_block
    session.tick()
    session.run(until=there.clock.wall() + MINUTE)
    assert operations(there) == [Operation.ATOMIC_LEVER]
    assert trades(session)
    book_is_chain(there, session)


@pytest.mark.parametrize(
    ("adds", "key", "worth"),
    [(send_ether, ETH, 1.0), (pay_owner, ETH, 1.0), (send_staked, LST, 1.04), (lend_for_it, COLLATERAL, 1.04),
     (repay_for_it, DEBT, 1.0)],
)  # fmt: skip
def test_what_somebody_adds_is_a_flow_that_is_told_and_traded_on(
    there: Bench, adds: Callable[[Bench, float], None], key: str, worth: float
) -> None:
    """One of each, of a book of 40 ETH: 25 times what may differ otherwise."""
    told: list[Alert] = []
    run(there)
    adds(there, 1.0)
    session = there.session(tell=told.append)
    session.run(until=there.clock.wall() + 2 * MINUTE)
    assert list(received(there)) == [key]
    assert [alert.what for alert in told] == ["receipt"]
    assert f"worth {worth * 2_500:,.0f}"[:9] in told[0].message and key in told[0].message
    assert abs(profit(session)) < 0.01, "ETH: no profit"
    assert trades(session)
    book_is_chain(there, session)


def test_gifts_do_not_use_up_what_may_differ_in_a_day(there: Bench) -> None:
    """Afterwards 0.02 ETH less is still small: half of the 0.1% a day."""
    session = run(there)
    send_ether(there, 1.0)
    session.run(until=there.clock.wall() + MINUTE)
    less = there.chain.balance(owner()) - ETHER // 50
    there.node.chain.ask("anvil_setBalance", owner(), hex(less))
    there.node.mine(seconds=1)
    session.run(until=there.clock.wall() + MINUTE)
    assert trades(session)
    book_is_chain(there, session)


def test_more_than_the_file_allows_waits_for_a_person_once_a_day(there: Bench) -> None:
    """Two ETH are 5% of the book; a node that lies is not believed beyond, nor a deposit taken for a gift."""
    run(there)
    send_ether(there, 1.5)
    session = run(there)
    assert trades(session)
    send_ether(there, 1.5)
    with pytest.raises(StateError, match=r"LIVE-001.*wallet:BaseToken:ETH"):
        there.session().start()
    session = there.session(acknowledged=True)
    session.run(until=there.clock.wall() + MINUTE)
    assert received(there) == {ETH: pytest.approx(3.0, rel=1e-9)}
    assert abs(profit(session)) < 0.01, "ETH: what an operator says he sent is no profit either"


def test_what_is_missing_still_waits_for_a_person(there: Bench) -> None:
    """Also where as much has come in elsewhere: that is what an order looks like that the book does not know."""
    run(there)
    less = there.chain.balance(owner()) - ETHER // 10
    there.node.chain.ask("anvil_setBalance", owner(), hex(less))
    send_staked(there, 0.1)
    with pytest.raises(StateError, match=r"LIVE-001.*wallet:BaseToken:ETH.*etherfi:LST:weETH"):
        there.session().start()
    session = there.session(acknowledged=True)
    session.start()
    assert received(there) == {}
    assert profit(session) == pytest.approx(0.1 * 1.04 - 0.1, abs=0.003), "both sides are one thing: nothing is gained"
    book_is_chain(there, session)


def test_tokens_that_the_book_does_not_know_do_not_matter(there: Bench) -> None:
    session = run(there)
    doubles = compiled(HERE / "doubles/Doubles.sol")["contracts"]
    token = there.node.deploy(doubles["TokenDouble"], ("string", "uint8"), "SPAM", 18)
    for name in (token, there.market.usdt):
        there.node.do(name, "mint(address,uint256)", there.market.executor, 10**30)
    session.run(until=there.clock.wall() + 2 * MINUTE)
    assert trades(session) and received(there) == {}
    book_is_chain(there, session)


def poison(there: Bench) -> None:
    """Somebody lends one USDT for the executor; then governance ends its use as collateral for new loans."""
    node, market = there.node, there.market
    node.do(market.usdt, "mint(address,uint256)", node.admin, 10**6)
    node.do(market.usdt, "approve(address,uint256)", market.pool, 0)
    node.do(market.usdt, "approve(address,uint256)", market.pool, 10**6)
    node.do(market.pool, "supply(address,uint256,address,uint16)", market.usdt, 10**6, market.executor, 0)
    configure = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
    node.do(market.configurator, configure, market.usdt, 0, 8_000, 10_700)


def test_collateral_that_nothing_may_be_lent_against_does_not_lock_up_the_rest(there: Bench) -> None:
    """Aave lets nothing else be withdrawn while it counts: one USDT would keep 400,000 in the market."""
    run(there)
    poison(there)
    set_rate(there, 1.005)
    session = there.session()
    session.run(until=there.clock.wall() + 2 * MINUTE)
    assert operations(there) == [Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER]
    assert loan_to_value(there) == pytest.approx(0.75, abs=0.005)
    book_is_chain(there, session)
