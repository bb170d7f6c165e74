-- Which candidates did much better on validation than on test?
-- The largest gaps of a line since a day: near 0 is healthy, a few points ask for a look at the splits.
-- :line imdb
-- :since 2026-01-01
SELECT r.started_at, c.model, round(CAST(v.value AS NUMERIC), 4) AS validation_accuracy,
  round(CAST(t.value AS NUMERIC), 4) AS test_accuracy, round(CAST(v.value - t.value AS NUMERIC), 4) AS gap
FROM runs r
JOIN candidates c ON c.run_id = r.id
JOIN metrics v ON v.candidate_id = c.id AND v.split = 'validation' AND v.name = 'accuracy' AND v.scope = 'overall'
JOIN metrics t ON t.candidate_id = c.id AND t.split = 'test' AND t.name = 'accuracy' AND t.scope = 'overall'
WHERE r.line = :line AND r.started_at >= :since
ORDER BY v.value - t.value DESC, r.started_at
LIMIT 10;
