-- The rows that the figures of a run were made of, where its feed has them kept:
-- what later periods take back is what was delivered.

-- The rows of a run's market as they were noted last before its delivery.
CREATE TABLE calc_market_entry (
    run_id         text NOT NULL,
    market         KEY_TEXT NOT NULL,
    entries_key    text NOT NULL,
    entries_sha256 text NOT NULL,
    -- Names and kinds of the values: see ingest_layout.
    layout         text NOT NULL,
    row_count      bigint NOT NULL,
    noted_at       text NOT NULL,
    PRIMARY KEY (run_id, market)
);

CREATE TABLE calc_entry (
    run_id         text NOT NULL,
    market         KEY_TEXT NOT NULL,
    entries_sha256 text NOT NULL,
    -- Counted from 1, in the order of the rows.
    number         bigint NOT NULL,
    -- A JSON list in the order of the layout.
    row_values     text NOT NULL,
    PRIMARY KEY (run_id, market, entries_sha256, number)
);

-- What was delivered and stands, row by row: for people.
CREATE VIEW calc_delivered_entry AS
    SELECT run.feed, run.period, run.id AS run_id, entry.market, entry.number, layout.value_list, entry.row_values
    FROM calc_run AS run
    JOIN calc_market_entry AS kept ON kept.run_id = run.id
    JOIN ingest_layout AS layout ON layout.layout = kept.layout
    JOIN calc_entry AS entry ON entry.run_id = kept.run_id AND entry.market = kept.market
        AND entry.entries_sha256 = kept.entries_sha256
    WHERE run.state = 'delivered' AND EXISTS (
        SELECT 1 FROM calc_delivery AS delivery
        WHERE delivery.run_id = run.id AND delivery.market = kept.market AND delivery.state = 'delivered');
