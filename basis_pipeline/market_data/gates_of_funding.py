"""Gates on funding: settlements that are missing, of another interval, another unit or another sign."""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateDescription, GateSeverity
from basis_pipeline.market_data.gates_of_files import data_gate as _gate

ERROR, WARN = GateSeverity.ERROR, GateSeverity.WARN
_GENERAL = "configs/data/general.yaml: "

FUNDING_GATES: tuple[GateDescription, ...] = (
    _gate(
        "proxy:median_of_venues",
        WARN,
        "Every settlement is the venue's own",
        "earnings that no venue paid",
        computed="settlements stood in for by the median of the other venues",
        threshold="0 settlements",
        datasets=("funding_rates",),
        configured=(_GENERAL + "funding_proxies_per_month",),
    ),
    _gate(
        "off_interval",
        ERROR,
        "Settlements are those of the stated interval",
        "half of the funding of a venue that settles twice as often",
        computed="stamp modulo the interval in the file's name; such rows are set aside",
        threshold="0 settlements in a month",
        datasets=("funding_rates",),
    ),
    _gate(
        "funding_scale",
        ERROR,
        "Funding rates are fractions",
        "percentages taken for fractions, a hundred times the funding",
        computed="mean |rate| of a month against every other venue's; without one, a year of it",
        threshold="within funding_factor of a venue, <= funding_per_year alone",
        datasets=("funding_rates",),
        configured=(_GENERAL + "funding_factor", _GENERAL + "funding_per_year"),
    ),
    _gate(
        "funding_apart",
        WARN,
        "A venue pays about what the others pay",
        "rates stated for another interval than that of the file",
        computed="mean |rate| of a month against every other venue's",
        threshold="within 5 x of a venue",
        datasets=("funding_rates",),
    ),
    _gate(
        "contradicted_funding",
        ERROR,
        "No settlement is absurd and alone",
        "a few rows in percent or basis points, paid a hundred times",
        computed="rates above 0.1% against the largest of every other venue within 36 h",
        threshold="<= funding_factor x",
        datasets=("funding_rates",),
        configured=(_GENERAL + "funding_factor",),
    ),
    _gate(
        "funding_sign",
        ERROR,
        "Funding has the sign of the other venues",
        "payments taken for income",
        computed="correlation of a month's rates with every other venue's, from 60 settlements on",
        threshold=">= -0.5 with one of them",
        datasets=("funding_rates",),
    ),
    _gate(
        "zero_funding",
        ERROR,
        "A rate of zero is a rate",
        "missing settlements that were written as zeros",
        computed="settlements of exactly zero that no other venue has as zeros",
        threshold="<= 10% of a month",
        datasets=("funding_rates",),
    ),
    _gate(
        "funding_hole",
        ERROR,
        "A month's funding is hardly guessed",
        "a month of funding that is mostly estimates",
        computed="settlements missing in a month; they stay missing",
        threshold="<= funding_proxies_per_month",
        datasets=("funding_rates",),
        configured=(_GENERAL + "funding_proxies_per_month",),
    ),
)
