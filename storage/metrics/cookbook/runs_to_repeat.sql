-- What is needed to repeat a run?
-- Its code, seed, data, libraries and options, which together decide what it gives.
-- :run 20260302-030000-0014
SELECT git_commit, seed, snapshot_id, device, versions, options
FROM runs
WHERE id = :run;
