-- How has recall of class 0 moved over the last year?
-- The share of negative reviews that a model recognises, by month: mean, and the lowest and highest of its runs.
-- :line imdb
-- :model baseline_avgpool
-- :since 2025-12-01
SELECT substr(CAST(started_at AS TEXT), 1, 7) AS month, count(*) AS runs,
  round(CAST(avg(value) AS NUMERIC), 4) AS mean, round(CAST(min(value) AS NUMERIC), 4) AS lowest,
  round(CAST(max(value) AS NUMERIC), 4) AS highest
FROM metric_history
WHERE line = :line AND model = :model AND started_at >= :since
  AND split = 'test' AND name = 'recall' AND scope = 'class 0'
GROUP BY substr(CAST(started_at AS TEXT), 1, 7)
ORDER BY month;
