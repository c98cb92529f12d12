"""A node of the chain: its answers as typed records, its errors as refusal or silence.

Nothing is repeated here: web3's own retry would send a transaction again and hide what became of the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from eth_abi.exceptions import DecodingError
from web3.exceptions import Web3Exception
from web3.providers import HTTPProvider

from basis_pipeline.domain.errors import ConfigError, VenueRefusal, VenueSilence
from basis_pipeline.domain.secret import keys_in, without
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.venues.live.abi import call_data, unpack
from basis_pipeline.venues.live.rpc import number, raw_bytes, refusal_in, told
from basis_pipeline.venues.live.transport import host_of

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MAINNET = 1
GWEI = 10**9
LARGEST_TIP = 10 * GWEI
"""Wei per unit of gas that a block's builder is given where the base fee is less; a node may name anything."""


class Block(msgspec.Struct, frozen=True):
    """A block header: `timestamp` in microseconds UTC, `base_fee` in wei per unit of gas."""

    number: int
    timestamp: int
    base_fee: int


class Log(msgspec.Struct, frozen=True):
    """An event of a contract in a transaction; addresses, topics and hashes are lower-case hexadecimal."""

    address: str
    topics: tuple[str, ...]
    data: bytes
    transaction: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """A transaction that is in a block.

    Attributes:
        to: whom it was sent to, lower case; empty for one that creates a contract.
        data: of its call.
        value: wei sent with it.
        gas: wei paid for gas, whether it succeeded or not.
    """

    hash: str
    block: int
    succeeded: bool
    value: int
    gas: int
    logs: tuple[Log, ...]
    to: str = ""
    data: bytes = b""


class Fees(msgspec.Struct, frozen=True):
    """Wei per unit of gas: the most that is paid, and what of it goes to the block's builder."""

    most: int
    tip: int

    def up_to(self, most: int) -> Fees:
        """No more than `most`."""
        return Fees(min(self.most, most), min(self.tip, most))


