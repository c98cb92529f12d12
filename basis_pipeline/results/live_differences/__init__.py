"""A live record held against a backtest of the same time: what differs, where it is kept, and how it is shown."""
