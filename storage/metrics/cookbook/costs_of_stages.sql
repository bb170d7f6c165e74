-- Where do time and memory go?
-- Mean time and largest peak memory of each step of a line's retrainings since a day.
-- :line imdb
-- :since 2026-06-01
SELECT stage, count(*) AS runs, round(CAST(avg(seconds) AS NUMERIC), 1) AS mean_seconds,
  round(CAST(max(seconds) AS NUMERIC), 1) AS most_seconds, max(peak_memory_bytes) / 1048576 AS peak_memory_mib
FROM stage_costs
WHERE line = :line AND started_at >= :since AND flow = 'retrain'
GROUP BY stage
ORDER BY mean_seconds DESC, stage;
