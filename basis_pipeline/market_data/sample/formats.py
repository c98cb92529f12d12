"""Bytes of the file formats vendors use; equal values give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

from basis_pipeline.market_data.sample.period import Floats, Ints

Column = str | Sequence[object] | npt.NDArray[Any]
"""Values of a CSV column; a plain string stands in every row."""

CRLF = "\r\n"


def csv_bytes(
    columns: Mapping[str, Column], *, newline: str = "\n", preamble: Sequence[str] = (), last_newline: bool = True
) -> bytes:
    """A CSV file, floats in their shortest exact form; `preamble` goes above the header as `# ` comments."""
    lists = {name: values.tolist() if isinstance(values, np.ndarray) else values for name, values in columns.items()}
    rows = next(len(values) for values in lists.values() if not isinstance(values, str))
    texts = [[values] * rows if isinstance(values, str) else map(str, values) for values in lists.values()]
    lines = [*(f"# {line}" for line in preamble), ",".join(columns), *map(",".join, zip(*texts, strict=True))]
    return (newline.join(lines) + (newline if last_newline else "")).encode()


def feather_bytes(stamps: Ints, columns: Mapping[str, Floats]) -> bytes:
    """Feather with a `date` column of nanoseconds UTC before `columns`."""
    date = pd.DatetimeIndex(stamps.astype("M8[us]").astype("M8[ns]"), tz="UTC")
    buffer = BytesIO()
    feather.write_feather(pd.DataFrame({"date": date, **columns}), buffer)
    return buffer.getvalue()


def parquet_bytes(stamps: Ints, columns: Mapping[str, Floats | None]) -> bytes:
    """Parquet with the stamps as unnamed zoneless index (`__index_level_0__`); None is a column of type null."""
    index = pd.DatetimeIndex(stamps.astype("M8[us]").astype("M8[ns]"))
    buffer = BytesIO()
    pq.write_table(pa.Table.from_pandas(pd.DataFrame(columns, index=index, dtype=object).infer_objects()), buffer)
    return buffer.getvalue()


def json_bytes(content: object) -> bytes:
    return json.dumps(content, indent=2).encode()
