-- Which runs ended badly, and why?
-- The last runs of any flow that were stopped, failed or crashed, or whose data were refused.
SELECT started_at, run_id, flow, line, state, message
FROM run_overview
WHERE state IN ('failed', 'cancelled', 'crashed', 'rejected data')
ORDER BY started_at DESC
LIMIT 10;
