-- Lowest and highest value of every risk dimension and when, as each step began, before anything was done about it.
-- example: from risk_extremes('btc_basis') where dimension = 'margin_ratio'
-- dimension | string | | margin_ratio, health_factor, loan_to_value, delta_drift, drawdown, ...
-- venue | string | | the venue the value belongs to; empty for the whole book
-- lowest | double | fraction | lowest value
-- lowest_at | timestamp[us] | UTC | the first time it was that low
-- highest | double | fraction | highest value
-- highest_at | timestamp[us] | UTC | the first time it was that high
-- warnings | int64 | count | steps that began at level warning
-- breaches | int64 | count | steps that began at level breach or critical
CREATE MACRO risk_extremes(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH refreshed AS (
    SELECT r.dimension, r.venue, r.level, r.value, r.timestamp
    FROM records.risk r
    WHERE r."trigger" = 'position_refresh' AND r.mode = of_mode AND r.record = coalesce(experiment, 'standing')
        AND r.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
), extremes AS (
    SELECT dimension, venue, min(value) AS lowest, max(value) AS highest, count(*) FILTER (level = 'warning') AS warnings,
        count(*) FILTER (level IN ('breach', 'critical')) AS breaches
    FROM refreshed GROUP BY dimension, venue
)
SELECT e.dimension, e.venue, e.lowest, min(r.timestamp) FILTER (r.value = e.lowest) AS lowest_at,
    e.highest, min(r.timestamp) FILTER (r.value = e.highest) AS highest_at, e.warnings, e.breaches
FROM extremes e JOIN refreshed r USING (dimension, venue)
GROUP BY ALL ORDER BY e.dimension, e.venue
