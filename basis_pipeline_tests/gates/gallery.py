"""For every gate, months with one defect that it has to find."""

from __future__ import annotations

from basis_pipeline_tests.gates.exhibits import Exhibit
from basis_pipeline_tests.gates.gallery_books import attribution_exhibits, capital_exhibits, position_exhibits
from basis_pipeline_tests.gates.gallery_chain import chain_exhibits, continuity_exhibits, order_exhibits
from basis_pipeline_tests.gates.gallery_markets import (
    data_exhibits,
    fill_exhibits,
    funding_exhibits,
    profit_exhibits,
    risk_exhibits,
    yield_exhibits,
)
from basis_pipeline_tests.gates.gallery_signals import signal_exhibits

GALLERY: tuple[Exhibit, ...] = (
    *capital_exhibits(),
    *chain_exhibits(),
    *order_exhibits(),
    *attribution_exhibits(),
    *continuity_exhibits(),
    *position_exhibits(),
    *risk_exhibits(),
    *data_exhibits(),
    *yield_exhibits(),
    *funding_exhibits(),
    *fill_exhibits(),
    *profit_exhibits(),
    *signal_exhibits(),
)
