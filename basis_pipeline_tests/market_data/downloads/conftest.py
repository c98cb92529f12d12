"""A workspace whose every base URL is a server on loopback."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.runs.download import DownloadReport, Selection, download
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.market_data.downloads.ethereum import LIDO, ORACLE, POOL, USDT, WEETH
from basis_pipeline_tests.market_data.downloads.server import SYMBOL, Vendor, serving

CONFIGS = Path(__file__).parents[3] / "configs"


@dataclass
class Site:
    """A vendor, and a workspace that downloads from it."""

    vendor: Vendor
    workspace: Workspace
    url: str

    @property
    def raw(self) -> Path:
        return self.workspace.raw / "downloads"

    def download(self, first: str, last: str, **only: str) -> DownloadReport:
        """Download `only` dataset, venue or symbol at the vendor's present."""
        chosen = Selection(**{f"{name}s": frozenset([value]) for name, value in only.items()})
        return download(self.workspace, chosen, first=first, last=last, now=self.vendor.present)

    def ingest(self) -> ValidatedStore:
        report = ingest(self.workspace.root, self.workspace.raw, config_dir=self.workspace.config.path)
        assert not report.errors
        return self.workspace.validated

    def configure(self, change: Callable[[dict], None]) -> None:
        path = self.workspace.config.path / "downloads.yaml"
        content = yaml.safe_load(path.read_text())
        change(content)
        path.write_text(yaml.safe_dump(content))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    vendor = Vendor()
    with serving(vendor) as url:
        shutil.copytree(CONFIGS, tmp_path / "configs")
        # A key in the URL, as hosted nodes have it.
        monkeypatch.setenv("BASIS_RPC_URL", f"{url}/v3/{vendor.chain.key}")
        made = Site(vendor, Workspace(tmp_path / "root", tmp_path / "configs"), url)
        made.configure(lambda content: _to_loopback(content, url))
        yield made


def _to_loopback(content: dict, url: str) -> None:
    content["http"] |= {"attempts": 3, "longest_wait_seconds": 0.05, "timeout_seconds": 60}
    fetch = {
        "binance": ["spot_candles_1h", "perp_candles_1h", "perp_candles_5m", "mark_candles_1h", "funding_rates"],
        "bybit": ["spot_candles_1h", "perp_candles_1h", "mark_candles_1h", "funding_rates"],
        "okx": ["perp_candles_1h", "mark_candles_1h", "funding_rates"],
    }
    for name, datasets in fetch.items():
        content[name] |= {
            "api_url": url,
            "requests_per_second": 1000,
            "fetch": {dataset: [SYMBOL] for dataset in datasets},
        }
    content["binance"] |= {"archive_url": url, "archive_requests_per_second": 1000}
    content["ethereum"] |= {
        "requests_per_second": 1000,
        "pool": POOL,
        "oracle": ORACLE,
        "reserves": {"USDT": USDT},
        "hourly_rates": ["USDT"],
        "ratios": {"weETH": {"rate_of": WEETH}, "wstETH": {"rebases_of": LIDO}},
    }
