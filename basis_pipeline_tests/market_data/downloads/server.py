"""One server on loopback that speaks as the vendors do, with a truth to serve and faults to plant."""

from __future__ import annotations

import hashlib
import io
import json
import math
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE, from_micros, to_micros
from basis_pipeline_tests.market_data.downloads.ethereum import Chain
from basis_pipeline_tests.market_data.vendor_files import grid, micros, scaled, walk

FIRST, LAST = "2024-12-01T00:00", "2025-03-01T00:00"
MICROSECOND_SPOT = micros("2025-01-01")
PREMIUM = {"spot_candles_1h": 1.0, "perp_candles_1h": 1.0008, "mark_candles_1h": 1.0005}
SYMBOL = "BTCUSDT"
Answer = tuple[int, bytes, dict[str, str]]


@dataclass(frozen=True)
class Fault:
    """What happens to the first `times` requests whose path contains `path`."""

    path: str
    change: Callable[[Answer], Answer]
    times: list[int] = field(default_factory=lambda: [1])


def status(code: int, **headers: str) -> Callable[[Answer], Answer]:
    return lambda _: (code, b"{}", {name.replace("_", "-"): value for name, value in headers.items()})


def cut_off(answer: Answer) -> Answer:
    """Half of the body under the length of all of it."""
    code, body, headers = answer
    return code, body[: len(body) // 2], {**headers, "Content-Length": str(len(body))}


def damaged(answer: Answer) -> Answer:
    code, body, headers = answer
    return code, body[:-30] + bytes(30), headers


class Vendor:
    """All vendors at once: Binance's archive and API, Bybit, OKX, an Ethereum node.

    Attributes:
        bars: candles by dataset, one market at all exchanges; prices have 4 decimals.
        rates: settled funding by stamp.
        present: what is younger has not happened.
        monthly: months that the archive has whole.
        daily: whether it has days.
        paths: of all requests, in order.
    """

    def __init__(self, present: str = LAST) -> None:
        self.present = micros(present)
        hours = walk(grid(FIRST, LAST, HOUR), 90_000.0, seed=1)
        self.bars = {name: scaled(hours, premium) for name, premium in PREMIUM.items()}
        self.bars["perp_candles_5m"] = walk(grid(FIRST, LAST, 5 * MINUTE), 90_000.0, seed=4)
        self.rates = {int(t): round(1e-4 + (n % 7 - 3) * 1e-5, 8) for n, t in enumerate(grid(FIRST, LAST, 8 * HOUR))}
        self.monthly = {"2024-12", "2025-01"}
        self.daily = True
        self.chain = Chain()
        self.faults: list[Fault] = []
        self.paths: list[str] = []
        self.agents: set[str] = set()
        self.requests, self.answers = 0, math.inf
        self.speaks = threading.Event()

    def plant(self, path: str, change: Callable[[Answer], Answer], times: int = 1) -> None:
        self.faults.append(Fault(path, change, [times]))

    def asked(self, part: str) -> int:
        return sum(part in path for path in self.paths)

    def answer(self, path: str, body: bytes) -> Answer:
        self.paths.append(path)
        found = self._answer(path, body)
        for fault in self.faults:
            if fault.path in path and fault.times[0] > 0:
                fault.times[0] -= 1
                return fault.change(found)
        return found

    def _answer(self, path: str, body: bytes) -> Answer:
        url = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if body:
            return _json(self.chain.answer(json.loads(body)))
        if url.path.startswith("/data/"):
            return self._archived(url.path)
        for prefix, reply in (("/api/v3", self._binance), ("/fapi", self._binance), ("/v5", self._bybit)):
            if url.path.startswith(prefix):
                return _json(reply(url.path, query))
        return _json(self._okx(url.path, query))

    def between(self, dataset: str, start: int, end: int) -> pd.DataFrame:
        """Bars stamped start to end, both included, that have begun."""
        bars = self.bars[dataset]
        return bars[(bars["timestamp"] >= start) & (bars["timestamp"] <= min(end, self.present))]

    def settled(self, start: int, end: int) -> list[tuple[int, float]]:
        return [(t, rate) for t, rate in self.rates.items() if start <= t <= min(end, self.present)]

    def _archived(self, path: str) -> Answer:
        name = path.rsplit("/", 1)[1].removesuffix(".CHECKSUM")
        zipped = self._zip(path.removesuffix(".CHECKSUM"), name)
        if zipped is None:
            return 404, b"NoSuchKey", {}
        if path.endswith(".CHECKSUM"):
            return 200, f"{hashlib.sha256(zipped).hexdigest()}  {name}\n".encode(), {}
        return 200, zipped, {}

    def _zip(self, path: str, name: str) -> bytes | None:
        monthly = "/monthly/" in path
        date = name.removesuffix(".zip").split("-", 2)[2]
        start = micros(date if not monthly else f"{date}-01")
        end = start + DAY - 1
        if monthly:
            if date not in self.monthly:
                return None
            end = to_micros((pd.Timestamp(from_micros(start)) + pd.offsets.MonthEnd(1)).to_pydatetime()) + DAY - 1
        elif not self.daily or end >= self.present:
            return None
        text = self._csv(path, start, end)
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as made:
            # A fixed date: the same content is the same file.
            made.writestr(zipfile.ZipInfo(name.replace(".zip", ".csv"), (2025, 1, 1, 0, 0, 0)), text)
        return stream.getvalue()

    def _csv(self, path: str, start: int, end: int) -> str:
        if "fundingRate" in path:
            rows = [f"{t // 1000 + 3},8,{rate:.8f}" for t, rate in self.settled(start, end)]
            return "\n".join(["calc_time,funding_interval_hours,last_funding_rate", *rows, ""])
        dataset = _dataset(path)
        spot = dataset.startswith("spot")
        unit = 1 if spot and start >= MICROSECOND_SPOT else 1000
        step = 5 * MINUTE if "5m" in dataset else HOUR
        header = [] if spot else ["open_time,open,high,low,close,volume,close_time,quote_volume,count,x,y,ignore"]
        rows = [
            f"{b.timestamp // unit},{b.open:.4f},{b.high:.4f},{b.low:.4f},{b.close:.4f},{b.volume:.3f},"
            f"{(b.timestamp + step) // unit - 1},0,1,0,0,0"
            for b in self.between(dataset, start, end).itertuples()
        ]
        return "\n".join([*header, *rows, ""])

    def _binance(self, path: str, query: dict[str, str]) -> object:
        if path.endswith("exchangeInfo"):
            contract = {
                "contractType": "PERPETUAL",
                "pair": SYMBOL,
                "marginAsset": "USDT",
                "deliveryDate": 4133404800000,
            }
            market = {"symbol": SYMBOL, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": []}
            spot = {"isSpotTradingAllowed": True, "permissions": ["SPOT"]}
            return {"symbols": [market | (contract if "fapi" in path else spot)]}
        start, end, limit = int(query["startTime"]) * 1000, int(query["endTime"]) * 1000, int(query["limit"])
        if path.endswith("fundingRate"):
            found = self.settled(start, end)[:limit]
            return [{"symbol": SYMBOL, "fundingTime": t // 1000 + 2, "fundingRate": f"{r:.8f}"} for t, r in found]
        bars = self.between(_dataset(path + query["interval"]), start, end).head(limit)
        return [
            [b.timestamp // 1000, *(f"{v:.4f}" for v in (b.open, b.high, b.low, b.close)), f"{b.volume:.3f}", 0, "0"]
            for b in bars.itertuples()
        ]

    def _bybit(self, path: str, query: dict[str, str]) -> object:
        if path.endswith("instruments-info"):
            market = {
                **{"symbol": SYMBOL, "baseCoin": "BTC", "quoteCoin": "USDT", "status": "Trading", "innovation": "0"},
                **{"settleCoin": "USDT", "contractType": "LinearPerpetual", "fundingInterval": 480},
                **{"lotSizeFilter": {}, "priceFilter": {}, "leverageFilter": {}},
            }
            return _bybit_answer([market] if query.get("status") != "PreLaunch" else [], query["category"])
        limit = int(query["limit"])
        if path.endswith("funding/history"):
            found = self.settled(int(query["startTime"]) * 1000, int(query["endTime"]) * 1000)[-limit:]
            rows = [
                {"symbol": SYMBOL, "fundingRate": f"{r:.8f}", "fundingRateTimestamp": str(t // 1000)} for t, r in found
            ]
            return _bybit_answer(rows[::-1])
        kind = (
            "mark_candles_1h"
            if "mark-price" in path
            else f"{'spot' if query['category'] == 'spot' else 'perp'}_candles_1h"
        )
        bars = self.between(kind, int(query["start"]) * 1000, int(query["end"]) * 1000).tail(limit)
        rows = [
            [str(b.timestamp // 1000), *(f"{v:.4f}" for v in (b.open, b.high, b.low, b.close)), f"{b.volume:.3f}", "0"]
            for b in bars.itertuples()
        ]
        return _bybit_answer(rows[::-1])

    def _okx(self, path: str, query: dict[str, str]) -> object:
        if path.endswith("instruments"):
            market = {
                **{"instId": "BTC-USDT-SWAP", "instType": "SWAP", "ctType": "linear", "settleCcy": "USDT"},
                **{"ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "uly": "BTC-USDT", "instFamily": "BTC-USDT"},
                **{"state": "live", "lotSz": "1", "minSz": "1", "tickSz": "0.1", "baseCcy": "", "quoteCcy": ""},
            }
            return {"code": "0", "data": [market] if query["instType"] == "SWAP" else []}
        # Both ends are exclusive here, and the newest rows come first.
        start, end, limit = int(query["before"]) * 1000 + 1, int(query["after"]) * 1000 - 1, int(query["limit"])
        if path.endswith("funding-rate-history"):
            rows = [
                {
                    "instId": "BTC-USDT-SWAP",
                    "fundingRate": "0.01",
                    "realizedRate": f"{r:.8f}",
                    "fundingTime": str(t // 1000),
                }
                for t, r in self.settled(start, end)[-limit:]
            ]
            return {"code": "0", "data": rows[::-1]}
        mark = "mark-price" in path
        bars = self.between("mark_candles_1h" if mark else "perp_candles_1h", start, end).tail(limit)
        rows = [
            [
                *(str(b.timestamp // 1000), *(f"{v:.4f}" for v in (b.open, b.high, b.low, b.close))),
                *(("1",) if mark else (f"{b.volume * 100:.1f}", f"{b.volume:.3f}", "0", "1")),
            ]
            for b in bars.itertuples()
        ]
        return {"code": "0", "data": rows[::-1]}


def _dataset(path: str) -> str:
    if "markPrice" in path:
        return "mark_candles_1h"
    return (
        "spot_candles_1h" if "/spot/" in path or "/api/" in path else f"perp_candles_{'5m' if '5m' in path else '1h'}"
    )


def _bybit_answer(rows: list[object], category: str = "") -> object:
    return {"retCode": 0, "retMsg": "OK", "result": {"category": category, "list": rows, "nextPageCursor": ""}}


def _json(content: object) -> Answer:
    return 200, json.dumps(content).encode(), {"Content-Type": "application/json"}


@contextmanager
def serving(vendor: Vendor) -> Iterator[str]:
    """The vendor on a free port of loopback; yields its base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet: two would wait 40 ms for each other

        def do_GET(self) -> None:
            self._reply(b"")

        def do_POST(self) -> None:
            self._reply(self.rfile.read(int(self.headers["Content-Length"])))

        def _reply(self, body: bytes) -> None:
            vendor.requests += 1
            if vendor.requests > vendor.answers:
                vendor.speaks.wait()
            vendor.agents.add(self.headers["User-Agent"])
            code, content, headers = vendor.answer(self.path, body)
            self.send_response(code)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            if headers.get("Content-Length", str(len(content))) != str(len(content)):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        vendor.speaks.set()
        server.shutdown()
        server.server_close()
        thread.join()
