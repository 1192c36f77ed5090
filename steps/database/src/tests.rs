use tokio_postgres::error::SqlState;

use super::postgres::{Phase, classify};
use super::{Connection, ErrorKind, Patience};

#[test]
fn sqlstates_are_sorted_by_what_to_do() {
    use ErrorKind::{Forbidden, Rejected, Throttled, Unavailable, Unknown};
    let table = [
        ("08006", Unavailable, Unknown),
        ("08007", Unknown, Unknown),
        ("57P01", Unavailable, Unknown),
        ("57P02", Unavailable, Unknown),
        ("57P03", Unavailable, Unknown),
        ("58030", Unavailable, Unknown),
        ("XX000", Unavailable, Unknown),
        ("53100", Unavailable, Unavailable),
        ("53300", Throttled, Throttled),
        ("55P03", Throttled, Throttled),
        ("57014", Throttled, Throttled),
        ("40001", Throttled, Throttled),
        ("40P01", Throttled, Throttled),
        ("40003", Unknown, Unknown),
        ("25P03", Unavailable, Unavailable),
        ("25006", Unavailable, Unavailable),
        ("28P01", Rejected, Rejected),
        ("3D000", Rejected, Rejected),
        ("42501", Forbidden, Forbidden),
        ("42P01", Rejected, Rejected),
        ("22021", Rejected, Rejected),
        ("23505", Rejected, Rejected),
    ];
    for (code, working, committing) in table {
        let kind = |phase| classify(&SqlState::from_code(code), phase).0;
        assert_eq!((kind(Phase::Working), kind(Phase::Committing)), (working, committing), "{code}");
    }
}

#[tokio::test]
async fn urls_that_are_wrong_are_refused_without_quoting_them() {
    let urls = [
        "s3cret",
        "mysql://u:s3cret@h/d",
        "sqlite://s3cret/relative.db",
        "postgres://u:s3cret@h:port/d",
        "postgres://u:p@ss/s3cret?x=1",
    ];
    for url in urls {
        let error = Connection::open(url, Patience::default()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Rejected, "{error}");
        let text = error.to_string();
        assert!(text.contains("set the secret `coreview`"), "{text}");
        assert!(!text.contains("s3cret") || url.starts_with("sqlite"), "{text}");
    }
}

#[tokio::test]
async fn a_url_that_requires_tls_is_refused_in_words() {
    let url = "postgres://u:s3cret@h/d?sslmode=require";
    let error = Connection::open(url, Patience::default()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Rejected);
    assert!(
        error
            .to_string()
            .starts_with("PostgreSQL database `d` at h:5432: cannot connect: its URL requires TLS")
    );
}
