"""What the author of a query probably meant: names that are not there, words that are no published mode or month."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from basis_pipeline.results.live_differences.store import LIVE_DIFFERENCES, live_difference_docs
from basis_pipeline.results.sql.summaries import DESCRIPTIONS, summary_docs
from basis_pipeline.results.sql.sweeps import SWEEP_DESCRIPTIONS, sweep_docs
from basis_pipeline.results.sql.table_macros import macro_docs, macros
from basis_pipeline.results.store import PublishedMonth
from basis_pipeline.results.tables import SCHEMAS, SOURCE, column_docs

_UNKNOWN_TABLE = re.compile(r"Table (?:Function )?with name \"?([\w.-]+?)\"? does not exist")
_UNKNOWN_COLUMN = re.compile(r"Referenced column \"([^\"]+)\" not found")
_AMBIGUOUS = re.compile(r"Ambiguous reference to column name \"(\w+)\" \(use: ([^)]*)\)")
_WRONG_CALL = re.compile(r"Macro \"?(\w+)\"?\(.*\) does not support the supplied arguments")
_MISSING_VALUE = re.compile(r"Values were not provided for the following (?:prepared statement )?parameters: (.*)")
_LITERAL = re.compile(r"'([^']*)'")
_MONTH = re.compile(r"\d{4}-\d{2}")
_SOURCE_MEANS = "Of `deltas` it is what caused the change, of every other table what the month is a record of."
_LISTS = ("tables", "columns", "macros")


class Published(NamedTuple):
    """Names that a query can speak of; `elsewhere` has the experiments of modes without a standing record."""

    modes: frozenset[str]
    experiments: frozenset[str]
    months: frozenset[str]
    elsewhere: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, months: Iterable[PublishedMonth]) -> Published:
        manifests = [month.manifest for month in months]
        standing = {manifest.mode for manifest in manifests if manifest.experiment is None}
        elsewhere: dict[str, frozenset[str]] = {}
        for manifest in manifests:
            if manifest.experiment is not None and manifest.mode not in standing:
                elsewhere[manifest.mode] = elsewhere.get(manifest.mode, frozenset()) | {manifest.experiment}
        return cls(
            frozenset(manifest.mode for manifest in manifests),
            frozenset(manifest.experiment for manifest in manifests if manifest.experiment),
            frozenset(manifest.month for manifest in manifests),
            elsewhere,
        )


def explain(sql: str, message: str, published: Published) -> tuple[str, str]:
    """What to say of a query that DuckDB refused with `message`, and a remedy; that is empty where none is known."""
    remedy = _remedy(sql, message, published)
    return (message.partition("\n")[0] if remedy else message), remedy


def _remedy(sql: str, message: str, published: Published) -> str:
    if unknown := _UNKNOWN_TABLE.search(message):
        return _about_table(unknown[1], published)
    if unknown := _UNKNOWN_COLUMN.search(message):
        return _about_column(unknown[1])
    if ambiguous := _AMBIGUOUS.search(message):
        meant = f" {_SOURCE_MEANS}" if ambiguous[1] == SOURCE else ""
        choices = ambiguous[2].replace('"', "").replace("'", "")
        return f"name the table of {ambiguous[1]}: {choices}.{meant}"
    if call := _WRONG_CALL.search(message):
        return next((f"call it as {macro.call}." for macro in macros() if macro.name == call[1]), "")
    if missing := _MISSING_VALUE.search(message):
        return f"give every parameter a value with --param NAME=VALUE; missing: {missing[1].strip()}."
    return " ".join(notes(sql, published))


def notes(sql: str, published: Published, values: Sequence[object] = ()) -> list[str]:
    """Months in quotes that nothing is published for, and words that nearly are a mode or an experiment."""
    words = dict.fromkeys([*_LITERAL.findall(sql), *(value for value in values if isinstance(value, str))])
    return [note for word in words for note in _about_word(word, published)]


def no_rows(sql: str, published: Published, values: Sequence[object] = ()) -> list[str]:
    """Where the rows are that a query of the standing record did not find: those of live sessions and experiments."""
    tables = [name for name in re.findall(r"\b(?:from|join)\s+([\w.]+)", sql, re.IGNORECASE) if name in _tables()]
    named = {*_LITERAL.findall(sql), *(value for value in values if isinstance(value, str))} & published.modes
    apart = [mode for mode in sorted(published.elsewhere) if not named or mode in named]
    if not tables or not apart:
        return []
    where = "; ".join(f"{mode}: {', '.join(sorted(published.elsewhere[mode]))}" for mode in apart)
    return [
        f"only experiments and live sessions are published ({where}); ask records.{tables[0]}, which has all records."
    ]


def _tables() -> set[str]:
    """What the schemas `main`, `experiments` and `records` have alike."""
    return {*SCHEMAS, *DESCRIPTIONS}


def _about_word(word: str, published: Published) -> Iterator[str]:
    if _MONTH.fullmatch(word):
        if word not in published.months:
            first, last = min(published.months, default="nothing"), max(published.months, default="nothing")
            yield f"month {word} is not published; published are {first} to {last}."
        return
    names = published.modes | published.experiments
    nearest = difflib.get_close_matches(word, sorted(names), n=1, cutoff=0.8)
    if nearest and word not in names and word not in _vocabulary():
        yield f"'{word}' is no published mode or experiment; did you mean '{nearest[0]}'?"


def _about_table(name: str, published: Published) -> str:
    plain = name.rpartition(".")[2]
    if plain in published.experiments:
        return f"{plain} is an experiment: from experiments.months where experiment = '{plain}'."
    if plain in published.modes:
        return f"{plain} is a mode: from timesteps where mode = '{plain}', or from equity('{plain}')."
    calls = {macro.name: macro.call for macro in macros()}
    if plain in calls:
        return f"{plain} is a macro: from {calls[plain]}."
    known = {**dict.fromkeys((*SCHEMAS, *DESCRIPTIONS, *SWEEP_DESCRIPTIONS, *LIVE_DIFFERENCES, *_LISTS), ""), **calls}
    nearest = difflib.get_close_matches(plain, sorted({*known, *published.modes, *published.experiments}), n=1)
    return f"did you mean {nearest[0]}?" if nearest else "`from tables` and `from macros` list what there is."


def _about_column(name: str) -> str:
    homes = _columns()
    if name in homes:
        return f"{name} is a column of {', '.join(homes[name])}."
    nearest = difflib.get_close_matches(name, sorted(homes), n=1)
    if nearest:
        return f"did you mean {nearest[0]}, a column of {', '.join(homes[nearest[0]])}?"
    return "`from columns` lists every column with unit and meaning."


def _columns() -> Mapping[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for doc in (*column_docs(), *summary_docs(), *sweep_docs(), *live_difference_docs(), *macro_docs()):
        homes.setdefault(doc.column, []).append(doc.table)
    return homes


def _vocabulary() -> set[str]:
    return {*SCHEMAS, *DESCRIPTIONS, *_LISTS, *_columns()}
