"""Whether the UI of an instance with years of months of many modes is as quick as that of an empty one.

    python -m benchmarks.instance_scale [--modes 10] [--months 36]

Two instances below a temporary folder: one empty, one in which every month of every mode is materialized with figures
and checks, month by month, as nightly runs leave them. For both: `dagster definitions validate`, and what the pages of
the UI ask of the server. Quote the ratios: absolute figures are of this machine at this moment.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import dagster as dg

from basis_pipeline.domain.timeline import months_between, shift_month
from basis_pipeline.runs.records import gate_descriptions

_CONFIGS = Path(__file__).parents[1] / "configs"
_PORT = 3991
_ROUNDS = 7
_QUERIES = {
    "catalogue": "{ assetNodes { id assetKey { path } groupName kinds hasAssetChecks } }",
    "partitions of all modes": "{ assetNodes { id partitionStats { numMaterialized numFailed } } }",
    "latest of all assets": "{ assetNodes { id assetMaterializations(limit: 1) { timestamp partition } } }",
    "months of one mode": '{ assetNodeOrError(assetKey: {path: ["btc_basis"]}) { ... on AssetNode { '
    "assetMaterializations(limit: 100) { partition metadataEntries { label ... on FloatMetadataEntry { floatValue } } }"
    " "
    "assetChecksOrError { ... on AssetChecks { checks { name "
    "executionForLatestMaterialization { status evaluation { severity } } } } } } } }",
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--modes", type=int, default=10)
    arguments.add_argument("--months", type=int, default=36)
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        configs = _configuration(Path(folder) / "configs", chosen.modes)
        modes = sorted(path.stem for path in (configs / "modes").iterdir())
        empty, full = (_instance(Path(folder) / name) for name in ("empty", "full"))
        _fill(full, modes, chosen.months)
        found = {home: _measure(home, configs) for home in (empty, full)}
        print(f"{len(modes)} modes, {chosen.months} months each, {len(gate_descriptions())} checks per mode")
        for what, before in found[empty].items():
            after = found[full][what]
            print(f"  {what:28}{1e3 * before:8.0f} ms empty {1e3 * after:8.0f} ms full {after / before:8.2f} x")


def _configuration(folder: Path, modes: int) -> Path:
    """The shipped modes, and copies of btc_basis up to the wanted number."""
    shutil.copytree(_CONFIGS, folder)
    template = (folder / "modes" / "btc_basis.yaml").read_text(encoding="utf-8")
    for number in range(modes - len(list((folder / "modes").iterdir()))):
        name = f"copy_{number}"
        text = template.replace("mode: btc_basis", f"mode: {name}")
        (folder / "modes" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


def _instance(home: Path) -> Path:
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    return home


def _fill(home: Path, modes: list[str], months: int) -> None:
    names = [gate.name for gate in gate_descriptions()]
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for mode in modes:
            for number, month in enumerate(months_between("2024-01", shift_month("2024-01", months - 1))):
                figures = {f"figure {n}": float(n + number) for n in range(12)}
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(mode, partition=month, metadata={**figures, "text": "x" * 5_000})
                )
            for name in names:
                check = dg.AssetCheckEvaluation(
                    asset_key=dg.AssetKey(mode), check_name=name, passed=True, metadata={"text": "x" * 20_000}
                )
                instance.report_runless_asset_event(check)


def _measure(home: Path, configs: Path) -> dict[str, float]:
    environment = os.environ | {
        "DAGSTER_HOME": str(home),
        "BASIS_DATA_DIR": str(home / "data"),
        "BASIS_CONFIG_DIR": str(configs),
    }
    target = ["-m", "basis_pipeline.definitions"]
    validate = [sys.executable, "-m", "dagster", "definitions", "validate", *target]
    serve = [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(_PORT), *target]
    found = {"definitions validate": _median(lambda: _run(validate, environment), rounds=3)}
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(serve, env=environment, stdout=quiet, stderr=quiet)  # noqa: S603 - ours
    try:
        _wait()
        for what, query in _QUERIES.items():
            _ask(query)
            found[what] = _median(lambda query=query: _ask(query), rounds=_ROUNDS)
    finally:
        server.terminate()
        server.wait()
    return found


def _median(action: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _run(command: list[str], environment: dict[str, str]) -> None:
    subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603 - ours


def _ask(query: str) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{_PORT}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310 - of loopback
        answer = json.load(response)
    if "errors" in answer:
        raise RuntimeError(answer["errors"][0]["message"])


def _wait() -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            _ask("{ version }")
        except OSError:
            time.sleep(0.5)
        else:
            return
    raise RuntimeError("the server did not start within two minutes")


if __name__ == "__main__":
    main()
