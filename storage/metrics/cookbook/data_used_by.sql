-- Which runs used this snapshot?
-- All runs that worked on a dataset, with what came of them; the start of its id is not enough.
-- :snapshot af0c403ba8c1d24a
SELECT run_id, flow, state, started_at, baseline_avgpool_accuracy, advanced_bilstm_features_accuracy, message
FROM run_overview
WHERE snapshot_id = :snapshot
ORDER BY started_at
LIMIT 50;
