"""Values of JSON-RPC: hexadecimal to numbers and bytes, errors to words."""

from __future__ import annotations

from http.client import BAD_REQUEST
from typing import Any

import requests

from basis_pipeline.domain.errors import VenueSilence
from basis_pipeline.venues.live.abi import reason


def number(text: Any) -> int:
    """Raises VenueSilence for what is none."""
    try:
        return int(str(text), 16)
    except ValueError:
        raise _unreadable(text) from None


def raw_bytes(text: Any) -> bytes:
    """Raises VenueSilence for what is none."""
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError:
        raise _unreadable(text) from None


def refusal_in(error: Exception) -> dict[str, Any] | None:
    """The answer in the body of HTTP 400, with which some providers refuse; None: whatever else it was, it is none."""
    if not isinstance(error, requests.HTTPError) or error.response is None or error.response.status_code != BAD_REQUEST:
        return None
    try:
        answer = error.response.json()
    except requests.JSONDecodeError:
        return None
    return answer if isinstance(answer, dict) and answer.get("error") else None


def told(failure: Any) -> str:
    """What a node says of a request that it refuses; of a call that reverts, the contract's reason."""
    if isinstance(failure, str):
        return failure
    data = failure.get("data")
    if isinstance(data, str) and data.startswith("0x"):
        return f"reverted, {reason(raw_bytes(data))}"
    return str(failure.get("message", "no reason given")).rstrip(".")


def _unreadable(answer: Any) -> VenueSilence:
    """A node that has not caught up with itself answers null."""
    return VenueSilence(f"the node gave no usable answer: {type(answer).__name__} instead of hexadecimal.")
