-- What is needed to repeat a run?
-- Its code, seed, data, libraries and options, which together decide what it gives.
-- :run 20260907-030000-0036
SELECT git_commit, seed, snapshot_id, device, versions, options
FROM runs
WHERE id = :run;
