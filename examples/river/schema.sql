-- One row for each job that we start at Smile ID. A resubmission is another row.
CREATE TABLE IF NOT EXISTS verifications (
	id         text        PRIMARY KEY,         -- ours: it is in the URL of the callbacks, and it is the job_id of v1 and v2
	version    int         NOT NULL CHECK (version IN (1, 3)), -- of Smile ID's API; 1 stands for v2, too
	user_id    text        NOT NULL,            -- as in our request
	smile_job  text        NOT NULL DEFAULT '', -- from the answer to our request; v3 knows the job by this name only
	deadline   timestamptz NOT NULL,            -- from then on the sweep asks
	callbacks  bigint      NOT NULL DEFAULT 0,  -- how many have come; a run notices that one more has
	decision   text        CHECK (decision IN ('approved', 'rejected')), -- NULL while the row is open
	decided_at timestamptz
);
CREATE INDEX IF NOT EXISTS open_verifications ON verifications (deadline) WHERE decision IS NULL;

-- One result of Smile ID's does not decide two rows.
CREATE UNIQUE INDEX IF NOT EXISTS smile_jobs ON verifications (smile_job) WHERE smile_job <> '';

-- What a person has to look at. These rows of verifications are still open: a person
-- decides them, or a further callback does. To have Smile ID asked again, delete the row
-- here: the sweep asks, after the deadline.
CREATE TABLE IF NOT EXISTS people (
	verification text        PRIMARY KEY REFERENCES verifications,
	reason       text        NOT NULL,
	since        timestamptz NOT NULL DEFAULT now()
);
