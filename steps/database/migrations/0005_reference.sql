-- Reference data, by name and scope: the matrices of a year, the targets of a
-- month. What is uploaded again becomes another revision; the others stay.

-- How many revisions there are. Whoever keeps one reads this first, and so
-- waits for others.
CREATE TABLE reference_scope (
    name   text NOT NULL,
    scope  KEY_TEXT NOT NULL,
    latest bigint NOT NULL,
    PRIMARY KEY (name, scope)
);

CREATE TABLE reference_revision (
    name          text NOT NULL,
    scope         KEY_TEXT NOT NULL,
    number        bigint NOT NULL,
    -- SHA-256 of the rows: the same content is the same revision.
    sha256        text NOT NULL,
    feed          text NOT NULL,
    layout        text NOT NULL,
    row_count     bigint NOT NULL,
    file_key      text NOT NULL,
    file_sha256   text NOT NULL,
    spec_sha256   text NOT NULL,
    warnings      text NOT NULL,
    execution_arn text NOT NULL,
    kept_at       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('active', 'replaced')),
    PRIMARY KEY (name, scope, number)
);

-- Two revisions are never both in force.
CREATE UNIQUE INDEX reference_revision_active ON reference_revision (name, scope) WHERE state = 'active';

-- row_values is a JSON list in the order of the revision's layout.
CREATE TABLE reference_row (
    name       text NOT NULL,
    scope      KEY_TEXT NOT NULL,
    number     bigint NOT NULL,
    position   bigint NOT NULL,
    outcome    text NOT NULL CHECK (outcome IN ('accepted', 'cancelled')),
    code       text NOT NULL,
    row_values text NOT NULL,
    PRIMARY KEY (name, scope, number, position)
);

-- What is in force: for people.
CREATE VIEW reference_active AS
    SELECT revision.name, revision.scope, revision.number, revision.file_key, revision.kept_at,
        kept.position, kept.outcome, kept.row_values, layout.value_list
    FROM reference_revision AS revision
    JOIN reference_row AS kept ON kept.name = revision.name AND kept.scope = revision.scope
        AND kept.number = revision.number
    JOIN ingest_layout AS layout ON layout.layout = revision.layout
    WHERE revision.state = 'active';
