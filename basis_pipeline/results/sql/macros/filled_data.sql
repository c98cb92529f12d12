-- Which market data of a range were not what the vendor delivered.
-- example: from filled_data('btc_basis')
-- dataset | string | | kind of data
-- venue | string | | where it is from
-- symbol | string | | instrument
-- rows | int64 | count | values that some step used
-- filled | int64 | count | of them, taken from a declared second source
-- proxied | int64 | count | of them, estimated from other venues
-- corrected | int64 | count | of them, moved by a declared stamp correction
-- altered_share | double | fraction | (filled + proxied) / rows
CREATE MACRO filled_data(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
SELECT u.dataset, u.venue, u.symbol, sum(u.rows)::BIGINT AS rows, sum(u.filled)::BIGINT AS filled,
    sum(u.proxied)::BIGINT AS proxied, sum(u.corrected)::BIGINT AS corrected,
    (sum(u.filled) + sum(u.proxied)) / nullif(sum(u.rows), 0) AS altered_share
FROM records.data_usage u
WHERE u.mode = of_mode AND u.record = coalesce(experiment, 'standing')
    AND u.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
GROUP BY u.dataset, u.venue, u.symbol
HAVING sum(u.filled) + sum(u.proxied) + sum(u.corrected) > 0
ORDER BY altered_share DESC, u.dataset, u.venue, u.symbol
