-- How do runs end?
-- A line's runs of each flow since a day, by how they ended.
-- :line imdb
-- :since 2026-01-01
SELECT flow, state, count(*) AS runs, round(CAST(avg(seconds) AS NUMERIC), 1) AS mean_seconds
FROM runs
WHERE line = :line AND started_at >= :since
GROUP BY flow, state
ORDER BY flow, runs DESC, state;
