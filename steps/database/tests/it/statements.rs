//! Many rows in and out, the same on both databases.

use database::{Connection, Database, DatabaseError, ErrorKind, Patience, Purpose, Value, in_dialect};
use stepwright_step_database as database;
use tempfile::TempDir;

use crate::postgres_server::PostgresServer;

const TABLE: &str = "CREATE TABLE sample (id bigint NOT NULL PRIMARY KEY, words KEY_TEXT, amount EXACT)";

async fn on_each(test: impl AsyncFn(Connection)) {
    let dir = TempDir::new().unwrap();
    let url = format!("sqlite://{}/sample.db", dir.path().display());
    let mut connection = Connection::open(&url, Patience::default()).await.unwrap();
    connection.define(&in_dialect(TABLE, connection.dialect())).await.unwrap();
    test(connection).await;
    let Some(server) = PostgresServer::start() else { return };
    let mut connection = Connection::open(&server.url("postgres"), Patience::default()).await.unwrap();
    connection.define(&in_dialect(TABLE, connection.dialect())).await.unwrap();
    test(connection).await;
}

async fn all(connection: &mut Connection) -> Vec<Vec<Value>> {
    let mut rows = vec![];
    let query = "SELECT id, words, CAST(amount AS text) FROM sample WHERE id >= $1 ORDER BY id";
    connection
        .each(query, &[Value::Integer(0)], |record| {
            rows.push(record.0);
            Ok::<_, DatabaseError>(())
        })
        .await
        .unwrap();
    rows
}

#[tokio::test]
async fn what_is_inserted_is_read() {
    on_each(async |mut connection| {
        let hostile = [
            "",
            "\\N",
            "\\.",
            "a\tb\\tc",
            "line\r\nline",
            "\\",
            "'; DROP TABLE sample; --",
            "日本 🦀",
            "\u{1}",
        ];
        let mut rows: Vec<Vec<Value>> =
            (0_i64..).zip(hostile).map(|(id, words)| vec![id.into(), words.into(), "10.50".into()]).collect();
        rows.push(vec![9.into(), Value::Null, Value::Null]);
        connection.insert_many("sample", &["id", "words", "amount"], &rows).await.unwrap();
        connection.insert_many("sample", &["id", "words", "amount"], &[]).await.unwrap();
        assert_eq!(all(&mut connection).await, rows);
    })
    .await;
}

#[tokio::test]
async fn many_rows_are_one_statement_and_one_transaction() {
    on_each(async |mut connection| {
        let rows: Vec<Vec<Value>> =
            (0..20_000_i64).map(|id| vec![id.into(), format!("row {id}").into(), "0.1".into()]).collect();
        connection.begin(Purpose::Write).await.unwrap();
        for chunk in rows.chunks(3_000) {
            connection.insert_many("sample", &["id", "words", "amount"], chunk).await.unwrap();
        }
        connection.commit().await.unwrap();
        assert_eq!(all(&mut connection).await, rows);

        // A row that is there already: none of the others stays.
        connection.begin(Purpose::Write).await.unwrap();
        let more = [[30_000, 1], [7, 2]]
            .map(|[id, words]: [i64; 2]| vec![Value::from(id), words.to_string().into(), Value::Null]);
        let error = connection.insert_many("sample", &["id", "words", "amount"], &more).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{error}");
        connection.rollback().await;
        assert_eq!(all(&mut connection).await.len(), 20_000);
    })
    .await;
}

#[tokio::test]
async fn who_has_read_enough_stops() {
    on_each(async |mut connection| {
        let rows: Vec<Vec<Value>> =
            (0..5_000_i64).map(|id| vec![id.into(), "x".repeat(1_000).into(), Value::Null]).collect();
        connection.insert_many("sample", &["id", "words", "amount"], &rows).await.unwrap();
        let mut seen = 0;
        let error = connection
            .each("SELECT words FROM sample", &[], |_record| {
                seen += 1;
                if seen < 10 { Ok(()) } else { Err(Enough::Of) }
            })
            .await
            .unwrap_err();
        assert_eq!((error, seen), (Enough::Of, 10));
        assert_eq!(
            connection.query("SELECT COUNT(*) FROM sample", &[]).await.unwrap()[0].integer(0),
            Some(5_000)
        );
    })
    .await;
}

#[derive(Debug, PartialEq, Eq)]
enum Enough {
    Of,
    Failed(String),
}

impl From<DatabaseError> for Enough {
    fn from(error: DatabaseError) -> Self {
        Self::Failed(error.to_string())
    }
}
