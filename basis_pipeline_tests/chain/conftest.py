"""One chain for all tests; each finds it as it was deployed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline_tests.chain.anvil import ANVIL, anvil
from basis_pipeline_tests.chain.bench import Bench, bench, owner
from basis_pipeline_tests.chain.market import ETHER, Market


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.chain)


@pytest.fixture(scope="session", autouse=True)
def installed() -> None:
    if not ANVIL.is_file():
        pytest.skip("needs the local chain: `make test-chain` installs and runs it")


@pytest.fixture(scope="session")
def deployed() -> Iterator[Market]:
    with anvil() as node:
        market = Market(node, owner())
        node.chain.ask("anvil_setBalance", owner(), hex(40 * ETHER))
        yield market


@pytest.fixture
def market(deployed: Market) -> Iterator[Market]:
    kept = deployed.node.snapshot()
    deployed.sent_before = deployed.node.chain.nonce(owner())
    yield deployed
    deployed.node.chain.ask("anvil_dropAllTransactions")
    deployed.node.chain.ask("evm_setAutomine", True)
    deployed.node.revert(kept)
    fee = deployed.node.chain.block("latest").base_fee  # the node goes back to its blocks, not to what gas cost then
    deployed.node.chain.ask("anvil_setNextBlockBaseFeePerGas", hex(fee))


@pytest.fixture
def there(market: Market, tmp_path: Path) -> Bench:
    return bench(market, tmp_path / "journal.sqlite")
