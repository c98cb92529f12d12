-- The step with the lowest margin ratio at every venue, and the rise of the mark that would liquidate its shorts.
-- example: from margin_headroom('btc_basis')
-- venue | string | | the exchange
-- timestamp | timestamp[us] | UTC | when the margin ratio was lowest as a step began
-- margin_ratio | double | fraction | margin balance / notional then
-- maintenance | double | fraction | the venue liquidates below it, by the record's configuration
-- adverse_move | double | fraction | (ratio - maintenance) / (1 + maintenance); null where the venue holds no linear shorts only
CREATE MACRO margin_headroom(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH lowest AS (
    SELECT r.venue, min(r.value) AS margin_ratio, arg_min(r.timestamp, r.value) AS timestamp,
        arg_min(r.month, r.value) AS month
    FROM records.risk r
    WHERE r.dimension = 'margin_ratio' AND r."trigger" = 'position_refresh' AND r.value IS NOT NULL
        AND r.mode = of_mode AND r.record = coalesce(experiment, 'standing')
        AND r.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY r.venue
), books AS (
    SELECT split_part(p.position_key, ':', 1) AS venue, p.timestamp,
        bool_and(p.quantity <= 0 AND p.position_key LIKE '%USDT') AND bool_or(p.quantity < 0) AS shorts
    FROM records.positions p
    WHERE split_part(p.position_key, ':', 2) = 'Perp' AND p.mode = of_mode AND p.record = coalesce(experiment, 'standing')
    GROUP BY ALL
), ruled AS (
    SELECT l.*, c.value::DOUBLE AS maintenance
    FROM lowest l
    JOIN records.published_months m
        ON m.month = l.month AND m.mode = of_mode AND m.record = coalesce(experiment, 'standing')
    LEFT JOIN records.configuration c
        ON c.record = m.record AND c.mode = m.mode AND c.config_digest = m.config_digest
        AND c.key = 'venues.' || l.venue || '.margin.maintenance'
)
SELECT r.venue, r.timestamp, r.margin_ratio, r.maintenance,
    CASE WHEN b.shorts THEN (r.margin_ratio - r.maintenance) / (1 + r.maintenance) END AS adverse_move
FROM ruled r ASOF LEFT JOIN books b ON r.venue = b.venue AND r.timestamp > b.timestamp
ORDER BY r.margin_ratio
