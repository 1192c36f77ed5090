-- What was taken in: files, the rows they became, the rows that were rejected.
-- Nothing here is deleted: what was replaced is in the history.

-- How often a feed was loaded. Whoever loads counts first, and so waits for
-- others that load the same feed.
CREATE TABLE ingest_feed (
    feed  text PRIMARY KEY NOT NULL,
    loads bigint NOT NULL
);

-- Names and kinds of the values of rows, as JSON. Rows of one spec share one.
CREATE TABLE ingest_layout (
    layout     text PRIMARY KEY NOT NULL,
    value_list text NOT NULL
);

-- The files of each source. A source is one file, or several that were parsed
-- together; it was loaded last by load_number.
CREATE TABLE ingest_file (
    feed           text NOT NULL,
    source         KEY_TEXT NOT NULL,
    position       bigint NOT NULL,
    file_key       text NOT NULL,
    file_sha256    text NOT NULL,
    file_bytes     bigint NOT NULL,
    spec_sha256    text NOT NULL,
    rows_sha256    text NOT NULL,
    load_number    bigint NOT NULL,
    rows_in        bigint NOT NULL,
    rows_accepted  bigint NOT NULL,
    rows_cancelled bigint NOT NULL,
    rows_rejected  bigint NOT NULL,
    -- What loading changed, as JSON.
    loaded         text NOT NULL,
    execution_arn  text NOT NULL,
    loaded_at      text NOT NULL,
    PRIMARY KEY (feed, source, position)
);

-- The rejected rows of each load.
CREATE TABLE ingest_reject (
    feed        text NOT NULL,
    load_number bigint NOT NULL,
    number      bigint NOT NULL,
    file_name   text NOT NULL,
    line        bigint NOT NULL,
    byte_offset bigint,
    column_name text,
    code        text NOT NULL,
    reason      text NOT NULL,
    raw         text NOT NULL,
    PRIMARY KEY (feed, load_number, number)
);

-- The rows as they are now. row_values is a JSON list in the order of the layout.
CREATE TABLE ingest_row (
    feed        text NOT NULL,
    row_key     KEY_TEXT NOT NULL,
    market      KEY_TEXT NOT NULL,
    day         text NOT NULL,
    period      KEY_TEXT NOT NULL,
    outcome     text NOT NULL CHECK (outcome IN ('accepted', 'cancelled', 'withdrawn')),
    code        text NOT NULL,
    layout      text NOT NULL,
    row_values  text NOT NULL,
    source      text NOT NULL,
    load_number bigint NOT NULL,
    PRIMARY KEY (feed, row_key)
);
CREATE INDEX ingest_row_period ON ingest_row (feed, period);

-- The rows as they were before the load ended_by.
CREATE TABLE ingest_row_history (
    feed        text NOT NULL,
    row_key     KEY_TEXT NOT NULL,
    market      text NOT NULL,
    day         text NOT NULL,
    period      text NOT NULL,
    outcome     text NOT NULL,
    code        text NOT NULL,
    layout      text NOT NULL,
    row_values  text NOT NULL,
    source      text NOT NULL,
    load_number bigint NOT NULL,
    ended_by    bigint NOT NULL,
    PRIMARY KEY (feed, row_key, ended_by)
);

-- Rejected rows, with the file each load was about: for people.
CREATE VIEW ingest_rejected AS
    SELECT file.feed, file.file_key, reject.file_name, reject.line, reject.column_name, reject.code,
        reject.reason, reject.raw, file.loaded_at, file.execution_arn
    FROM ingest_reject AS reject
    JOIN ingest_file AS file ON file.feed = reject.feed AND file.load_number = reject.load_number
        AND file.position = 0;
