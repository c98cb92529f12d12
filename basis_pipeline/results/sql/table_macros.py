"""Questions with parameters: the table macros of the catalogue, one documented file each in `macros/`.

A file is a comment and a statement::

    -- What it answers, in one sentence.
    -- example: from equity('btc_basis')
    -- column | type | unit | meaning                 one line per column, in order
    CREATE MACRO equity(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
    SELECT ...

They read the schema `records` and answer for the standing record unless `experiment` names one. `first` and `last` are
months, both included. A mode, month or experiment that is not published is an error: it never looks like an answer
without rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb

from basis_pipeline.results.tables import ColumnDoc

_FOLDER = Path(__file__).with_name("macros")
_SIGNATURE = re.compile(r"^CREATE MACRO (\w+)\((.*)\) AS TABLE$", re.MULTILINE)

_FIRST = ("equity", "stops")
"""Other macros are made of these."""

_REQUIRE = """
CREATE MACRO require_published(of_mode, first, last, experiment) AS TABLE
WITH found AS (
    SELECT month FROM records.published_months
    WHERE mode = of_mode AND record = coalesce(experiment, 'standing')
), range AS (
    SELECT count(*) AS months, min(month) || ' to ' || max(month) AS covered,
        of_mode || ' in ' || coalesce('experiment ' || experiment, 'the standing record') AS wanted,
        (SELECT coalesce(string_agg(DISTINCT mode || ' in ' || record, ', ' ORDER BY mode || ' in ' || record), 'none')
         FROM records.published_months) AS known
    FROM found
)
SELECT months FROM range
WHERE CASE
    WHEN months = 0
    THEN error('nothing is published for ' || coalesce(wanted, 'no mode') || '; published are ' || known)
    WHEN first NOT IN (SELECT month FROM found)
    THEN error('month ' || first || ' is not published for ' || wanted || '; published are ' || covered)
    WHEN last NOT IN (SELECT month FROM found)
    THEN error('month ' || last || ' is not published for ' || wanted || '; published are ' || covered)
    WHEN last < first THEN error('the range ends in ' || last || ', before it begins in ' || first)
    ELSE false END
"""

_GUARDED = """
CREATE MACRO {name}({parameters}) AS TABLE
SELECT * EXCLUDE (refused) FROM (
    SELECT false AS refused, * FROM ({body})
    UNION ALL BY NAME
    SELECT true AS refused FROM require_published(of_mode, {first}, {last}, experiment)
)
OFFSET 0
"""
"""The guard must be asked whatever is filtered outside: filters do not move below an OFFSET."""


class Macro(NamedTuple):
    """One file of `macros/`. `body` is the query behind the signature."""

    name: str
    parameters: str
    description: str
    example: str
    columns: tuple[ColumnDoc, ...]
    body: str

    @property
    def call(self) -> str:
        return f"{self.name}({self.parameters})"


@cache
def macros() -> tuple[Macro, ...]:
    """All macros by name, those first that others are made of."""
    found = [_parse(path.read_text(encoding="utf-8")) for path in _FOLDER.glob("*.sql")]
    return tuple(sorted(found, key=lambda macro: (macro.name not in _FIRST, macro.name)))


def _parse(text: str) -> Macro:
    signature = _SIGNATURE.search(text)
    if signature is None:
        raise ValueError(f"a macro begins with CREATE MACRO name(parameters) AS TABLE, not with {text[:60]!r}")
    name, parameters = signature.groups()
    description, example, *columns = (line.removeprefix("-- ") for line in text[: signature.start()].splitlines())
    docs = tuple(_column(name, line) for line in columns)
    return Macro(
        name, parameters, description, example.removeprefix("example: "), docs, text[signature.end() :].strip()
    )


def _column(macro: str, line: str) -> ColumnDoc:
    column, kind, unit, description = (part.strip() for part in line.split("|", 3))
    return ColumnDoc(macro, column, kind, unit, nullable=True, description=description)


def macro_docs() -> Iterator[ColumnDoc]:
    """Every column of every macro."""
    return (doc for macro in macros() for doc in macro.columns)


def create_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Create all macros; the schema `records` must be there."""
    connection.execute(_REQUIRE)
    for macro in macros():
        bounds = {name: name if name in macro.parameters else "NULL" for name in ("first", "last")}
        connection.execute(_GUARDED.format(name=macro.name, parameters=macro.parameters, body=macro.body, **bounds))
