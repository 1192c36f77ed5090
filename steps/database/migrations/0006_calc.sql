-- Runs: which input a period was calculated from, and what came out.
-- EXACT is a number with all its decimals.

CREATE TABLE calc_run (
    -- Made of all that the figures depend on: the same input is the same run.
    id                  text PRIMARY KEY NOT NULL,
    feed                text NOT NULL,
    period              KEY_TEXT NOT NULL,
    input_sha256        text NOT NULL,
    spec_sha256         text NOT NULL,
    -- Name, scope and number of each revision, as JSON.
    reference_revisions text NOT NULL,
    code_version        text NOT NULL,
    execution_arn       text NOT NULL,
    opened_at           text NOT NULL,
    state               text NOT NULL CHECK (state IN ('open', 'delivered', 'superseded')),
    -- Totals of the figures by name, as JSON, once they are known.
    totals              text,
    correction          text,
    delivered_at        text
);

-- One run at a time is what was delivered for a period.
CREATE UNIQUE INDEX calc_run_delivered ON calc_run (feed, period) WHERE state = 'delivered';

-- The figures of a run's markets as they were noted last.
CREATE TABLE calc_market (
    run_id         text NOT NULL,
    market         KEY_TEXT NOT NULL,
    figures_key    text NOT NULL,
    figures_sha256 text NOT NULL,
    row_count      bigint NOT NULL,
    noted_at       text NOT NULL,
    PRIMARY KEY (run_id, market)
);

CREATE TABLE calc_total (
    run_id         text NOT NULL,
    market         KEY_TEXT NOT NULL,
    figures_sha256 text NOT NULL,
    name           KEY_TEXT NOT NULL,
    amount         EXACT NOT NULL,
    PRIMARY KEY (run_id, market, figures_sha256, name)
);

-- Key and figures of a row, as JSON objects by column.
CREATE TABLE calc_row (
    run_id         text NOT NULL,
    market         KEY_TEXT NOT NULL,
    figures_sha256 text NOT NULL,
    entity_key     KEY_TEXT NOT NULL,
    figures        text NOT NULL,
    PRIMARY KEY (run_id, market, figures_sha256, entity_key)
);

-- What is to be delivered of a run, and the receipts.
CREATE TABLE calc_delivery (
    run_id        text NOT NULL,
    market        KEY_TEXT NOT NULL,
    channel       KEY_TEXT NOT NULL,
    state         text NOT NULL CHECK (state IN ('planned', 'delivered')),
    delivery_id   text,
    coreview_id   text,
    batch_sha256  text,
    row_count     bigint NOT NULL,
    execution_arn text NOT NULL,
    noted_at      text NOT NULL,
    PRIMARY KEY (run_id, market, channel)
);

-- The figures of each run: for people.
CREATE VIEW calc_figure AS
    SELECT run.feed, run.period, run.state, run.id AS run_id, figure.market, figure.entity_key, figure.figures
    FROM calc_run AS run
    JOIN calc_market AS market ON market.run_id = run.id
    JOIN calc_row AS figure ON figure.run_id = market.run_id AND figure.market = market.market
        AND figure.figures_sha256 = market.figures_sha256;

-- Totals by run and market: for people.
CREATE VIEW calc_market_total AS
    SELECT run.feed, run.period, run.state, run.id AS run_id, total.market, total.name, total.amount
    FROM calc_run AS run
    JOIN calc_market AS market ON market.run_id = run.id
    JOIN calc_total AS total ON total.run_id = market.run_id AND total.market = market.market
        AND total.figures_sha256 = market.figures_sha256;
