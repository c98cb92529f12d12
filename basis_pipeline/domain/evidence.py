"""What a month is judged by and what it was computed from: data usage, gate results."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Source(StrEnum):
    """What a record is of: simulated venues over historical data, or real ones."""

    BACKTEST = "backtest"
    LIVE = "live"


class SeriesUsage(msgspec.Struct, frozen=True):
    """One data series as a month used it.

    Attributes:
        dataset, venue, symbol: the series.
        rows: values that some timestep of the month used.
        filled: of them, taken from a declared second source.
        proxied: of them, estimated from other venues.
        corrected: of them, moved by a declared stamp correction.
        complete: the series reaches the last step of the month.
        generations: published generation of each month of data that was read, by month.
    """

    dataset: str
    venue: str
    symbol: str
    rows: int
    filled: int = 0
    proxied: int = 0
    corrected: int = 0
    complete: bool = True
    generations: dict[str, str] = {}

    @property
    def name(self) -> str:
        return f"{self.dataset}/{self.venue}/{self.symbol}"


class DataUsage(msgspec.Struct, frozen=True):
    """All series a month used. `stand_ins` says in words where one series stood in for a missing kind."""

    series: tuple[SeriesUsage, ...] = ()
    stand_ins: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return all(series.complete for series in self.series)


class GateSeverity(StrEnum):
    ERROR = "error"
    WARN = "warn"


class GateStatus(StrEnum):
    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


class GateResult(msgspec.Struct, frozen=True):
    """The verdict of one gate on one month.

    Attributes:
        gate: its name in the registry.
        severity: what a violation means.
        status: passed; warned (violated, severity WARN); failed (violated, severity ERROR).
        value: the number judged, NULL where there is none.
        threshold: what it was held against, in words with units.
        message: what was found, naming the worst timestamp.
    """

    gate: str
    severity: GateSeverity
    status: GateStatus
    value: float | None
    threshold: str
    message: str


class GateDescription(msgspec.Struct, frozen=True, kw_only=True):
    """One gate in words, for documents, the command line and the UI.

    Attributes:
        name: stable identifier, safe to search for.
        severity: what a violation means. Of a month: ERROR keeps it from being published, WARN is shown beside it. Of
            market data: ERROR keeps a file, a series or a month of it from being used, WARN is told.
        title: the property that holds when the gate passes.
        protects_from: what would go unnoticed without it.
        computed: what it reads and how.
        threshold: what the value is held against, with units.
        configured: keys that set the threshold; empty where it is fixed.
        datasets: of market data it judges, `()` for a gate on months; `*` stands for all of them.
    """

    name: str
    severity: GateSeverity
    title: str
    protects_from: str
    computed: str
    threshold: str
    configured: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()


class Estimate(msgspec.Struct, frozen=True):
    """A figure from a sample with its 95% confidence interval."""

    value: float
    low: float
    high: float


class OutOfSampleSkill(msgspec.Struct, frozen=True):
    """How well a month was predicted by a model that had not seen it.

    Attributes:
        outcomes: independent outcomes: those judged overlap, and are this many times the horizon.
        hit_rate: share of directions that were right; a coin has 0.5.
        auc: area under the ROC curve; without skill 0.5.
        ic: rank correlation of probability and return; without skill 0.
        edge: mean log return over the horizon in the direction said, before costs.
    """

    outcomes: int
    hit_rate: Estimate
    auc: Estimate
    ic: Estimate
    edge: Estimate

    @property
    def shown(self) -> bool:
        """Whether the whole interval of the AUC lies above chance."""
        return self.auc.low > 0.5


class SignalEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """Where the signals of one month come from, as it was published with them.

    Attributes:
        model: its name.
        digest: of what the model says.
        inputs: digest of the model's file and of the candles it looks at.
        fingerprint: of everything the month's model is a function of: inputs, code, library.
        training_months: months it was trained on, first and last.
        rows: rows it was trained on.
        first_row, last_row: when the first and the last of them could have been acted on, microseconds UTC.
        last_outcome: when the last of their outcomes was known.
        first_signal: the first prediction of the month.
        skill: None where the month has too few outcomes yet.
    """

    model: str
    digest: str
    inputs: str
    fingerprint: str
    training_months: tuple[str, str]
    rows: int
    first_row: int
    last_row: int
    last_outcome: int
    first_signal: int
    skill: OutOfSampleSkill | None = None
