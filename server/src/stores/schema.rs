//! The tables. Each step brings the schema from its position to the next version.

/// `PRAGMA application_id` of the database: "Stor" in ASCII.
pub(super) const APPLICATION_ID: i64 = 0x5374_6f72;

/// The newest schema this program knows.
pub(super) const SCHEMA_VERSION: i64 = MIGRATIONS.len().cast_signed() as i64;

pub(super) const MIGRATIONS: &[&str] = &["
    CREATE TABLE migrations (version INTEGER PRIMARY KEY, applied_millis INTEGER NOT NULL) STRICT;

    -- Attributes are those that were set; tags keep the order in which they came.
    CREATE TABLE queues (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        attributes TEXT NOT NULL,
        tags TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        modified_millis INTEGER NOT NULL,
        last_sequence INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        queue_id INTEGER NOT NULL,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT,
        system_attributes TEXT,
        group_id TEXT,
        deduplication_id TEXT,
        sequence INTEGER,
        -- Of a message in a dead-letter queue: the queue it was in.
        source_arn TEXT,
        sent_millis INTEGER NOT NULL,
        visible_millis INTEGER NOT NULL,
        expires_millis INTEGER NOT NULL,
        receive_count INTEGER NOT NULL DEFAULT 0,
        first_receive_millis INTEGER,
        -- Of the last receive: what its receipt handle holds.
        receipt TEXT
    ) STRICT;
    CREATE INDEX messages_visible ON messages (queue_id, visible_millis);
    CREATE INDEX messages_groups ON messages (queue_id, group_id, visible_millis) WHERE group_id IS NOT NULL;
    CREATE INDEX messages_expire ON messages (expires_millis);
    CREATE TABLE deduplications (
        queue_id INTEGER NOT NULL,
        -- The message group where ids count within it, or nothing.
        scope TEXT NOT NULL,
        deduplication_id TEXT NOT NULL,
        message_id TEXT NOT NULL,
        sequence INTEGER NOT NULL,
        until_millis INTEGER NOT NULL,
        PRIMARY KEY (queue_id, scope, deduplication_id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE message_moves (
        handle TEXT PRIMARY KEY,
        source_id INTEGER NOT NULL,
        source_arn TEXT NOT NULL,
        destination_arn TEXT,
        per_second INTEGER,
        status TEXT NOT NULL,
        to_move INTEGER NOT NULL,
        moved INTEGER NOT NULL DEFAULT 0,
        failure TEXT,
        started_millis INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE buses (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        modified_millis INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rules (
        bus TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        -- Of a rule with a schedule that is enabled: when it fires next.
        next_millis INTEGER,
        PRIMARY KEY (bus, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX rules_next ON rules (next_millis) WHERE next_millis IS NOT NULL;
    CREATE TABLE targets (
        bus TEXT NOT NULL,
        rule TEXT NOT NULL,
        id TEXT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (bus, rule, id)
    ) STRICT, WITHOUT ROWID;
    -- Tags of everything but queues, by ARN.
    CREATE TABLE tags (
        id INTEGER PRIMARY KEY,
        arn TEXT NOT NULL,
        key TEXT NOT NULL,
        value TEXT NOT NULL,
        UNIQUE (arn, key)
    ) STRICT;
    -- What is to be brought to a target, until it is there or given up.
    CREATE TABLE deliveries (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        event_id TEXT NOT NULL,
        -- ARN of the rule or schedule it comes of.
        source_arn TEXT NOT NULL,
        target_id TEXT NOT NULL,
        target TEXT NOT NULL,
        input TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        due_millis INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        UNIQUE (event_id, source_arn, target_id)
    ) STRICT;
    CREATE INDEX deliveries_due ON deliveries (due_millis, id);
    -- Events that stores raised; an event that is raised again is known by its id.
    CREATE TABLE raised (event_id TEXT PRIMARY KEY, millis INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE INDEX raised_millis ON raised (millis);

    CREATE TABLE schedule_groups (
        name TEXT PRIMARY KEY,
        created_millis INTEGER NOT NULL,
        modified_millis INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE schedules (
        group_name TEXT NOT NULL,
        name TEXT NOT NULL,
        document TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        modified_millis INTEGER NOT NULL,
        -- The instant it fires for next, without its flexible window; NULL = never again.
        next_millis INTEGER,
        -- When it fires, with its window.
        due_millis INTEGER,
        PRIMARY KEY (group_name, name)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX schedules_due ON schedules (due_millis) WHERE due_millis IS NOT NULL;

    CREATE TABLE pipes (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL,
        created_millis INTEGER NOT NULL,
        modified_millis INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    -- Messages that a pipe took and whose execution may not have been started yet.
    CREATE TABLE pipe_batches (
        pipe TEXT PRIMARY KEY,
        execution_name TEXT NOT NULL,
        input TEXT NOT NULL,
        -- Row ids and receipts of the messages, as JSON.
        messages TEXT NOT NULL,
        taken_millis INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
"];
