"""Lists of calls in the executor's own format (`contracts/Executor.sol`)."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

import msgspec

from basis_pipeline.venues.live.abi import call_data, selector, unpack

NOBODY = "0x" + "00" * 20
CALLS = "(address,uint256,bytes,address,uint256)[]"
EXECUTE = f"execute({CALLS},address)"


class Call(msgspec.Struct, frozen=True):
    """One call of the executor; `spent` and `at` as in `Executor.sol`: an amount that is known only inside."""

    target: str
    data: bytes
    value: int = 0
    spent: str = NOBODY
    at: int = 0

    @property
    def packed(self) -> tuple[str, int, bytes, str, int]:
        return self.target, self.value, self.data, self.spent, self.at


class Program(msgspec.Struct, frozen=True):
    """A transaction to the executor: `value` wei come with it."""

    calls: tuple[Call, ...]
    lender: str = NOBODY
    value: int = 0

    @property
    def data(self) -> bytes:
        return call_data(EXECUTE, [call.packed for call in self.calls], self.lender)


def paid_out(data: bytes, receiver: str) -> int:
    """Wei that the calls of a transaction to the executor, `data`, send to `receiver` without calling anything there.

    Those of its list itself: what is done with a loan pays nobody.
    """
    if data[:4] != selector(EXECUTE):
        return 0
    calls = unpack((CALLS, "address"), data[4:])[0]
    return sum(value for target, value, inside, *_ in calls if not inside and target.lower() == receiver.lower())


def wei(amount: float, decimals: int = 18) -> int:
    """Smallest units of `amount` tokens, rounded down."""
    return int(Decimal(repr(amount)).scaleb(decimals).to_integral_value(rounding=ROUND_DOWN))
