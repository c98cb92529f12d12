"""Another way to the same exchange: requests go to a proxy or a local server, the client library sees its own hosts.

The client's table of addresses stays as it is, because it decides by the real host which error a code means.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter


class Redirect(HTTPAdapter):
    """Sends every request to `base`, keeping path and query; a signature is computed over those and stays valid."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = urlsplit(base)

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        there = urlsplit(request.url or "")
        request.url = urlunsplit((self._base.scheme, self._base.netloc, there.path, there.query, ""))
        return super().send(request, *args, **kwargs)


def host_of(url: str) -> str:
    """`host` or `host:port`, and nothing else of an address: user, path and query may be secrets."""
    return urlsplit(url).netloc.rpartition("@")[2]
