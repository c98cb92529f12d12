-- Where the profit of every month came from, largest first within the month.
-- example: from attribution_by_month('btc_basis') where category = 'funding_pnl'
-- month | string | UTC | calendar month
-- category | string | | source of profit or loss
-- pnl | double | share class | positive = gain
-- pnl_usd | double | USD | positive = gain
CREATE MACRO attribution_by_month(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
SELECT a.month, a.category, sum(a.pnl) AS pnl, sum(a.pnl_usd) AS pnl_usd
FROM records.pnl_attribution a
WHERE a.mode = of_mode AND a.record = coalesce(experiment, 'standing')
    AND a.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
GROUP BY a.month, a.category
HAVING bool_or(a.pnl <> 0 OR a.pnl_usd <> 0)
ORDER BY a.month, abs(sum(a.pnl)) DESC, a.category
