"""Synthetic vendor files: what runs offline where no real data are at hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.domain.timeline import parse_month
from basis_pipeline.market_data.sample.period import Period
from basis_pipeline.market_data.sample.plan import VERSION, PlannedFile, plan
from basis_pipeline.market_data.sample.stress import Stress
from basis_pipeline.storage.files import put_bytes

__all__ = ["DEFAULT_ASSETS", "VERSION", "file_names", "generate"]

DEFAULT_ASSETS = ("BTC", "ETH")

_ASSET = re.compile(r"[A-Z0-9]{2,10}")


def generate(
    raw: Path,
    *,
    first_month: str = "2024-01",
    months: int = 12,
    seed: int = 7,
    assets: Sequence[str] = DEFAULT_ASSETS,
    stress: Sequence[str] = (),
    progress: ProgressCallback | None = None,
) -> list[Path]:
    """Write a synthetic data set below `raw` in the vendors' own layouts.

    Equal arguments give equal bytes. A longer sample begins with the prices and rates of a shorter one, and a further
    asset changes none of the others. Ethereum files and reward tokens are always part of it.

    Args:
        raw: folder to write into; files of the same names are replaced.
        first_month: `YYYY-MM`.
        months: length, at least 1.
        seed: of all random factors, at least 0.
        assets: coins with spot, perpetual, mark and funding files against USDT, e.g. BTC, ETH, SOL.
        stress: `YYYY-MM=episode` texts, see `stress.Episode`; none is a calm sample.
        progress: called after every file.

    Returns:
        The files written, in order of writing.

    Raises:
        ConfigError: an argument is out of range.
        StorageError: a file cannot be written.
    """
    files = _plan(first_month, months, seed, assets, stress)
    written = []
    for done, (path, content) in enumerate(files, start=1):
        put_bytes(raw / path, content())
        written.append(raw / path)
        if progress:
            progress(path, done, len(files))
    return written


def file_names(
    *, first_month: str, months: int, seed: int, assets: Sequence[str], stress: Sequence[str] = ()
) -> list[str]:
    """What `generate` would write, relative to the raw folder.

    Raises:
        ConfigError: an argument is out of range.
    """
    return [path for path, _ in _plan(first_month, months, seed, assets, stress)]


def _plan(first_month: str, months: int, seed: int, assets: Sequence[str], stress: Sequence[str]) -> list[PlannedFile]:
    parse_month(first_month, name="first_month")
    if months < 1:
        raise ConfigError(f"months {months} is not a length.", remedy="give at least 1.")
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative.", remedy="give 0 or more.")
    wrong = [name for name in assets if not _ASSET.fullmatch(name)]
    if wrong or not assets or len(set(assets)) < len(assets):
        raise ConfigError(
            f"assets {list(assets)} are not distinct coins.",
            remedy="name each once in capitals, for example BTC ETH SOL.",
        )
    period = Period.of(first_month, months)
    return plan(period, seed, assets, Stress.parse(stress, period))
