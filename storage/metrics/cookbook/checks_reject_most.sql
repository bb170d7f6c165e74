-- Which check rejects most?
-- How often each check has failed, of data and of trained models: a failure stops the run, or the promotion.
SELECT name, count(*) AS failures, sum(CASE WHEN subject = 'data' THEN 1 ELSE 0 END) AS of_data, max(run_id) AS last_run
FROM checks
WHERE verdict = 'fail'
GROUP BY name
ORDER BY failures DESC, name;
