-- Equity at the close of every step, the time-weighted growth of one unit of capital, and how far it is below its peak.
-- example: from equity('btc_basis', first := '2024-03', last := '2024-03')
-- timestamp | timestamp[us] | UTC | engine time of the step
-- equity | double | share class | net asset value
-- equity_usd | double | USD | net asset value
-- index | double | ratio | product of (1 + step_pnl / equity of the step before) from the start of the range; flows are no profit
-- drawdown | double | fraction | 1 - index / its running peak, the start (1.0) counts as a peak
CREATE MACRO equity(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH steps AS (
    SELECT t.timestamp, t.equity_share_class, t.equity_usd, t.step_pnl,
        lag(t.equity_share_class, 1, t.equity_share_class - t.step_pnl
            - CASE WHEN t.month = m.opening_month THEN 0 ELSE t.flow END) OVER (ORDER BY t.timestamp) AS base
    FROM records.timesteps t JOIN records.published_months m USING (record, mode, month)
    WHERE t.mode = of_mode AND t.record = coalesce(experiment, 'standing')
        AND t.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), grown AS (
    SELECT *, product(1 + CASE WHEN base > 0 THEN step_pnl / base ELSE 0 END) OVER (ORDER BY timestamp) AS index
    FROM steps
)
SELECT timestamp, equity_share_class AS equity, equity_usd, index,
    1 - index / greatest(1, max(index) OVER (ORDER BY timestamp)) AS drawdown
FROM grown ORDER BY timestamp
