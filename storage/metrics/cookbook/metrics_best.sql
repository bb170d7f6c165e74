-- Which models were the best on the same test rows?
-- The candidates with the highest test accuracy on one test set, with what was decided about them.
-- :test 372968566310f978
SELECT candidate_id, round(CAST(accuracy AS NUMERIC), 4) AS accuracy,
  round(CAST(accuracy_lower AS NUMERIC), 4) AS lower, round(CAST(accuracy_upper AS NUMERIC), 4) AS upper,
  round(CAST(auc AS NUMERIC), 4) AS auc, verdict
FROM leaderboard
WHERE test_id = :test
ORDER BY leaderboard.accuracy DESC, candidate_id
LIMIT 10;
