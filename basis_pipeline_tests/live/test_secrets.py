"""Nothing that is written anywhere has a secret in it, in any spelling, or a signature, whatever goes wrong."""

from __future__ import annotations

import base64
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, quote_plus
from urllib.request import urlopen

import pytest

from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.server import FakeServer, Fault, Reply
from basis_pipeline_tests.live.process import PATIENCE_SECONDS, Drill, RealTimeExchange, completed_ticks, wait_for
from basis_pipeline_tests.ports import free_port

pytestmark = pytest.mark.slow
KEY, SECRET = "K3y/of+a=drill&0123456789", "S3cret/of+a=drill&9876543210"


def spellings(secret: str) -> set[str]:
    raw = secret.encode()
    encoded = (base64.b64encode(raw), base64.urlsafe_b64encode(raw), base64.b64encode(raw).rstrip(b"="))
    quoted = (quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1])
    return {secret, raw.hex(), raw.hex().upper(), *quoted, *(text.decode() for text in encoded)}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Drill]:
    books = RealTimeExchange()
    books.list_coin("BTC", 50_000.0)
    books.spot["USDT"], books.margin["USDT"] = 70_000.0, 30_000.0
    with FakeServer(BinanceSkin(books, KEY, SECRET)) as server:
        keys = {f"BASIS_STAGING__CEX__BINANCE_{wallet}_API_KEY": KEY for wallet in ("SPOT", "FUTURES")}
        codes = {f"BASIS_STAGING__CEX__BINANCE_{wallet}_SECRET": SECRET for wallet in ("SPOT", "FUTURES")}
        yield Drill(books, server, tmp_path / "root", keys | codes)


TROUBLE = [
    Fault("/account", "reply", "before", method="GET", reply=Reply(401, {"gateway": "who are you"})),
    Fault("/positionRisk", "reply", "before", method="GET", reply=Reply(502, {"gateway": "bad"})),
    Fault("/income", "reply", "before", method="GET", reply=Reply(400, {"code": -1102, "msg": "malformed"})),
    Fault("/order", "reply", "after", reply=Reply(400, {"code": -1022, "msg": "Signature is not valid."})),
    Fault("/order", "reset", "after"),
    Fault("/order", "reset", "before", method="GET"),
]


def written(there: Drill, said: str) -> dict[str, bytes]:
    files = {str(file): file.read_bytes() for file in there.root.rglob("*") if file.is_file()}
    return files | {"standard output and error": said.encode()}


def assert_clean(everything: dict[str, bytes], there: Drill) -> None:
    signatures = {request.parameters["signature"] for request in there.server.log if "signature" in request.query}
    signatures |= {request.parameters["signature"] for request in there.server.log if "signature" in request.body}
    assert len(signatures) > 5
    searched = spellings(KEY) | spellings(SECRET) | signatures
    found = {where: text for where, content in everything.items() for text in searched if text.encode() in content}
    assert found == {}


def strikes(there: Drill, trouble: Fault, process: subprocess.Popen[str]) -> None:
    """Wait until it has, or has had two ticks to, or the session was ended by it."""
    enough, end = completed_ticks(there.journal) + 2, time.monotonic() + PATIENCE_SECONDS
    while trouble in there.server.faults and completed_ticks(there.journal) < enough and process.poll() is None:
        assert time.monotonic() < end, "the session does not tick"
        time.sleep(0.05)


def test_a_session_in_all_kinds_of_trouble_writes_no_secret_and_no_signature(there: Drill) -> None:
    """Journal, its log, status page, JSON, published results, reports, manifests, log lines, messages."""
    port = free_port()
    process = there.start("--status-port", str(port))
    wait_for(lambda: len(there.books.orders) >= 2, process)
    pages = []
    for trouble in TROUBLE:
        there.server.faults.append(trouble)
        there.books.set_price("BTC", there.books.markets[0].price * 0.93)
        strikes(there, trouble, process)
        for path in ("/", "/status.json"):
            with suppress(OSError), urlopen(f"http://127.0.0.1:{port}{path}") as page:  # some troubles end a session
                pages.append(page.read())
    process.terminate()
    _, said = there.finish(process)
    status = subprocess.run(
        [sys.executable, "-m", "basis_pipeline", "live", "btc_basis", "--status"],
        env=there.environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    everything = written(there, said + status.stdout + status.stderr)
    everything |= {f"page {number}": page for number, page in enumerate(pages)}
    assert len(everything) > 4 and any(name.endswith(".sqlite") for name in everything)
    assert_clean(everything, there)


def test_a_session_that_ends_in_a_failure_says_why_without_a_secret(there: Drill) -> None:
    there.server.faults += [
        Fault("/account", "reply", "before", method="GET", reply=Reply(401, {"gateway": "who are you"}))
    ]
    code, said = there.finish(there.start())
    assert code in (1, 3) and "error [" in said and "Traceback" not in said
    there.server.faults += [Fault("/order", "reset", "after")] + [Fault("", "reset", "before", method="GET")] * 200
    code, said_again = there.finish(there.start())
    assert code == 3
    there.server.faults.clear()
    process = there.start()
    wait_for(lambda: len(there.books.orders) >= 2, process)
    process.terminate()
    said += said_again + there.finish(process)[1]
    assert_clean(written(there, said), there)
