-- Is training getting slower?
-- Mean time of each model's trainings, and the epoch that was kept, by month.
-- :line imdb
-- :since 2026-01-01
SELECT substr(CAST(r.started_at AS TEXT), 1, 7) AS month, c.model, count(*) AS trainings,
  round(CAST(avg(c.training_seconds) AS NUMERIC), 1) AS mean_seconds,
  round(CAST(avg(c.best_epoch) AS NUMERIC), 1) AS mean_best_epoch
FROM runs r
JOIN candidates c ON c.run_id = r.id
WHERE r.line = :line AND r.started_at >= :since AND c.reused_from = ''
GROUP BY substr(CAST(r.started_at AS TEXT), 1, 7), c.model
ORDER BY month DESC, c.model
LIMIT 24;
