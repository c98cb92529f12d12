"""Private keys and addresses as people type them, looked at before a node is asked anything."""

from __future__ import annotations

import re

from eth_utils.address import to_checksum_address

from basis_pipeline.domain.errors import ConfigError

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Private keys are below it (secp256k1)."""
_KEY, _ADDRESS = re.compile("(0x)?[0-9a-fA-F]{64}"), re.compile("0x[0-9a-fA-F]{40}")


def check_private_key(key: str, name: str = "the private key of the wallet") -> None:
    """ConfigError CHAIN-002 for what is none; `name` says where it stands, the key itself is never shown."""
    if not _KEY.fullmatch(key) or not 0 < int(key, 16) < CURVE_ORDER:
        raise ConfigError(
            f"{name} is not 32 bytes in hexadecimal.",
            code="CHAIN-002",
            remedy="export it from the wallet again: 64 hexadecimal digits, with or without 0x before them.",
        )


def misspelling(address: str) -> str:
    """What is wrong with an address, in words; empty where nothing is.

    One in small letters, or in capitals, has no checksum; in any other the letters' case is one (EIP-55).
    """
    if not _ADDRESS.fullmatch(address):
        return "no 0x and 40 hexadecimal digits"
    digits = address.removeprefix("0x")
    if digits in {digits.lower(), digits.upper()} or to_checksum_address(address) == address:
        return ""
    return "not what its own checksum says, so that a digit or a letter's case is wrong"
