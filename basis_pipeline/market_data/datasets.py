"""The registry: every dataset kind, declared once. Schemas, rules, checks and the catalogue derive from it.

A kind knows nothing of venues or symbols: those come from the files found and from the configuration.
"""

from __future__ import annotations

from basis_pipeline.domain.errors import DataError
from basis_pipeline.market_data import datasets_chain, datasets_prices, datasets_signals, datasets_tables
from basis_pipeline.market_data.dataset_types import Dataset

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for declared in (datasets_prices, datasets_chain, datasets_tables, datasets_signals)
    for dataset in declared.DATASETS
}


def dataset(name: str) -> Dataset:
    """The declaration of `name`; raises DataError that lists the known ones otherwise."""
    try:
        return DATASETS[name]
    except KeyError:
        raise DataError(f"no dataset is called {name!r}; there are {', '.join(DATASETS)}.", code="DATA-003") from None
