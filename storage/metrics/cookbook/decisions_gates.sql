-- Which gate rejects most?
-- How often each gate was failed, and how often it was the only one.
SELECT g.name, count(*) AS failures,
  sum(CASE WHEN NOT EXISTS (
    SELECT 1 FROM gates o WHERE o.decision_id = g.decision_id AND o.verdict = 'fail' AND o.name <> g.name
  ) THEN 1 ELSE 0 END) AS alone
FROM gates g
WHERE g.verdict = 'fail'
GROUP BY g.name
ORDER BY failures DESC, g.name;
