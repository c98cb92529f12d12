-- What trading cost, stops of a venue included, by kind and in total, against what was traded and per year.
-- example: from costs('btc_basis', '2024-01', '2024-12')
-- kind | string | | fee, slippage, gas or total
-- paid | double | USDT | positive = paid
-- bp_of_traded | double | bp | paid / traded notional; null where nothing was traded
-- bp_a_year | double | bp | paid / mean equity (USD, USDT at par) / years of 365 days of the range
CREATE MACRO costs(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH fills AS (
    SELECT o.fee, o.slippage, o.gas, CASE WHEN o.operation IN ('spot_trade', 'perp_trade') AND o.status = 'success'
        THEN coalesce(o.notional, o.filled * o.price) END AS traded
    FROM records.orders o
    WHERE o.mode = of_mode AND o.record = coalesce(experiment, 'standing')
        AND o.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    UNION ALL BY NAME
    SELECT fee, slippage, 0 AS gas, traded FROM stops(of_mode, first, last, experiment)
), paid AS (
    SELECT coalesce(sum(fee), 0) AS fee, coalesce(sum(slippage), 0) AS slippage, coalesce(sum(gas), 0) AS gas,
        sum(traded) AS traded FROM fills
), held AS (
    SELECT avg(t.equity_usd) AS equity,
        date_diff('second', min(t.timestamp), max(t.timestamp)) / (count(*) - 1) * count(*) / 86400 / 365 AS years
    FROM records.timesteps t
    WHERE t.mode = of_mode AND t.record = coalesce(experiment, 'standing')
        AND t.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), kinds AS (
    SELECT unnest(['fee', 'slippage', 'gas', 'total']) AS kind,
        unnest([fee, slippage, gas, fee + slippage + gas]) AS paid, traded FROM paid
)
SELECT kind, paid, paid / nullif(traded, 0) * 10000 AS bp_of_traded, paid / equity / years * 10000 AS bp_a_year
FROM kinds, held
