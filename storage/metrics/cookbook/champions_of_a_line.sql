-- What has served a line, and from when until when?
-- A line's champions in their order, the one that serves now first, and why each came to serve.
-- :line imdb
SELECT position, model, candidate_id, served_from, served_until, reason
FROM served
WHERE line = :line
ORDER BY position DESC
LIMIT 20;
