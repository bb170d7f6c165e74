-- Which runs used this snapshot?
-- All runs that worked on a dataset, with what came of them; the start of its id is not enough.
-- :snapshot snapshot-2026-03
SELECT run_id, flow, state, started_at, baseline_avgpool_accuracy, advanced_bilstm_features_accuracy, message
FROM run_overview
WHERE snapshot_id = :snapshot
ORDER BY started_at
LIMIT 50;
