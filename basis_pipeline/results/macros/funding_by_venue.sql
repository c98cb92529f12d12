-- What every venue paid or took as funding, and the average rate it settled at while a position was open.
-- example: from funding_by_venue('btc_basis', '2024-01', '2024-12')
-- venue | string | | the exchange
-- token | string | | what it settles in
-- settlements | int64 | count | settlements on an open position
-- received | double | token | positive = received by the book
-- interval_hours | double | hours | the usual time between two settlements
-- mean_rate | double | fraction | average rate of a settlement; positive = longs pay shorts
-- rate_8h_bp | double | bp | the same per 8 hours
-- rate_apr | double | fraction | the same per year of 365 days, not compounded
CREATE MACRO funding_by_venue(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH settled AS (
    SELECT split_part(d.position_key, ':', 1) AS venue, split_part(d.position_key, ':', 3) AS token, d.*,
        date_diff('minute', lag(d.timestamp) OVER (PARTITION BY d.position_key ORDER BY d.timestamp), d.timestamp) AS gap
    FROM records.deltas d
    WHERE d.source = 'funding' AND d.mode = of_mode AND d.record = coalesce(experiment, 'standing')
        AND d.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), venues AS (
    SELECT venue, token, count(*) AS settlements, sum(delta_amount) AS received, mode(gap) / 60 AS interval_hours,
        avg(rate) AS mean_rate
    FROM settled GROUP BY venue, token
)
SELECT *, mean_rate * 8 / interval_hours * 10000 AS rate_8h_bp, mean_rate / interval_hours * 24 * 365 AS rate_apr
FROM venues ORDER BY venue, token
