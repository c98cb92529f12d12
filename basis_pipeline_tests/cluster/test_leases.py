"""Locks in a bucket: one holder at a time, also when a holder dies, is held up, or the store cannot do it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.storage import s3_lease
from basis_pipeline.storage.files import exclusive_lock, put_bytes
from basis_pipeline.storage.locations import location_of
from basis_pipeline_tests.cluster.conftest import REPOSITORY, connect
from basis_pipeline_tests.cluster.services import BUCKET, LOOPBACK, eventually

RENEW, TRUST, EXPIRE = 1.0, 10.0, 14.0
"""Seconds: a machine that is held up for `TRUST` is what leases are about. The store's clock has whole ones."""

FOLDER = location_of(f"s3://{BUCKET}/leases")
HOLDER = f"""
    import sys
    from basis_pipeline.domain.errors import StorageError
    from basis_pipeline.storage import s3_lease
    from basis_pipeline.storage.files import exclusive_lock, put_bytes
    from basis_pipeline.storage.locations import location_of
    s3_lease.RENEW_SECONDS, s3_lease.TRUST_SECONDS = {RENEW}, {TRUST}
    folder = location_of({str(FOLDER)!r})
    with exclusive_lock(folder / sys.argv[1], purpose="a backtest"):
        print("held", flush=True)
        sys.stdin.readline()
        try:
            put_bytes(folder / f"{{sys.argv[1]}}.out", b"by the first holder")
            print("written", flush=True)
        except StorageError as error:
            print(error, flush=True)
"""


@pytest.fixture(autouse=True)
def quick(connected: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_lease, "RENEW_SECONDS", RENEW)
    monkeypatch.setattr(s3_lease, "TRUST_SECONDS", TRUST)
    monkeypatch.setattr(s3_lease, "EXPIRE_SECONDS", EXPIRE)


class Holder:
    """Another process that holds a lease and, when it is told to, writes under it."""

    def __init__(self, name: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HOLDER), name],
            cwd=REPOSITORY,
            env=os.environ.copy(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.read() == "held"

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def write(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def holder(request: pytest.FixtureRequest) -> Iterator[Holder]:
    running = Holder(f"{request.node.name}.lock")
    yield running
    running.end()


def is_free(name: str) -> bool:
    try:
        with exclusive_lock(FOLDER / f"{name}.lock", purpose="a backtest"):
            return True
    except StorageError:
        return False


def test_a_holder_at_work_keeps_its_lock_for_longer_than_it_takes_to_expire(
    holder: Holder, request: pytest.FixtureRequest
) -> None:
    threading.Event().wait(EXPIRE + 2.0)
    with (
        pytest.raises(StorageError, match=rf"STORE-002.*already running.*process {holder.process.pid} on .*renewed"),
        exclusive_lock(FOLDER / f"{request.node.name}.lock", purpose="a backtest"),
    ):
        pytest.fail("two holders at once")
    assert holder.write() == "written"
    eventually("it is released", lambda: is_free(request.node.name), seconds=EXPIRE - 1.5)


def test_the_lock_of_a_killed_process_is_free_once_it_has_expired(
    holder: Holder, request: pytest.FixtureRequest
) -> None:
    holder.end()
    assert not is_free(request.node.name), "nobody can know yet that it is dead"
    eventually("it expires", lambda: is_free(request.node.name), seconds=3 * EXPIRE)


def test_a_holder_that_was_held_up_writes_nothing_after_its_lock_was_taken_over(
    holder: Holder, request: pytest.FixtureRequest
) -> None:
    name = f"{request.node.name}.lock"
    holder.process.send_signal(signal.SIGSTOP)
    with exclusive_lock(FOLDER / name, purpose="a backtest", wait=True):
        put_bytes(FOLDER / f"{name}.out", b"by the second")
        holder.process.send_signal(signal.SIGCONT)
        said = holder.write()
        assert "[STORE-002]" in said
        assert "was lost" in said
    assert (FOLDER / f"{name}.out").read_bytes() == b"by the second"
    holder.process.wait()
    assert is_free(request.node.name), "the first holder left the second one's lock alone, which is released"


def test_of_many_that_want_a_lock_at_once_one_gets_it() -> None:
    """Sixteen threads, one barrier; whoever is refused says who holds it."""
    outcomes: list[bool] = []
    together, done = threading.Barrier(16), threading.Event()

    def attempt() -> None:
        together.wait()
        try:
            with exclusive_lock(FOLDER / "crowd.lock", purpose="a backtest"):
                outcomes.append(True)
                done.wait()
        except StorageError:
            outcomes.append(False)

    threads = [threading.Thread(target=attempt) for _ in range(16)]
    for thread in threads:
        thread.start()
    eventually("all have tried", lambda: len(outcomes) == 16)
    done.set()
    for thread in threads:
        thread.join()
    assert outcomes.count(True) == 1


class Careless(BaseHTTPRequestHandler):
    """A store that takes every write and knows no conditions."""

    protocol_version = "HTTP/1.1"

    def _answer(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"1"', **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no</Message></Error>")

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def do_DELETE(self) -> None:
        self._answer(204)

    def log_message(self, *_: object) -> None:
        return


def test_a_store_that_cannot_keep_two_writers_apart_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadingHTTPServer((LOOPBACK, 0), Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connect(monkeypatch, {"AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{server.server_port}"})
        with (
            pytest.raises(StorageError, match=r"STORE-007.*ignores conditional writes"),
            exclusive_lock(FOLDER / "careless.lock", purpose="a backtest"),
        ):
            pytest.fail("a lock that locks nothing")
        server.shutdown()
