-- Which checks were turned off, or only warn?
-- How often a check of a line was not allowed to stop a run since a day.
-- :line imdb
-- :since 2026-06-01
SELECT k.name, k.action, count(*) AS runs, max(r.started_at) AS last
FROM runs r
JOIN checks k ON k.run_id = r.id
WHERE r.line = :line AND r.started_at >= :since AND k.action <> 'fail'
GROUP BY k.name, k.action
ORDER BY runs DESC, k.name;
