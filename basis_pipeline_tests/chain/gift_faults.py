"""What strangers can do to a book on chain, as rows of the table: they add to it at the worst moment."""

from __future__ import annotations

from basis_pipeline.live_journal.database import Kind
from basis_pipeline_tests.chain.bench import owner
from basis_pipeline_tests.chain.faults import Case, at
from basis_pipeline_tests.chain.market import ETHER
from basis_pipeline_tests.chain.stage import Stage


def _sends_ether(there: Stage) -> None:
    there.truth.node.send(owner(), b"", value=ETHER)


def _sends_staked(there: Stage) -> None:
    there.truth.node.do(there.market.weeth, "transfer(address,uint256)", there.market.executor, ETHER)


def _lends(there: Stage) -> None:
    node, market = there.truth.node, there.market
    node.do(market.weeth, "approve(address,uint256)", market.pool, ETHER)
    node.do(market.pool, "supply(address,uint256,address,uint16)", market.weeth, ETHER, market.executor, 0)


def _repays(there: Stage) -> None:
    node, market = there.truth.node, there.market
    node.do(market.weth, "approve(address,uint256)", market.pool, ETHER)
    node.do(market.pool, "repay(address,uint256,uint256,address)", market.weth, ETHER, 2, market.executor)


GIFT_CASES: dict[str, Case] = {
    "a stranger sends an ETH while a session holds": Case(_sends_ether, when="holding"),
    "a stranger sends an ETH between sessions": Case(_sends_ether, when="between"),
    "a stranger sends a weETH in the block of the entry": at(Kind.SENT, _sends_staked),
    "a stranger lends a weETH for the book": Case(_lends, when="holding"),
    "a stranger repays an ETH of the book's debt": Case(_repays, when="holding"),
}
