-- Cash by venue: plain tokens of the share class (wrapped ones too), in USD and as a fraction of equity.
-- example: from cash('btc_basis', '2024-01', '2024-03')
-- venue | string | | where it lies; what lies at an exchange is also margin
-- token | string | | USDT, or ETH and WETH
-- mean_value_usd | double | USD | average over the steps
-- share_of_equity | double | fraction | average of value / equity over the steps
-- lowest_share | double | fraction | lowest of them
-- highest_share | double | fraction | highest of them
CREATE MACRO cash(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
WITH plain AS (
    SELECT split_part(p.position_key, ':', 1) AS venue, split_part(p.position_key, ':', 3) AS token, p.value_usd,
        p.value_usd / nullif(t.equity_usd, 0) AS share
    FROM records.positions p
    JOIN records.timesteps t USING (record, mode, month, timestamp)
    JOIN records.published_months m USING (record, mode, month)
    WHERE split_part(p.position_key, ':', 2) = 'BaseToken'
        AND split_part(p.position_key, ':', 3) IN (m.share_class, 'W' || m.share_class)
        AND p.mode = of_mode AND p.record = coalesce(experiment, 'standing')
        AND p.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
)
SELECT venue, token, avg(value_usd) AS mean_value_usd, avg(share) AS share_of_equity, min(share) AS lowest_share,
    max(share) AS highest_share
FROM plain GROUP BY venue, token ORDER BY mean_value_usd DESC, venue
