-- How has test accuracy moved, run by run?
-- A model's test accuracy with its 95 % bounds, the latest run first.
-- :line imdb
-- :model baseline_avgpool
SELECT started_at, run_id, round(CAST(value AS NUMERIC), 4) AS accuracy, round(CAST(lower AS NUMERIC), 4) AS lower,
  round(CAST(upper AS NUMERIC), 4) AS upper
FROM metric_history
WHERE line = :line AND model = :model AND split = 'test' AND name = 'accuracy' AND scope = 'overall'
ORDER BY started_at DESC
LIMIT 12;
