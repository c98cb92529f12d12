-- Time-weighted return from one 00:00 UTC to the next: what volatility, Sharpe and Sortino are computed from.
-- example: from daily_returns('btc_basis') order by total_return limit 5
-- day | timestamp[us] | UTC | the midnight at which the day ends
-- equity | double | share class | net asset value at that midnight
-- total_return | double | fraction | growth of the index since the midnight before
CREATE MACRO daily_returns(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH midnights AS (
    SELECT timestamp AS day, equity, index / lag(index) OVER (ORDER BY timestamp) - 1 AS total_return
    FROM equity(of_mode, first, last, experiment)
    WHERE timestamp = date_trunc('day', timestamp)
)
SELECT * FROM midnights WHERE total_return IS NOT NULL ORDER BY day
