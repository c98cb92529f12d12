"""The eleven components. Pure: no I/O, no clock, no logging. Read `event_driven_strategy_engine` first."""
