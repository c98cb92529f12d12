-- Every stop-loss and take-profit that a venue carried out inside a bar: no order of the book, but it pays for them.
-- example: from stops('ml_btc_directional_usdt_margin')
-- month | string | UTC | calendar month
-- timestamp | timestamp[us] | UTC | close of the bar
-- kind | string | | stop_loss or take_profit
-- position_key | string | | what was closed
-- closed | double | stored units | signed change of the position
-- price | double | USDT | fill price
-- traded | double | USDT | notional at the fill price; a coin-margined contract is worth one USD, at par
-- fee | double | USDT | positive = paid
-- slippage | double | USDT | against the level, or the gap beyond it; positive = paid
CREATE MACRO stops(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH legs AS (
    SELECT d.*, CASE WHEN d.position_key LIKE '%USDT' THEN d.delta_amount * d.price ELSE d.delta_amount END AS dollars
    FROM records.deltas d
    WHERE d.source IN ('stop_loss', 'take_profit') AND d.mode = of_mode AND d.record = coalesce(experiment, 'standing')
        AND d.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), charged AS (
    SELECT sequence, split_part(position_key, ':', 1) AS venue, sum(fee) AS fee FROM legs WHERE price IS NULL GROUP BY ALL
)
SELECT l.month, l.timestamp, l.source AS kind, l.position_key, l.delta_amount AS closed, l.price,
    abs(l.dollars) AS traded, c.fee, coalesce(l.dollars * (1 - l.reference_price / l.price), 0) AS slippage
FROM legs l LEFT JOIN charged c ON c.sequence = l.sequence AND c.venue = split_part(l.position_key, ':', 1)
WHERE l.price IS NOT NULL ORDER BY l.timestamp, l.position_key
