-- What did each gate say of a run's candidates?
-- All gates of a run's decisions in their order, with what was measured and what it was held against.
-- :run 20260216-030000-000f
SELECT c.model, g.name, g.verdict, round(CAST(g.value AS NUMERIC), 4) AS value,
  round(CAST(g.bound AS NUMERIC), 4) AS bound
FROM decisions d
JOIN candidates c ON c.id = d.candidate_id
JOIN gates g ON g.decision_id = d.id
WHERE d.run_id = :run
ORDER BY c.model, g.position;
