-- The step with the lowest margin ratio at every venue, and the move of the mark against its short that would liquidate it.
-- example: from margin_headroom('btc_basis')
-- venue | string | | the exchange
-- timestamp | timestamp[us] | UTC | when the margin ratio was lowest as a step began
-- margin_ratio | double | fraction | margin balance / notional then
-- maintenance | double | fraction | the venue liquidates below it, by the record's configuration
-- adverse_move | double | fraction | rise of the mark to liquidation of a short: (ratio - maintenance) / (1 + maintenance)
CREATE MACRO margin_headroom(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH lowest AS (
    SELECT r.venue, min(r.value) AS margin_ratio, arg_min(r.timestamp, r.value) AS timestamp,
        arg_min(r.month, r.value) AS month
    FROM records.risk r
    WHERE r.dimension = 'margin_ratio' AND r."trigger" = 'position_refresh' AND r.value IS NOT NULL
        AND r.mode = of_mode AND r.record = coalesce(experiment, 'standing')
        AND r.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY r.venue
), ruled AS (
    SELECT l.*, c.value::DOUBLE AS maintenance
    FROM lowest l
    JOIN records.published_months m
        ON m.month = l.month AND m.mode = of_mode AND m.record = coalesce(experiment, 'standing')
    LEFT JOIN records.configuration c
        ON c.record = m.record AND c.mode = m.mode AND c.config_digest = m.config_digest
        AND c.key = 'venues.' || l.venue || '.margin.maintenance'
)
SELECT venue, timestamp, margin_ratio, maintenance, (margin_ratio - maintenance) / (1 + maintenance) AS adverse_move
FROM ruled ORDER BY margin_ratio
