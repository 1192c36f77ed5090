-- What is to be delivered, and how often that was attempted.
CREATE TABLE delivery_outbox (
    delivery_id   text PRIMARY KEY NOT NULL,
    channel       text NOT NULL,
    workflow      text NOT NULL,
    feed          text NOT NULL,
    period        text NOT NULL,
    batch_key     text NOT NULL,
    batch_sha256  text NOT NULL,
    row_count     bigint NOT NULL,
    totals        text NOT NULL,
    execution_arn text NOT NULL,
    staged_at     text NOT NULL,
    attempts      bigint NOT NULL,
    state         text NOT NULL CHECK (state IN ('staged', 'delivered'))
);
