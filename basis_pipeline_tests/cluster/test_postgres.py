"""`basis dev --profile cluster`: runs are kept in PostgreSQL, results in a bucket, and mistakes are told plainly."""

from __future__ import annotations

import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from basis_pipeline_tests.cluster.conftest import REPOSITORY, Shell
from basis_pipeline_tests.cluster.services import BUCKET, ObjectStore, eventually
from basis_pipeline_tests.definitions.ui_server import PATIENCE_SECONDS, Server, answers
from basis_pipeline_tests.ports import free_port

psycopg2 = pytest.importorskip("psycopg2", reason="the extra `cluster` is not installed")
pytest.importorskip("dagster_postgres", reason="the extra `cluster` is not installed")

LAUNCHED = "query { runsOrError { ... on Runs { results { status jobName } } } }"


def rows(database: str, sql: str) -> list[Any]:
    with psycopg2.connect(database.replace("+psycopg2", "")) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def test_a_range_launched_in_the_ui_is_recorded_in_the_database_and_published_in_the_bucket(
    store: ObjectStore, raw: Path, database: str, request: pytest.FixtureRequest
) -> None:
    shell = Shell(f"s3://{BUCKET}/served/root", store.environment)
    shell("ingest", "--raw", str(raw))
    port = free_port()
    command = ("dev", "--profile", "cluster", "--port", str(port))
    with shell.popen(*command, BASIS_POSTGRES_URL=database) as process:
        try:
            eventually("the server answers", lambda: answers(port), PATIENCE_SECONDS)
            server = Server(process, port, Path())
            server.launch_range("btc_basis", "2024-01", "2024-02")
            runs = "runsOrError"
            eventually(
                "the run ends",
                lambda: [run["status"] for run in server.ask(LAUNCHED)[runs]["results"]] in (["SUCCESS"], ["FAILURE"]),
                PATIENCE_SECONDS,
            )
        finally:
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert rows(database, "select pipeline_name, status from runs") == [("btc_basis_months", "SUCCESS")], out + err
    materialized = "select partition from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
    assert {month for (month,) in rows(database, materialized)} >= {"2024-01", "2024-02"}
    assert shell("query", "--csv", "select month from months").stdout.split() == ["month", "2024-01", "2024-02"]
    home = REPOSITORY / "data" / "s3" / BUCKET / "served" / "root" / "dagster"
    request.addfinalizer(lambda: shutil.rmtree(home.parents[1]))
    assert "basis-password" not in "".join(path.read_text() for path in home.glob("*.yaml"))
    assert not list(home.rglob("*.db")), "no SQLite beside the database"


def test_the_profile_changes_where_runs_are_kept_and_nothing_else() -> None:
    profile = yaml.safe_load((REPOSITORY / "configs/profiles/cluster/dagster.yaml").read_text())
    assert profile == {"storage": {"postgres": {"postgres_url": {"env": "BASIS_POSTGRES_URL"}}}}


@pytest.mark.parametrize(
    ("pattern", "instead", "said"),
    [
        (".*", "", "is not set"),
        (r"\+psycopg2", "", "does not begin with postgresql+psycopg2://"),
        ("basis-password", "wrong-secret", "password authentication failed"),
        ("/basis$", "/nothing", 'database "nothing" does not exist'),
        (r":\d+/", ":9/", "Connection refused"),
    ],
    ids=["absent", "driver", "password", "database", "port"],
)
def test_a_database_that_cannot_be_used_is_one_message_without_the_password(
    database: str, tmp_path: Path, pattern: str, instead: str, said: str
) -> None:
    url = re.sub(pattern, instead, database)
    failed = Shell(str(tmp_path))("dev", "--profile", "cluster", code=2, BASIS_POSTGRES_URL=url)
    assert said in failed.stderr
    assert "Remedy: " in failed.stderr
    assert "basis-password" not in failed.stderr
    assert "wrong-secret" not in failed.stderr


def test_a_profile_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    failed = Shell(str(tmp_path))("dev", "--profile", "clutser", code=2)
    assert "there is no profile 'clutser'" in failed.stderr
    assert "known are cluster" in failed.stderr
