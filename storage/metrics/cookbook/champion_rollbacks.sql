-- What was put back by hand, or by force, and why?
-- All successions of champions that the rule alone did not decide, the latest first.
SELECT line, position, model, candidate_id, served_from, succession, reason
FROM served
WHERE succession <> 'promotion'
ORDER BY served_from DESC
LIMIT 20;
