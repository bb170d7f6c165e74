-- What was serving on 3 March?
-- The champion of each line at the beginning of a day, UTC; name the day after for its end.
-- :day 2026-03-03
SELECT line, position, model, candidate_id, served_from, served_until, succession
FROM served
WHERE served_from <= :day AND (served_until > :day OR served_until IS NULL)
ORDER BY line;
