-- What every venue paid or took as funding, and the average rate it settled at while a position was open.
-- example: from funding_by_venue('btc_basis', '2024-01', '2024-12')
-- venue | string | | the exchange
-- token | string | | what it settles in
-- settlements | int64 | count | settlements on an open position
-- received | double | token | positive = received by the book
-- interval_hours | double | hours | the usual time between two settlements; null if no position was held over two
-- mean_rate | double | fraction | average rate of a settlement; positive = longs pay shorts
-- rate_8h_bp | double | bp | the same per 8 hours
-- rate_apr | double | fraction | the same per year of 365 days, not compounded
CREATE MACRO funding_by_venue(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH settled AS (
    SELECT split_part(d.position_key, ':', 1) AS venue, split_part(d.position_key, ':', 3) AS token, d.timestamp,
        d.delta_amount, d.rate
    FROM records.deltas d
    WHERE d.source = 'funding' AND d.mode = of_mode AND d.record = coalesce(experiment, 'standing')
        AND d.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), flat AS (
    SELECT split_part(p.position_key, ':', 1) AS venue, p.timestamp
    FROM records.positions p
    WHERE split_part(p.position_key, ':', 2) = 'Perp' AND p.mode = of_mode AND p.record = coalesce(experiment, 'standing')
        AND p.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY ALL HAVING bool_and(p.quantity = 0)
), stamps AS (
    SELECT venue, timestamp, lag(timestamp) OVER (PARTITION BY venue ORDER BY timestamp) AS previous
    FROM (SELECT DISTINCT venue, timestamp FROM settled)
), held AS (
    SELECT s.venue, s.timestamp, CASE WHEN f.timestamp IS NULL OR f.timestamp < s.previous
        THEN date_diff('minute', s.previous, s.timestamp) / 60 END AS hours
    FROM stamps s ASOF LEFT JOIN flat f ON s.venue = f.venue AND s.timestamp > f.timestamp
), usual AS (
    SELECT venue, mode(hours) AS interval_hours FROM held GROUP BY venue
)
SELECT s.venue, s.token, count(*) AS settlements, sum(s.delta_amount) AS received, u.interval_hours,
    avg(s.rate) AS mean_rate, avg(s.rate) / u.interval_hours * 8 * 10000 AS rate_8h_bp,
    avg(s.rate) / u.interval_hours * 24 * 365 AS rate_apr
FROM settled s JOIN usual u USING (venue)
GROUP BY s.venue, s.token, u.interval_hours ORDER BY s.venue, s.token
