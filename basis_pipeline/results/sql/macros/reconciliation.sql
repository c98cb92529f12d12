-- The largest gap of every month between figures that have to agree: positions, equity, profit, attribution.
-- example: from reconciliation('btc_basis')
-- month | string | UTC | calendar month
-- steps | int64 | count | closing records
-- positions_gap_usd | double | USD | largest |sum of positions.value_usd - equity_usd|
-- profit_gap | double | share class | largest |change of equity - flow - step_pnl| from step to step inside the month
-- attribution_gap | double | share class | largest |sum of categories, the residual included - step_pnl|
-- residual | double | share class | largest |residual|
CREATE MACRO reconciliation(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH steps AS (
    SELECT t.month, t.timestamp, t.equity_usd, t.step_pnl, t.equity_share_class - t.flow - t.step_pnl
        - lag(t.equity_share_class) OVER (PARTITION BY t.month ORDER BY t.timestamp) AS profit_gap
    FROM records.timesteps t
    WHERE t.mode = of_mode AND t.record = coalesce(experiment, 'standing')
        AND t.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), valued AS (
    SELECT p.month, p.timestamp, sum(p.value_usd) AS value_usd FROM records.positions p
    WHERE p.mode = of_mode AND p.record = coalesce(experiment, 'standing')
        AND p.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY p.month, p.timestamp
), explained AS (
    SELECT a.month, a.timestamp, sum(a.pnl) AS pnl, sum(a.pnl) FILTER (a.category = 'residual') AS residual
    FROM records.pnl_attribution a
    WHERE a.mode = of_mode AND a.record = coalesce(experiment, 'standing')
        AND a.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY a.month, a.timestamp
)
SELECT s.month, count(*) AS steps, max(abs(v.value_usd - s.equity_usd)) AS positions_gap_usd,
    coalesce(max(abs(s.profit_gap)), 0) AS profit_gap, max(abs(e.pnl - s.step_pnl)) AS attribution_gap,
    max(abs(e.residual)) AS residual
FROM steps s LEFT JOIN valued v USING (month, timestamp) LEFT JOIN explained e USING (month, timestamp)
GROUP BY s.month ORDER BY s.month
