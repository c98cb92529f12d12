"""One pass of a mode over one month: engine, tables, and what its gates look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.evidence import GateResult
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timings import Moments
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.gates.evidence import MonthEvidence, content_digest
from basis_pipeline.gates.market import MonthMarket
from basis_pipeline.market_data.frames.frame import Frame
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.build import build_tables
from basis_pipeline.runs.signals import evidence_of
from basis_pipeline.runs.workspace import SystemClock


class Simulation(NamedTuple):
    """What one pass of the engine over a month leaves: all tables but `metrics`."""

    tables: dict[str, pa.Table]
    state: EngineState
    moments: Moments

    @property
    def digest(self) -> str:
        return content_digest(self.tables, self.state)


def simulate(wired: WiredMode, frame: Frame, state: EngineState | None) -> Simulation:
    """Run the timesteps of `frame`, from `state` or, at an opening, from the configured capital."""
    settings = wired.settings
    engine = EventDrivenStrategyEngine(
        wired.engine_config(),
        settings.execution_mode,
        frame,
        settings.initial_capital,
        settings.share_class,
        state=state,
        clock=SystemClock(),
    )
    log = engine.run(frame.timestamps)
    return Simulation(_tables(wired, engine), engine.state(), log.moments)


def month_evidence(
    validated: ValidatedStore,
    wired: WiredMode,
    month: str,
    *,
    before: EngineState | None,
    frame: Frame,
    run: Simulation,
    allow_open: bool,
    experiment: bool,
) -> MonthEvidence:
    """What gates judge a month by that was simulated once."""
    return MonthEvidence(
        month=month,
        opening=before is None,
        profile=wired.profile,
        universe=wired.settings.universe,
        tables=run.tables,
        market=MonthMarket.of([frame.at(step) for step in frame.timestamps], before.market if before else None),
        usage=frame.usage,
        state=run.state,
        previous=before,
        allow_open=allow_open,
        experiment=experiment,
        signals=evidence_of(validated, wired.frame_spec.signals, month),
    )


def rejection(wired: WiredMode, month: str, failure: GateResult) -> str:
    """Why a month does not count, in words."""
    return f"{wired.name} {month}: gate {failure.gate} failed: {failure.message} ({failure.threshold})."


def _tables(wired: WiredMode, engine: EventDrivenStrategyEngine) -> dict[str, pa.Table]:
    settings = wired.settings
    venues = [account.venue for account in settings.margin_accounts]
    signals = wired.frame_spec.signals is not None
    return tracked_tables(engine.log, settings.universe, venues, wired.tracked_assets, signals=signals)


def tracked_tables(
    log: RunLog, universe: Universe, margin_venues: Sequence[str], tracked: Sequence[str], *, signals: bool
) -> dict[str, pa.Table]:
    """All tables of a log but `metrics`, with the exposures of `tracked` assets only."""
    tables = build_tables(log, universe, margin_venues, signals=signals)
    if tuple(tracked) != universe.assets:
        exposures = tables["exposures"]
        tables["exposures"] = exposures.filter(pc.is_in(exposures["asset"].cast(pa.string()), pa.array(tracked)))
    return tables
