"""An Ethereum node in memory: a block every 12 s with some slots missed, one Aave reserve, Lido, weETH, fees."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from basis_pipeline_tests.market_data.vendor_files import micros

POOL, ORACLE, USDT, LIDO, WEETH = (f"0x{n:040x}" for n in (0xA1, 0xA2, 0xA3, 0xA4, 0xA5))
A_TOKEN, DEBT_TOKEN = (f"0x{n:040x}" for n in (0xB1, 0xB2))
UPDATED = "0x804c9b842b2748a22bb64b345453a3de7ca54a6ca45ce00d415894979e22897a"
REBASED = "0xff08c3ef606d198e316ef5b822193c489965899eb4e3c248cea1a4626c3eda50"
RAY, WAD = 10**27, 10**18
SUPPLY_RATE, BORROW_RATE = 5 * RAY // 100, 8 * RAY // 100
GENESIS = micros("2024-12-20") // 1_000_000
BLOCKS = 7200 * 20


def hexed(*numbers: int) -> str:
    return "0x" + "".join(f"{number:064x}" for number in numbers)


@dataclass
class Chain:
    """The node.

    Attributes:
        most_blocks: ranges of events wider than this are refused.
        archive: whether state of past blocks is kept.
        drift: what a block adds to the borrow rate, ray.
        key: part of the URL that must not show anywhere; error messages of this node repeat it.
    """

    most_blocks: int = 1500
    archive: bool = True
    drift: int = 0
    key: str = "s3cr3t-api-key-0123456789"
    ranges: list[int] = field(default_factory=list)

    def time(self, number: int) -> int:
        """Every hundredth slot is missed."""
        return GENESIS + 12 * (number + number // 100)

    def index(self, number: int) -> tuple[int, int]:
        """Supply and borrow index at an update in a block."""
        return RAY + number * 10**21, RAY + number * 2 * 10**21

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        method = request["method"].removeprefix("eth_")
        result = getattr(self, f"_{method}")(*request["params"])
        body = result if isinstance(result, dict) and "error" in result else {"result": result}
        return {"jsonrpc": "2.0", "id": request["id"], **body}

    def _getBlockByNumber(self, tag: str, _full: bool) -> dict[str, str]:  # noqa: N802 - the method's name
        number = BLOCKS if tag == "latest" else int(tag, 16)
        return {"number": hex(number), "timestamp": hex(self.time(number))}

    def _getLogs(self, query: dict[str, Any]) -> Any:  # noqa: N802
        first, last = int(query["fromBlock"], 16), int(query["toBlock"], 16)
        if last - first + 1 > self.most_blocks:
            return {"error": {"code": -32005, "message": f"{self.key}: query returned more than 10000 results"}}
        self.ranges.append(last - first + 1)
        if query["address"] == POOL and query["topics"] == [UPDATED, hexed(int(USDT, 16))]:
            every, data = 5000, lambda n: hexed(SUPPLY_RATE, 0, BORROW_RATE + n * self.drift, *self.index(n))
            topics = [UPDATED, hexed(int(USDT, 16))]
        elif query["address"] == LIDO and query["topics"] == [REBASED]:
            every, data = 7200, lambda n: hexed(86400, 1, 1, 10**6 * WAD, (10**6 + n) * WAD, 0)
            topics = [REBASED, hexed(0)]
        else:
            return []
        return [
            {"address": query["address"], "blockNumber": hex(n), "logIndex": hex(1), "topics": topics, "data": data(n)}
            for n in range(first, last + 1)
            if n % every == 0
        ][::-1]

    def _call(self, call: dict[str, str], tag: str) -> Any:
        number, selector = int(tag, 16), call["data"][:10]
        if not self.archive and number < BLOCKS - 128:
            return {"error": {"code": -32000, "message": f"missing trie node for {self.key}"}}
        if (call["to"], selector) == (POOL, "0x35ea6a75"):
            return hexed(*range(8), int(A_TOKEN, 16), 9, int(DEBT_TOKEN, 16), 0, 0, 0, 0)
        return hexed(
            {
                (USDT, "0x313ce567"): 6,
                (A_TOKEN, "0x18160ddd"): (10**9 + number) * 10**6,
                (DEBT_TOKEN, "0x18160ddd"): (10**8 + number) * 10**6,
                (ORACLE, "0xb3596f07"): 99_980_000 + number % 1000,
                (WEETH, "0x679aefce"): WAD + number * 10**11,
            }[call["to"], selector]
        )

    def _feeHistory(self, count: str, newest: str, percentiles: list[int]) -> dict[str, Any]:  # noqa: N802
        assert (int(count, 16), percentiles) == (1, [50])
        number = int(newest, 16)
        base = 7 * 10**9 + number
        return {"baseFeePerGas": [hex(base), hex(base + 1)], "reward": [[hex(10**8)]]}
