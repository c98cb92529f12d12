-- Every gate that did not simply pass, with the number it judged and what it found.
-- example: from gate_findings('btc_basis')
-- month | string | UTC | calendar month
-- gate | string | | its name, see `basis gates`
-- severity | string | | error or warn
-- status | string | | warned or failed
-- value | double | see threshold | the number judged
-- threshold | string | | what it was held against
-- message | string | | what was found, with the worst timestamp
CREATE MACRO gate_findings(of_mode, first := NULL, last := NULL, experiment := NULL) AS TABLE
SELECT g.month, g.gate, g.severity, g.status, g.value, g.threshold, g.message
FROM records.gates g
WHERE g.status <> 'passed' AND g.mode = of_mode AND g.record = coalesce(experiment, 'standing')
    AND g.month BETWEEN coalesce(first, '') AND coalesce(last, '~')
ORDER BY g.month, g.gate
