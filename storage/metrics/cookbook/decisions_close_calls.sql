-- Which challengers came closest to the champion without replacing it?
-- Rejected challengers by the probability that luck alone made them look so good.
-- :line imdb
-- :since 2026-01-01
SELECT d.decided_at, c.model, round(CAST(k.difference AS NUMERIC), 4) AS difference,
  round(CAST(k.lower AS NUMERIC), 4) AS lower, round(CAST(k.upper AS NUMERIC), 4) AS upper,
  round(CAST(k.p_value AS NUMERIC), 4) AS p_value, round(CAST(k.alpha AS NUMERIC), 5) AS alpha
FROM runs r
JOIN decisions d ON d.run_id = r.id
JOIN comparisons k ON k.decision_id = d.id
JOIN candidates c ON c.id = d.candidate_id
WHERE r.line = :line AND r.started_at >= :since AND d.verdict = 'rejected'
ORDER BY k.p_value, d.decided_at
LIMIT 10;
