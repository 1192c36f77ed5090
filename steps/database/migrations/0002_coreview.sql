-- The stand-in for what CoreView owns.
-- KEY_TEXT is text that compares by its bytes in either database.

-- One row per delivery that was booked. It is inserted before anything else of
-- the delivery, in the same transaction: whoever comes second finds it.
CREATE TABLE coreview_ledger (
    delivery_id   text PRIMARY KEY NOT NULL,
    channel       text NOT NULL,
    workflow      text NOT NULL,
    feed          text NOT NULL,
    period        text NOT NULL,
    version       bigint NOT NULL,
    batch_sha256  text NOT NULL,
    row_count     bigint NOT NULL,
    totals        text NOT NULL,
    execution_arn text NOT NULL,
    attempt       bigint NOT NULL,
    delivered_at  text NOT NULL,
    receipt       text NOT NULL,
    state         text NOT NULL CHECK (state IN ('active', 'superseded', 'withdrawn')),
    -- Why the period was corrected by this delivery.
    correction    text,
    -- Which delivery took its place, or why it was withdrawn.
    ended_by      text
);

-- Two batches for one period are never both booked, however they race.
CREATE UNIQUE INDEX coreview_ledger_active ON coreview_ledger (feed, period) WHERE state = 'active';

-- The rows of every batch as they were received.
CREATE TABLE coreview_staging (
    delivery_id text NOT NULL,
    entity_key  KEY_TEXT NOT NULL,
    figures     text NOT NULL,
    PRIMARY KEY (delivery_id, entity_key)
);

-- The figures as they are booked.
CREATE TABLE coreview_figure (
    feed        text NOT NULL,
    period      text NOT NULL,
    entity_key  KEY_TEXT NOT NULL,
    figures     text NOT NULL,
    -- The delivery and version that last changed the row.
    delivery_id text NOT NULL,
    version     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('booked', 'withdrawn'))
);

-- An index, not a constraint of the table: the fault that crash tests plant
-- takes it away.
CREATE UNIQUE INDEX coreview_figure_entity ON coreview_figure (feed, period, entity_key);

-- Every row that a correction or a withdrawal changed.
CREATE TABLE coreview_audit (
    delivery_id    text NOT NULL,
    feed           text NOT NULL,
    period         text NOT NULL,
    entity_key     KEY_TEXT NOT NULL,
    version        bigint NOT NULL,
    figures_before text,
    figures_after  text,
    reason         text NOT NULL,
    changed_at     text NOT NULL
);
CREATE INDEX coreview_audit_entity ON coreview_audit (feed, period, entity_key);
