-- Where the profit of a range came from, largest first. Categories that are zero throughout are left out.
-- example: from attribution('btc_basis', '2024-01', '2024-06')
-- category | string | | source of profit or loss
-- pnl | double | share class | positive = gain
-- pnl_usd | double | USD | positive = gain
-- share_of_profit | double | fraction | pnl / profit of the range; null where that is 0
CREATE MACRO attribution(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH sums AS (
    SELECT a.category, sum(a.pnl) AS pnl, sum(a.pnl_usd) AS pnl_usd
    FROM records.pnl_attribution a
    WHERE a.mode = of_mode AND a.record = coalesce(experiment, 'standing')
        AND a.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY a.category
    HAVING bool_or(a.pnl <> 0 OR a.pnl_usd <> 0)
)
SELECT *, pnl / nullif(sum(pnl) OVER (), 0) AS share_of_profit FROM sums ORDER BY abs(pnl) DESC, category
