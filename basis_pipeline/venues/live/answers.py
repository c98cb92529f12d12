"""What the client library raises, sorted into refusal (nothing happened) and silence (nobody knows)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence
from basis_pipeline.venues.live.transport import host_of

_OF_THE_KEY = re.compile("api.?key", re.IGNORECASE)
_OKX_ORDER = re.compile(r'"sCode": ?"51\d{3}"')
_OF_TIME = re.compile("time(d )?.?out", re.IGNORECASE)
_QUERY = re.compile(r"\?[^\s\"']*")


@contextmanager
def answers(name: str) -> Iterator[None]:
    """Sort the client's errors."""
    import ccxt  # noqa: PLC0415 - 1.3 s, and no backtest needs it

    try:
        yield
    except ccxt.ExchangeError as error:
        if _means_no(error):
            code = "VEN-010" if _about_the_key(error) else None
            raise VenueRefusal(f"{name} refused: {_said(error)}.", code=code, remedy=_remedy(error)) from None
        raise VenueSilence(f"{name}{_host(error)} gave no usable answer: {_said(error)}.") from None
    except ccxt.BaseError as error:
        raise VenueSilence(f"{name}{_host(error)} gave no usable answer: {type(error).__name__}.") from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of another shape than documented
        raise VenueSilence(f"{name} answered something unexpected: {type(error).__name__}.") from None


def _host(error: BaseException) -> str:
    """Where the request really went, as ` at host:port`: no path, no query, no credentials; empty if it is not told."""
    cause = error.__cause__ or error.__context__
    if not isinstance(cause, requests.RequestException) or cause.request is None:
        return ""
    return f" at {host_of(str(cause.request.url))}"


def _means_no(error: Exception) -> bool:
    """Whether nothing can have happened.

    A bare `ExchangeError` is what the client makes of "system error" and of codes that it does not know: nobody can
    say what it means for an order, unless it is about the key, or one of OKX's codes of orders (51000 to 51999); nor
    can a timeout, whatever its code.
    """
    import ccxt  # noqa: PLC0415

    text, named = str(error), type(error) is not ccxt.ExchangeError
    return bool(_OF_THE_KEY.search(text)) or ((named or bool(_OKX_ORDER.search(text))) and not _OF_TIME.search(text))


def _about_the_key(error: Exception) -> bool:
    import ccxt  # noqa: PLC0415

    return isinstance(error, ccxt.AuthenticationError) or bool(_OF_THE_KEY.search(str(error)))


def _said(error: Exception) -> str:
    """The exchange's answer as the client quotes it, without the query of an address: that is where signatures are."""
    return _QUERY.sub("?...", str(error))


def _remedy(error: Exception) -> str:
    import ccxt  # noqa: PLC0415

    if _about_the_key(error):
        return "check the API key, its permissions and its list of allowed addresses."
    if isinstance(error, ccxt.InsufficientFunds):
        return "compare the balances of the venue with the book."
    return ""
