-- What people were asked. A question is open until its execution goes on.
CREATE TABLE ops_question (
    -- Made of execution, kind and task token: asking again is the same question.
    id            text PRIMARY KEY NOT NULL,
    execution_arn text NOT NULL,
    kind          text NOT NULL,
    period        text NOT NULL,
    question      text NOT NULL,
    task_token    text NOT NULL,
    asked_at      text NOT NULL,
    answered_at   text,
    answered_by   text,
    approved      text CHECK (approved IN ('yes', 'no')),
    note          text
);
CREATE INDEX ops_question_execution ON ops_question (execution_arn);
