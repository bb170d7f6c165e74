-- Which gate rejects most?
-- How often each gate was failed in a line since a day, and how often it was the only one.
-- :line imdb
-- :since 2026-01-01
SELECT g.name, count(*) AS failures, sum(CASE WHEN d.failed_gates = 1 THEN 1 ELSE 0 END) AS alone,
  max(d.started_at) AS last
FROM rejections d
JOIN gates g ON g.decision_id = d.decision_id AND g.verdict = 'fail'
WHERE d.line = :line AND d.started_at >= :since
GROUP BY g.name
ORDER BY failures DESC, g.name;
