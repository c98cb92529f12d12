"""What the client library raises, sorted into refusal (nothing happened) and silence (nobody knows)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence


@contextmanager
def answers(name: str) -> Iterator[None]:
    """Sort the client's errors; its messages carry the exchange's answer, never what was sent."""
    import ccxt  # noqa: PLC0415 - 1.3 s, and no backtest needs it

    try:
        yield
    except ccxt.ExchangeError as error:
        raise VenueRefusal(f"{name} refused: {error}.", remedy=_remedy(error)) from None
    except ccxt.BaseError as error:
        raise VenueSilence(f"{name} gave no usable answer: {type(error).__name__}.") from None


@contextmanager
def understood(name: str) -> Iterator[None]:
    """Likewise where an answer of the exchange is read here: one of another shape than documented is none."""
    try:
        with answers(name):
            yield
    except (LookupError, TypeError, ValueError) as error:
        raise VenueSilence(f"{name} gave an answer of another shape than documented: {error!r}.") from None


def _remedy(error: Exception) -> str:
    import ccxt  # noqa: PLC0415

    if isinstance(error, ccxt.AuthenticationError):
        return "check the API key, its permissions and its list of allowed addresses."
    if isinstance(error, ccxt.InsufficientFunds):
        return "compare the balances of the venue with the book."
    return ""
