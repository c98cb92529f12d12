"""Calls of contracts in bytes: encoded from the signature a reader can look up, errors decoded to words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

MAX_UINT = 2**256 - 1

_ERRORS = (
    # of the executor
    "NotOwner(address)", "NotAwaited(address)", "NoCode(address)", "TokenRefused(address)", "BadOffset(uint256)",
    # of Aave V3 since 3.4; earlier ones are strings of digits
    "InvalidAmount()", "ReserveInactive()", "ReserveFrozen()", "ReservePaused()", "BorrowingNotEnabled()",
    "NotEnoughAvailableUserBalance()", "CollateralBalanceIsZero()", "CollateralCannotCoverNewBorrow()",
    "HealthFactorLowerThanLiquidationThreshold()", "NoDebtOfSelectedType()", "LtvValidationFailed()",
    "SupplyCapExceeded()", "BorrowCapExceeded()", "InconsistentEModeCategory()",
    # of Lido's redemption queue
    "ResumedExpected()", "RequestAmountTooSmall(uint256)", "RequestAmountTooLarge(uint256)",
    "InvalidRequestId(uint256)", "RequestNotFoundOrNotFinalized(uint256)", "RequestAlreadyClaimed(uint256)",
)  # fmt: skip

AAVE_CODES = {
    "26": "amount is zero",
    "27": "the reserve is not active",
    "28": "the reserve is frozen",
    "29": "the reserve is paused",
    "30": "borrowing is not enabled",
    "32": "more than is supplied",
    "34": "there is no collateral",
    "35": "the health factor would fall below one",
    "36": "the collateral does not cover the loan",
    "39": "there is no debt to repay",
    "50": "the borrow cap is exceeded",
    "51": "the supply cap is exceeded",
    "57": "nothing may be lent against some of the collateral",
    "58": "the asset is not in this e-mode category",
}
"""Aave V3 before 3.4 answers with these numbers (Errors.sol of @aave/core-v3)."""


def selector(signature: str) -> bytes:
    """The first four bytes of the hash of e.g. `transfer(address,uint256)`."""
    return keccak(text=signature)[:4]


def topic(signature: str) -> str:
    """The topic of an event, 0x-hexadecimal."""
    return "0x" + keccak(text=signature).hex()


def call_data(signature: str, *arguments: Any) -> bytes:
    """A call of `signature`, e.g. `transfer(address,uint256)`, with `arguments`."""
    return selector(signature) + encode(_types(signature), arguments)


def pack(types: Sequence[str], *values: Any) -> bytes:
    return encode(types, values)


def unpack(types: Sequence[str], data: bytes) -> tuple[Any, ...]:
    return tuple(decode(types, data))


def word(position: int) -> int:
    """Byte offset in a call's data of the argument (or static tuple member) number `position`."""
    return 4 + 32 * position


def reason(data: bytes) -> str:
    """What a failing call says, in words: revert strings, panics, custom errors, Aave's numbers."""
    try:
        return _reason(data[:4], data[4:])
    except DecodingError:
        return f"error 0x{data[:4].hex()} with unreadable details"


def _reason(error: bytes, details: bytes) -> str:
    if not error:
        return "no reason given"
    if error == selector("Error(string)"):
        text = str(unpack(("string",), details)[0])
        return f"{text}: {AAVE_CODES[text]}" if text in AAVE_CODES else text
    if error == selector("Panic(uint256)"):
        return f"panic 0x{unpack(('uint256',), details)[0]:02x}"
    for signature in _ERRORS:
        if error == selector(signature):
            values = ", ".join(map(str, unpack(_types(signature), details)))
            return f"{signature.partition('(')[0]}({values})"
    return f"error 0x{error.hex()}"


def _types(signature: str) -> list[str]:
    """Argument types, split at the commas outside of tuples."""
    inside = signature[signature.index("(") + 1 : -1]
    parts, depth = [""], 0
    for letter in inside:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part]
