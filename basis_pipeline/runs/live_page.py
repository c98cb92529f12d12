"""The status of a live session as a page and as JSON, read from its journal: read-only, on loopback only."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.runs.live_status import LiveStatus, live_status, status_json
from basis_pipeline.runs.loopback import LOOPBACK

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<title>{record}</title><style>body{{font:15px/1.5 system-ui;margin:2rem;max-width:70rem}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem;text-align:left;border-bottom:1px solid #ddd}}</style>
<h1>{record}</h1><p>{summary}</p><h2>Positions</h2><table>{positions}</table>
<h2>Results</h2><p>{results}</p>
<h2>Open orders of unknown fate</h2><p>{unknown}</p><h2>Latest</h2><table>{recent}</table>
<p><a href="/status.json">status.json</a></p></html>"""


@contextmanager
def status_server(journal: Path, port: int) -> Iterator[str]:
    """Serve `journal` on `port` of loopback while the block runs; gives the URL."""
    server = ThreadingHTTPServer((LOOPBACK, port), _handler(journal))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def status_page(status: LiveStatus) -> str:
    age = "never" if status.state_age_seconds is None else f"{status.state_age_seconds:.0f} s ago"
    return _PAGE.format(
        record=escape(status.record),
        summary=f"last tick {escape(status.state_at)} ({age}), equity {status.equity:,.2f}, drawdown "
        f"{status.drawdown:.2%}, {status.orders} orders so far",
        positions="".join(f"<tr><td>{escape(k)}<td>{v:,.8f}" for k, v in status.positions.items()),
        results=escape(f"{told.at} {told.what}: {told.detail}" if (told := status.results) else "not published yet"),
        unknown=escape(", ".join(status.open_intents) or "none"),
        recent="".join(
            f"<tr><td>{escape(a.at)}<td>{escape(a.component)}<td>{escape(a.what)}<td>{escape(a.detail)}"
            for a in status.recent
        ),
    )


def _handler(journal: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                if self.path == "/":
                    self._answer(200, "text/html; charset=utf-8", status_page(live_status(journal)).encode())
                elif self.path == "/status.json":
                    self._answer(200, "application/json", status_json(journal))
                else:
                    self._answer(404, "text/plain", b"there is / and /status.json")
            except BasisError as error:
                self._answer(503, "text/plain; charset=utf-8", str(error).encode())

        def _answer(self, status: int, kind: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