class Chain:
    """One node, by JSON-RPC.

    Args:
        url: of the node; it may contain a key, and messages have nothing but its host.

    Raises:
        VenueRefusal: VEN-003 the node answered and said no; of a call that reverts, with the decoded reason.
        VenueSilence: VEN-004 it gave no usable answer, or one that is older than an earlier one.
    """

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self.local = (urlsplit(url).hostname or "") in LOOPBACK
        self._name = f"the node at {host_of(url)}"
        self._provider = HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None)
        self._keys = keys_in(url)
        self._highest = 0

    def chain_id(self) -> int:
        return number(self.ask("eth_chainId"))

    def software(self) -> str:
        return str(self.ask("web3_clientVersion"))

    def head(self) -> Block:
        """The newest block; a node that has fallen behind what it said before is silent, not right."""
        block = self.block("latest")
        if block.number < self._highest:
            raise VenueSilence(f"the node is at block {block.number} after it was at {self._highest}.")
        self._highest = block.number
        return block

    def block(self, which: int | str) -> Block:
        found = self.ask("eth_getBlockByNumber", which if isinstance(which, str) else hex(which), False)
        if found is None:
            raise VenueSilence(f"the node does not know block {which}.")
        fee = number(found.get("baseFeePerGas", "0x0"))
        return Block(number(found["number"]), number(found["timestamp"]) * SECOND, fee)

    def rewound(self) -> None:
        """Blocks were taken back (a reorganisation): lower ones are new again."""
        self._highest = 0

    def nonce(self, address: str, state: str = "latest") -> int:
        return number(self.ask("eth_getTransactionCount", address, state))

    def balance(self, address: str, block: int | None = None) -> int:
        """Wei."""
        return number(self.ask("eth_getBalance", address, _state(block)))

    def code(self, address: str) -> bytes:
        """Of the contract at `address`; empty where there is none."""
        return raw_bytes(self.ask("eth_getCode", address, "latest"))

    def code_made_by(self, creation: bytes) -> bytes:
        """The code that a contract would have whose creation code (with its arguments) is `creation`."""
        return raw_bytes(self.ask("eth_call", {"data": "0x" + creation.hex()}, "latest"))

    def read(self, to: str, function: str, returns: tuple[str, ...], *arguments: Any, block: int | None = None) -> Any:
        """Answer of a view function; the value itself where it returns one."""
        answer = self.call(to, call_data(function, *arguments), block=block)
        try:
            values = unpack(returns, answer)
        except DecodingError:
            raise VenueSilence(f"the node gave no usable answer to {function}: {len(answer)} bytes.") from None
        return values[0] if len(returns) == 1 else values

    def call(
        self, to: str, data: bytes, *, sender: str | None = None, value: int = 0, block: int | None = None
    ) -> bytes:
        """What a call would answer, without sending it."""
        return raw_bytes(self.ask("eth_call", _request(to, data, sender, value), _state(block)))

    def gas_needed(self, to: str, data: bytes, *, sender: str, value: int) -> int:
        """Units of gas."""
        return number(self.ask("eth_estimateGas", _request(to, data, sender, value)))

    def fees(self, block: Block) -> Fees:
        """What gets into one of the next blocks: twice the base fee, so that six full blocks do not stop it.

        The tip is the node's, but no more than `LARGEST_TIP` or the base fee.
        """
        tip = min(number(self.ask("eth_maxPriorityFeePerGas")), max(LARGEST_TIP, block.base_fee))
        return Fees(2 * block.base_fee + tip, tip)

    def gas_price(self) -> float:
        """Gwei per unit of gas in the newest block: base fee and tip."""
        block = self.head()
        return (block.base_fee + self.fees(block).tip) / GWEI

    def fees_of(self, transaction: str) -> Fees | None:
        """What a transaction the node knows of offers; None if it does not know it."""
        found = self.ask("eth_getTransactionByHash", transaction)
        if found is None:
            return None
        return Fees(number(found["maxFeePerGas"]), number(found["maxPriorityFeePerGas"]))

    def send(self, signed: bytes) -> None:
        self.ask("eth_sendRawTransaction", "0x" + signed.hex())

    def receipt(self, transaction: str) -> Receipt | None:
        """None: it is in no block of the chain as this node knows it."""
        found = self.ask("eth_getTransactionReceipt", transaction)
        if found is None:
            return None
        sent = self.ask("eth_getTransactionByHash", transaction)
        if sent is None:
            return None
        return Receipt(
            hash=transaction,
            block=number(found["blockNumber"]),
            succeeded=number(found["status"]) == 1,
            value=number(sent["value"]),
            gas=number(found["gasUsed"]) * number(found["effectiveGasPrice"]),
            logs=tuple(map(_log, found["logs"])),
            to=(sent["to"] or "").lower(),
            data=raw_bytes(sent["input"]),
        )

    def logs(self, contracts: Sequence[str], event: str, *, receiver: str, first: int, last: int) -> tuple[Log, ...]:
        """Events of `contracts` whose second indexed argument is `receiver`, in blocks `first` to `last`, in order.

        What a provider refuses is asked for in halves: each has its own idea of how many blocks are too many.
        """
        wanted = {
            "address": list(contracts),
            "topics": [event, None, "0x" + receiver.removeprefix("0x").lower().rjust(64, "0")],
            "fromBlock": hex(first),
            "toBlock": hex(last),
        }
        try:
            return tuple(map(_log, self.ask("eth_getLogs", wanted)))
        except VenueRefusal:
            if first >= last:
                raise
        middle = (first + last) // 2
        parts = ((first, middle), (middle + 1, last))
        return tuple(log for a, b in parts for log in self.logs(contracts, event, receiver=receiver, first=a, last=b))

    def user_of(self, address: str, nonce: int, first: int, last: int) -> str:
        """Hash of the transaction of `address` that used `nonce`, which it did after block `first` and up to `last`."""
        while last - first > 1:
            middle = (first + last) // 2
            first, last = (first, middle) if self.nonce(address, hex(middle)) > nonce else (middle, last)
        found = self.ask("eth_getBlockByNumber", hex(last), True)
        if found is None:
            raise VenueSilence(f"the node does not know block {last}.")
        sent = (one for one in found["transactions"] if one["from"].lower() == address.lower())
        return next((str(one["hash"]) for one in sent if number(one["nonce"]) == nonce), "")

    def receiver_of(self, transaction: str) -> str:
        """The contract that a transaction was sent to; empty if it creates one. VenueSilence if it is not known."""
        found = self.ask("eth_getTransactionByHash", transaction)
        if found is None:
            raise VenueSilence(f"the node does not know transaction {transaction}.")
        return str(found["to"] or "")

    def created(self, transaction: str, confirmations: int) -> str | None:
        """Address of the contract that a transaction has created; None while it is not `confirmations` blocks deep.

        Raises:
            VenueRefusal: it has created none. Its receipt names an address all the same, where nothing will ever be.
        """
        found = self.ask("eth_getTransactionReceipt", transaction)
        if found is None or self.head().number - number(found["blockNumber"]) + 1 < confirmations:
            return None
        if number(found["status"]) != 1:
            raise VenueRefusal(f"transaction {transaction} failed and created no contract; its gas was paid.")
        return str(found["contractAddress"])

    def ask(self, method: str, *parameters: Any) -> Any:
        """One request, sent once."""
        try:
            answer: Any = self._provider.make_request(method, list(parameters))
        except (requests.RequestException, Web3Exception, ValueError) as error:
            answer = refusal_in(error)
            if answer is None:
                raise VenueSilence(f"{self._name} gave no usable answer to {method}: {type(error).__name__}.") from None
        if not isinstance(answer, dict):
            raise VenueSilence(f"{self._name} gave no usable answer to {method}: {type(answer).__name__}.")
        if failure := answer.get("error"):
            raise VenueRefusal(f"the node refused {method}: {without(self._keys, told(failure))}.") from None
        return answer.get("result")


def check_network(chain: Chain, *, expected: int, environment: str) -> None:
    """Refuse to work on a network that the environment is not meant for.

    Raises:
        ConfigError: CHAIN-001 staging on the main network unless it is a local fork, production on a test network or a
            fork, or a node of another chain than the deployment is on.
    """
    found = chain.chain_id()
    fork = chain.local and chain.software().lower().startswith(("anvil/", "hardhatnetwork/"))
    wrong = ""
    if found != expected:
        wrong = f"the node serves chain {found}, the deployment is on chain {expected}"
    elif environment == "prod" and (found != MAINNET or fork):
        wrong = f"production refuses {'a local fork' if fork else f'the test network {found}'}"
    elif environment != "prod" and found == MAINNET and not fork:
        wrong = f"{environment} refuses the main network (chain {MAINNET})"
    if wrong:
        raise ConfigError(
            f"{wrong}.",
            code="CHAIN-001",
            remedy="point the RPC URL of this environment at its own network; staging may use `anvil --fork-url`.",
        )


def _log(found: Mapping[str, Any]) -> Log:
    topics = tuple(topic.lower() for topic in found["topics"])
    return Log(found["address"].lower(), topics, raw_bytes(found["data"]), found["transactionHash"].lower())


def _request(to: str, data: bytes, sender: str | None, value: int) -> dict[str, str]:
    request = {"to": to, "data": "0x" + data.hex(), "value": hex(value)}
    return request | ({"from": sender} if sender else {})


def _state(block: int | None) -> str:
    return "latest" if block is None else hex(block)
