"""Local servers that take notices: HTTP as chat systems do, SMTP as mail servers do (as much of it as is needed)."""

from __future__ import annotations

import base64
import json
import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Webhook(ThreadingHTTPServer):
    """Answers with `answers` in turn, then 200; keeps every body it took with its path."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.taken: list[tuple[str, Any]] = []
        super().__init__(("127.0.0.1", 0), _WebhookRequest)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _WebhookRequest(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.taken.append((self.path, body))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def do_GET(self) -> None:
        """A redirected POST would arrive here and seem to have been delivered."""
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        return


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail for everybody but `refused`; wants `login` (user, password) if given; defers `deferrals` times."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.login: tuple[str, str] | None = None
        self.refused: set[str] = set()
        self.deferrals = 0
        self.taken: list[str] = []
        super().__init__(("127.0.0.1", 0), _MailSession)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _MailSession(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 local")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            getattr(self, f"_{verb.lower()}", self._unknown)(line)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())

    def _unknown(self, _line: str) -> None:
        self._say("502 not here")

    def _ehlo(self, _line: str) -> None:
        self._say("250-local")
        self._say("250 AUTH PLAIN")

    def _rset(self, _line: str) -> None:
        self._say("250 ok")

    def _auth(self, line: str) -> None:
        _, user, password = base64.b64decode(line.split(" ")[2]).decode().split("\0")
        self._say("235 ok" if (user, password) == self.server.login else "535 no")

    def _mail(self, _line: str) -> None:
        if self.server.deferrals:
            self.server.deferrals -= 1
            self._say("451 later")
        else:
            self._say("250 ok")

    def _rcpt(self, line: str) -> None:
        refused = any(address in line for address in self.server.refused)
        self._say("550 nobody" if refused else "250 ok")

    def _data(self, _line: str) -> None:
        self._say("354 go on")
        lines = []
        while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
            lines.append(line)
        self.server.taken.append("\n".join(lines))
        self._say("250 taken")


@contextmanager
def serving(server: Webhook | MailServer) -> Iterator[None]:
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
