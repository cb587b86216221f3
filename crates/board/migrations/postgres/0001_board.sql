-- The board on PostgreSQL. The same tables, names and meaning as ../sqlite/0001_board.sql.
-- Times are milliseconds since 1970 UTC. Truths are 0 and 1. Hashes are lower-case hexadecimal.
-- Text is compared by its bytes (COLLATE "C"), as SQLite does, so that both engines sort alike.

-- What was posted, byte for byte, compressed. Named by its hash, so that it is stored once and never changes.
CREATE TABLE blobs (
    hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    size_bytes BIGINT NOT NULL,
    bytes BYTEA NOT NULL
);

CREATE TABLE submissions (
    -- SHA-256 of the canonical envelope: a resend is the same row.
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    board TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    nonce TEXT COLLATE "C" NOT NULL,
    stored_ms BIGINT NOT NULL,
    log TEXT COLLATE "C" NOT NULL,
    model_name TEXT COLLATE "C" NOT NULL,
    model_hash TEXT COLLATE "C" NOT NULL,
    model_bytes BIGINT NOT NULL,
    quantization TEXT COLLATE "C",
    architecture TEXT COLLATE "C",
    parameters BIGINT,
    licence TEXT COLLATE "C",
    kind TEXT COLLATE "C",
    precision TEXT COLLATE "C",
    merged BIGINT NOT NULL,
    on_hub BIGINT NOT NULL,
    lane TEXT COLLATE "C" NOT NULL,
    adapter TEXT COLLATE "C",
    engine TEXT COLLATE "C" NOT NULL,
    -- Mean over the tasks' main metrics; NULL where no task has one.
    average DOUBLE PRECISION,
    -- Tasks with their metrics, as the API shows them.
    scores TEXT COLLATE "C" NOT NULL,
    -- Place among the trust labels, from 0 (self-reported) to 3 (verified).
    trust BIGINT NOT NULL,
    -- The label that the check at posting gave; spot checks raise `trust` above it.
    own_trust BIGINT NOT NULL,
    -- Whether the spot check of another key found differing documents.
    disputed BIGINT NOT NULL DEFAULT 0,
    -- Flags that count; what hides a row; when its author deleted it.
    flags BIGINT NOT NULL DEFAULT 0,
    hidden BIGINT NOT NULL DEFAULT 0,
    deleted_ms BIGINT,
    restored_ms BIGINT,
    -- A nonce belongs to one body: another under it is a forgery or a mistake.
    CONSTRAINT nonce_once UNIQUE (author, nonce)
);
CREATE INDEX submissions_average ON submissions (board, COALESCE(average, -1e300) DESC, id DESC);
CREATE INDEX submissions_stored ON submissions (board, stored_ms DESC, id DESC);
CREATE INDEX submissions_name ON submissions (board, model_name DESC, id DESC);
-- For counting what a table shows without reading its rows.
CREATE INDEX submissions_shown ON submissions (board, hidden, deleted_ms);
CREATE INDEX submissions_model ON submissions (model_hash, stored_ms);
CREATE INDEX submissions_author ON submissions (author, board, model_hash, stored_ms);
CREATE INDEX submissions_deleted ON submissions (deleted_ms) WHERE deleted_ms IS NOT NULL;
CREATE INDEX submissions_log ON submissions (log);

-- One row for each task's main metric, for columns, sorting and filters.
CREATE TABLE scores (
    submission TEXT COLLATE "C" NOT NULL,
    board TEXT COLLATE "C" NOT NULL,
    task TEXT COLLATE "C" NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (submission, task)
);
CREATE INDEX scores_task ON scores (board, task, value DESC, submission DESC);

-- What was deleted for good: only that it was, so that it cannot be posted again.
CREATE TABLE tombstones (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL
);

CREATE TABLE rooms (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    code_hash TEXT COLLATE "C" NOT NULL CONSTRAINT room_code_once UNIQUE,
    presenter_hash TEXT COLLATE "C" NOT NULL CONSTRAINT room_presenter_once UNIQUE,
    opened_by TEXT COLLATE "C" NOT NULL,
    opened_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL,
    capacity BIGINT NOT NULL,
    frozen BIGINT NOT NULL DEFAULT 0,
    closed BIGINT NOT NULL DEFAULT 0,
    published BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE members (
    token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    room TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    joined_ms BIGINT NOT NULL,
    revoked BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX members_room ON members (room, author);

-- Spot checks: documents that the server drew after the submission was stored, and what came back.
CREATE TABLE checks (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    submission TEXT COLLATE "C" NOT NULL,
    -- The key that checks; `board` for the board's own.
    author TEXT COLLATE "C" NOT NULL,
    drawn TEXT COLLATE "C" NOT NULL,
    -- 32 random bytes: with them and the submission anyone can draw again, once the check is done.
    seed TEXT COLLATE "C" NOT NULL,
    drawn_ms BIGINT NOT NULL,
    done_ms BIGINT,
    verdict TEXT COLLATE "C",
    detail TEXT COLLATE "C",
    CONSTRAINT check_once UNIQUE (submission, author)
);

CREATE TABLE flags (
    submission TEXT COLLATE "C" NOT NULL,
    author TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C" NOT NULL,
    link TEXT COLLATE "C" NOT NULL,
    note TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    -- Whether it counts towards hiding: its key is no stranger and not the author's.
    counts BIGINT NOT NULL,
    dismissed BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (submission, author)
);

CREATE TABLE appeals (
    submission TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    note TEXT COLLATE "C" NOT NULL,
    at_ms BIGINT NOT NULL,
    answered_ms BIGINT
);

CREATE TABLE moderators (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    token_hash TEXT COLLATE "C" NOT NULL CONSTRAINT moderator_token_once UNIQUE,
    -- The moderator's own key, whose rows others decide about; NULL if not told.
    author TEXT COLLATE "C",
    created_ms BIGINT NOT NULL,
    revoked BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
    token_hash TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    moderator TEXT COLLATE "C" NOT NULL,
    expires_ms BIGINT NOT NULL
);

-- Who did what, chained: each entry's hash covers the one before.
CREATE TABLE audit (
    number BIGINT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT COLLATE "C" NOT NULL,
    action TEXT COLLATE "C" NOT NULL,
    object TEXT COLLATE "C" NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    previous TEXT COLLATE "C" NOT NULL CONSTRAINT audit_chain UNIQUE,
    hash TEXT COLLATE "C" NOT NULL
);
CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit table only grows'; END $$;
CREATE TRIGGER audit_keeps_entries BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_only_grows();
