-- An experiment beside the standing record, month by month, over the months that both have.
-- example: from compare('btc_basis', 'half') where metric = 'total_return'
-- month | string | UTC | calendar month
-- metric | string | | name of the figure, see metrics
-- unit | string | | its unit
-- standing | double | see unit | the standing record
-- experiment | double | see unit | the experiment
-- difference | double | see unit | experiment - standing
CREATE MACRO compare(of_mode, experiment, first := NULL, last := NULL) AS TABLE
SELECT s.month, s.metric, s.unit, s.value AS standing, e.value AS experiment, e.value - s.value AS difference
FROM records.metrics s JOIN records.metrics e USING (mode, month, metric)
WHERE s.mode = of_mode AND s.record = 'standing' AND e.mode = of_mode AND e.record = experiment
    AND s.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
ORDER BY s.month, s.metric
