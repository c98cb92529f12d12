"""A local chain on loopback, and the packages of its contracts; `make test-chain` installs both into `.chain`."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from basis_pipeline.domain.errors import VenueError
from basis_pipeline.storage.files import exclusive_lock, put_bytes
from basis_pipeline.venues.live.abi import call_data, pack
from basis_pipeline.venues.live.chain import Chain

HERE = Path(__file__).parent
CHAIN = HERE.parents[1] / ".chain"
MODULES = CHAIN / "node_modules"
ANVIL = MODULES / "@foundry-rs/anvil-linux-amd64/bin/anvil"
CHAIN_ID = 31_337
PATIENCE_SECONDS = 60.0
"""For any answer: what a test finds never depends on how busy the machine is."""


class Node:
    """An anvil process: what a test does to the chain, beside what the software under test asks of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.chain = Chain(url, timeout=PATIENCE_SECONDS)
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
        """Its receipt: a node that makes a block per transaction does so a moment after it has answered."""
        while (receipt := self.chain.ask("eth_getTransactionReceipt", transaction)) is None:
            time.sleep(0.005)
        return receipt

    @property
    def makes_blocks(self) -> bool:
        """A block per transaction, at once."""
        return bool(self.chain.ask("anvil_getAutomine"))

    def mine(self, blocks: int = 1, *, seconds: int | None = None) -> None:
        if seconds is not None:
            self.chain.ask("evm_increaseTime", seconds)
        self.chain.ask("anvil_mine", hex(blocks))

    def snapshot(self) -> str:
        return str(self.chain.ask("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        assert self.chain.ask("evm_revert", snapshot)
        self.chain.rewound()


@contextmanager
def anvil(*options: str) -> Iterator[Node]:
    """A node with a block per transaction and room for large contracts."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(ANVIL), "--host", "127.0.0.1", "--port", str(port), "--silent", "--code-size-limit", "100000",
               "--gas-limit", "60000000", "--balance", "1000000", "--chain-id", str(CHAIN_ID), *options]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url, process)
        yield Node(url)
    finally:
        process.terminate()
        process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20.0
    while time.monotonic() < deadline:
        assert process.poll() is None, "anvil ended"
        try:
            Chain(url).chain_id()
        except VenueError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError("anvil does not answer")


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
