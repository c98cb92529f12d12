"""`basis executor` and `basis live eth_leveraged` as an operator meets them, on a chain that lives in real time."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import yaml

from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.chain.anvil import anvil_in_real_time
from basis_pipeline_tests.chain.bench import KEY, owner
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.proxy import RpcFault, proxied
from basis_pipeline_tests.fakes.server import Reply
from basis_pipeline_tests.live.process import PATIENCE_SECONDS, completed_ticks, wait_for

COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
SAID_BY_GATE = "select message from experiments.gates where gate = 'live_values'"
HELD_STEPS = "select count(distinct timestamp) from experiments.positions where as_of < timestamp"


class Wallet:
    """One wallet on its own chain, and the commands of the project with its environment."""

    def __init__(self, market: Market, folder: Path) -> None:
        self.market, self.folder, self.mode = market, folder, "eth_leveraged"
        self._started: list[subprocess.Popen[str]] = []
        self.configs = folder / "configs"
        self.configs.mkdir()
        for child in CONFIGS.iterdir():
            if child.name != "chains":
                (self.configs / child.name).symlink_to(child)
        (self.configs / "chains").mkdir()
        content = msgspec.to_builtins(market.deployment)
        del content["executor"]
        (self.configs / "chains/test.yaml").write_text(yaml.safe_dump(content))
        self.variables = {
            "BASIS_CONFIG_DIR": str(self.configs),
            "BASIS_DATA_DIR": str(folder / "data"),
            "BASIS_ENVIRONMENT": "staging",
            "BASIS_EXECUTION_MODE": "live",
            "BASIS_LIVE_TRADING__ENABLED": "true",
            "BASIS_LIVE_TRADING__READ_ONLY": "false",
            "BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD": "1000000",
            "BASIS_STAGING__ALCHEMY__RPC_URL": market.node.url,
            "BASIS_STAGING__ALCHEMY__PRIVATE_KEY": KEY,
            "BASIS_STAGING__ALCHEMY__NETWORK": "test",
            "BASIS_STAGING__ALCHEMY__EXECUTOR_ADDRESS": market.executor,
        }

    @property
    def journal(self) -> Path:
        return self.folder / f"data/live/staging/{self.mode}.sqlite"

    def start(self, *command: str) -> subprocess.Popen[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "basis_pipeline", *command],
            env=kept | self.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def end(self) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    def run(self, *command: str) -> tuple[int, str]:
        process = self.start(*command)
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, out + err

    def answer(self, question: str) -> str:
        """The one value that a question in SQL has for an answer."""
        variables, self.variables = self.variables, self.variables | {"BASIS_EXECUTION_MODE": "backtest"}
        code, said = self.run("query", question, "--format", "json")
        self.variables = variables
        assert code == 0, said
        [row] = json.loads(said)
        [value] = row.values()
        return str(value)

    def ticks(self, count: int) -> None:
        """Until the session that was started last has completed so many more."""
        before = completed_ticks(self.journal)
        wait_for(lambda: completed_ticks(self.journal) >= before + count, self._started[-1])


@pytest.fixture
def wallet(tmp_path: Path) -> Iterator[Wallet]:
    with anvil_in_real_time() as node:
        market = Market(node, owner())
        node.chain.ask("anvil_setBalance", owner(), hex(40 * ETHER))
        made = Wallet(market, tmp_path)
        yield made
        made.end()


def test_a_session_enters_survives_a_kill_and_says_no_secret(wallet: Wallet) -> None:
    first = wallet.start("live", "eth_leveraged", "--interval", "0.5")
    wallet.ticks(3)
    first.send_signal(signal.SIGKILL)
    _, said = first.communicate(timeout=PATIENCE_SECONDS)
    second = wallet.start("live", "eth_leveraged", "--interval", "0.5")
    wallet.ticks(3)
    second.send_signal(signal.SIGTERM)
    _, more = second.communicate(timeout=PATIENCE_SECONDS)
    assert second.returncode == 0, more
    for secret in (KEY, KEY[2:], wallet.market.node.url):
        assert secret not in said + more
        assert secret.encode() not in wallet.journal.read_bytes()
    state = LiveJournal(JournalDatabase.read(wallet.journal), lambda: 0).last_state()
    assert state is not None
    assert wallet.market.node.chain.nonce(owner()) == 1, "one entry, whatever died on the way"
    assert state.positions[COLLATERAL].quantity == pytest.approx(159.2 / 1.04, rel=1e-9)
    assert state.positions[DEBT].quantity == pytest.approx(119.4, rel=1e-6)


def test_dollars_are_lent_by_the_command_with_gas_from_the_wallet(wallet: Wallet) -> None:
    market, wallet.mode = wallet.market, "pure_lending_usdt"
    market.node.do(market.usdt, "mint(address,uint256)", market.executor, 100_000 * 10**6)
    session = wallet.start("live", wallet.mode, "--interval", "0.5")
    wallet.ticks(3)
    session.send_signal(signal.SIGTERM)
    _, said = session.communicate(timeout=PATIENCE_SECONDS)
    assert session.returncode == 0, said
    lending = market.deployment.lending
    assert lending is not None
    supplied = market.node.chain.read(
        lending.reserves["USDT"].a_token, "balanceOf(address)", ("uint256",), market.executor
    )
    assert supplied / 1e6 == pytest.approx(100_000.0, abs=1.0)
    state = LiveJournal(JournalDatabase.read(wallet.journal), lambda: 0).last_state()
    assert state is not None
    ether = market.node.chain.balance(owner()) / ETHER
    assert state.positions["wallet:BaseToken:ETH"].quantity == pytest.approx(ether, rel=1e-9)
    assert state.positions["aave_v3:aToken:aUSDT"].quantity == pytest.approx(100_000.0, rel=1e-3)


def test_a_wallet_carries_one_session(wallet: Wallet) -> None:
    first = wallet.start("live", "eth_staking_only", "--interval", "0.5")
    wallet.mode = "eth_staking_only"
    wallet.ticks(2)
    code, said = wallet.run("live", "pure_lending_usdt", "--interval", "0.5")
    assert (code, "STORE-002" in said, wallet.market.executor in said) == (1, True, True), said
    first.send_signal(signal.SIGTERM)
    _, said = first.communicate(timeout=PATIENCE_SECONDS)
    assert first.returncode == 0, said


def test_a_silent_node_is_told_by_the_status_the_tables_and_a_gate_until_it_speaks_again(wallet: Wallet) -> None:
    """Ended while the values are held: the month says so, and says it no longer after a session with newer ones."""
    market, wallet.mode = wallet.market, "pure_lending_usdt"
    market.node.do(market.usdt, "mint(address,uint256)", market.executor, 100_000 * 10**6)
    with proxied(market.node) as (url, provider):
        wallet.variables["BASIS_STAGING__ALCHEMY__RPC_URL"] = url
        session = wallet.start("live", wallet.mode, "--interval", "0.5")
        wallet.ticks(3)
        provider.faults.append(RpcFault(times=10**9, reply=Reply(503, {"error": "down"})))
        wallet.ticks(4)
        code, said = wallet.run("live", wallet.mode, "--status")
        assert code == 0 and re.search(r'"values_as_of": "20\d\d-', said), said
        session.send_signal(signal.SIGTERM)
        _, said = session.communicate(timeout=PATIENCE_SECONDS)
        assert session.returncode == 0, said
        assert '"what": "values held"' in said and "nothing is done: the chain says nothing" in said
        assert "the month ends with values of 20" in wallet.answer(SAID_BY_GATE)
        assert int(wallet.answer(HELD_STEPS)) >= 3
        provider.faults.clear()
        session = wallet.start("live", wallet.mode, "--interval", "0.5")
        wallet.ticks(3)
        session.send_signal(signal.SIGTERM)
        _, said = session.communicate(timeout=PATIENCE_SECONDS)
        assert session.returncode == 0, said
    assert "the month ends with" not in wallet.answer(SAID_BY_GATE)
    code, said = wallet.run("live-compare", wallet.mode)
    assert code == 0 and "1 orders live, 1 in the replay, 0 without a counterpart" in said, said


def test_read_only_plays_through_and_sends_nothing(wallet: Wallet) -> None:
    wallet.variables["BASIS_LIVE_TRADING__READ_ONLY"] = "true"
    session = wallet.start("live", "eth_leveraged", "--interval", "0.5")
    wallet.ticks(2)
    session.send_signal(signal.SIGTERM)
    out, err = session.communicate(timeout=PATIENCE_SECONDS)
    assert "read only: atomic_lever of 159.2 at instadapp would succeed" in out + err
    assert wallet.market.node.chain.nonce(owner()) == 0


def test_an_executor_is_deployed_for_the_wallet(wallet: Wallet) -> None:
    del wallet.variables["BASIS_STAGING__ALCHEMY__EXECUTOR_ADDRESS"]
    code, said = wallet.run("executor")
    assert code == 0, said
    found = re.search(r"0x[0-9a-f]{40}", said)
    assert found is not None
    assert wallet.market.node.chain.read(found[0], "owner()", ("address",)).lower() == owner().lower()


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"BASIS_STAGING__ALCHEMY__PRIVATE_KEY": ""}, "BASIS_STAGING__ALCHEMY__PRIVATE_KEY"),
        ({"BASIS_STAGING__ALCHEMY__PRIVATE_KEY": "0x1234"}, "CHAIN-002"),
        ({"BASIS_STAGING__ALCHEMY__NETWORK": "ethereum_2"}, "there is no deployment"),
        ({"BASIS_STAGING__ALCHEMY__EXECUTOR_ADDRESS": "0x" + "11" * 20}, "CHAIN-003"),
    ],
    ids=["no key", "a wrong key", "an unknown network", "no executor"],
)
def test_what_is_missing_is_one_clear_refusal(wallet: Wallet, changes: dict[str, str], refusal: str) -> None:
    wallet.variables |= changes
    code, said = wallet.run("live", "eth_leveraged")
    assert code == 2, said
    assert refusal in said
    assert "Traceback" not in said
    assert "0x1234" not in said


def test_what_a_wallet_did_is_published_and_replayed(wallet: Wallet) -> None:
    session = wallet.start("live", "eth_leveraged", "--interval", "0.5")
    wallet.ticks(6)
    session.send_signal(signal.SIGTERM)
    _, said = session.communicate(timeout=PATIENCE_SECONDS)
    assert session.returncode == 0, said
    assert '"what": "results published"' in said, said
    code, said = wallet.run("live", "eth_leveraged", "--publish")
    assert code == 0 and "live-staging: nothing new; no gate failed" in said, said
    code, said = wallet.run("live-compare", "eth_leveraged")
    assert code == 0, said
    assert "1 orders live, 1 in the replay, 0 without a counterpart" in said, said
    [page] = (wallet.folder / "data/results/reports/live").glob("*.html")
    assert "eth_leveraged: live-staging against its replay" in page.read_text()
