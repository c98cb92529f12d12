"""Funds between an exchange and the wallet: killed at every entry, returned, lost, sent elsewhere; nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from basis_pipeline.domain.errors import ConfigError, OrderError
from basis_pipeline.domain.intents import Facts, Fate, Intent
from basis_pipeline.domain.orders import Operation
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.venues.live.abi import call_data
from basis_pipeline.venues.live.calls import CALLS, NOBODY
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.funds import Deposit, InTransit
from basis_pipeline.venues.live.wallet_end import WalletEnd
from basis_pipeline_tests.chain.bench import owner
from basis_pipeline_tests.chain.hybrid import DEPOSITS, HOT_WALLET, Hybrid, hybrid
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.test_hybrid import LST, SHORTS, SIMPLE, book_is_reality
from basis_pipeline_tests.live.faults import KilledError

TRANSFERS = (1, 2, 3, 7, 21, 22, 23, 24)
"""Of the entries that matter: intent, sent and facts of the first transfer out of the wallet, its arrival; the same of
the ETH that comes to the wallet from the exchange."""
_MATTER = frozenset({Kind.INTENT, Kind.SENT, Kind.FACTS, Kind.INCOME})


@pytest.fixture
def there(market: Market, tmp_path: Path) -> Iterator[Hybrid]:
    with hybrid(market, tmp_path, SIMPLE) as made:
        yield made


def dying(entry: int, *, after: bool) -> type[JournalDatabase]:
    """A journal whose process dies before or after it writes its n-th entry about an order or an arrival."""

    class Dying(JournalDatabase):
        written = 0

        def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
            self.written += kind in _MATTER
            struck = kind in _MATTER and self.written == entry
            if struck and not after:
                raise KilledError
            done = super().append(written_at, kind, key, payload)
            if struck:
                raise KilledError
            return done

    return Dying


def executed(there: Hybrid) -> list[Intent]:
    intents = {e.key: msgspec.json.decode(e.payload, type=Intent) for e in there.entries(Kind.INTENT)}
    facts = {e.key: msgspec.json.decode(e.payload, type=Facts) for e in there.entries(Kind.FACTS)}
    return [intent for key, intent in intents.items() if facts[key].fate is Fate.EXECUTED]


def everything_is_there_once(there: Hybrid) -> None:
    """Each transfer left once and is credited once; USDT of all places are what was brought less what was paid."""
    moved = [intent for intent in executed(there) if intent.order.operation is Operation.TRANSFER]
    out = [intent.order for intent in moved if intent.order.venue == "wallet"]
    seen = [line for made in there.accounts.values() for line in made.books.deposits]
    assert len(seen) == len(out)
    assert sum(line.amount for line in seen) == pytest.approx(sum(order.quantity for order in out), abs=1e-6)
    assert len(there.network.withdrawals) == len(moved) - len(out)
    book_is_reality(there)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("entry", TRANSFERS)
def test_dying_while_funds_cross_loses_nothing_and_sends_nothing_twice(there: Hybrid, entry: int, after: bool) -> None:
    with pytest.raises(KilledError):
        there.live_for(14, database=dying(entry, after=after))
    there.clock.sleep(600.0)
    there.live_for(16)
    everything_is_there_once(there)
    real = there.really()
    shorts = -sum(real[key] for key in SHORTS)
    assert shorts == pytest.approx(23.9, rel=5e-3), "entered, whatever died on the way"
    assert real[LST] * 1.04 + real["wallet:BaseToken:ETH"] == pytest.approx(shorts, rel=5e-3)


def test_a_withdrawal_that_comes_back_is_booked_back_and_sent_again(there: Hybrid) -> None:
    there.network.mishaps.append("returns")
    there.live_for(25)
    assert [w.state for w in there.network.withdrawals] == ["failed", "sent"]
    everything_is_there_once(there)
    assert there.really()[LST] * 1.04 == pytest.approx(-sum(there.really()[key] for key in SHORTS), rel=1e-2)


def test_eth_that_never_arrives_is_awaited_counted_and_reported(there: Hybrid) -> None:
    """The exchange says sent, and no block has the transaction: it stays a receivable, and becomes overdue."""
    there.network.mishaps.append("loses")
    session = there.live_for(30)
    state = there.state
    assert state.positions["wallet:Receivable:ETH"].quantity == pytest.approx(23.78, abs=0.01)
    assert state.pnl.equity == pytest.approx(100_140.0, abs=30.0), "nothing is lost before somebody knows"
    late = session._parts.transit
    assert late is not None
    (line,) = late.overdue(there.clock.wall() + 7_200_000_000)
    assert "TRANSFER-004" in line and "left binance" in line and "not arrived at wallet" in line


def test_nothing_is_sent_where_the_wallet_itself_would_not_be_found(market: Market, tmp_path: Path) -> None:
    """Somebody has changed the address of the wallet on the list: the session does not even start."""
    with hybrid(market, tmp_path, SIMPLE) as there:
        file = there.workspace.config.path / "live.yaml"
        content = yaml.safe_load(file.read_text())
        content["transfers"]["addresses"]["wallet"]["USDT"]["address"] = "0x" + "66" * 20
        file.write_text(yaml.safe_dump(content))
        with pytest.raises(OrderError, match=r"TRANSFER-002.*wallet says that USDT"):
            there.session()
        assert there.node.chain.nonce(owner()) == market.sent_before


@pytest.mark.parametrize("missing", ["wallet", "binance"])
def test_a_hedged_mode_without_a_way_for_its_eth_is_refused(market: Market, tmp_path: Path, missing: str) -> None:
    with hybrid(market, tmp_path, SIMPLE) as there:
        file = there.workspace.config.path / "live.yaml"
        content = yaml.safe_load(file.read_text())
        del content["transfers"]["addresses"][missing]
        file.write_text(yaml.safe_dump(content))
        with pytest.raises(ConfigError, match=f"TRANSFER-007.*addresses of {missing}"):
            there.session()


def test_demo_networks_cannot_carry_a_hedged_mode(market: Market, tmp_path: Path) -> None:
    with hybrid(market, tmp_path, SIMPLE) as there:
        for name in ("BINANCE", "BYBIT"):
            del there.variables[f"BASIS_LIVE_TRADING__ENDPOINT_{name}"]
        with pytest.raises(ConfigError, match=r"TRANSFER-007.*demo and test networks withdraw nothing"):
            there.session()


def in_transit(token: str) -> InTransit:
    return InTransit(
        intent_id="bp1", source="binance", target="wallet", source_slot=0, target_slot=1, receivable_slot=2,
        token=token, amount=1.0, fee=0.0, reference="7", sent_at=0,
    )  # fmt: skip


def end(market: Market, confirmations: int = 1) -> WalletEnd:
    deployment: Deployment = msgspec.structs.replace(market.deployment, confirmations=confirmations)
    return WalletEnd(market.node.chain, deployment, owner())


def batch(market: Market, calls: list[tuple[str, int, bytes, str, int]], value: int = 0) -> str:
    """Hash of one transaction of a contract that an exchange pays withdrawals with."""
    node = market.node
    payer = node.deploy(executor_code(), ("address",), node.admin)
    node.do(market.usdt, "mint(address,uint256)", payer, 10**9)
    data = call_data(f"execute({CALLS},address)", calls, NOBODY)
    return str(node.send(payer, data, value=value)["transactionHash"])


def paying(market: Market, to: str, amount: int) -> tuple[str, int, bytes, str, int]:
    return market.usdt, 0, call_data("transfer(address,uint256)", to, amount), NOBODY, 0


def test_two_withdrawals_in_one_transaction_are_two_deposits(market: Market) -> None:
    ours, other = market.executor, market.node.accounts[DEPOSITS["okx"]]
    paid = batch(market, [paying(market, ours, 5_000_000), paying(market, other, 9_000_000),
                          paying(market, ours, 7_000_000)])  # fmt: skip
    found = end(market).deposits(in_transit("USDT"), paid)
    assert [line.amount for line in found] == [5.0, 7.0]
    assert len({line.reference for line in found}) == 2


def test_eth_paid_by_a_contract_is_what_the_block_has_added(market: Market) -> None:
    """An internal transfer logs nothing."""
    paid = batch(market, [(owner(), ETHER // 4, b"", NOBODY, 0)], value=ETHER // 4)
    assert [line.amount for line in end(market).deposits(in_transit("ETH"), paid)] == [0.25]


@pytest.mark.parametrize("prefix", ["0x", ""])
def test_a_deposit_is_credited_when_its_block_is_deep_enough(market: Market, prefix: str) -> None:
    node = market.node
    paid = str(node.send(owner(), b"", value=ETHER, sender=node.accounts[HOT_WALLET])["transactionHash"])
    asked = prefix + paid.removeprefix("0x")

    def found() -> Deposit:
        (line,) = end(market, confirmations=3).deposits(in_transit("ETH"), asked)
        return line

    assert (found().amount, found().credited) == (1.0, False)
    node.mine(2)
    assert found().credited


def test_a_transaction_that_brings_something_else_brings_nothing(market: Market) -> None:
    node, hot = market.node, market.node.accounts[HOT_WALLET]
    node.do(market.usdt, "mint(address,uint256)", hot, 10**6)
    elsewhere = node.pay(market.usdt, node.accounts[DEPOSITS["okx"]], 10**6, hot)["transactionHash"]
    assert end(market).deposits(in_transit("USDT"), str(elsewhere)) == ()
    assert end(market).deposits(in_transit("ETH"), str(elsewhere)) == ()
    assert end(market).deposits(in_transit("ETH"), "0x" + "ab" * 32) == (), "no block has it"
