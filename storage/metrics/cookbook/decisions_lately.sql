-- Why were the last candidates rejected?
-- The last rejections with the first gate that each failed, and what is suspected.
-- :line imdb
SELECT started_at, model, gate, words, failed_gates, cause, standing
FROM rejections
WHERE line = :line
ORDER BY started_at DESC, model
LIMIT 10;
