"""Our contracts: Solidity sources beside what the compiler made of them."""

from __future__ import annotations

from pathlib import Path

import msgspec

FOLDER = Path(__file__).parent


class Compiled(msgspec.Struct, frozen=True):
    """A compiled contract: creation bytecode by name, 0x-hexadecimal, and the compiler that made it."""

    compiler: str
    contracts: dict[str, str]


def compiled_executor() -> Compiled:
    return msgspec.json.decode((FOLDER / "Executor.json").read_bytes(), type=Compiled)


def executor_code() -> str:
    """Creation bytecode of `Executor.sol`; its constructor takes the owner's address."""
    return compiled_executor().contracts["Executor"]
