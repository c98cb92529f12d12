"""The server of reports gives what is published, to this machine, and nothing else."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import duckdb
import pyarrow.csv as pa_csv
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.results.export import export_csv
from basis_pipeline.results.reports.overview import write_overview
from basis_pipeline.results.reports.report import write_report
from basis_pipeline.results.tables import SCHEMAS
from basis_pipeline.runs.report_server import LOOPBACK, ReportServer, open_report_server, serving
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.results.conftest import book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

CONFIGS = Path(__file__).parents[2] / "configs"
MODE = "btc_basis"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReportServer]:
    """Three months of a mode, one of an experiment, and one that was rejected, with their pages."""
    workspace = Workspace(tmp_path_factory.mktemp("served"), CONFIGS)
    results, months = workspace.results, book_months(BasisBook("2024-01"))
    for month, tables, state in months:
        results.publish_month(manifest(month), tables, state)
    month, tables, state = months[0]
    results.publish_month(manifest(month, experiment="wide"), tables, state)
    results.publish_rejected(manifest(month, "eth_basis"), tables, state)
    write_report(results, MODE)
    write_report(results.rejected, "eth_basis")
    write_overview(results)
    with serving(open_report_server(workspace)) as running:
        yield running


class Reply:
    """What came back, read to its end."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(server: ReportServer, path: str, method: str = "GET", **headers: str) -> Reply:
    with closing(HTTPConnection(LOOPBACK, server.server_port, timeout=30)) as connection:
        connection.request(method, path, headers=headers)
        return Reply(connection.getresponse())


def test_it_listens_on_loopback_only(server: ReportServer) -> None:
    assert server.server_address[0] == "127.0.0.1"


def test_pages_come_as_they_were_written_and_link_to_each_other(server: ReportServer) -> None:
    results = server.workspace.results
    for page in (results.report_path(MODE), results.overview_path, results.rejected.report_path("eth_basis")):
        found = ask(server, f"/pages/{page.relative_to(results.base)}")
        assert (found.status, found.body) == (200, page.read_bytes())
        assert found.headers["Content-Type"] == "text/html; charset=utf-8"
        assert found.headers["X-Content-Type-Options"] == "nosniff"


def test_the_front_page_and_its_json_name_every_record_and_every_address_works(server: ReportServer) -> None:
    offers = json.loads(ask(server, "/index.json").body)
    assert {(offer["kind"], offer["mode"], offer["experiment"]) for offer in offers} == {
        ("standing", MODE, None),
        ("experiment", MODE, "wide"),
        ("rejected", "eth_basis", None),
    }
    front = ask(server, "/").text
    for offer in offers:
        addresses = [offer["archive"], *offer["tables"].values(), *filter(None, [offer["page"]])]
        assert all(f'href="{address}"' in front for address in addresses)
        assert {ask(server, address, "HEAD").status for address in addresses} == {200}
    assert [offer["page"] for offer in offers if offer["experiment"]] == [None]


def test_a_table_is_what_was_published(server: ReportServer, tmp_path: Path) -> None:
    found = ask(server, f"/export/standing/{MODE}/timesteps.csv")
    file = tmp_path / "timesteps.csv"
    file.write_bytes(found.body)
    files = sorted(server.workspace.results.base.glob(f"timesteps/mode={MODE}/month=*/*.parquet"))
    listed = ", ".join(f"'{path}'" for path in files)
    with duckdb.connect() as connection:
        [[rows, equity]] = connection.sql(f"select count(*), sum(equity_usd) from read_parquet([{listed}])").fetchall()
        [[rows_there, equity_there]] = connection.sql(f"select count(*), sum(equity_usd) from '{file}'").fetchall()
    assert (rows_there, equity_there) == (rows, pytest.approx(equity, rel=1e-12))
    assert found.headers["Content-Disposition"] == f'attachment; filename="{MODE}_timesteps.csv"'


def test_the_archive_is_the_one_the_command_writes(server: ReportServer, tmp_path: Path) -> None:
    written = export_csv(server.workspace.results, MODE, tmp_path, zipped=True).read_bytes()
    assert ask(server, f"/export/standing/{MODE}.zip").body == written
    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        assert set(archive.namelist()) == {"README.md", *(f"{table}.csv" for table in SCHEMAS)}


