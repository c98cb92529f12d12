"""A week lived twice: as a backtest, and as a live session on a fake exchange fed by the same candles.

The exchange fills, charges and pays in its own words, through the real client; the session finds it all out by asking.
What remains different is the gap between backtest and live that the design leaves: rounding, and the moment of a fill.
"""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from basis_pipeline.domain.timeline import DAY, HOUR, iso, month_start
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.sample import generate
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.live_differences.differences import Life, LiveDifferences, differences
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.live.compare import live_life
from basis_pipeline.runs.live.record import session_abouts
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline_tests.builders import CONFIGS
from basis_pipeline_tests.fakes.candles import Candles
from basis_pipeline_tests.live.stage import Stage, holds_what_the_venue_holds, mode_at, stage

START = month_start("2024-03")
DAYS = 7


def compare(
    validated: Path, *, venue: str = "binance", start: int = START, days: int = DAYS, interval: float = 3_600.0
) -> LiveDifferences:
    """Live the days from `start` twice; the live session ticks every `interval` seconds."""
    mode = mode_at(venue)
    frame = build_frame(ValidatedStore(validated), mode.frame_spec, start, start + days * DAY)
    settings = mode.settings
    engine = EventDrivenStrategyEngine(
        mode.engine_config(), "backtest", frame, settings.initial_capital, settings.share_class
    )
    backtest = Life(settings.universe)
    backtest.add(engine.run(frame.timestamps))
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder), venue) as there:
        there.books.now = start
        there.options = {"interval": interval}
        feed_by(there, frame)
        there.session().run(until=start + days * DAY)
        holds_what_the_venue_holds(there)
        with closing(LiveJournal.read(there.path, there.clock.wall)) as journal:
            live = live_life(journal, session_abouts(journal)[-1])
    return differences(mode.name, "live-dev", settings.share_class, live, backtest)


def feed_by(there: Stage, frame: Frame) -> None:
    """Let the exchange's prices be those of the frame, and let it pay funding when the frame does."""
    candles = Candles.of(there.books, frame, there.mode.settings.universe, there.name)
    candles.show(there.books.now)
    there.clock.script = lambda books: candles.reach(books.now - books.now % HOUR)


def sample(folder: Path) -> Path:
    """Validated sample data that contain the week."""
    generate(folder / "raw", first_month="2024-02", months=2)
    root = DataRoot(folder / "root")
    ingest(root, folder / "raw", config_dir=CONFIGS)
    return root.validated


def table(made: LiveDifferences) -> str:
    live, backtest = made.counts()
    lines = [
        f"| {item.name.replace('_', ' ')} | {item.backtest:,.2f} | {item.live:,.2f} | {item.difference:+,.2f} |"
        for item in made.items
        if abs(item.live) + abs(item.backtest) > 0.005
    ]
    ours, theirs = float(made.live[-1]), float(made.backtest[-1])
    end = f"| **equity at the end** | {theirs:,.2f} | {ours:,.2f} | {ours - theirs:+,.2f} |"
    counted = f"| orders | {backtest} | {live} | {live - backtest:+d} |"
    return "\n".join(["| USDT | backtest | live | difference |", "|---|---:|---:|---:|", counted, *lines, end])


def days(made: LiveDifferences) -> str:
    lines = [
        f"| {iso(day.start)[:10]} | {day.backtest:,.2f} | {day.live:,.2f} | {day.difference_bp:+.2f} "
        f"| {day.widest_bp:.2f} |"
        for day in made.days()
    ]
    head = ["| day | backtest | live | difference at its end, bp | widest, bp |", "|---|---:|---:|---:|---:|"]
    return "\n".join([*head, *lines])


def page(validated: Path) -> str:
    made = compare(validated)
    return f"""# Live against backtest

`make live-week`: `btc_basis` on Binance alone, 100,000 USDT, hourly, {DAYS} days from {iso(START)} of the
sample data: once as a backtest, once as a live session (real engine, journal, client library) on a fake exchange that
shows the same candles and pays the same funding rates. `basis live-compare MODE` makes the same table of a real record
and its replay.

{table(made)}

The differences by source sum to the difference of equity. The two paths are never further apart than
{made.widest_bp:.2f} bp:

{days(made)}

Known reasons: the fake fills 2 bp from its price, the backtest by its slippage table; a backtest begins with its
capital in a wallet and pays for the transfer; an exchange keeps the fee of a purchase in the token bought, the backtest
charges it in USDT: the book then holds 0.1% less of the coin than its short, which is the profit from prices above.
"""


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made_in:
        Path(sys.argv[1]).write_text(page(sample(Path(made_in))), encoding="utf-8")
