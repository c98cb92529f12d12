"""A data root in a bucket gives what a data root in a folder gives, bit for bit, and fails as plainly."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import pytest

from basis_pipeline.runs.report_server import find
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline.storage.locations import location_of, written_at
from basis_pipeline_tests.cluster.conftest import REPOSITORY, Shell
from basis_pipeline_tests.cluster.services import BUCKET, ObjectStore
from basis_pipeline_tests.unending import unending

FIGURES = "select month, generation, total_return, data_version, gates_passed from months order by month"


def test_ingestion_backtest_and_query_give_the_same_generations_as_in_a_folder(local: Shell, remote: Shell) -> None:
    """Generations are named by content: tables, checkpoint, data version and figures are equal."""
    answer = remote("query", "--csv", FIGURES).stdout
    assert answer == local("query", "--csv", FIGURES).stdout
    assert [line.split(",")[0] for line in answer.splitlines()] == ["month", "2024-01", "2024-02"]
    rows = "select count(*), sum(step_pnl), max(equity_share_class) from timesteps"
    assert remote("query", "--csv", rows).stdout == local("query", "--csv", rows).stdout


def test_everything_is_in_the_bucket_and_nothing_of_it_in_the_working_folder(remote: Shell, store: ObjectStore) -> None:
    names = store.keys("shared/root/")
    assert "shared/root/root.json" in names
    assert "shared/root/results/_manifests/mode=btc_basis/month=2024-02.json" in names
    assert "shared/root/results/reports/btc_basis.html" in names
    assert not [name for name in names if name.endswith((".lock", ".tmp")) or "//" in name]
    assert not [path for path in Path().iterdir() if path.name.startswith("s3:")]


def test_what_is_there_is_not_written_again(remote: Shell, raw: Path, store: ObjectStore) -> None:
    before = {name: store.written(name) for name in store.keys("shared")}
    time.sleep(1.1)  # the store's clock has whole seconds
    remote("ingest", "--raw", str(raw))
    after = {name: store.written(name) for name in store.keys("shared")}
    assert after == before


def test_pages_and_exports_are_written_to_the_bucket_or_to_a_folder(
    remote: Shell, local: Shell, store: ObjectStore, tmp_path: Path
) -> None:
    printed = remote("report", "btc_basis").stdout.strip()
    assert printed == f"s3://{BUCKET}/shared/root/results/reports/btc_basis.html"
    page = store.client.get_object(Bucket=BUCKET, Key=printed.removeprefix(f"s3://{BUCKET}/"))["Body"].read()
    assert page.startswith(b"<!doctype html>")
    assert b"2024-01 to 2024-02" in page
    assert remote("export", "btc_basis", "--zip").stdout.strip().startswith("s3://")
    here = Path(remote("export", "btc_basis", "--out", str(tmp_path)).stdout.strip())
    there = Path(local("export", "btc_basis").stdout.strip())
    assert {file.name for file in here.iterdir()} == {file.name for file in there.iterdir()}
    assert (here / "timesteps.csv").read_bytes() == (there / "timesteps.csv").read_bytes()


def served(workspace: Workspace, target: str) -> bytes:
    with find(workspace, target).body as body:
        body.seek(0)
        return body.read()


def test_pages_and_exports_are_served_from_the_bucket_and_nothing_else_of_it(remote: Shell, connected: None) -> None:
    page = remote("report", "btc_basis").stdout.strip()
    workspace = Workspace(location_of(remote.root), REPOSITORY / "configs")
    (offer,) = json.loads(served(workspace, "/index.json"))
    assert offer["months"] == ["2024-01", "2024-02"]
    assert offer["page"] == "/pages/reports/btc_basis.html"
    assert served(workspace, offer["page"]) == location_of(page).read_bytes()
    months = remote("query", "--csv", "select count(*) from metrics").stdout.split()
    assert len(served(workspace, offer["tables"]["metrics"]).splitlines()) == 1 + int(months[1])
    for target in (
        "/pages/root.json",
        "/pages/reports/../../root.json",
        "/pages/_manifests/mode=btc_basis/month=2024-01.json",
    ):
        with pytest.raises(Exception, match="There is nothing here"):
            served(workspace, target)


def test_a_page_is_as_old_as_the_store_says(remote: Shell, connected: None) -> None:
    before = time.time()
    page = location_of(remote("report", "btc_basis").stdout.strip())
    assert before - 2 < written_at(page) < time.time() + 2
    with pytest.raises(FileNotFoundError):
        written_at(page.with_name("nothing.html"))


def test_a_killed_run_leaves_the_record_whole_and_its_lock_to_the_next(store: ObjectStore, raw: Path) -> None:
    shell = Shell(f"s3://{BUCKET}/killed/root", store.environment)
    shell("ingest", "--raw", str(raw))
    shell("backtest", "btc_basis")
    before = shell("query", "--csv", FIGURES).stdout
    reopening = ("backtest", "btc_basis", "--reopen", "--from", "2024-01")
    with shell.popen(*reopening, how=unending("2024-02")) as running:
        aside = "killed/root/results/replacement/_manifests"
        while not store.keys(aside):
            assert running.poll() is None, running.communicate()
            time.sleep(0.01)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    assert shell("query", "--csv", FIGURES).stdout == before
    assert store.keys("killed/root/locks/"), "its lease is still there"
    refused = shell(*reopening, code=1).stderr
    assert "STORE-002" in refused
    assert f"process {running.pid} on " in refused
    store.client.delete_object(Bucket=BUCKET, Key="killed/root/locks/btc_basis.lock")
    shell(*reopening)
    assert shell("query", "--csv", FIGURES).stdout == before
    assert not store.keys("killed/root/results/replacement/")


def test_while_a_mode_is_written_a_second_writer_is_refused_and_another_mode_runs(
    store: ObjectStore, raw: Path, connected: None
) -> None:
    """The first writer is this process: two that were started would meet, or not."""
    shell = Shell(f"s3://{BUCKET}/two/root", store.environment)
    shell("ingest", "--raw", str(raw))
    with exclusive_lock(location_of(shell.root) / "locks" / "btc_basis.lock", purpose="a backtest"):
        refused = shell("backtest", "btc_basis", code=1).stderr
        shell("backtest", "eth_basis")
    assert "STORE-002" in refused
    assert "a backtest of btc_basis is already running" in refused
    shell("backtest", "btc_basis")
    assert shell("query", "--csv", "select distinct mode from months order by mode").stdout.split() == [
        "mode",
        "btc_basis",
        "eth_basis",
    ]


SECRET = "a-secret-that-is-wrong"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"AWS_SECRET_ACCESS_KEY": SECRET}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": SECRET}, "InvalidAccessKeyId"),
        ({"BASIS_DATA_DIR": "s3://another-bucket/root"}, "NoSuchBucket"),
        ({"AWS_ENDPOINT_URL": "http://user:a-secret-that-is-wrong@127.0.0.1:9"}, "EndpointConnectionError"),
    ],
    ids=["secret", "key", "bucket", "endpoint"],
)
@pytest.mark.parametrize("command", [("query", "from months"), ("backtest", "btc_basis"), ("ingest",)])
def test_what_is_wrong_with_the_store_is_one_message_without_a_secret(
    remote: Shell, raw: Path, command: tuple[str, ...], change: dict[str, str], said: str
) -> None:
    failed = remote(*command, code=1, **({"BASIS_RAW_DIR": str(raw)} | change))
    assert failed.stderr.count("[STORE-007]") == 1
    assert said in failed.stderr
    assert "Remedy: " in failed.stderr
    assert SECRET not in failed.stderr


def test_without_keys_the_message_says_which_variables_to_set(remote: Shell, tmp_path: Path) -> None:
    nowhere = {"AWS_CONFIG_FILE": str(tmp_path / "no"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no")}
    keyless = {key: value for key, value in remote.environment.items() if "KEY" not in key}
    without = Shell(remote.root, keyless | nowhere | {"AWS_EC2_METADATA_DISABLED": "true"})
    assert "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in without("query", "from months", code=1).stderr


def test_the_sample_is_made_in_a_folder(remote: Shell) -> None:
    failed = Shell(f"s3://{BUCKET}/empty/root", remote.environment)("sample-data", code=2)
    assert "BASIS_RAW_DIR" in failed.stderr
