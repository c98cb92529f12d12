"""Reports and exports over HTTP, for the links of the UI: read only, loopback only, made from what is published.

::

    /                                     every record with its page, archive and tables; the same as /index.json
    /pages/<path below results>.html      pages: reports, rejected months, sweeps
    /export/standing/<mode>.zip           all tables of a record as CSV; `rejected` for what a gate refused
    /export/standing/<mode>/<table>.csv   one table; ?experiment=<name>, ?from=<month>, ?to=<month> narrow both

Nothing else is served: a path has to resolve, symbolic links followed, to an HTML file in a folder of pages. A request
has to name this host, so that a page of another origin cannot read results by rebinding its name to loopback.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import PurePosixPath
from typing import IO, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from basis_pipeline.domain.errors import BasisError, ConfigError, StateError
from basis_pipeline.results.export import months_of, write_csv, write_zip
from basis_pipeline.results.listing import EXPORTS, PAGE_FOLDERS, PAGES, REJECTED, STANDING, listing, offers
from basis_pipeline.results.store import PublishedMonth, ResultsStore
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.runs.loopback import LOOPBACK, port_taken, stoppable
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location, is_below

DEFAULT_PORT = 3080

_IDLE_SECONDS = 5.0
"""How long a connection may say nothing, and with it the longest that closing waits for one."""

_IN_MEMORY = 16 * 1024 * 1024
_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class _Refused(Exception):  # noqa: N818 - an answer, not an error of this program
    """An answer other than 200."""

    def __init__(self, status: HTTPStatus, said: str) -> None:
        super().__init__(said)
        self.status = status


class _Answer(NamedTuple):
    """A body from its beginning, its type, and the name a browser keeps it under ("" = show it)."""

    body: IO[bytes]
    kind: str
    saved_as: str = ""


class _Asked(NamedTuple):
    """What is narrowed in the query of an export."""

    experiment: str | None
    first: str | None
    last: str | None


class ReportServer(ThreadingHTTPServer):
    """A server bound to loopback; `serve_forever` runs it, and closing it waits for the answers under way."""

    daemon_threads = False  # a thread that is inside Arrow when the interpreter ends brings it down

    def __init__(self, workspace: Workspace, port: int) -> None:
        self.workspace = workspace
        super().__init__((LOOPBACK, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_port}"

    @property
    def names(self) -> frozenset[str]:
        """What a request may call this host."""
        return frozenset(f"{host}:{self.server_port}" for host in (LOOPBACK, "localhost"))


def open_report_server(workspace: Workspace, port: int | None = None) -> ReportServer:
    """A server on `port`, else on 3080 or, where that is taken, on a free one; ConfigError if `port` is taken.

    It listens from now on: a port that was only looked at would be anybody's until it is used.
    """
    for candidate in (port,) if port else (DEFAULT_PORT, 0):
        with suppress(OSError):
            return ReportServer(workspace, candidate)
    raise port_taken(port)


def run_report_server(server: ReportServer) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    with server, stoppable(), suppress(KeyboardInterrupt):
        server.serve_forever()


@contextmanager
def serving(server: ReportServer) -> Iterator[ReportServer]:
    """Serve in a thread of its own while the block runs."""
    thread = threading.Thread(target=server.serve_forever, name="reports", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """One connection with one request: GET and HEAD, everything else is refused."""

    server: ReportServer
    server_version, sys_version = "basis", ""
    timeout = _IDLE_SECONDS

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _refuse(self) -> None:
        self._send(_text(HTTPStatus.METHOD_NOT_ALLOWED, "This server only reads: GET and HEAD."), body=True)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: whoever is on this machine may look, and the UI logs to the same terminal."""

    def _answer(self, *, body: bool) -> None:
        try:
            self._send((HTTPStatus.OK, self._found()), body=body)
        except _Refused as refusal:
            self._send(_text(refusal.status, str(refusal)), body=body)
        except (ConfigError, StateError) as error:
            self._send(_text(HTTPStatus.NOT_FOUND, str(error)), body=body)
        except BasisError as error:
            self._send(_text(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)), body=body)

    def _found(self) -> _Answer:
        if self.headers.get("Host") not in self.server.names:
            raise _Refused(HTTPStatus.MISDIRECTED_REQUEST, f"Ask for {self.server.url}.")
        return find(self.server.workspace, self.path)

    def _send(self, found: tuple[HTTPStatus, _Answer], *, body: bool) -> None:
        status, answer = found
        length = answer.body.seek(0, 2)
        answer.body.seek(0)
        headers = _HEADERS | {"Content-Type": answer.kind, "Content-Length": str(length)}
        if answer.saved_as:
            headers["Content-Disposition"] = f'attachment; filename="{answer.saved_as}"'
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            headers["Allow"] = "GET, HEAD"
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                shutil.copyfileobj(answer.body, self.wfile)
        except ConnectionError:
            return  # the reader has gone
        finally:
            answer.body.close()


