BEGIN TRANSACTION;
CREATE TABLE candidates (
	id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	model TEXT NOT NULL, 
	bundle TEXT NOT NULL, 
	device TEXT NOT NULL, 
	num_parameters INTEGER NOT NULL, 
	best_epoch INTEGER NOT NULL, 
	training_seconds REAL NOT NULL, 
	training_key TEXT NOT NULL, 
	reused_from TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	PRIMARY KEY (id), 
	UNIQUE (run_id, model), 
	CONSTRAINT training_seconds_is_finite CHECK (training_seconds BETWEEN 0 AND 1.7976931348623157e308), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 STRICT

;
INSERT INTO "candidates" VALUES('20261125-193833-d92b/baseline_avgpool','20261125-193833-d92b','baseline_avgpool','bundle of 20261125-193833-d92b/baseline_avgpool','CPU',10,2,1.5,'k1','','2026-11-25T19:38:33.783959Z');
INSERT INTO "candidates" VALUES('20261125-193833-d92b/advanced_bilstm_features','20261125-193833-d92b','advanced_bilstm_features','bundle of 20261125-193833-d92b/advanced_bilstm_features','CPU',10,2,1.5,'k1','','2026-11-25T19:38:33.806797Z');
INSERT INTO "candidates" VALUES('20261125-193833-2b1d/advanced_bilstm_features','20261125-193833-2b1d','advanced_bilstm_features','bundle of 20261125-193833-2b1d/advanced_bilstm_features','CPU',10,2,1.5,'k1','','2026-11-25T19:38:33.970590Z');
INSERT INTO "candidates" VALUES('20261125-193834-5cb5/baseline_avgpool','20261125-193834-5cb5','baseline_avgpool','bundle of 20261125-193834-5cb5/baseline_avgpool','CPU',10,2,1.5,'k1','','2026-11-25T19:38:34.094647Z');
CREATE TABLE champions (
	line TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	previous INTEGER NOT NULL, 
	decision_id TEXT NOT NULL, 
	candidate_id TEXT NOT NULL, 
	succession TEXT NOT NULL, 
	mark INTEGER NOT NULL, 
	reason TEXT NOT NULL, 
	promoted_at TEXT NOT NULL, 
	PRIMARY KEY (line, position), 
	CONSTRAINT position_follows_previous CHECK (position >= 1 AND previous = position - 1), 
	CONSTRAINT mark_has_served CHECK (mark BETWEEN 1 AND position), 
	CONSTRAINT succession_known CHECK (succession IN ('promotion', 'forced replacement', 'rollback')), 
	UNIQUE (line, previous), 
	UNIQUE (decision_id), 
	FOREIGN KEY(decision_id) REFERENCES decisions (id), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "champions" VALUES('imdb',1,0,'20261125-193833-d92b/baseline_avgpool','20261125-193833-d92b/baseline_avgpool','promotion',1,'the first one','2026-11-25T19:38:33.834974Z');
INSERT INTO "champions" VALUES('imdb',2,1,'20261125-193833-2b1d/advanced_bilstm_features','20261125-193833-2b1d/advanced_bilstm_features','promotion',2,'better by 0.08','2026-11-25T19:38:33.993568Z');
INSERT INTO "champions" VALUES('imdb',3,2,'20261125-193834-12b8/baseline_avgpool','20261125-193833-d92b/baseline_avgpool','rollback',3,'complaints','2026-11-25T19:38:34.181245Z');
CREATE TABLE checks (
	run_id TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	verdict TEXT NOT NULL, 
	action TEXT NOT NULL, 
	measured TEXT NOT NULL, 
	bound TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	offending_rows TEXT NOT NULL, 
	PRIMARY KEY (run_id, subject, name), 
	CONSTRAINT verdict_known CHECK (verdict IN ('pass', 'warn', 'fail', 'off')), 
	CONSTRAINT action_known CHECK (action IN ('fail', 'warn', 'off')), 
	CONSTRAINT off_is_off CHECK ((verdict = 'off') = (action = 'off')), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 STRICT

;
INSERT INTO "checks" VALUES('20261125-193833-d92b','data','label balance',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-d92b','data','leakage',1,'warn','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-d92b','baseline_avgpool','reload',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-d92b','advanced_bilstm_features','reload',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-2b1d','data','label balance',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-2b1d','data','leakage',1,'warn','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193833-2b1d','advanced_bilstm_features','reload',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193834-5cb5','data','label balance',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193834-5cb5','data','leakage',1,'warn','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193834-5cb5','baseline_avgpool','reload',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
INSERT INTO "checks" VALUES('20261125-193834-2310','champion','drift',0,'pass','fail','{"share":0.5}','at most 0.9','it holds, as "they" say: ''yes''','[]');
CREATE TABLE comparisons (
	test_id TEXT NOT NULL, 
	comparison INTEGER NOT NULL, 
	decision_id TEXT NOT NULL, 
	champion_id TEXT NOT NULL, 
	alpha REAL NOT NULL, 
	num_rows INTEGER NOT NULL, 
	only_challenger INTEGER NOT NULL, 
	only_champion INTEGER NOT NULL, 
	p_value REAL NOT NULL, 
	difference REAL NOT NULL, 
	lower REAL NOT NULL, 
	upper REAL NOT NULL, 
	auc_difference REAL, 
	auc_lower REAL, 
	auc_upper REAL, 
	auc_standard_error REAL, 
	PRIMARY KEY (test_id, comparison), 
	CONSTRAINT comparison_from_zero CHECK (comparison >= 0), 
	CONSTRAINT alpha_is_error CHECK (alpha > 0 AND alpha < 1), 
	CONSTRAINT p_value_is_share CHECK (p_value BETWEEN 0 AND 1), 
	CONSTRAINT difference_in_range CHECK (difference BETWEEN -1 AND 1), 
	CONSTRAINT auc_standard_error_is_finite CHECK (auc_standard_error BETWEEN 0 AND 1.7976931348623157e308), 
	UNIQUE (decision_id), 
	FOREIGN KEY(decision_id) REFERENCES decisions (id), 
	FOREIGN KEY(champion_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "comparisons" VALUES('t1',0,'20261125-193833-2b1d/advanced_bilstm_features','20261125-193833-d92b/baseline_avgpool',0.025,100,9,1,0.01,0.08,0.02,0.14,0.03,0.01,0.05,0.01);
INSERT INTO "comparisons" VALUES('t1',1,'20261125-193834-5cb5/baseline_avgpool','20261125-193833-2b1d/advanced_bilstm_features',0.025,100,9,1,0.01,0.08,0.02,0.14,0.03,0.01,0.05,0.01);
CREATE TABLE confusion_matrices (
	candidate_id TEXT NOT NULL, 
	split TEXT NOT NULL, 
	true_negatives INTEGER NOT NULL, 
	false_positives INTEGER NOT NULL, 
	false_negatives INTEGER NOT NULL, 
	true_positives INTEGER NOT NULL, 
	PRIMARY KEY (candidate_id, split), 
	CONSTRAINT split_known CHECK (split IN ('train', 'validation', 'test')), 
	CONSTRAINT counts_positive CHECK (true_negatives >= 0 AND false_positives >= 0 AND false_negatives >= 0 AND true_positives >= 0), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "confusion_matrices" VALUES('20261125-193833-d92b/baseline_avgpool','validation',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193833-d92b/baseline_avgpool','test',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193833-d92b/advanced_bilstm_features','validation',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193833-d92b/advanced_bilstm_features','test',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193833-2b1d/advanced_bilstm_features','validation',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193833-2b1d/advanced_bilstm_features','test',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193834-5cb5/baseline_avgpool','validation',45,5,5,45);
INSERT INTO "confusion_matrices" VALUES('20261125-193834-5cb5/baseline_avgpool','test',45,5,5,45);
CREATE TABLE decisions (
	id TEXT NOT NULL, 
	run_id TEXT NOT NULL, 
	candidate_id TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	test_id TEXT NOT NULL, 
	decided_at TEXT NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT verdict_known CHECK (verdict IN ('promoted', 'rejected', 'would promote', 'would reject')), 
	CONSTRAINT kind_known CHECK (kind IN ('promotion', 'forced replacement', 'rollback')), 
	UNIQUE (run_id, candidate_id), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "decisions" VALUES('20261125-193833-d92b/baseline_avgpool','20261125-193833-d92b','20261125-193833-d92b/baseline_avgpool','promotion','promoted','the first one','t1','2026-11-25T19:38:33.824964Z');
INSERT INTO "decisions" VALUES('20261125-193833-d92b/advanced_bilstm_features','20261125-193833-d92b','20261125-193833-d92b/advanced_bilstm_features','promotion','rejected','worse','t1','2026-11-25T19:38:33.829174Z');
INSERT INTO "decisions" VALUES('20261125-193833-2b1d/advanced_bilstm_features','20261125-193833-2b1d','20261125-193833-2b1d/advanced_bilstm_features','promotion','promoted','better by 0.08','t1','2026-11-25T19:38:33.992499Z');
INSERT INTO "decisions" VALUES('20261125-193834-5cb5/baseline_avgpool','20261125-193834-5cb5','20261125-193834-5cb5/baseline_avgpool','promotion','rejected','no better','t1','2026-11-25T19:38:34.120035Z');
INSERT INTO "decisions" VALUES('20261125-193834-12b8/baseline_avgpool','20261125-193834-12b8','20261125-193833-d92b/baseline_avgpool','rollback','promoted','complaints','t1','2026-11-25T19:38:34.175957Z');
CREATE TABLE diagnoses (
	decision_id TEXT NOT NULL, 
	cause TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	standing TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	remedy TEXT NOT NULL, 
	PRIMARY KEY (decision_id, cause), 
	CONSTRAINT standing_known CHECK (standing IN ('shown', 'likely', 'possible', 'ruled out')), 
	FOREIGN KEY(decision_id) REFERENCES decisions (id)
)
 STRICT

;
INSERT INTO "diagnoses" VALUES('20261125-193833-d92b/advanced_bilstm_features','padding mask',0,'likely','it is short','look at it');
CREATE TABLE epochs (
	candidate_id TEXT NOT NULL, 
	epoch INTEGER NOT NULL, 
	loss REAL NOT NULL, 
	accuracy REAL NOT NULL, 
	validation_loss REAL NOT NULL, 
	validation_accuracy REAL NOT NULL, 
	learning_rate REAL NOT NULL, 
	seconds REAL NOT NULL, 
	PRIMARY KEY (candidate_id, epoch), 
	CONSTRAINT epoch_from_one CHECK (epoch >= 1), 
	CONSTRAINT loss_is_finite CHECK (loss BETWEEN 0 AND 1.7976931348623157e308), 
	CONSTRAINT validation_loss_is_finite CHECK (validation_loss BETWEEN 0 AND 1.7976931348623157e308), 
	CONSTRAINT learning_rate_is_finite CHECK (learning_rate BETWEEN 0 AND 1.7976931348623157e308), 
	CONSTRAINT seconds_is_finite CHECK (seconds BETWEEN 0 AND 1.7976931348623157e308), 
	CONSTRAINT accuracy_is_share CHECK (accuracy BETWEEN 0 AND 1), 
	CONSTRAINT validation_accuracy_is_share CHECK (validation_accuracy BETWEEN 0 AND 1), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "epochs" VALUES('20261125-193833-d92b/baseline_avgpool',1,0.7,0.5,0.6,0.6,0.001,1.0);
INSERT INTO "epochs" VALUES('20261125-193833-d92b/baseline_avgpool',2,0.5,0.7,0.4,0.8,0.001,0.5);
INSERT INTO "epochs" VALUES('20261125-193833-d92b/advanced_bilstm_features',1,0.7,0.5,0.6,0.6,0.001,1.0);
INSERT INTO "epochs" VALUES('20261125-193833-d92b/advanced_bilstm_features',2,0.5,0.7,0.4,0.8,0.001,0.5);
INSERT INTO "epochs" VALUES('20261125-193833-2b1d/advanced_bilstm_features',1,0.7,0.5,0.6,0.6,0.001,1.0);
INSERT INTO "epochs" VALUES('20261125-193833-2b1d/advanced_bilstm_features',2,0.5,0.7,0.4,0.8,0.001,0.5);
INSERT INTO "epochs" VALUES('20261125-193834-5cb5/baseline_avgpool',1,0.7,0.5,0.6,0.6,0.001,1.0);
INSERT INTO "epochs" VALUES('20261125-193834-5cb5/baseline_avgpool',2,0.5,0.7,0.4,0.8,0.001,0.5);
CREATE TABLE gates (
	decision_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	verdict TEXT NOT NULL, 
	value REAL, 
	bound REAL, 
	words TEXT NOT NULL, 
	PRIMARY KEY (decision_id, name), 
	CONSTRAINT verdict_known CHECK (verdict IN ('pass', 'fail', 'not applicable', 'waived')), 
	CONSTRAINT pass_is_measured CHECK (verdict <> 'pass' OR (value IS NOT NULL AND bound IS NOT NULL)), 
	FOREIGN KEY(decision_id) REFERENCES decisions (id)
)
 STRICT

;
INSERT INTO "gates" VALUES('20261125-193833-d92b/baseline_avgpool','accuracy',0,'pass',0.9,0.55,'accuracy is above chance');
INSERT INTO "gates" VALUES('20261125-193833-d92b/advanced_bilstm_features','accuracy',0,'pass',0.9,0.55,'accuracy is above chance');
INSERT INTO "gates" VALUES('20261125-193833-d92b/advanced_bilstm_features','precision',1,'fail',0.1,0.5,'too low');
INSERT INTO "gates" VALUES('20261125-193833-2b1d/advanced_bilstm_features','accuracy',0,'pass',0.9,0.55,'accuracy is above chance');
INSERT INTO "gates" VALUES('20261125-193834-5cb5/baseline_avgpool','accuracy',0,'pass',0.9,0.55,'accuracy is above chance');
INSERT INTO "gates" VALUES('20261125-193834-12b8/baseline_avgpool','accuracy',0,'pass',0.9,0.55,'accuracy is above chance');
CREATE TABLE metrics (
	candidate_id TEXT NOT NULL, 
	split TEXT NOT NULL, 
	name TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	value REAL NOT NULL, 
	lower REAL, 
	upper REAL, 
	confidence REAL, 
	PRIMARY KEY (candidate_id, split, name, scope), 
	CONSTRAINT split_known CHECK (split IN ('train', 'validation', 'test')), 
	CONSTRAINT scope_known CHECK (scope IN ('overall', 'class 0', 'class 1')), 
	CONSTRAINT value_is_share CHECK (name IN ('log_loss', 'support') OR value BETWEEN 0 AND 1), 
	CONSTRAINT value_is_finite CHECK (value BETWEEN 0 AND 1.7976931348623157e308), 
	CONSTRAINT value_within_bounds CHECK (lower <= value AND value <= upper), 
	CONSTRAINT bounds_complete CHECK ((lower IS NULL) = (upper IS NULL) AND (lower IS NULL) = (confidence IS NULL)), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','validation','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','validation','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','validation','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','validation','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','test','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','test','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','test','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/baseline_avgpool','test','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','validation','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','validation','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','validation','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','validation','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','test','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','test','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','test','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-d92b/advanced_bilstm_features','test','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','validation','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','validation','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','validation','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','validation','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','test','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','test','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','test','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193833-2b1d/advanced_bilstm_features','test','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','validation','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','validation','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','validation','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','validation','log_loss','overall',1.5,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','test','accuracy','overall',0.9,0.8,1.0,0.95);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','test','auc','overall',0.95,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','test','recall','class 1',0.8,NULL,NULL,NULL);
INSERT INTO "metrics" VALUES('20261125-193834-5cb5/baseline_avgpool','test','log_loss','overall',1.5,NULL,NULL,NULL);
CREATE TABLE observations (
	run_id TEXT NOT NULL, 
	line TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	candidate_id TEXT NOT NULL, 
	num_rows INTEGER NOT NULL, 
	num_new INTEGER NOT NULL, 
	accuracy REAL, 
	lower REAL, 
	upper REAL, 
	auc REAL, 
	promoted_accuracy REAL NOT NULL, 
	predicted_positive REAL, 
	positive REAL, 
	verdict TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	observed_at TEXT NOT NULL, 
	PRIMARY KEY (run_id), 
	FOREIGN KEY(line, position) REFERENCES champions (line, position), 
	CONSTRAINT verdict_known CHECK (verdict IN ('healthy', 'degraded', 'drifted', 'too few rows')), 
	CONSTRAINT new_among_rows CHECK (num_new BETWEEN 0 AND num_rows), 
	CONSTRAINT accuracy_is_share CHECK (accuracy BETWEEN 0 AND 1), 
	CONSTRAINT auc_is_share CHECK (auc BETWEEN 0 AND 1), 
	CONSTRAINT promoted_accuracy_is_share CHECK (promoted_accuracy BETWEEN 0 AND 1), 
	CONSTRAINT predicted_positive_is_share CHECK (predicted_positive BETWEEN 0 AND 1), 
	CONSTRAINT positive_is_share CHECK (positive BETWEEN 0 AND 1), 
	CONSTRAINT accuracy_within_bounds CHECK (lower BETWEEN 0 AND accuracy AND upper BETWEEN accuracy AND 1), 
	CONSTRAINT rows_are_measured CHECK ((accuracy IS NULL) = (num_new = 0) AND (lower IS NULL) = (num_new = 0) AND (upper IS NULL) = (num_new = 0) AND (predicted_positive IS NULL) = (num_new = 0) AND (positive IS NULL) = (num_new = 0)), 
	CONSTRAINT verdict_is_measured CHECK (verdict = 'too few rows' OR num_new > 0), 
	FOREIGN KEY(run_id) REFERENCES runs (id), 
	FOREIGN KEY(candidate_id) REFERENCES candidates (id)
)
 STRICT

;
INSERT INTO "observations" VALUES('20261125-193834-2310','imdb',3,'20261125-193833-d92b/baseline_avgpool',300,200,0.9,0.85,0.94,0.95,0.91,0.52,0.5,'healthy','it holds','2026-11-25T19:38:34.276055Z');
CREATE TABLE runs (
	id TEXT NOT NULL, 
	flow TEXT NOT NULL, 
	line TEXT NOT NULL, 
	state TEXT NOT NULL, 
	"trigger" TEXT NOT NULL, 
	slot TEXT, 
	dry_run INTEGER NOT NULL, 
	snapshot_id TEXT, 
	source_reason TEXT, 
	options TEXT NOT NULL, 
	seed INTEGER, 
	fingerprint TEXT NOT NULL, 
	versions TEXT NOT NULL, 
	git_commit TEXT, 
	device TEXT, 
	message TEXT NOT NULL, 
	started_at TEXT NOT NULL, 
	finished_at TEXT, 
	seconds REAL, 
	host TEXT NOT NULL, 
	boot_id TEXT NOT NULL, 
	process_id INTEGER NOT NULL, 
	process_started REAL NOT NULL, 
	PRIMARY KEY (id), 
	CONSTRAINT state_known CHECK (state IN ('running', 'completed', 'skipped', 'rejected data', 'failed', 'cancelled', 'crashed')), 
	CONSTRAINT trigger_known CHECK (trigger IN ('command line', 'schedule', 'deployment')), 
	CONSTRAINT flow_known CHECK (flow IN ('retrain', 'check', 'score', 'monitor', 'rollback', 'housekeeping')), 
	CONSTRAINT finished_has_time CHECK ((state = 'running') = (finished_at IS NULL)), 
	CONSTRAINT seconds_is_finite CHECK (seconds BETWEEN 0 AND 1.7976931348623157e308), 
	FOREIGN KEY(snapshot_id) REFERENCES snapshots (id)
)
 STRICT

;
INSERT INTO "runs" VALUES('20261125-193833-d92b','retrain','imdb','completed','command line',NULL,0,'s1','it was named','{"epochs":3}',7,'fd92b','{"python":"3.11"}','abc-dirty','CPU','promoted baseline_avgpool','2026-11-25T19:38:33.663234Z','2026-11-25T19:38:33.856035Z',12.5,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193833-2b1d','retrain','imdb','completed','command line',NULL,0,'s1','it was named','{"epochs":3}',7,'f2b1d','{"python":"3.11"}','abc-dirty','CPU','promoted advanced_bilstm_features','2026-11-25T19:38:33.870494Z','2026-11-25T19:38:34.016526Z',13.5,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-5cb5','retrain','imdb','completed','command line',NULL,0,'s1','it was named','{"epochs":3}',7,'f5cb5','{"python":"3.11"}','abc-dirty','CPU','rejected','2026-11-25T19:38:34.026457Z','2026-11-25T19:38:34.131897Z',1.0,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-12b8','rollback','imdb','completed','command line',NULL,0,NULL,NULL,'{}',NULL,'','{"python":"3.11"}','abc-dirty',NULL,'rolled back','2026-11-25T19:38:34.150500Z','2026-11-25T19:38:34.215108Z',0.5,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-2310','monitor','imdb','completed','command line',NULL,0,NULL,NULL,'{"source":"today"}',NULL,'','{"python":"3.11"}','abc-dirty',NULL,'healthy','2026-11-25T19:38:34.240768Z','2026-11-25T19:38:34.288089Z',0.25,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-159f','retrain','imdb','failed','command line','retrain/weekly 2026-11-22T02:30Z',0,NULL,NULL,'{"epochs":3}',7,'','{"python":"3.11"}','abc-dirty',NULL,'the source did not answer','2026-11-25T19:38:34.304725Z','2026-11-25T19:38:34.326374Z',2.0,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-3aff','retrain','imdb','skipped','command line','retrain/weekly 2026-11-22T02:30Z',0,NULL,NULL,'{"epochs":3}',7,'','{"python":"3.11"}','abc-dirty',NULL,'nothing new','2026-11-25T19:38:34.342514Z','2026-11-25T19:38:34.405762Z',2.0,'host','boot',1,1.0);
INSERT INTO "runs" VALUES('20261125-193834-417b','retrain','synthetic','crashed','command line',NULL,1,NULL,NULL,'{"epochs":3}',7,'','{"python":"3.11"}','abc-dirty',NULL,'its process was gone','2026-11-25T19:38:34.438581Z','2026-11-25T19:38:34.459483Z',3.0,'host','boot',1,1.0);
CREATE TABLE schema_version (
	one INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	PRIMARY KEY (one), 
	CONSTRAINT single_row CHECK (one = 1)
)
 STRICT

;
INSERT INTO "schema_version" VALUES(1,3);
CREATE TABLE snapshots (
	id TEXT NOT NULL, 
	test_id TEXT NOT NULL, 
	line TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	source_sha256 TEXT NOT NULL, 
	num_train INTEGER NOT NULL, 
	num_validation INTEGER NOT NULL, 
	num_test INTEGER NOT NULL, 
	split_seed INTEGER NOT NULL, 
	content_version INTEGER NOT NULL, 
	vocabulary TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	PRIMARY KEY (id)
)
 STRICT

;
INSERT INTO "snapshots" VALUES('s1','t1','imdb','imdb.npz','f00d',80,10,20,2025,1,'','2026-11-25T19:38:33.681142Z');
CREATE TABLE stages (
	run_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	seconds REAL NOT NULL, 
	peak_memory_bytes INTEGER NOT NULL, 
	PRIMARY KEY (run_id, name), 
	CONSTRAINT seconds_is_finite CHECK (seconds BETWEEN 0 AND 1.7976931348623157e308), 
	FOREIGN KEY(run_id) REFERENCES runs (id)
)
 STRICT

;
INSERT INTO "stages" VALUES('20261125-193833-d92b','ingest',0,1.5,1000);
INSERT INTO "stages" VALUES('20261125-193833-d92b','train',1,9.25,20000000000);
INSERT INTO "stages" VALUES('20261125-193833-2b1d','ingest',0,1.5,1000);
INSERT INTO "stages" VALUES('20261125-193833-2b1d','train',1,9.25,20000000000);
INSERT INTO "stages" VALUES('20261125-193834-5cb5','ingest',0,1.5,1000);
INSERT INTO "stages" VALUES('20261125-193834-5cb5','train',1,9.25,20000000000);
CREATE INDEX ix_snapshots_test_id ON snapshots (test_id);
CREATE INDEX ix_runs_state ON runs (state);
CREATE INDEX ix_runs_line ON runs (line);
CREATE INDEX ix_runs_started_at ON runs (started_at);
CREATE INDEX ix_runs_fingerprint ON runs (fingerprint);
CREATE UNIQUE INDEX one_run_a_slot ON runs (slot) WHERE slot IS NOT NULL AND state NOT IN ('failed', 'cancelled', 'crashed');
CREATE INDEX ix_candidates_run_id ON candidates (run_id);
CREATE INDEX ix_candidates_training_key ON candidates (training_key);
CREATE INDEX ix_decisions_candidate_id ON decisions (candidate_id);
CREATE TRIGGER decisions_no_update BEFORE UPDATE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END;
CREATE TRIGGER decisions_no_delete BEFORE DELETE ON decisions BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END;
CREATE TRIGGER decisions_no_replace BEFORE INSERT ON decisions WHEN EXISTS (SELECT 1 FROM decisions WHERE id = NEW.id) BEGIN SELECT RAISE(ABORT, 'decisions is append-only'); END;
CREATE TRIGGER gates_no_update BEFORE UPDATE ON gates BEGIN SELECT RAISE(ABORT, 'gates is append-only'); END;
CREATE TRIGGER gates_no_delete BEFORE DELETE ON gates BEGIN SELECT RAISE(ABORT, 'gates is append-only'); END;
CREATE TRIGGER gates_no_replace BEFORE INSERT ON gates WHEN EXISTS (SELECT 1 FROM gates WHERE decision_id = NEW.decision_id AND name = NEW.name) BEGIN SELECT RAISE(ABORT, 'gates is append-only'); END;
CREATE TRIGGER diagnoses_no_update BEFORE UPDATE ON diagnoses BEGIN SELECT RAISE(ABORT, 'diagnoses is append-only'); END;
CREATE TRIGGER diagnoses_no_delete BEFORE DELETE ON diagnoses BEGIN SELECT RAISE(ABORT, 'diagnoses is append-only'); END;
CREATE TRIGGER diagnoses_no_replace BEFORE INSERT ON diagnoses WHEN EXISTS (SELECT 1 FROM diagnoses WHERE decision_id = NEW.decision_id AND cause = NEW.cause) BEGIN SELECT RAISE(ABORT, 'diagnoses is append-only'); END;
CREATE TRIGGER comparisons_no_update BEFORE UPDATE ON comparisons BEGIN SELECT RAISE(ABORT, 'comparisons is append-only'); END;
CREATE TRIGGER comparisons_no_delete BEFORE DELETE ON comparisons BEGIN SELECT RAISE(ABORT, 'comparisons is append-only'); END;
CREATE TRIGGER comparisons_no_replace BEFORE INSERT ON comparisons WHEN EXISTS (SELECT 1 FROM comparisons WHERE test_id = NEW.test_id AND comparison = NEW.comparison) BEGIN SELECT RAISE(ABORT, 'comparisons is append-only'); END;
CREATE TRIGGER champions_no_update BEFORE UPDATE ON champions BEGIN SELECT RAISE(ABORT, 'champions is append-only'); END;
CREATE TRIGGER champions_no_delete BEFORE DELETE ON champions BEGIN SELECT RAISE(ABORT, 'champions is append-only'); END;
CREATE TRIGGER champions_no_replace BEFORE INSERT ON champions WHEN EXISTS (SELECT 1 FROM champions WHERE line = NEW.line AND position = NEW.position) BEGIN SELECT RAISE(ABORT, 'champions is append-only'); END;
CREATE TRIGGER champions_follow BEFORE INSERT ON champions WHEN NEW.previous <> (SELECT coalesce(max(position), 0) FROM champions WHERE line = NEW.line) BEGIN SELECT RAISE(ABORT, 'champions: position must follow the line''s last one'); END;
CREATE INDEX ix_observations_line ON observations (line);
CREATE TRIGGER observations_no_update BEFORE UPDATE ON observations BEGIN SELECT RAISE(ABORT, 'observations is append-only'); END;
CREATE TRIGGER observations_no_delete BEFORE DELETE ON observations BEGIN SELECT RAISE(ABORT, 'observations is append-only'); END;
CREATE TRIGGER observations_no_replace BEFORE INSERT ON observations WHEN EXISTS (SELECT 1 FROM observations WHERE run_id = NEW.run_id) BEGIN SELECT RAISE(ABORT, 'observations is append-only'); END;
COMMIT;
