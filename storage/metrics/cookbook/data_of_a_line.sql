-- How has the data grown?
-- The snapshots of a line, the latest first, with their rows and where they came from.
-- :line imdb
SELECT created_at, id AS snapshot_id, origin, num_train, num_validation, num_test, test_id
FROM snapshots
WHERE line = :line
ORDER BY created_at DESC
LIMIT 12;
