"""A local chain on loopback, and the packages of its contracts; `make test-chain` installs both into `.chain`."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.storage.files import exclusive_lock, put_bytes
from basis_pipeline.venues.live.abi import call_data, pack
from basis_pipeline.venues.live.chain import Chain

HERE = Path(__file__).parent
CHAIN = HERE.parents[1] / ".chain"
MODULES = CHAIN / "node_modules"
ANVIL = MODULES / "@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_ID = 31_337
STATES = 100_000
"""Blocks whose state a node remembers, in memory: all, because every test begins at the first ones again, and those
would be forgotten first."""
PATIENCE_SECONDS = 60.0
"""For any answer: what a test finds never depends on how busy the machine is."""
BEGINNING = datetime(2026, 3, 10, 10, tzinfo=UTC)
"""Of every chain that does not live in real time: no test begins shortly before a month's end."""


class PromptChain(Chain):
    """A transaction that was sent is in a block when `send` returns, where the node makes one for each.

    It does so a moment after it has answered: the next block would be made too early by whoever goes on at once.
    """

    def send(self, signed: bytes) -> None:
        transaction = self.ask("eth_sendRawTransaction", "0x" + signed.hex())
        if self.ask("anvil_getAutomine"):
            self.mined(transaction)

    def mined(self, transaction: str) -> Any:
        """Its receipt, once it has one."""
        return patiently(lambda: self.ask("eth_getTransactionReceipt", transaction), f"{transaction} is in no block")


def patiently(look: Callable[[], Any], otherwise: str) -> Any:
    """What `look` finds, as soon as it is not None."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.005)
    return found


class Node:
    """An anvil process: what a test does to the chain, beside what the software under test asks of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.chain = PromptChain(url, timeout=PATIENCE_SECONDS)
        self.accounts: list[str] = self.chain.ask("eth_accounts")
        self.admin = self.accounts[0]

    def deploy(self, code: str, types: tuple[str, ...] = (), *arguments: Any) -> str:
        """Address of a new contract."""
        receipt = self.send(None, bytes.fromhex(code.removeprefix("0x")) + pack(types, *arguments))
        return str(receipt["contractAddress"])

    def do(self, to: str, function: str, *arguments: Any, value: int = 0, sender: str | None = None) -> None:
        self.send(to, call_data(function, *arguments), value=value, sender=sender)

    def pay(self, token: str, to: str, amount: int, sender: str) -> Any:
        """The receipt of a transfer of tokens."""
        return self.send(token, call_data("transfer(address,uint256)", to, amount), sender=sender)

    def send(self, to: str | None, data: bytes, *, value: int = 0, sender: str | None = None) -> Any:
        request = {"from": sender or self.admin, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(25_000_000)}
        transaction = self.chain.ask("eth_sendTransaction", request | ({"to": to} if to else {}))
        receipt = self.mined(transaction)
        assert receipt["status"] == "0x1", (to, data[:4].hex())
        return receipt

    def mined(self, transaction: str) -> Any:
        """Its receipt, once it has one."""
        return self.chain.mined(transaction)

    @property
    def makes_blocks(self) -> bool:
        """A block per transaction, at once."""
        return bool(self.chain.ask("anvil_getAutomine"))

    def mine(self, blocks: int = 1, *, seconds: int | None = None) -> None:
        """The first of the blocks is `seconds` after the newest one."""
        if seconds is not None:
            self.chain.ask("evm_setNextBlockTimestamp", self.chain.block("latest").timestamp // SECOND + seconds)
        self.chain.ask("anvil_mine", hex(blocks))

    def snapshot(self) -> str:
        return str(self.chain.ask("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        assert self.chain.ask("evm_revert", snapshot)
        self.chain.rewound()


@contextmanager
def anvil() -> Iterator[Node]:
    """A node with a block per transaction, each a second after the last one, however fast they are made."""
    with _running("--timestamp", str(int(BEGINNING.timestamp()))) as node:
        node.chain.ask("anvil_setBlockTimestampInterval", 1)
        yield node


@contextmanager
def anvil_in_real_time() -> Iterator[Node]:
    """A node with a block a second, and one per transaction besides."""
    with _running("--block-time", "1", "--mixed-mining") as node:
        yield node


@contextmanager
def _running(*options: str) -> Iterator[Node]:
    """A node with room for large contracts, at a port that it chooses itself."""
    command = [str(ANVIL), "--host", "127.0.0.1", "--port", "0", "--code-size-limit", "100000",
               "--gas-limit", "60000000", "--balance", "1000000", "--chain-id", str(CHAIN_ID),
               "--prune-history", str(STATES), *options]  # fmt: skip
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield Node(patiently(lambda: _address(process, Path(log.name)), "anvil does not listen"))
        finally:
            process.terminate()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str | None:
    """URL at which the node listens, as it says."""
    said = log.read_text(encoding="utf-8", errors="replace")
    assert process.poll() is None, said
    found = re.search(r"Listening on (127\.0\.0\.1:\d+)\n", said)
    return f"http://{found[1]}" if found else None


def compiled(source: Path, *, compiler: str = "solc") -> dict[str, Any]:
    """Contracts of a Solidity file by name, compiled once per content, whoever asks at the same time."""
    digest = hashlib.sha256(source.read_bytes() + (HERE / "compile.mjs").read_bytes() + compiler.encode()).hexdigest()
    kept = CHAIN / "compiled" / f"{source.stem}-{digest[:16]}.json"
    with exclusive_lock(kept.with_suffix(".lock"), purpose="the compiler", wait=True):
        if not kept.is_file():
            command = ["node", HERE / "compile.mjs", MODULES, source, "true", compiler, source.parent]
            put_bytes(kept, subprocess.run(command, check=True, capture_output=True).stdout)
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


def artifact(path: str) -> dict[str, Any]:
    """A contract as its package ships it, e.g. `@aave/core-v3/artifacts/.../Pool.sol/Pool.json`."""
    found: dict[str, Any] = json.loads((MODULES / path).read_text())
    return found
