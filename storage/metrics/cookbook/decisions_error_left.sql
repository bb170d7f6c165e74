-- How much error (α) has each test set spent, and what may the next comparison spend?
-- The test sets of the last comparisons; a worn one asks for ever more evidence, fresh test reviews start anew.
SELECT line, test_id, comparisons, round(CAST(spent AS NUMERIC), 4) AS spent, round(CAST(total AS NUMERIC), 4) AS total,
  round(CAST(remaining AS NUMERIC), 4) AS remaining, round(CAST(next_alpha AS NUMERIC), 5) AS next_alpha, last_used
FROM ledger
ORDER BY last_used DESC
LIMIT 20;
