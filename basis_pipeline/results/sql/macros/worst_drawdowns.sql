-- The deepest falls of the time-weighted index below a peak, one line per fall, and what lost most on the way down.
-- example: from worst_drawdowns('btc_basis', falls := 3)
-- depth | double | fraction | fall from the peak to the trough
-- peak | timestamp[us] | UTC | when the index was last at its peak; the first step if it fell from the start
-- trough | timestamp[us] | UTC | when it was lowest
-- recovered | timestamp[us] | UTC | when it reached the peak again; null if it has not yet
-- lost | double | share class | profit from the peak to the trough, negative
-- cause | string | | category that lost most from the peak to the trough
-- cause_lost | double | share class | what that category lost
CREATE MACRO worst_drawdowns(of_mode, first := NULL, last := NULL, experiment := NULL, falls := 5) AS TABLE
WITH path AS (
    SELECT *, count(*) FILTER (drawdown = 0) OVER (ORDER BY timestamp) AS peaks
    FROM equity(of_mode, first, last, experiment)
), episodes AS (
    SELECT peaks, max(drawdown) AS depth, min(timestamp) AS peak, arg_max(timestamp, drawdown) AS trough,
        lead(min(timestamp)) OVER (ORDER BY peaks) AS recovered
    FROM path GROUP BY peaks
), deepest AS (
    SELECT * FROM episodes WHERE depth > 0 ORDER BY depth DESC, peak LIMIT falls
), losses AS (
    SELECT d.peak, a.category, sum(a.pnl) AS pnl
    FROM deepest d JOIN records.pnl_attribution a
        ON a.timestamp <= d.trough AND (a.timestamp > d.peak OR (d.peaks = 0 AND a.timestamp = d.peak))
    WHERE a.mode = of_mode AND a.record = coalesce(experiment, 'standing')
        AND a.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
    GROUP BY d.peak, a.category
), causes AS (
    SELECT peak, sum(pnl) AS lost, arg_min(category, pnl) AS cause, min(pnl) AS cause_lost FROM losses GROUP BY peak
)
SELECT d.depth, d.peak, d.trough, d.recovered, c.lost, c.cause, c.cause_lost
FROM deepest d JOIN causes c USING (peak) ORDER BY d.depth DESC, d.peak
