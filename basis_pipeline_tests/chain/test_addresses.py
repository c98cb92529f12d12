"""Where a session with a wallet sends funds: on the wallet's own network, to addresses that their owners confirm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec.structs import replace

from basis_pipeline.domain.errors import BasisError, VenueRefusal
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.venues.live.funds import Destination
from basis_pipeline.venues.live.wallet_end import WalletEnd
from basis_pipeline_tests.chain.bench import owner
from basis_pipeline_tests.chain.hybrid import Hybrid, hybrid
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.test_hybrid import SIMPLE


@pytest.fixture
def there(market: Market, tmp_path: Path) -> Iterator[Hybrid]:
    with hybrid(market, tmp_path, SIMPLE) as made:
        yield made


def listed(there: Hybrid, venue: str, token: str, **changes: str) -> None:
    file = there.workspace.config.path / "live.yaml"
    content = yaml.safe_load(file.read_text())
    content["transfers"]["addresses"][venue][token] |= changes
    file.write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("venue", "token"),
    [("wallet", "USDT"), ("wallet", "ETH"), ("binance", "USDT"), ("binance", "ETH"), ("bybit", "USDT")],
)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"network": "ARBONE"}, r"TRANSFER-008.*{key}\.network is ARBONE, the wallet is on ERC20"),
        ({"address": "0x1234"}, r"TRANSFER-008.*{key}\.address is '0x1234', no 0x and 40 hexadecimal digits"),
        ({"address": "0x" + "66" * 19 + "aB"}, r"TRANSFER-008.*{key}\.address is .* its own checksum"),
        ({"address": "0x" + "66" * 20}, r"TRANSFER-002.*{venue} says that {token} on ERC20"),
    ],
    ids=["another network", "no address", "a wrong digit", "another address"],
)
def test_every_address_in_use_is_looked_at_before_a_session_begins(
    there: Hybrid, market: Market, venue: str, token: str, changes: dict[str, str], said: str
) -> None:
    listed(there, venue, token, **changes)
    expected = said.format(key=rf"transfers\.addresses\.{venue}\.{token}", venue=venue, token=token)
    with pytest.raises(BasisError, match=expected):
        there.session()
    assert there.node.chain.nonce(owner()) == market.sent_before


def test_an_address_of_a_token_that_the_mode_does_not_move_is_nobodys_business(there: Hybrid) -> None:
    listed(there, "bybit", "ETH", network="ARBONE")
    there.session()


@pytest.mark.parametrize("token", ["USDT", "ETH"])
def test_the_wallet_names_no_address_on_another_network(market: Market, token: str) -> None:
    end = WalletEnd(market.node.chain, replace(market.deployment, network="ARBONE"), owner())
    with pytest.raises(VenueRefusal, match=r"TRANSFER-008.*wallet is on ARBONE.*Remedy"):
        end.deposit_address(token, "ERC20")
    assert end.deposit_address(token, "ARBONE").network == "ARBONE"


def test_the_wallet_sends_nothing_on_another_network(there: Hybrid, market: Market) -> None:
    """Were such an address to pass the start, as no list of today can."""
    session = there.session()
    transit = session._parts.transit
    assert transit is not None
    for place, known in tuple(transit._destinations.items()):  # type: ignore[attr-defined]
        transit._destinations[place] = Destination("ARBONE", known.address)  # type: ignore[attr-defined]
    session.run(until=there.clock.wall() + 120_000_000)
    assert there.node.chain.nonce(owner()) == market.sent_before
    said = "\n".join(entry.payload.decode() for entry in there.entries(Kind.ACTION))
    assert "is an address on ARBONE, the wallet sends on ERC20: nothing is sent" in said
