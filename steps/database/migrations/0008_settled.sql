-- What tells whether a delivered period still is what its rows say.

-- The load that last changed a row that lies in a period, or lay in it before.
CREATE TABLE ingest_period (
    feed        text NOT NULL,
    period      KEY_TEXT NOT NULL,
    load_number bigint NOT NULL,
    PRIMARY KEY (feed, period)
);

CREATE INDEX ingest_row_history_period ON ingest_row_history (feed, period);
CREATE INDEX ingest_row_history_load ON ingest_row_history (feed, ended_by);

-- How many loads of the feed a run's input has seen.
ALTER TABLE calc_run ADD COLUMN loads bigint NOT NULL DEFAULT 0;
UPDATE calc_run SET loads =
    COALESCE((SELECT ingest_feed.loads FROM ingest_feed WHERE ingest_feed.feed = calc_run.feed), 0);

-- What is not to be delivered any more, though it was planned once.
ALTER TABLE calc_delivery ADD COLUMN dropped_at text;

-- How often runs of a period were closed. Whoever closes counts first, and so waits for others.
CREATE TABLE calc_period (
    feed   text NOT NULL,
    period KEY_TEXT NOT NULL,
    closes bigint NOT NULL,
    PRIMARY KEY (feed, period)
);

-- Delivered periods whose rows came, went or changed since.
CREATE VIEW calc_stale AS
    SELECT run.feed, run.period, run.id AS run_id, changed.load_number
    FROM calc_run AS run
    JOIN ingest_period AS changed ON changed.feed = run.feed AND changed.period = run.period
    WHERE run.state = 'delivered' AND changed.load_number > run.loads;

-- Rows that were delivered with one period and lie in another one now.
CREATE VIEW calc_moved AS
    SELECT run.feed, run.period, run.id AS run_id, was.row_key, kept.period AS period_now
    FROM calc_run AS run
    JOIN ingest_row_history AS was ON was.feed = run.feed AND was.period = run.period
        AND was.load_number <= run.loads AND was.ended_by > run.loads
    JOIN ingest_row AS kept ON kept.feed = was.feed AND kept.row_key = was.row_key
    WHERE run.state = 'delivered' AND was.outcome <> 'withdrawn' AND kept.outcome <> 'withdrawn'
        AND kept.period <> was.period;
