-- How do runs end?
-- Runs of each flow since a day, by how they ended.
-- :since 2026-06-01
SELECT flow, state, count(*) AS runs, round(CAST(avg(seconds) AS NUMERIC), 1) AS mean_seconds
FROM runs
WHERE started_at >= :since
GROUP BY flow, state
ORDER BY flow, runs DESC;
