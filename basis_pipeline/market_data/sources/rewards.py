"""What the reward layouts share: periods of days, both ends included."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from basis_pipeline.domain.timeline import DAY
from basis_pipeline.market_data.sources.tables import Int64s

VENUE = "etherfi"

Columns = dict[str, npt.NDArray[np.float64] | Int64s]


def period(start: Int64s, end: Int64s, payout: Int64s) -> Columns:
    """Columns of a reward period. Vendors count end - start; a week is 7 days, so both ends count here."""
    days = (end - start) / DAY + 1.0
    return {"period_start": start, "period_end": end, "payout_date": payout, "period_days": days}
