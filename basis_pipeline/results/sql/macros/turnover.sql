-- How much was traded in every month, in money and as a multiple of equity.
-- example: from turnover('btc_basis')
-- month | string | UTC | calendar month
-- trades | int64 | count | spot and perp trades that succeeded, and stops of a venue
-- traded | double | USDT | notional of them
-- mean_equity_usd | double | USD | average over the closing records of the month
-- turnover | double | ratio | traded (USDT at par) / mean equity
CREATE MACRO turnover(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH fills AS (
    SELECT o.month, coalesce(o.notional, o.filled * o.price) AS traded
    FROM records.orders o
    WHERE o.operation IN ('spot_trade', 'perp_trade') AND o.status = 'success'
        AND o.mode = of_mode AND o.record = coalesce(experiment, 'standing')
        AND o.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    UNION ALL BY NAME
    SELECT month, traded FROM stops(of_mode, first, last, experiment)
), traded AS (
    SELECT month, count(*) AS trades, sum(traded) AS traded FROM fills GROUP BY month
), held AS (
    SELECT t.month, avg(t.equity_usd) AS mean_equity_usd
    FROM records.timesteps t
    WHERE t.mode = of_mode AND t.record = coalesce(experiment, 'standing')
        AND t.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY t.month
)
SELECT h.month, coalesce(o.trades, 0) AS trades, coalesce(o.traded, 0) AS traded, h.mean_equity_usd,
    coalesce(o.traded, 0) / h.mean_equity_usd AS turnover
FROM held h LEFT JOIN traded o USING (month) ORDER BY h.month
