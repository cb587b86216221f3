-- What a model's name looks like (its skeleton by UTS 39), to find names that look like an earlier one. Runs from before have none.
ALTER TABLE submissions ADD COLUMN model_skeleton TEXT;
CREATE INDEX submissions_skeleton ON submissions (board, model_skeleton, stored_ms, id);
