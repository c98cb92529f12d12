"""`basis live btc_basis` with its shipped allocation, as an operator starts it: two exchanges in real time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.bybit import BybitSkin
from basis_pipeline_tests.fakes.network import FakeNetwork
from basis_pipeline_tests.fakes.server import FakeServer
from basis_pipeline_tests.live.fleet import ADDRESSES
from basis_pipeline_tests.live.process import KEY, PATIENCE_SECONDS, SECRET, RealTimeExchange, completed_ticks, wait_for

NAMES = ("BINANCE_SPOT", "BINANCE_FUTURES", "BYBIT")


@dataclass
class Pair:
    books: dict[str, RealTimeExchange]
    servers: dict[str, FakeServer]
    network: FakeNetwork
    root: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def journal(self) -> Path:
        return self.root / "data" / "live" / "staging" / "btc_basis.sqlite"

    def start(self) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
        keys = {f"BASIS_STAGING__CEX__{name}_API_KEY": KEY for name in NAMES}
        codes = {f"BASIS_STAGING__CEX__{name}_SECRET": SECRET for name in NAMES}
        ends = {f"BASIS_LIVE_TRADING__ENDPOINT_{name.upper()}": server.url for name, server in self.servers.items()}
        switches = {f"BASIS_LIVE_TRADING__{name}": value for name, value in {
            "ENABLED": "true", "READ_ONLY": "false", "MAX_TRADE_SIZE_USD": "1000000",
            "MAX_TRANSFER_SIZE_USD": "1000000"}.items()}  # fmt: skip
        places = {"BASIS_DATA_DIR": str(self.root / "data"), "BASIS_CONFIG_DIR": str(self.root / "configs"),
                  "BASIS_ENVIRONMENT": "staging", "BASIS_EXECUTION_MODE": "live"}  # fmt: skip
        return subprocess.Popen(
            [sys.executable, "-m", "basis_pipeline", "live", "btc_basis", "--set", "reserve_fraction=0",
             "--interval", "0.3"],
            env=kept | keys | codes | ends | switches | places | self.variables,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """100,000 USDT at Binance, nothing at Bybit, a network that takes two seconds."""
    shutil.copytree(CONFIGS, folder / "configs")
    lines = "".join(
        f'    {name}: {{USDT: {{network: ERC20, address: "{ADDRESSES[name]}"}}}}\n' for name in ("binance", "bybit")
    )
    live = folder / "configs" / "live.yaml"
    live.write_text(live.read_text().replace("  addresses: {} ", "  addresses:\n" + lines + "  #"))
    network = FakeNetwork(processing=0.7, confirming=1.3)
    with ExitStack() as stack:
        books, servers = {}, {}
        for name, skin in (("binance", BinanceSkin), ("bybit", BybitSkin)):
            made = RealTimeExchange()
            made.list_coin("BTC", 50_000.0)
            servers[name] = stack.enter_context(FakeServer(skin(made, KEY, SECRET)))
            made.opens_deposits(ADDRESSES[name], network)
            made.allowed |= set(ADDRESSES.values())
            books[name] = made
        books["binance"].spot["USDT"] = 100_000.0
        yield Pair(books, servers, network, folder)


@pytest.mark.slow(seconds=20)
def test_the_shipped_allocation_is_entered_over_two_exchanges(tmp_path: Path) -> None:
    with pair(tmp_path) as there:
        process = there.start()
        wait_for(lambda: "BTCUSDT" in there.books["bybit"].perps, process)
        booked = completed_ticks(there.journal) + 2
        wait_for(lambda: completed_ticks(there.journal) >= booked, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, out + err
        assert [round(w.amount, 3) for w in there.network.withdrawals] == [13_333.333]
        shorts = [books.perps["BTCUSDT"][0] for books in there.books.values()]
        assert shorts == pytest.approx([-0.798, -0.532], abs=0.002)
        assert KEY not in out + err and SECRET not in out + err


@pytest.mark.slow(seconds=20)
def test_killed_in_the_middle_of_a_transfer_it_is_not_made_again(tmp_path: Path) -> None:
    with pair(tmp_path) as there:
        process = there.start()
        wait_for(lambda: bool(there.network.withdrawals), process)
        process.kill()
        process.communicate()
        process = there.start()
        wait_for(lambda: "BTCUSDT" in there.books["bybit"].perps, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, out + err
        assert len(there.network.withdrawals) == 1


@pytest.mark.slow(seconds=20)
def test_a_session_that_can_move_nothing_says_how_to_place_the_funds(tmp_path: Path) -> None:
    with pair(tmp_path) as there:
        there.variables["BASIS_CONFIG_DIR"] = str(CONFIGS)
        process = there.start()
        wait_for(lambda: len(there.servers["binance"].log) > 40, process)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, out + err
        assert "place them beforehand, 86.7% at binance, 13.3% at bybit" in out + err
        assert not there.network.withdrawals
