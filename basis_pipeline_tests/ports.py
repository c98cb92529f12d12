"""Ports of loopback for servers that are told where to listen, and listen there some seconds later."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_HANDED_OUT = Path("/proc/sys/net/ipv4/ip_local_port_range")
_HOW_MANY = 8_000


def free_port() -> int:
    """A port at which nobody listens, this process's own until it ends.

    It is below those that the kernel hands out, so neither a connection nor a server that leaves the choice to it takes
    it meanwhile; other processes of the tests are kept away by a socket in the abstract namespace, whose name is the
    port's.
    """
    end = int(_HANDED_OUT.read_text().split()[0])
    first = os.getpid() % _HOW_MANY
    for step in range(_HOW_MANY):
        port = end - 1 - (first + step) % _HOW_MANY
        if _listens_nobody(port) and _is_ours(port):
            return port
    raise OSError(f"no port below {end} is free.")


def _is_ours(port: int) -> bool:
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0basis-pipeline-tests:{port}")
    except OSError:
        name.close()
        return False
    name.detach()
    return True


def _listens_nobody(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
