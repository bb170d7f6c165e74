-- Is the champion still good?
-- What the monitor saw on the labelled reviews that came since the champion was trained, the latest first.
-- :line imdb
SELECT observed_at, candidate_id, num_new, round(CAST(accuracy AS NUMERIC), 4) AS accuracy,
  round(CAST(lower AS NUMERIC), 4) AS lower, round(CAST(upper AS NUMERIC), 4) AS upper,
  round(CAST(promoted_accuracy AS NUMERIC), 4) AS promoted_accuracy, verdict
FROM observations
WHERE line = :line
ORDER BY observed_at DESC
LIMIT 12;
