"""Ethereum JSON-RPC over plain HTTP: blocks by time, events over ranges, calls at a block.

Requests and answers: ethereum.github.io/execution-apis. Arguments and results are 32-byte words, decoded by hand: every
value needed here is an integer or an address.
"""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import requests

from basis_pipeline.domain.errors import DownloadError
from basis_pipeline.domain.secret import keys_in, without
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.market_data.downloads.transport import SourceDownError, shown

_WORD = 64
_TOO_MUCH = re.compile(r"too many|more than|too large|too wide|range|limit|exceed|response size|timed? ?out", re.I)
_TOO_FAST = re.compile(r"rate.?limit|per second|too many requests|capacity|quota", re.I)
_NO_HISTORY = re.compile(
    r"missing trie node|pruned|archive|historical state|header not found|state .*not available", re.I
)


@dataclass(frozen=True)
class Block:
    """Number and time (seconds since the epoch) of a block."""

    number: int
    time: int


@dataclass(frozen=True)
class Log:
    """One event: where it is, its topics after the first, its data as integers."""

    block: int
    index: int
    topics: tuple[int, ...]
    words: tuple[int, ...]


class RpcRefusedError(DownloadError):
    """The node understood the request and answered with an error."""


class Rpc:
    """One endpoint, whose URL may hold a key: messages name its host only."""

    def __init__(self, session: requests.Session, url: str, blocks_per_request: int) -> None:
        self._session, self._url, self._width = session, url, blocks_per_request
        self.place = shown(url, secret=True)
        self._keys = keys_in(url)

    def call(self, method: str, *parameters: object) -> Any:
        """The result of a method.

        Raises:
            SourceDownError: the node does not answer, or not so fast.
            RpcRefusedError: it answers with an error.
            DownloadError: it answers with something that is no JSON-RPC.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters}
        answer = self._session.post(self._url, json=body)
        try:
            content = answer.json()
        except requests.JSONDecodeError:
            content = None
        if not isinstance(content, dict) or not ({"result", "error"} & set(content)):
            raise DownloadError(
                f"{self.place} answers {method} with HTTP {answer.status_code} and no JSON-RPC.",
                remedy="check BASIS_RPC_URL: the whole URL, the key included.",
            )
        if error := content.get("error"):
            text = without(self._keys, str(error.get("message", error) if isinstance(error, dict) else error)[:200])
            if _TOO_FAST.search(text):
                remedy = "lower ethereum.requests_per_second in configs/downloads.yaml, or wait; then run it again."
                raise SourceDownError(f"{self.place} answers {method}: {text}.", remedy=remedy)
            remedy = "use an archive node: this one keeps no state of past blocks." if _NO_HISTORY.search(text) else ""
            raise RpcRefusedError(f"{self.place} answers {method}: {text}.", remedy=remedy)
        return content["result"]

    def block(self, number: int | str) -> Block:
        """A block by number, or by a tag such as `latest`."""
        found = self.call("eth_getBlockByNumber", hex(number) if isinstance(number, int) else number, False)
        if found is None:
            raise DownloadError(f"{self.place} has no block {number}.", remedy="use a node that keeps all blocks.")
        return Block(int(found["number"], 16), int(found["timestamp"], 16))

    def read(self, address: str, selector: str, *arguments: str, block: int) -> tuple[int, ...]:
        """Words that a view function returns at a block; `arguments` are addresses."""
        data = selector + "".join(address_word(argument) for argument in arguments)
        result = self.call("eth_call", {"to": address, "data": data}, hex(block))
        found = words(result)
        if not found:
            raise DownloadError(
                f"{address} returns nothing for {selector} at block {block}.",
                remedy="check the address in configs/downloads.yaml; the contract may not have existed then.",
            )
        return found

    def logs(self, address: str, topics: list[str], first: int, last: int) -> Iterator[Log]:
        """Events of blocks first to last, both included, in order; ranges that a node finds too much are halved."""
        pending = [(low, min(low + self._width - 1, last)) for low in range(first, last + 1, self._width)]
        while pending:
            low, high = pending.pop(0)
            query = {"address": address, "topics": topics, "fromBlock": hex(low), "toBlock": hex(high)}
            try:
                found = self.call("eth_getLogs", query)
            except RpcRefusedError as error:
                if low == high or not _TOO_MUCH.search(error.message):
                    raise
                middle = (low + high) // 2
                pending[:0] = [(low, middle), (middle + 1, high)]
                continue
            yield from sorted(map(_log, found), key=lambda log: (log.block, log.index))

    def last_log(self, address: str, topics: list[str], block: int, lookback: int) -> Log:
        """The last event at or before `block`, looked for backwards.

        Raises:
            DownloadError: there is none in the `lookback` blocks before.
        """
        high, floor = block, max(0, block - lookback)
        while high >= floor:
            low = max(floor, high - self._width + 1)
            found = list(self.logs(address, topics, low, high))
            if found:
                return found[-1]
            high = low - 1
        raise DownloadError(
            f"{address} has no event {topics[0][:10]} in blocks {floor} to {block}.",
            remedy="check the address in configs/downloads.yaml, or begin with a later month.",
        )


class BlockClock:
    """Which block was the last one at a time. Blocks that were looked at are remembered."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._known: dict[int, Block] = {}
        self._by_time: list[Block] = []

    def last_at(self, micros: int) -> Block:
        """The last block at or before a time; DownloadError if the chain does not reach there yet."""
        second = micros // SECOND
        low, high = self._bracket(second, micros)
        turn = 0
        while high.number - low.number > 1:
            # Slots are even, so a guess by proportion is near; every third is in the middle, which bounds the search.
            share = (high.number - low.number) * (second - low.time) // (high.time - low.time)
            guess = low.number + (share if turn % 3 < 2 else (high.number - low.number) // 2)
            middle = self.at(min(max(guess, low.number + 1), high.number - 1))
            low, high = (middle, high) if middle.time <= second else (low, middle)
            turn += 1
        return low

    def _bracket(self, second: int, micros: int) -> tuple[Block, Block]:
        """Nearest known blocks: the last one at or before, the first one after."""
        place = bisect_right(self._by_time, second, key=lambda block: block.time)
        if place == len(self._by_time):
            latest = self._remember(self._rpc.block("latest"))
            if latest.time <= second:
                raise DownloadError(
                    f"{self._rpc.place} ends at block {latest.number}, before {iso(micros)}.",
                    remedy="wait until the node has caught up.",
                )
        low = self._by_time[place - 1] if place else self.at(1)
        if low.time > second:
            raise DownloadError(f"the chain begins after {iso(micros)}.", remedy="begin with a later month.")
        return low, self._by_time[bisect_right(self._by_time, second, key=lambda block: block.time)]

    def at(self, number: int) -> Block:
        """A block by number."""
        return self._known.get(number) or self._remember(self._rpc.block(number))

    def _remember(self, block: Block) -> Block:
        if block.number not in self._known:
            self._known[block.number] = block
            insort(self._by_time, block, key=lambda known: known.time)
        return block


def words(data: str) -> tuple[int, ...]:
    """32-byte words of hex data as unsigned integers."""
    digits = data.removeprefix("0x")
    return tuple(int(digits[at : at + _WORD], 16) for at in range(0, len(digits), _WORD))


def address_word(address: str) -> str:
    """An address as a 32-byte word, hex without prefix."""
    return address.removeprefix("0x").lower().rjust(_WORD, "0")


def address_of(word: int) -> str:
    return f"0x{word:040x}"


def _log(found: dict[str, Any]) -> Log:
    topics = tuple(int(topic, 16) for topic in found["topics"][1:])
    return Log(int(found["blockNumber"], 16), int(found["logIndex"], 16), topics, words(found["data"]))
