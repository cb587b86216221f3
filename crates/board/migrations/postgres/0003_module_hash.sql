-- The hash of the module or program that computed a run, where its envelope tells it. Runs stored before stay without.
ALTER TABLE submissions ADD COLUMN module_sha256 TEXT COLLATE "C";
