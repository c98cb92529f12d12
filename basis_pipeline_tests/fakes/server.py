"""HTTP on loopback with scripted faults. A skin routes (method, path, parameters) to the books and renders JSON."""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

Phase = Literal["before", "after"]
"""Whether the books have seen the request when the fault strikes."""


@dataclass(frozen=True)
class Request:
    """`query` and `body` as sent, because signatures are computed over them."""

    method: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]

    @property
    def parameters(self) -> dict[str, str]:
        given = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.body.startswith("{"):
            return given | {key: str(value) for key, value in json.loads(self.body).items()}
        return given | dict(parse_qsl(self.body, keep_blank_values=True))


@dataclass(frozen=True)
class Reply:
    status: int
    content: Any
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next request that matches.

    Attributes:
        path: end of the path, for example `/order`.
        kind: `silence` (no answer until the client hangs up), `reset` (connection torn down), `reply` (another answer:
            `reply`, or the true one as `altered`).
    """

    path: str
    kind: Literal["silence", "reset", "reply"]
    phase: Phase = "after"
    method: str = "POST"
    reply: Reply | None = None
    altered: Callable[[Reply], Reply] | None = None


class Skin(Protocol):
    """A protocol around the books."""

    def answer(self, request: Request) -> Reply: ...


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is what many tests are about; anything else is a defect of the fake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FakeServer:
    """Serves a skin; `faults` strike in order, each once; `log` holds every request seen."""

    def __init__(self, skin: Skin) -> None:
        self.skin = skin
        self.faults: list[Fault] = []
        self.log: list[Request] = []
        self._lock = threading.Lock()
        self._http = _Http(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def requests(self, end: str, method: str = "POST") -> list[Request]:
        return [request for request in self.log if request.path.endswith(end) and request.method == method]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def will_be_silent(self, method: str, path: str) -> bool:
        """Whether such a request would get no answer."""
        fault = self._next_fault(method, path)
        return fault is not None and fault.kind == "silence"

    def _next_fault(self, method: str, path: str) -> Fault | None:
        return next((fault for fault in self.faults if path.endswith(fault.path) and method == fault.method), None)

    def handle(self, request: Request) -> tuple[Reply | None, Fault | None]:
        """The answer, and the fault that stands between it and the client."""
        with self._lock:
            self.log.append(request)
            fault = self._next_fault(request.method, request.path)
            if fault is not None:
                self.faults.remove(fault)
                if fault.phase == "before":
                    return fault.reply, fault
            reply = self.skin.answer(request)
            if fault is not None and fault.altered is not None:
                return fault.altered(reply), fault
            return (fault.reply if fault and fault.reply else reply), fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # head and body are two packets: 40 ms of waiting for each answer otherwise

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                request = Request(self.command, parts.path, parts.query, body, dict(self.headers))
                reply, fault = server.handle(request)
                if fault is not None and fault.kind != "reply":
                    if fault.kind == "silence":
                        self.rfile.read(1)
                    self._tear_down()
                    return
                assert reply is not None, "a fault that replies needs a reply"
                content = json.dumps(reply.content).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - the names http.server looks for

            def _tear_down(self) -> None:
                self.close_connection = True
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()

            def log_message(self, format: str, *args: object) -> None:
                return

        return Handler
