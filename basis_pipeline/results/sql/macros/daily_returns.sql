-- Time-weighted return from one 00:00 UTC to the next: what volatility, Sharpe and Sortino are computed from.
-- example: from daily_returns('btc_basis') order by total_return limit 5
-- day | timestamp[us] | UTC | the midnight at which the day ends
-- equity | double | share class | net asset value at that midnight
-- total_return | double | fraction | growth of the index since the midnight before
CREATE MACRO daily_returns(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH curve AS (
    SELECT timestamp, equity, index FROM equity(of_mode, first, last, experiment)
), midnights AS (
    SELECT unnest(generate_series(
        date_trunc('day', min(timestamp) + INTERVAL 1 DAY - INTERVAL 1 MICROSECOND), max(timestamp), INTERVAL 1 DAY
    )) AS day FROM curve
), grown AS (
    SELECT m.day, c.equity, c.index / lag(c.index) OVER (ORDER BY m.day) - 1 AS total_return
    FROM midnights m ASOF JOIN curve c ON m.day >= c.timestamp
)
SELECT * FROM grown WHERE total_return IS NOT NULL ORDER BY day
