-- Does the recurrent model earn its cost?
-- How the two models of the same runs compare, by month: mean test accuracy of each, and how often which was better.
-- :line imdb
-- :since 2026-01-01
SELECT substr(CAST(started_at AS TEXT), 1, 7) AS month, count(*) AS runs,
  round(CAST(avg(baseline_avgpool_accuracy) AS NUMERIC), 4) AS baseline,
  round(CAST(avg(advanced_bilstm_features_accuracy) AS NUMERIC), 4) AS advanced,
  sum(CASE WHEN advanced_bilstm_features_accuracy > baseline_avgpool_accuracy THEN 1 ELSE 0 END) AS advanced_better
FROM run_overview
WHERE line = :line AND started_at >= :since
  AND baseline_avgpool_accuracy IS NOT NULL AND advanced_bilstm_features_accuracy IS NOT NULL
GROUP BY substr(CAST(started_at AS TEXT), 1, 7)
ORDER BY month DESC;
