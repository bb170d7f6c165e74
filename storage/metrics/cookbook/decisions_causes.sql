-- What is suspected most when a model is rejected?
-- The first suspects of a line's rejections since a day, with how sure they are.
-- :line imdb
-- :since 2026-01-01
SELECT cause, standing, count(*) AS rejections, max(started_at) AS last
FROM rejections
WHERE line = :line AND started_at >= :since
GROUP BY cause, standing
ORDER BY rejections DESC, cause, standing;