def find(workspace: Workspace, target: str) -> _Answer:
    """What a request target stands for; BasisError or a refusal where it stands for nothing."""
    address = urlsplit(target)
    path = unquote(address.path)
    if path == "/":
        return _Answer(BytesIO(listing(workspace.results, workspace.root.path).encode()), "text/html; charset=utf-8")
    if path == "/index.json":
        return _Answer(BytesIO(msgspec.json.encode(offers(workspace.results))), "application/json")
    if path.startswith(PAGES):
        page = _page(workspace.results.base, path.removeprefix(PAGES))
        return _Answer(BytesIO(page.read_bytes()), "text/html; charset=utf-8")
    if path.startswith(EXPORTS):
        return _export(workspace.results, path.removeprefix(EXPORTS), dict(parse_qsl(address.query)))
    raise _nothing()


def _page(base: Location, name: str) -> Location:
    """The HTML file `name` below `base`, if it really lies in a folder of pages."""
    if "\0" in name or ".." in PurePosixPath(name).parts:
        raise _nothing()
    page = (base / name).resolve()
    folders = ((base / folder).resolve() for folder in PAGE_FOLDERS)
    if not page.name.endswith(".html") or not any(is_below(page, folder) for folder in folders) or not page.is_file():
        raise _nothing()
    return page


def _export(results: ResultsStore, name: str, query: dict[str, str]) -> _Answer:
    """`<kind>/<mode>.zip` or `<kind>/<mode>/<table>.csv`, of the months and the experiment that the query names."""
    kind, _, rest = name.partition("/")
    mode, _, file = rest.partition("/")
    stores = {STANDING: results, REJECTED: results.rejected}
    zipped, table = mode.endswith(".zip") and not file, file.removesuffix(".csv")
    if kind not in stores or not query.keys() <= {"experiment", "from", "to"}:
        raise _nothing()
    if not zipped and (file != f"{table}.csv" or table not in SCHEMAS):
        raise _nothing()
    mode, store = mode.removesuffix(".zip") if zipped else mode, stores[kind]
    months = _months(store, mode, _Asked(query.get("experiment"), query.get("from"), query.get("to")))
    if zipped:
        return _Answer(_written(partial(write_zip, store, months)), "application/zip", f"{mode}.zip")
    body = _written(partial(write_csv, store, months, table))
    return _Answer(body, "text/csv; charset=utf-8", f"{mode}_{table}.csv")


def _written(write: Callable[[IO[bytes]], None]) -> IO[bytes]:
    """What `write` writes; a large body waits on disk, so that an error is known before the first byte is sent."""
    body: IO[bytes] = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed when it has been sent
    try:
        write(body)
    except BaseException:
        body.close()
        raise
    return body


def _months(store: ResultsStore, mode: str, asked: _Asked) -> list[PublishedMonth]:
    months = store.months(mode, asked.experiment)
    chosen = [month for month in months if (asked.first or month) <= month <= (asked.last or month)]
    return months_of(store, mode, chosen, asked.experiment)


def _nothing() -> _Refused:
    return _Refused(HTTPStatus.NOT_FOUND, "There is nothing here. / lists what there is.")


def _text(status: HTTPStatus, said: str) -> tuple[HTTPStatus, _Answer]:
    return status, _Answer(BytesIO(f"{said}\n".encode()), "text/plain; charset=utf-8")
