"""Digests over canonical Arrow content: equal data gives equal digests whatever the Parquet bytes or chunks are."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def table_digest(table: pa.Table) -> str:
    """SHA-256 (hex) over column names, logical types, null masks and values in row order.

    Dictionary encoding and chunking do not change it; -0.0 and 0.0 differ, all NaN are one value.
    """
    digest = hashlib.sha256(f"rows={table.num_rows}".encode())
    for name, column in zip(table.column_names, table.columns, strict=True):
        _update(digest, name, column.combine_chunks())
    return digest.hexdigest()


def text_digest(*parts: str) -> str:
    """SHA-256 (hex) of strings, each length-prefixed so that no two lists collide."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"{len(part)}:".encode() + part.encode())
    return digest.hexdigest()


def _update(digest: hashlib._Hash, name: str, column: pa.Array | pa.ChunkedArray) -> None:
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    digest.update(f"|{name}:{_logical_type(column.type)}".encode())
    digest.update(np.packbits(column.is_valid().to_numpy(zero_copy_only=False)).tobytes())
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        encoded = pc.fill_null(column, "").dictionary_encode()
        for value in encoded.dictionary.to_pylist():
            digest.update(f"{len(value)}:{value}".encode())
        digest.update(encoded.indices.to_numpy(zero_copy_only=False).astype("<i8").tobytes())
    elif pa.types.is_floating(column.type):
        values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype("<f8")
        values[np.isnan(values)] = np.nan
        digest.update(values.tobytes())
    elif pa.types.is_boolean(column.type):
        digest.update(np.packbits(pc.fill_null(column, fill_value=False).to_numpy(zero_copy_only=False)).tobytes())
    else:
        integers = column.cast(pa.int64()) if not pa.types.is_int64(column.type) else column
        digest.update(pc.fill_null(integers, 0).to_numpy(zero_copy_only=False).astype("<i8").tobytes())


def _logical_type(kind: pa.DataType) -> str:
    return "string" if pa.types.is_large_string(kind) else str(kind)
