"""The use case `signals`: models trained walk-forward on validated candles, their signals published as market data.

A month is trained again only if something it is a function of has changed: the model's file, the code, scikit-learn,
or the candles of the months it looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from basis_pipeline.config.models import DirectionalStrategy
from basis_pipeline.config.signal_models import SignalModelFile
from basis_pipeline.domain.errors import ConfigError, DataError, StorageError
from basis_pipeline.domain.evidence import SignalEvidence
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.domain.timeline import month_end, month_start, months_between, shift_month
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS
from basis_pipeline.market_data.frames.reliability import barring, require_reliable
from basis_pipeline.market_data.frames.requirements import SeriesRef
from basis_pipeline.market_data.manifests import MonthBody, RowCounts, coverage_of
from basis_pipeline.market_data.validated import TIMESTAMP, ValidatedStore, month_path, series_path
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.files import exclusive_lock

CANDLES = "perp_candles_5m"
_EVIDENCE = "signals"
_LOOK_BACK = 1
"""Months before the first training row that features may look into."""

TrainMonth = Callable[[SignalModelFile, pa.Table, str], tuple[pa.Table, SignalEvidence]]


@dataclass(frozen=True)
class SignalMonth:
    """One published month of signals; `trained` is False where an earlier publication still holds."""

    month: str
    evidence: SignalEvidence
    trained: bool


def model_of(workspace: Workspace, mode: str) -> str | None:
    """The model that `mode` follows, if it is trained here; None for other modes and for signals from a file."""
    strategy = workspace.config.mode(mode).strategy
    if not isinstance(strategy, DirectionalStrategy):
        return None
    return strategy.model if strategy.model in workspace.config.signal_models() else None


def evidence_of(store: ValidatedStore, series: SeriesRef | None, month: str) -> SignalEvidence | None:
    """`signal_evidence` of the series a mode reads; None for a mode that follows no model."""
    return signal_evidence(store, series.venue, series.symbol, month) if series else None


def signal_evidence(store: ValidatedStore, model: str, symbol: str, month: str) -> SignalEvidence | None:
    """What was published with a month of signals; None where they come from a file, or there are none.

    Raises:
        StorageError: it was published by a version that said less.
    """
    told = _told(store, model, symbol, month)
    if told is None:
        return None
    try:
        return msgspec.convert(told, SignalEvidence)
    except msgspec.ValidationError as error:
        raise StorageError(
            f"the signals of {model} for {month} were published by another version: {error}.",
            code="STORE-003",
            remedy=f"train them again: basis signals {model}.",
        ) from error


def _told(store: ValidatedStore, model: str, symbol: str, month: str) -> dict[str, Any] | None:
    found = store.publications(ML_SIGNALS).find(month_path(model, symbol, month))
    return found.body.get(_EVIDENCE) if found else None


def train_signals(workspace: Workspace, model: str, progress: ProgressCallback | None = None) -> list[SignalMonth]:
    """Train `model` for every month of candles after its warm-up and publish what changed.

    Raises:
        ConfigError: there is no such model, or scikit-learn is not installed.
        DataError: there are no candles, too few to train on, or some that must not be used.
    """
    file, store = workspace.config.signal_model(model), workspace.validated
    train, months = _trainer(), _months(file, store)
    done = []
    with exclusive_lock(workspace.root.path / "locks" / f"signals.{model}.lock", purpose=f"training {model}"):
        for number, month in enumerate(months):
            if progress:
                progress(f"{model} {month}", number, len(months))
            done.append(_month(store, file, month, train))
        _withdraw_others(store, file, months)
    if progress:
        progress(model, len(months), len(months))
    return done


def warm_up(workspace: Workspace, model: str) -> tuple[str, ...]:
    """Months of candles before the first prediction of `model` (R76): they are learnt from, and nothing is said."""
    file = workspace.config.signal_model(model)
    return workspace.validated.months(CANDLES, file.venue, file.symbol)[: file.warm_up_months]


def signals_version(workspace: Workspace, model: str) -> str:
    """Digest of every published month of the signals of `model`, equal for equal content; empty if there is none."""
    found = list(workspace.validated.publications(ML_SIGNALS).publications(f"venue={model}/"))
    return text_digest(*(f"{month.partition}={month.generation}" for month in found)) if found else ""


def published_signals(workspace: Workspace, model: str) -> list[SignalMonth]:
    """Every published month of the signals of `model` that was trained here.

    Raises:
        StorageError: one was published by a version that said less.
    """
    store, symbol = workspace.validated, workspace.config.signal_model(model).symbol
    told = ((month, signal_evidence(store, model, symbol, month)) for month in store.months(ML_SIGNALS, model, symbol))
    return [SignalMonth(month, evidence, trained=False) for month, evidence in told if evidence is not None]


def outdated_signals(workspace: Workspace, model: str) -> list[str]:
    """Published months whose model file or candles are others today than when they were trained."""
    file, store = workspace.config.signal_model(model), workspace.validated
    found = published_signals(workspace, model)
    return [one.month for one in found if one.evidence.inputs != _inputs(store, file, one.month)[0]]


def _months(file: SignalModelFile, store: ValidatedStore) -> tuple[str, ...]:
    """Months of candles after the warm-up (R76)."""
    candles = store.months(CANDLES, file.venue, file.symbol)
    if len(candles) <= file.warm_up_months:
        raise DataError(
            f"{file.name} needs more than its {file.warm_up_months} months of warm-up; {CANDLES} of {file.venue} "
            f"{file.symbol} has {len(candles)}.",
            code="DATA-003",
            remedy="ingest more months of 5-minute candles, or lower warm_up_months.",
        )
    return candles[file.warm_up_months :]


def _month(store: ValidatedStore, file: SignalModelFile, month: str, train: TrainMonth) -> SignalMonth:
    inputs, seen = _inputs(store, file, month)
    fingerprint = text_digest(inputs, _code_digest())
    before = _told(store, file.name, file.symbol, month)
    if before is not None and before.get("fingerprint") == fingerprint:
        return SignalMonth(month, msgspec.convert(before, SignalEvidence), trained=False)
    require_reliable(store, _candles(file), sorted(seen))
    candles = store.read(CANDLES, file.venue, file.symbol, month_start(min(seen)), month_end(month), pinned=seen)
    table, evidence = train(file, candles, month)
    evidence = replace(evidence, inputs=inputs, fingerprint=fingerprint)
    body = _body(file, month, table).to_builtins() | {_EVIDENCE: msgspec.to_builtins(evidence)}
    store.publications(ML_SIGNALS).publish(month_path(file.name, file.symbol, month), {ML_SIGNALS: table}, body)
    return SignalMonth(month, evidence, trained=True)


def _inputs(store: ValidatedStore, file: SignalModelFile, month: str) -> tuple[str, dict[str, str]]:
    """Digest of the model's file and of the candles that the model of `month` sees, and their generations.

    What the ingestion says against those candles counts as well: signals that learnt from them are outdated.
    """
    first = shift_month(month, -file.training_months - _LOOK_BACK)
    seen = store.generations(CANDLES, file.venue, file.symbol, months_between(first, month))
    candles = (f"{name}={generation}" for name, generation in sorted(seen.items()))
    refused = (f"{name}: {finding}" for name, finding in barring(store, _candles(file), sorted(seen)))
    return text_digest(file.model_dump_json(), *candles, *refused), seen


def _candles(file: SignalModelFile) -> SeriesRef:
    return SeriesRef(CANDLES, file.venue, file.symbol)


def _body(file: SignalModelFile, month: str, table: pa.Table) -> MonthBody:
    stamps = table.column(TIMESTAMP).to_numpy().astype("datetime64[us]").astype(np.int64)
    coverage = coverage_of(stamps, dataset(ML_SIGNALS).step)
    counts = RowCounts(table.num_rows, table.num_rows)
    return MonthBody(ML_SIGNALS, file.name, file.symbol, month, coverage, counts, ())


def _withdraw_others(store: ValidatedStore, file: SignalModelFile, months: tuple[str, ...]) -> None:
    """Months that the model no longer speaks of, because its warm-up grew or its candles are gone."""
    publications = store.publications(ML_SIGNALS)
    for partition in publications.partitions(series_path(file.name, file.symbol) + "/"):
        if partition.rpartition("=")[2] not in months:
            publications.withdraw(partition)


def _trainer() -> TrainMonth:
    try:
        from basis_pipeline.runs.signal_training import train_month  # noqa: PLC0415 - scikit-learn is an extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"training a model needs {error.name}, which is not installed.",
            remedy="install the extra: pip install 'basis-pipeline[ml]'.",
        ) from error
    return train_month


@cache
def _code_digest() -> str:
    """Digest of what turns candles into signals and evidence, and of the library that learns."""
    package = Path(__file__).parents[1]
    files = [
        *sorted((package / "ml").glob("*.py")),
        package / "runs" / "signal_training.py",
        package / "domain" / "evidence.py",
    ]
    return text_digest(version("scikit-learn"), *(file.read_text(encoding="utf-8") for file in files))
