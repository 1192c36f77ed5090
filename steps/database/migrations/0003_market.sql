-- Deliveries of several markets for one period, and of several channels.
-- A delivery without a market has the empty text: a unique key needs a value.

ALTER TABLE delivery_outbox ADD COLUMN market text NOT NULL DEFAULT '';
ALTER TABLE coreview_ledger ADD COLUMN market text NOT NULL DEFAULT '';
ALTER TABLE coreview_figure ADD COLUMN market text NOT NULL DEFAULT '';
ALTER TABLE coreview_audit ADD COLUMN market text NOT NULL DEFAULT '';

DROP INDEX coreview_ledger_active;
CREATE UNIQUE INDEX coreview_ledger_active ON coreview_ledger (feed, period, market) WHERE state = 'active';

DROP INDEX coreview_figure_entity;
CREATE UNIQUE INDEX coreview_figure_entity ON coreview_figure (feed, period, market, entity_key);

DROP INDEX coreview_audit_entity;
CREATE INDEX coreview_audit_entity ON coreview_audit (feed, period, market, entity_key);

-- The receipts of every channel in one place, whatever became of the delivery
-- afterwards: that is for its target to say.
CREATE TABLE delivery_receipt (
    delivery_id   text PRIMARY KEY NOT NULL,
    channel       text NOT NULL,
    workflow      text NOT NULL,
    feed          text NOT NULL,
    period        text NOT NULL,
    market        text NOT NULL,
    version       bigint NOT NULL,
    batch_sha256  text NOT NULL,
    row_count     bigint NOT NULL,
    totals        text NOT NULL,
    execution_arn text NOT NULL,
    delivered_at  text NOT NULL,
    correction    text,
    receipt       text NOT NULL
);
CREATE INDEX delivery_receipt_period ON delivery_receipt (feed, period, market);

INSERT INTO delivery_receipt (delivery_id, channel, workflow, feed, period, market, version, batch_sha256,
    row_count, totals, execution_arn, delivered_at, correction, receipt)
SELECT delivery_id, channel, workflow, feed, period, market, version, batch_sha256,
    row_count, totals, execution_arn, delivered_at, correction, receipt
FROM coreview_ledger;

-- Who waits for a receiver's answer to a dropped file, and who passed it on.
CREATE TABLE delivery_ack (
    delivery_id   text NOT NULL,
    -- Of the state that waits. A redrive waits with another one.
    task_token    text NOT NULL,
    execution_arn text NOT NULL,
    asked_at      text NOT NULL,
    -- The execution that took the answer to this token; it alone is given it again.
    answered_by   text,
    answered_at   text,
    PRIMARY KEY (delivery_id, task_token)
);
CREATE INDEX delivery_ack_open ON delivery_ack (asked_at) WHERE answered_by IS NULL;