def test_experiments_ranges_and_rejected_months_are_asked_for_by_name(server: ReportServer) -> None:
    def months(path: str) -> set[str]:
        return set(pa_csv.read_csv(io.BytesIO(ask(server, path).body))["month"].to_pylist())

    assert months(f"/export/standing/{MODE}/metrics.csv?from=2024-02&to=2024-03") == {"2024-02", "2024-03"}
    assert months(f"/export/standing/{MODE}/metrics.csv?experiment=wide") == {"2024-01"}
    assert months("/export/rejected/eth_basis/metrics.csv") == {"2024-01"}
    assert ask(server, "/export/standing/eth_basis/metrics.csv").status == 404


def test_head_says_how_long_it_would_be_and_sends_nothing(server: ReportServer) -> None:
    got, head = (ask(server, f"/pages/reports/{MODE}.html", method) for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) == len(got.body)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_can_be_changed(server: ReportServer, method: str) -> None:
    refused = ask(server, "/", method)
    assert refused.status == 405
    assert refused.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/pages/",
        "/pages/reports",
        "/pages/reports/none.html",
        "/pages/../../root.json",
        "/pages/reports/../../root.json",
        "/pages/reports/%2e%2e/%2e%2e/secret.html",
        "/pages/reports/..%2f..%2fsecret.html",
        "/pages//etc/passwd",
        "/pages/%2fetc/passwd",
        "/pages/reports/btc_basis.html%00.html",
        "/pages/catalogue.duckdb",
        "/pages/_manifests/none.html",
        "/export/standing/none.zip",
        "/export/standing/..%2fx.zip",
        "/export/elsewhere/btc_basis.zip",
        "/export/standing/btc_basis/none.csv",
        "/export/standing/btc_basis/timesteps",
        "/export/standing/btc_basis.zip?experiment=none",
        "/export/standing/btc_basis.zip?experiment=../wide",
        "/export/standing/btc_basis.zip?from=2030-01",
        "/export/standing/btc_basis.zip?unknown=1",
    ],
)
def test_what_is_not_offered_is_not_there(server: ReportServer, path: str) -> None:
    (server.workspace.root.path / "secret.html").write_text("secret")
    refused = ask(server, path)
    assert refused.status == 404
    assert "secret" not in refused.text


def test_a_symbolic_link_out_of_the_pages_is_not_followed(server: ReportServer, tmp_path: Path) -> None:
    secret = tmp_path / "secret.html"
    secret.write_text("secret")
    folder = server.workspace.results.base / "reports"
    (folder / "link.html").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    try:
        assert [ask(server, f"/pages/reports/{name}").status for name in ("link.html", "linked/secret.html")] == [
            404,
            404,
        ]
    finally:
        (folder / "link.html").unlink()
        (folder / "linked").unlink()


def test_a_page_of_another_origin_cannot_read_by_another_name(server: ReportServer) -> None:
    assert ask(server, "/", Host=f"results.example:{server.server_port}").status == 421
    assert ask(server, "/", Host=f"localhost:{server.server_port}").status == 200


def test_a_taken_port_is_an_error_where_it_was_asked_for_and_avoided_where_not(server: ReportServer) -> None:
    with pytest.raises(ConfigError, match=f"port {server.server_port} of 127.0.0.1 is taken"):
        open_report_server(server.workspace, server.server_port)
    with serving(open_report_server(server.workspace)) as other:
        assert other.server_port != server.server_port
        assert ask(other, "/").status == 200


@pytest.mark.slow
def test_the_command_serves_and_ends_cleanly_with_a_reader_still_connected(server: ReportServer) -> None:
    command = [sys.executable, "-m", "basis_pipeline", "serve"]
    environment = os.environ | {"BASIS_DATA_DIR": str(server.workspace.root.path), "PYTHONPATH": str(CONFIGS.parent)}
    with subprocess.Popen(command, cwd=CONFIGS.parent, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        address = re.search(r"127\.0\.0\.1:(\d+)", said)
        assert address, said
        with closing(HTTPConnection(LOOPBACK, int(address[1]), timeout=600)) as connection:
            connection.request("GET", f"/export/standing/{MODE}.zip")
            answered = connection.getresponse()
            assert (answered.status, answered.read()[:2]) == (200, b"PK")
        with closing(HTTPConnection(LOOPBACK, int(address[1]))) as idle:
            idle.connect()
            process.send_signal(signal.SIGTERM)
            assert process.wait(600) == 0
        assert not process.stderr.read()
