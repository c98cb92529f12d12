"""The status of a live session as a page and as JSON, read from its journal: read-only, on loopback only."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.domain.timeline import iso
from basis_pipeline.domain.timings import Timing
from basis_pipeline.engine.health import TRADING
from basis_pipeline.runs.live.record import SessionLimits
from basis_pipeline.runs.live.status import LiveStatus, RecentAction, heartbeat, live_status, status_json
from basis_pipeline.runs.loopback import LOOPBACK

_NOISE = 1e-9
"""Relative: equity that has changed by no more has not changed."""
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="10">
<title>{health}: {record}</title><style>
:root{{color-scheme:light dark}}body{{font:15px/1.5 system-ui;margin:2rem auto;max-width:70rem;padding:0 1rem}}
table{{border-collapse:collapse}}td,th{{padding:.2rem .8rem .2rem 0;text-align:left;border-bottom:1px solid #8884;
vertical-align:top}}td:first-child{{white-space:nowrap}}.n{{text-align:right;font-variant-numeric:tabular-nums}}.scroll{{overflow-x:auto}}svg{{width:100%;height:6rem}}polyline{{fill:none;stroke:currentColor;
vector-effect:non-scaling-stroke}}.ill{{color:#c2454f;font-weight:600}}
.well{{color:#3c9a5f;font-weight:600}}</style>
<h1>{record}</h1><p class="{tone}">{health}{halts}</p><p>{summary}</p><p>{limits}</p>{held}{line}
<h2>Alerts</h2>{alerts}<h2>Health</h2>{components}<h2>Positions</h2>{positions}
<h2>Open orders of unknown fate</h2><p>{unknown}</p><h2>Age of prices</h2>{ages}<h2>Seconds</h2>{seconds}
<h2>Results</h2><p>{results}</p><h2>Latest</h2>{recent}
<p><a href="/status.json">status.json</a> <a href="/health">health</a></p></html>"""


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
    """Everything in one page that needs nothing from elsewhere."""
    age = "never" if status.state_age_seconds is None else f"{status.state_age_seconds:.0f} s ago"
    well = status.health in TRADING and not status.halts and not status.values_as_of
    return _PAGE.format(
        record=escape(status.record),
        health=escape(status.health),
        tone="well" if well else "ill",
        halts=escape("".join(f"; {halt}: {reason}" for halt, reason in status.halts.items())),
        summary=f"last tick {escape(status.state_at)} ({age}){_worth(status)}, orders so far: {status.orders}, "
        f"ticks skipped: {status.skipped_ticks}",
        held=_held(status.values_as_of),
        line=_line([equity for _, equity in status.equity_line], status.share_class),
        alerts=_actions(status.alerts),
        components=_table(
            (one.component, one.state, iso(one.changed_at) if one.changed_at else "", one.detail)
            for one in status.components
        ),
        limits=escape(_limits(status.limits)),
        positions=_positions(status),
        unknown=escape(", ".join(status.open_intents) or "none"),
        ages=_table((name, f"{max(0.0, age):,.1f} s") for name, age in status.ages.items()),
        seconds=_seconds({**status.phases, **status.delays}),
        results=escape(f"{told.at} {told.what}: {told.detail}" if (told := status.results) else "not published yet"),
        recent=_actions(status.recent),
    )


def _limits(limits: SessionLimits | None) -> str:
    """What the environment lets the session do, in words."""
    if limits is None:
        return ""
    orders = "read only: no order is sent" if limits.read_only else f"orders up to {limits.max_trade_size_usd:,.0f} USD"
    transfers = f"transfers up to {limits.max_transfer_size_usd:,.0f} USD to {limits.addresses} listed addresses"
    moved = transfers if limits.addresses else "no transfers: no address is listed"
    return f"limits: {orders}; {moved}; trading stops at a loss of {limits.stop_loss:.1%}"


def _positions(status: LiveStatus) -> str:
    """Quantities and what they are worth, and the sum of that."""
    if not status.positions:
        return "<p>none</p>"
    worth = status.values_usd
    rows = [(key, f"{quantity:,.8f}", worth.get(key, 0.0)) for key, quantity in status.positions.items()]
    lines = [*rows, ("together", "", sum(worth.values()))]
    cells = "".join(
        f'<tr><td>{escape(key)}<td class="n">{quantity}<td class="n">{value:,.2f}' for key, quantity, value in lines
    )
    return f'<div class="scroll"><table><tr><th>position<th class="n">quantity<th class="n">USD{cells}</table></div>'


def _held(as_of: str) -> str:
    said = f"values are of {escape(as_of)}, nobody has said newer ones: nothing is traded on them"
    return f'<p class="ill">{said}</p>' if as_of else ""


def _worth(status: LiveStatus) -> str:
    if status.equity is None or status.drawdown is None:
        return ""
    return f", equity {status.equity:,.2f} {escape(status.share_class)}, drawdown {status.drawdown:.2%}"


def _seconds(timings: Mapping[str, Timing]) -> str:
    """How long the parts of ticks and orders took, and how often one took longer than it may."""
    if not timings:
        return "<p>none</p>"
    heads = ("part", "median", "95%", "longest", "times", "budget", "over budget")
    rows = [
        (name, *map(_thousandths, (took.median, took.p95, took.worst)), f"{took.count:,}", *_kept(took))
        for name, took in timings.items()
    ]
    head = "".join(f'<th class="n">{cell}' for cell in heads).replace(' class="n"', "", 1)
    lines = ("".join(f'<td class="n">{escape(cell)}' for cell in row).replace(' class="n"', "", 1) for row in rows)
    return f'<div class="scroll"><table><tr>{head}{"".join(f"<tr>{line}" for line in lines)}</table></div>'


def _thousandths(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.3f}"


def _kept(took: Timing) -> tuple[str, str]:
    return ("none", "–") if took.budget is None else (f"{took.budget:g}", f"{took.over:,}")


def _actions(actions: Iterable[RecentAction]) -> str:
    return _table((one.at, one.component, one.what, one.detail) for one in actions)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}" for cell in row) for row in rows]
    return f'<div class="scroll"><table>{"".join(lines)}</table></div>' if lines else "<p>none</p>"


def _line(equity: Sequence[float], currency: str) -> str:
    """Equity of the last ticks, from the lowest to the highest."""
    if len(equity) < 2 or max(equity) - min(equity) <= _NOISE * max(equity):
        return ""
    low, height, width = min(equity), max(equity) - min(equity), len(equity) - 1
    points = " ".join(f"{1000 * i / width:.1f},{100 - 100 * (e - low) / height:.1f}" for i, e in enumerate(equity))
    label = f"equity of the last {len(equity)} ticks, {min(equity):,.2f} to {max(equity):,.2f} {escape(currency)}"
    return (
        f'<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="{label}">'
        f'<polyline points="{points}"/></svg><p>{label}</p>'
    )


def _handler(journal: Path) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                if self.path == "/":
                    self._answer(200, "text/html; charset=utf-8", status_page(live_status(journal)).encode())
                elif self.path == "/status.json":
                    self._answer(200, "application/json", status_json(journal))
                elif self.path == "/health":
                    found = heartbeat(journal)
                    content = msgspec.json.encode(found)
                    self._answer(200 if found.healthy else 503, "application/json", content)
                else:
                    self._answer(404, "text/plain", b"there is /, /status.json and /health")
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
