"""The vocabulary every other package speaks: keys, orders, records, formulas, errors. No I/O lives here."""
