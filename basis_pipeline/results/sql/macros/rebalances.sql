-- Every time the book traded or moved cash: what was decided, why, what it cost, and how long it had held still before.
-- example: from rebalances('btc_basis') where action <> 'entry_full'
-- timestamp | timestamp[us] | UTC | engine time of the decision
-- action | string | | entry_full, entry_partial, exit_partial, exit_full or sell_dust; stop_loss or take_profit of a venue
-- reason | string | | why the strategy decided on it
-- orders | int64 | count | orders of the plan
-- failed | int64 | count | of them, those that did not succeed
-- traded | double | USDT | notional of spot and perp trades
-- fee | double | USDT | positive = paid
-- slippage | double | USDT | positive = paid
-- gas | double | USDT | positive = paid
-- hours_since_previous | double | hours | time since the book last traded or moved cash; null for the first
CREATE MACRO rebalances(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH plans AS (
    SELECT o.timestamp, o.action, o.reason, count(*) AS orders, count(*) FILTER (o.status <> 'success') AS failed,
        coalesce(sum(coalesce(o.notional, o.filled * o.price))
            FILTER (o.operation IN ('spot_trade', 'perp_trade')), 0) AS traded,
        sum(o.fee) AS fee, sum(o.slippage) AS slippage, sum(o.gas) AS gas
    FROM records.orders o
    WHERE o.mode = of_mode AND o.record = coalesce(experiment, 'standing')
        AND o.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY o.timestamp, o.action, o.reason
    UNION ALL BY NAME
    SELECT timestamp, kind AS action, 'level of ' || position_key AS reason, 0 AS orders, 0 AS failed, traded, fee,
        slippage, 0 AS gas
    FROM stops(of_mode, first, last, experiment)
)
SELECT *, date_diff('second', lag(timestamp) OVER (ORDER BY timestamp, action), timestamp) / 3600
    AS hours_since_previous
FROM plans ORDER BY timestamp, action
