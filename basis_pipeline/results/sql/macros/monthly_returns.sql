-- One line per month: profit and returns in the share class and in USD, and the deepest drawdown inside the month.
-- example: from monthly_returns('eth_leveraged')
-- month | string | UTC | calendar month
-- start_equity | double | share class | equity before the first step; the capital in the opening month
-- end_equity | double | share class | equity at the last step
-- profit | double | share class | sum of step_pnl, without external flows
-- flow | double | share class | external flows, positive = into the book; the capital in the opening month
-- total_return | double | fraction | profit / start equity, share class
-- total_return_usd | double | fraction | the same in USD
-- time_weighted_return | double | fraction | chained step returns, share class
-- max_drawdown | double | fraction | deepest fall below the peak of the month, share class
CREATE MACRO monthly_returns(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
SELECT m.month,
    max(m.value) FILTER (m.metric = 'start_equity') AS start_equity,
    max(m.value) FILTER (m.metric = 'end_equity') AS end_equity,
    max(m.value) FILTER (m.metric = 'profit') AS profit,
    max(m.value) FILTER (m.metric = 'net_flow') AS flow,
    max(m.value) FILTER (m.metric = 'total_return') AS total_return,
    max(m.value) FILTER (m.metric = 'total_return_usd') AS total_return_usd,
    max(m.value) FILTER (m.metric = 'time_weighted_return') AS time_weighted_return,
    max(m.value) FILTER (m.metric = 'max_drawdown') AS max_drawdown
FROM records.metrics m
WHERE m.mode = of_mode AND m.record = coalesce(experiment, 'standing')
    AND m.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
GROUP BY m.month ORDER BY m.month
