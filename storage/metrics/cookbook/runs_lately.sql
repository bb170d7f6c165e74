-- What came of the last runs?
-- The last retrainings of a line with both models side by side.
-- :line imdb
SELECT started_at, state, round(CAST(baseline_avgpool_accuracy AS NUMERIC), 4) AS baseline, baseline_avgpool_verdict,
  round(CAST(advanced_bilstm_features_accuracy AS NUMERIC), 4) AS advanced, advanced_bilstm_features_verdict
FROM run_overview
WHERE line = :line AND flow = 'retrain'
ORDER BY started_at DESC
LIMIT 10;
