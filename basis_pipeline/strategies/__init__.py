"""One file per shape: a frozen configuration and pure functions from a view of the book to target quantities."""
