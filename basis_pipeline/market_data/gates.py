"""The gates on market data in words: every rule and check whose finding is a WARN or an ERROR, by the finding's name.

They are computed where the data are read (`sources`), repaired (`rules`) and looked at (`checks`). ERROR: the file or
the series is not taken and what was published before stays; a finding on one month makes runs refuse that month.
WARN: it was handled, and whoever uses the figures should know.
"""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateDescription
from basis_pipeline.market_data.gates_of_files import FILE_GATES
from basis_pipeline.market_data.gates_of_funding import FUNDING_GATES
from basis_pipeline.market_data.gates_of_prices import PRICE_GATES
from basis_pipeline.market_data.gates_of_tables import TABLE_GATES

DATA_GATES: tuple[GateDescription, ...] = (*FILE_GATES, *PRICE_GATES, *FUNDING_GATES, *TABLE_GATES)
