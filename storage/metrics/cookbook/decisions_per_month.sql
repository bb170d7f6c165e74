-- How many candidates were promoted, month by month?
-- Decisions of a line since a day, by month; dry runs are left out.
-- :line imdb
-- :since 2026-01-01
SELECT substr(CAST(r.started_at AS TEXT), 1, 7) AS month, count(*) AS decided,
  sum(CASE WHEN d.verdict = 'promoted' THEN 1 ELSE 0 END) AS promoted
FROM runs r
JOIN decisions d ON d.run_id = r.id
WHERE r.line = :line AND r.started_at >= :since AND d.verdict IN ('promoted', 'rejected')
GROUP BY substr(CAST(r.started_at AS TEXT), 1, 7)
ORDER BY month DESC;
