-- What an experiment changed: keys that affect behaviour and differ from those of the standing record.
-- example: from configuration_changes('btc_basis', 'half')
-- key | string | | path of the key
-- standing | string | JSON | its value in the standing record; null if it is not there
-- experiment | string | JSON | its value in the experiment; null if it is not there
CREATE MACRO configuration_changes(of_mode, experiment) AS TABLE
WITH latest AS (
    SELECT m.record, arg_max(m.config_digest, m.month) AS config_digest
    FROM records.published_months m
    WHERE m.mode = of_mode AND m.record IN ('standing', experiment)
    GROUP BY m.record
), keys AS (
    SELECT c.key, max(c.value) FILTER (c.record = 'standing') AS standing,
        max(c.value) FILTER (c.record <> 'standing') AS experiment
    FROM records.configuration c JOIN latest l USING (record, config_digest)
    WHERE c.mode = of_mode
    GROUP BY c.key
)
SELECT k.* FROM keys k WHERE k.standing IS DISTINCT FROM k.experiment ORDER BY k.key
