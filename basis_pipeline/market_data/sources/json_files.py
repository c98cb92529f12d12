"""Reading JSON files into typed records, with errors that name file and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.layout import Recognition

_T = TypeVar("_T")


def decode(found: Recognition, kind: type[_T]) -> _T:
    """The file as `kind`; a missing or ill-typed key is an error that names it."""
    try:
        return msgspec.json.decode(found.file.path.read_bytes(), type=kind)
    except msgspec.MsgspecError as error:
        remedy = "correct the file or download it again."
        raise reject("wrong_content", f"{error}.", remedy=remedy, file=found.file.name) from error


def item_frame(timestamp: Sequence[int], columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> pd.DataFrame:
    """Rows of a file that has items instead of lines; `source_row` counts the items."""
    stamps = np.asarray(timestamp, dtype=np.int64)
    return pd.DataFrame({"timestamp": stamps, **columns, "source_row": np.arange(1, len(stamps) + 1)})
