-- How did a run's models learn?
-- Losses and accuracies by epoch; the epoch whose weights were kept is marked.
-- :run 20260302-030000-0012
SELECT c.model, e.epoch, round(CAST(e.loss AS NUMERIC), 4) AS loss,
  round(CAST(e.validation_loss AS NUMERIC), 4) AS validation_loss,
  round(CAST(e.accuracy AS NUMERIC), 4) AS accuracy,
  round(CAST(e.validation_accuracy AS NUMERIC), 4) AS validation_accuracy,
  CASE WHEN e.epoch = c.best_epoch THEN 'kept' ELSE '' END AS weights
FROM candidates c
JOIN epochs e ON e.candidate_id = c.id
WHERE c.run_id = :run
ORDER BY c.model, e.epoch;
