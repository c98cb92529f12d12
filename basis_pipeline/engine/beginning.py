"""What an engine begins from: settings that are valid, and a checkpoint that belongs to them."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode
from basis_pipeline.domain.state import EngineState, PositionState
from basis_pipeline.engine.event_logger import EventLogger


def validated(
    settings: EngineSettings, execution_mode: str, initial_capital: float, share_class: str
) -> EngineSettings:
    """The settings with what the constructor was given; ConfigError if it is not valid (R79)."""
    if not initial_capital > 0.0:
        raise ConfigError(f"initial_capital {initial_capital!r} of {settings.mode} is not > 0.")
    if share_class != settings.share_class:
        raise ConfigError(
            f"{settings.mode} is written for share class {settings.share_class}, not {share_class!r}.",
            remedy="use a mode of that share class.",
        )
    if execution_mode not in set(ExecutionMode):
        raise ConfigError(f"execution_mode {execution_mode!r} is neither backtest nor live.")
    return replace(settings, execution_mode=ExecutionMode(execution_mode), initial_capital=float(initial_capital))


def check_state(settings: EngineSettings, state: EngineState) -> None:
    """StateError STATE-003 if the checkpoint is of another mode or configuration; names the keys that differ."""
    if state.mode != settings.mode:
        raise StateError(f"the checkpoint is of mode {state.mode}, not {settings.mode}.", code="STATE-003")
    if state.config_digest == settings.config_digest:
        return
    fields = sorted(
        key
        for key in state.behaviour.keys() | settings.behaviour.keys()
        if state.behaviour.get(key) != settings.behaviour.get(key)
    )
    raise StateError(
        f"the checkpoint of {state.mode} was made with another configuration; these keys differ: {', '.join(fields)}.",
        code="STATE-003",
        remedy="restore the configuration, or re-run from the opening month with --reopen.",
    )


def event_logger(universe: Universe, state: EngineState | None) -> EventLogger:
    """Goes on with the checkpoint's numbering and reported findings."""
    return EventLogger(universe, state.event_sequence, state.risk_findings) if state else EventLogger(universe, 0, ())


def held_by(settings: EngineSettings, state: EngineState | None) -> Positions:
    """By slot, what the checkpoint holds by key; nothing without one."""
    if state is None:
        zeros = (0.0,) * len(settings.universe)
        return Positions(zeros, zeros)
    held = [state.positions.get(key, PositionState(0.0, 0.0)) for key in settings.universe.keys]
    brackets = tuple((slot, p.bracket) for slot, p in enumerate(held) if p.bracket is not None)
    return Positions(tuple(p.quantity for p in held), tuple(p.entry_price for p in held), brackets)
