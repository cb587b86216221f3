-- The board on SQLite. The same tables, names and meaning as ../postgres/0001_board.sql.
-- Times are milliseconds since 1970 UTC. Truths are 0 and 1. Hashes are lower-case hexadecimal.

-- What was posted, byte for byte, compressed. Named by its hash, so that it is stored once and never changes.
CREATE TABLE blobs (
    hash TEXT NOT NULL PRIMARY KEY,
    size_bytes INTEGER NOT NULL,
    bytes BLOB NOT NULL
);

CREATE TABLE submissions (
    -- SHA-256 of the canonical envelope: a resend is the same row.
    id TEXT NOT NULL PRIMARY KEY,
    board TEXT NOT NULL,
    author TEXT NOT NULL,
    nonce TEXT NOT NULL,
    stored_ms INTEGER NOT NULL,
    log TEXT NOT NULL,
    model_name TEXT NOT NULL,
    model_hash TEXT NOT NULL,
    model_bytes INTEGER NOT NULL,
    quantization TEXT,
    architecture TEXT,
    parameters INTEGER,
    licence TEXT,
    kind TEXT,
    precision TEXT,
    merged INTEGER NOT NULL,
    on_hub INTEGER NOT NULL,
    lane TEXT NOT NULL,
    adapter TEXT,
    engine TEXT NOT NULL,
    -- Mean over the tasks' main metrics; NULL where no task has one.
    average REAL,
    -- Tasks with their metrics, as the API shows them.
    scores TEXT NOT NULL,
    -- Place among the trust labels, from 0 (self-reported) to 3 (verified).
    trust INTEGER NOT NULL,
    -- The label that the check at posting gave; spot checks raise `trust` above it.
    own_trust INTEGER NOT NULL,
    -- Whether the spot check of another key found differing documents.
    disputed INTEGER NOT NULL DEFAULT 0,
    -- Flags that count; what hides a row; when its author deleted it.
    flags INTEGER NOT NULL DEFAULT 0,
    hidden INTEGER NOT NULL DEFAULT 0,
    deleted_ms INTEGER,
    restored_ms INTEGER,
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
    submission TEXT NOT NULL,
    board TEXT NOT NULL,
    task TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (submission, task)
);
CREATE INDEX scores_task ON scores (board, task, value DESC, submission DESC);

-- What was deleted for good: only that it was, so that it cannot be posted again.
CREATE TABLE tombstones (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL
);

CREATE TABLE rooms (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    code_hash TEXT NOT NULL CONSTRAINT room_code_once UNIQUE,
    presenter_hash TEXT NOT NULL CONSTRAINT room_presenter_once UNIQUE,
    opened_by TEXT NOT NULL,
    opened_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    capacity INTEGER NOT NULL,
    frozen INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0,
    published INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE members (
    token_hash TEXT NOT NULL PRIMARY KEY,
    room TEXT NOT NULL,
    author TEXT NOT NULL,
    joined_ms INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX members_room ON members (room, author);

-- Spot checks: documents that the server drew after the submission was stored, and what came back.
CREATE TABLE checks (
    id TEXT NOT NULL PRIMARY KEY,
    submission TEXT NOT NULL,
    -- The key that checks; `board` for the board's own.
    author TEXT NOT NULL,
    drawn TEXT NOT NULL,
    -- 32 random bytes: with them and the submission anyone can draw again, once the check is done.
    seed TEXT NOT NULL,
    drawn_ms INTEGER NOT NULL,
    done_ms INTEGER,
    verdict TEXT,
    detail TEXT,
    CONSTRAINT check_once UNIQUE (submission, author)
);

CREATE TABLE flags (
    submission TEXT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL,
    link TEXT NOT NULL,
    note TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    -- Whether it counts towards hiding: its key is no stranger and not the author's.
    counts INTEGER NOT NULL,
    dismissed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (submission, author)
);

CREATE TABLE appeals (
    submission TEXT NOT NULL PRIMARY KEY,
    note TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    answered_ms INTEGER
);

CREATE TABLE moderators (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    token_hash TEXT NOT NULL CONSTRAINT moderator_token_once UNIQUE,
    -- The moderator's own key, whose rows others decide about; NULL if not told.
    author TEXT,
    created_ms INTEGER NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE sessions (
    token_hash TEXT NOT NULL PRIMARY KEY,
    moderator TEXT NOT NULL,
    expires_ms INTEGER NOT NULL
);

-- Who did what, chained: each entry's hash covers the one before.
CREATE TABLE audit (
    number INTEGER NOT NULL PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    object TEXT NOT NULL,
    detail TEXT NOT NULL,
    previous TEXT NOT NULL CONSTRAINT audit_chain UNIQUE,
    hash TEXT NOT NULL
);
CREATE TRIGGER audit_keeps_entries BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit table only grows'); END;
CREATE TRIGGER audit_loses_nothing BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit table only grows'); END;
