-- What have the checks found lately?
-- The last checks that warned or failed, with what they found.
-- :line imdb
SELECT started_at, flow, subject, name, verdict, evidence
FROM warnings
WHERE line = :line
ORDER BY started_at DESC, subject, name
LIMIT 10;
