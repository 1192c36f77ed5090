//! What must hold on every database. Each scenario starts on an empty one.

use std::fmt::Write as _;

use database::Database as _;
use stepwright::{Callback, Use};
use stepwright_step_store::{
    Answer, AnswerError, AnswerRequest, Ask, CONTRACTS as CONTRACTS_KIND, Classify, ClassifyError,
    ClassifyRequest, CloseError, ControlError, KeepError, LoadError, Loaded, NoteAnswer, OpenError,
    OpenRequest, Question, REFERENCE, Run,
};

pub(crate) use crate::entries::*;
use crate::place::{CONTRACTS, CUSTOMER, Place, ROWS, receipt};

/// Rows arrive with their market, day and period; the rejected ones beside them.
pub(crate) async fn rows_are_loaded_once(place: &Place) {
    let request = place.load_request("contracts.csv", ROWS, "arn:1");
    let loaded = place.load_as(request.clone()).await.unwrap();
    let periods = ["2024-01", "2024-02", "2024-03", "2024-04"].map(str::to_owned).to_vec();
    let rejects = loaded.rejects.clone();
    assert!(rejects.is_some());
    let expected = Loaded { rows: 5, periods: periods.clone(), rejected: 1, rejects, ..Loaded::default() };
    assert_eq!(loaded, expected);
    let rows = place.texts(
        "SELECT row_key || ' ' || market || ' ' || day || ' ' || period || ' ' || outcome || ' ' || code || ' ' || row_values \
         FROM ingest_row WHERE row_key IN ('[\"C-2\"]', '[\"C-3\"]') ORDER BY row_key",
    );
    assert_eq!(
        rows.await,
        [
            r#"["C-2"] south 2024-02-29 2024-02 accepted OK ["C-2","Birch","south","2024-02-29","200.50",null]"#,
            r#"["C-3"] north 2024-03-01 2024-03 cancelled WITHDRAWN ["C-3","Aspen","north","2024-03-01","300.00","withdrawn"]"#,
        ]
    );
    let rejects = place
        .texts("SELECT file_name || ':' || line || ' ' || code || ' ' || raw || ' ' || file_key FROM ingest_rejected")
        .await;
    assert_eq!(rejects, ["contracts.csv:6 NOT_POSITIVE C-5,Cedar,north,2024-03-15,-5, in/contracts.csv"]);

    let before = place.contents().await;
    assert_eq!(place.load_as(request).await.unwrap(), loaded);
    // The same bytes under another name, in another execution.
    let again = place.load("contracts-again.csv", ROWS, "arn:2").await;
    assert_eq!(
        again,
        Loaded { rows: 0, unchanged: 5, already_loaded: true, rejects: again.rejects.clone(), ..expected }
    );
    assert_eq!(place.contents().await, before);
}

/// A row that comes later takes the place of the one with its key, which stays in the history.
pub(crate) async fn a_later_row_replaces_an_earlier_one(place: &Place) {
    place.load("contracts-1.csv", ROWS, "arn:1").await;
    let later = "contract,agent,market,day,amount,status\n\
        C-9,Birch,south,2024-03-02,1.00,\n\
        C-1,Aspen,north,2024-01-10,100.00,\n\
        C-2,Birch,south,2024-02-29,250.00,\n\
        C-4,Birch,south,2024-03-31,1.00,\n\
        C-4,Birch,south,2024-03-31,400.00,withdrawn\n";
    let loaded = place.load("contracts-2.csv", later, "arn:2").await;
    assert_eq!((loaded.rows, loaded.replaced, loaded.unchanged, loaded.repeated), (1, 2, 1, 1));
    let history =
        "SELECT row_key || ' ' || row_values || ' ' || ended_by FROM ingest_row_history ORDER BY row_key";
    assert_eq!(
        place.texts(history).await,
        [
            r#"["C-2"] ["C-2","Birch","south","2024-02-29","200.50",null] 2"#,
            r#"["C-4"] ["C-4","Birch","south","2024-03-31","400.00",null] 2"#,
        ]
    );
    let outcome = "SELECT outcome FROM ingest_row WHERE row_key = '[\"C-4\"]'";
    assert_eq!(place.texts(outcome).await, ["cancelled"]);
    // Neither is a repetition of the first load.
    assert_eq!(place.load("contracts-1.csv", ROWS, "arn:1").await.rows, 5);
    assert_eq!(place.texts(outcome).await, ["cancelled"]);
    // The first file again, by somebody else, brings back what was replaced.
    let back = place.load("contracts-1.csv", ROWS, "arn:3").await;
    assert_eq!((back.replaced, back.unchanged, back.withdrawn, back.already_loaded), (2, 3, 0, false));
    assert!(back.advice[0].starts_with("2 rows that were changed by other files since"), "{back:?}");
    assert_eq!(place.texts(outcome).await, ["accepted"]);
    let kept = place.contents().await;
    let again = place.load("contracts-1.csv", ROWS, "arn:4").await;
    assert!(again.already_loaded && again.unchanged == 5, "{again:?}");
    // Loads since then that changed none of its rows change nothing about that.
    place.load("contracts-3.csv", "contract,agent,market,day,amount,status\n", "arn:5").await;
    let again = place.load("contracts-1.csv", ROWS, "arn:6").await;
    assert!(again.already_loaded && again.unchanged == 5, "{again:?}");
    assert_eq!(place.contents().await.len(), kept.len() + 1);
}

/// Two files with the same bytes in one execution are one: the second changes nothing.
pub(crate) async fn the_same_bytes_twice_are_counted_once(place: &Place) {
    let first = place.load_request("contracts-1.csv", ROWS, "arn:1");
    let second = place.load_request("contracts-2.csv", ROWS, "arn:1");
    assert_eq!(place.load_as(first.clone()).await.unwrap().rows, 5);
    let same = place.load_as(second).await.unwrap();
    assert_eq!((same.rows, same.unchanged, same.already_loaded), (0, 5, true));
    assert_eq!(place.load_as(first).await.unwrap().rows, 5);
}

/// The same file read by a changed spec takes the place of what it was.
pub(crate) async fn a_changed_spec_reads_a_file_again(place: &Place) {
    place.load("contracts.csv", ROWS, "arn:1").await;
    place.put("customer/contracts.toml", &CONTRACTS.replace("value = 0 }", "value = 150 }"));
    let loaded = place.load("contracts.csv", ROWS, "arn:2").await;
    assert_eq!((loaded.rows, loaded.replaced, loaded.unchanged, loaded.withdrawn), (0, 0, 4, 1));
    let withdrawn = "SELECT row_key FROM ingest_row WHERE outcome = 'withdrawn'";
    assert_eq!(place.texts(withdrawn).await, ["[\"C-1\"]"]);
    assert_eq!(place.texts("SELECT row_key FROM ingest_row_history").await, ["[\"C-1\"]"]);
    place.put("customer/contracts.toml", CONTRACTS);
    let loaded = place.load("contracts.csv", ROWS, "arn:3").await;
    assert_eq!((loaded.rows, loaded.replaced, loaded.unchanged, loaded.withdrawn), (0, 1, 4, 0));
    assert!(place.texts(withdrawn).await.is_empty());
}

/// Without a key every row of every file is another one, but a file is loaded once.
pub(crate) async fn rows_without_a_key_are_all_different(place: &Place) {
    place.put("customer/contracts.toml", &CONTRACTS.replace("key = [\"contract\"]", ""));
    assert_eq!(place.load("contracts-1.csv", ROWS, "arn:1").await.rows, 5);
    assert_eq!(place.load("contracts-2.csv", ROWS, "arn:2").await.unchanged, 5);
    assert_eq!(
        place
            .load("contracts-3.csv", &format!("{ROWS}C-1,Aspen,north,2024-01-10,100.00,\n"), "arn:3")
            .await
            .rows,
        6
    );
    assert_eq!(place.texts("SELECT COUNT(*) FROM ingest_row").await, ["11"]);
    // The file again with other bytes would count twice what it repeats.
    let corrected = ROWS.replace("100.00", "101.00");
    let error = place.load_as(place.load_request("contracts-1.csv", &corrected, "arn:4")).await.unwrap_err();
    assert!(matches!(error, LoadError::Configuration { .. }), "{error}");
    assert!(error.to_string().contains("`contracts-1.csv` was loaded with other bytes"), "{error}");
    let spec = CONTRACTS.replace("key = [\"contract\"]", "replace = \"file\"");
    place.put("customer/contracts.toml", &spec);
    let loaded = place.load("contracts-1.csv", &corrected, "arn:4").await;
    assert_eq!((loaded.rows, loaded.withdrawn), (5, 5));
    let in_force = "SELECT COUNT(*) FROM ingest_row WHERE outcome <> 'withdrawn'";
    assert_eq!(place.texts(in_force).await, ["11"]);
    // And back.
    let loaded = place.load("contracts-1.csv", ROWS, "arn:5").await;
    assert_eq!((loaded.rows, loaded.replaced, loaded.withdrawn), (0, 5, 5));
    assert_eq!(place.texts(in_force).await, ["11"]);
}

const HEADER: &str = "contract,agent,market,day,amount,status\n";

/// What comes into a delivered period, moves out of it, changes or goes is told at once, and until
/// it is corrected.
pub(crate) async fn a_delivered_period_is_not_changed_silently(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    place.deliver("2024-02", "200.50", None).await;
    place.deliver("2024-03", "300.00", None).await;
    // A month that was not delivered may change as it likes.
    let told = place.load("a.csv", &format!("{HEADER}C-6,Cedar,north,2024-04-02,600.00,\n"), "arn:2").await;
    assert_eq!((told.delivered_periods.len(), told.advice.len()), (0, 0));
    let late = place.load("b.csv", &format!("{HEADER}C-7,Cedar,north,2024-03-02,1.00,\n"), "arn:3").await;
    assert_eq!(late.delivered_periods, ["2024-03"]);
    assert_eq!(
        late.advice,
        [
            "2024-03 was delivered before some of its rows came, went or changed: look at them, then run `stepwright run coreview-commission --period 2024-03 --correction 'why'`"
        ]
    );
    // The period a row left is named, not only the one it is in now.
    let moved = place.load("c.csv", &format!("{HEADER}C-2,Birch,south,2024-04-05,200.50,\n"), "arn:4").await;
    assert_eq!(
        (moved.periods, moved.delivered_periods),
        (vec!["2024-04".to_owned()], vec!["2024-02".to_owned()])
    );
    // A repetition says the same; the same row by another file changes nothing.
    let same = place.load("d.csv", &format!("{HEADER}C-2,Birch,south,2024-04-05,200.50,\n\n"), "arn:5").await;
    assert_eq!((same.unchanged, same.delivered_periods.len()), (1, 0));
    let stale = "SELECT period FROM calc_stale ORDER BY period";
    assert_eq!(place.texts(stale).await, ["2024-02", "2024-03"]);

    // April must not pay again what February paid, though no total jumps.
    let april = place.open("2024-04").await;
    let figures = vec![place.figures(&april, "north", &[("Birch", "300.00")])];
    let asked = place.control_as(&april, figures, None).await.unwrap().approval.unwrap();
    assert!(
        asked.starts_with("2024-04 has rows that were delivered already and would be paid again: C-2 of 2024-02. Correct 2024-02 first"),
        "{asked}"
    );
    // Corrected, February is what its rows are again, and April needs nobody.
    let february = place.open_again("2024-02").await;
    assert!(february.missing.is_empty(), "{:?}", february.missing);
    let figures = vec![place.figures(&february, "north", &[])];
    let controlled = place.control_as(&february, figures, Some("C-2 is of April")).await.unwrap();
    let closed =
        place.close(&february.id, controlled.deliveries.iter().map(receipt).collect()).await.unwrap();
    assert_eq!(closed.stale.len(), 1);
    assert!(closed.stale[0].starts_with("2024-03 was delivered before"), "{:?}", closed.stale);
    let figures = vec![place.figures(&april, "north", &[("Birch", "300.00")])];
    assert_eq!(place.control_as(&april, figures, None).await.unwrap().approval, None);
    // What changed between pinning and closing is told at the end.
    place.load("e.csv", &format!("{HEADER}C-8,Cedar,north,2024-04-02,1.00,\n"), "arn:6").await;
    let figures = vec![place.figures(&april, "north", &[("Birch", "300.00")])];
    let planned = place.control_as(&april, figures, None).await.unwrap().deliveries;
    let closed = place.close(&april.id, planned.iter().map(receipt).collect()).await.unwrap();
    assert_eq!(closed.stale.len(), 2);
    assert!(closed.stale[1].starts_with("2024-04 was delivered before"), "{:?}", closed.stale);
    // What is put back is what was delivered, once somebody looked.
    place.load("f.csv", &format!("{HEADER}C-8,Cedar,north,2024-05-02,1.00,\n"), "arn:7").await;
    assert_eq!(place.open("2024-04").await.id, april.id);
    assert_eq!(place.texts(stale).await, ["2024-03"]);
}

/// A row that was rejected as it was taken in is in no month: the next run that is opened says so,
/// whatever execution took it in, until one was delivered that said it.
pub(crate) async fn rejected_rows_are_told_by_the_next_run(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let told = "1 row was rejected as files and messages were taken in, and it is in no month: \
                1 NOT_POSITIVE in contracts.csv. The view ingest_rejected shows each with its reason";
    assert_eq!(place.open("2024-02").await.notices, [told]);
    place.deliver("2024-02", "200.50", None).await;
    assert_eq!(place.open("2024-02").await.notices, [told], "the same run says the same");
    assert!(place.open("2024-03").await.notices.is_empty());
    place.load("late.csv", &format!("{HEADER}C-7,Cedar,north,2024-03-02,-1,\n"), "arn:2").await;
    let notices = place.open("2024-03").await.notices;
    assert!(notices[0].contains("1 NOT_POSITIVE in late.csv"), "{notices:?}");
}

/// A market that was delivered and has no rows any more is planned with none; a period of which
/// nothing is left can be corrected to that.
pub(crate) async fn what_is_gone_is_taken_back(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", &format!("{HEADER}C-1,Aspen,norh,2024-03-10,5.00,\n"), "arn:1").await;
    let run = place.open("2024-03").await;
    let figures = vec![place.figures(&run, "norh", &[("Aspen", "5.00")])];
    let planned = place.control_as(&run, figures, None).await.unwrap().deliveries;
    place.close(&run.id, planned.iter().map(receipt).collect()).await.unwrap();
    place.note_receipt("2024-03", "norh").await;

    place.load("contracts.csv", &format!("{HEADER}C-1,Aspen,north,2024-03-10,5.00,\n"), "arn:2").await;
    let run = place.open_again("2024-03").await;
    assert_eq!(run.markets.iter().map(|rows| rows.market.as_str()).collect::<Vec<_>>(), ["norh", "north"]);
    let gone = &run.markets[0].parsed;
    assert_eq!((gone.stats.rows_in, lines(place, &run, "norh").len()), (0, 0));
    assert_eq!(place.reconcile("contracts", gone).stats, gone.stats);
    let figures = vec![place.figures(&run, "norh", &[]), place.figures(&run, "north", &[("Aspen", "5.00")])];
    let planned = place.control_as(&run, figures, Some("a typo")).await.unwrap().deliveries;
    assert_eq!(
        planned.iter().map(|it| (it.market.as_str(), it.rows)).collect::<Vec<_>>(),
        [("norh", 0), ("north", 1)]
    );
    let error = place.close(&run.id, planned[1..].iter().map(receipt).collect()).await.unwrap_err();
    assert!(error.to_string().contains("no receipt of market `norh`"), "{error}");
    place.close(&run.id, planned.iter().map(receipt).collect()).await.unwrap();

    // All of it is of April.
    place.load("contracts.csv", &format!("{HEADER}C-1,Aspen,north,2024-04-10,5.00,\n"), "arn:3").await;
    assert_eq!(place.open("2024-03").await.missing.len(), 1);
    let empty = place.open_again("2024-03").await;
    assert!(empty.missing.is_empty() && !empty.id.is_empty(), "{:?}", empty.missing);
    assert_eq!(empty.markets.iter().map(|rows| rows.parsed.stats.rows_in).sum::<u64>(), 0);
    // A correction of what was never delivered needs rows.
    assert_eq!(place.open_again("2024-02").await.missing.len(), 1);
}

/// A period that was delivered keeps its revisions, unless it is said otherwise.
pub(crate) async fn a_delivered_period_keeps_its_revisions(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let first = place.open("2024-03").await;
    place.deliver("2024-03", "300.00", None).await;
    place.keep("cells", "year,market,rate\n2024,north,0.05\n", "arn:2").await;
    let again = place.open_again("2024-03").await;
    assert_eq!((&again.id, &again.revisions), (&first.id, &first.revisions));
    let notice = "`cells` (year=2024) is in force in revision 2, but the period keeps revision 1 that it was delivered with";
    assert_eq!(again.notices[0], notice);
    let current = place
        .open_as(OpenRequest { current_references: true, ..place.open_request("2024-03") })
        .await
        .unwrap();
    assert_ne!(current.id, first.id);
    assert_eq!(
        current.notices[0],
        "`cells` (year=2024) is taken in revision 2, which is not what the period was delivered with"
    );
    // Another month takes what is in force; the notices stand in the question.
    let february = place.open("2024-02").await;
    assert!(february.notices.iter().all(|notice| !notice.contains("revision")), "{:?}", february.notices);
    place.load("late.csv", &format!("{HEADER}C-9,Aspen,north,2024-03-09,1.00,\n"), "arn:3").await;
    let late = place.open_again("2024-03").await;
    let figures = vec![place.figures(&late, "north", &[("Aspen", "900.00")])];
    let asked = place.control_as(&late, figures, Some("late")).await.unwrap().approval.unwrap();
    assert!(asked.contains(notice), "{asked}");
}

/// What was noted of a delivered run stays as it is; the same figures need nobody, whatever run
/// they come from.
pub(crate) async fn a_delivered_run_is_not_noted_again(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let controlled = place.deliver("2024-03", "300.00", Some("C-1 was cheaper")).await;
    assert_eq!(controlled.approval, None);
    let run = place.open("2024-03").await;
    let before = place.contents().await;
    for correction in [None, Some("another reason")] {
        let figures = vec![place.figures(&run, "north", &[("Aspen", "300.00")])];
        assert_eq!(place.control_as(&run, figures, correction).await.unwrap().approval, None);
        assert_eq!(place.contents().await, before);
    }
    let other = vec![place.figures(&run, "north", &[("Aspen", "301.00")])];
    let error = place.control_as(&run, other, Some("a newer program")).await.unwrap_err();
    assert!(matches!(error, ControlError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("was delivered with other figures than these"), "{error}");
    assert_eq!(place.contents().await, before);
    // Another input with the same figures.
    place.load("b.csv", &format!("{HEADER}C-5,Cedar,north,2024-03-02,0.01,\n"), "arn:2").await;
    let same = place.open("2024-03").await;
    assert_ne!(same.id, run.id);
    let figures = vec![place.figures(&same, "north", &[("Aspen", "300.00")])];
    assert_eq!(place.control_as(&same, figures, Some("why")).await.unwrap().approval, None);
}

/// Channels are the customer's to change while a run is not delivered.
pub(crate) async fn a_plan_follows_the_channels(place: &Place) {
    let both = "channels = [\"coreview-database\", \"file-drop\"]";
    let one = "channels = [\"coreview-database\"]";
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    place.put("customer/customer.toml", &CUSTOMER.replace(one, both));
    let run = place.open("2024-03").await;
    let figures = || vec![place.figures(&run, "north", &[("Aspen", "300.00")])];
    let planned = place.control_as(&run, figures(), None).await.unwrap().deliveries;
    assert_eq!(planned.len(), 2);
    let error = place.close(&run.id, vec![receipt(&planned[0])]).await.unwrap_err();
    assert!(matches!(error, CloseError::Incomplete { .. }), "{error}");
    place.put("customer/customer.toml", CUSTOMER);
    let planned = place.control_as(&run, figures(), None).await.unwrap().deliveries;
    assert_eq!(planned.len(), 1);
    place.close(&run.id, vec![receipt(&planned[0])]).await.unwrap();
    // Delivered by one channel, it may be delivered by another.
    place.put("customer/customer.toml", &CUSTOMER.replace(one, "channels = [\"file-drop\"]"));
    let planned = place.control_as(&run, figures(), None).await.unwrap().deliveries;
    assert_eq!(planned[0].channel, "file-drop");
    assert!(place.close(&run.id, vec![receipt(&planned[0])]).await.unwrap().already_closed);
    let states = "SELECT channel || ' ' || state FROM calc_delivery ORDER BY channel";
    assert_eq!(place.texts(states).await, ["coreview-database delivered", "file-drop delivered"]);
}

/// A period without figures has no totals: nothing compares with it but zero.
pub(crate) async fn a_period_may_have_no_figures(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    place.deliver("2024-02", "200.50", None).await;
    let run = place.open("2024-03").await;
    let mut none = place.figures(&run, "north", &[]);
    none.figures.totals.clear();
    let controlled = place.control_as(&run, vec![none], None).await.unwrap();
    let asked = controlled.approval.unwrap();
    assert!(asked.contains("payable[currency=EUR] 200.50 → 0 (-100 %)"), "{asked}");
    assert_eq!((controlled.totals.len(), controlled.deliveries[0].rows), (0, 0));
}

/// Totals that cannot be read are an error that names them, not zero.
pub(crate) async fn damaged_totals_are_not_zero(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    place.deliver("2024-02", "200.50", None).await;
    let run = place.open("2024-03").await;
    for damaged in ["{", r#"{"payable[currency=EUR]": "much"}"#] {
        let statement = format!("UPDATE calc_run SET totals = '{damaged}' WHERE period = '2024-02'");
        place.connection().await.execute(&statement, &[]).await.unwrap();
        let figures = vec![place.figures(&run, "north", &[("Aspen", "300.00")])];
        let error = place.control_as(&run, figures, None).await.unwrap_err();
        assert!(matches!(error, ControlError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("2024-02") && error.to_string().contains("calc_run"), "{error}");
    }
    place.connection().await.execute("UPDATE ingest_layout SET value_list = 'x'", &[]).await.unwrap();
    let error = place.open_as(place.open_request("2024-03")).await.unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

/// Two runs of a period that are closed at once are closed one after the other.
pub(crate) async fn closes_at_once_leave_one_that_stands(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    for round in 0..6 {
        let mut closes = vec![];
        for half in 0..2 {
            let row = format!("{HEADER}C-9,Aspen,north,2024-03-09,{round}.{half}1,\n");
            place.load(&format!("r{round}{half}.csv"), &row, "arn:2").await;
            let run = place.open("2024-03").await;
            let figures = vec![place.figures(&run, "north", &[("Aspen", &format!("{round}.{half}1"))])];
            let planned = place.control_as(&run, figures, Some("why")).await.unwrap().deliveries;
            closes.push((run.id, planned.iter().map(receipt).collect::<Vec<_>>()));
        }
        let (two, one) = (closes.pop().unwrap(), closes.pop().unwrap());
        let (one, two) = tokio::join!(place.close(&one.0, one.1), place.close(&two.0, two.1));
        one.unwrap();
        two.unwrap();
        assert_eq!(place.texts("SELECT COUNT(*) FROM calc_run WHERE state = 'delivered'").await, ["1"]);
    }
}

/// A file is refused where it does not belong, and messages where a share of them keeps others back.
pub(crate) async fn a_file_is_taken_where_it_belongs(place: &Place) {
    let classify = async |key: &str, kind: &str| {
        let request = ClassifyRequest {
            configuration: place.configuration(),
            file: place.put(key, "x"),
            kind: kind.to_owned(),
        };
        Classify::handle(request, place.read_drops()).await
    };
    assert_eq!(classify("in/targets.csv", REFERENCE).await.unwrap().name, "targets");
    assert_eq!(classify("in/contracts.csv", CONTRACTS_KIND).await.unwrap().name, "contracts");
    let error = classify("in/targets.csv", CONTRACTS_KIND).await.unwrap_err();
    assert!(matches!(error, ClassifyError::Misplaced { .. }), "{error}");
    assert!(
        error.to_string().starts_with("`targets.csv` is reference `targets`: put it under `reference/` in bucket `drops`, or run `coreview-refdata` with it"),
        "{error}"
    );
    let error = classify("in/contracts.csv", REFERENCE).await.unwrap_err();
    assert!(error.to_string().contains("put it under `contracts/`"), "{error}");

    let messages = |spec: &str| {
        let contracts = "[contracts]\nmessages = \"messages.toml\"";
        place.put("customer/customer.toml", &CUSTOMER.replace("[contracts]", contracts));
        place.put("customer/messages.toml", spec);
    };
    messages(CONTRACTS);
    assert_eq!(classify("messages/1.jsonl", CONTRACTS_KIND).await.unwrap().name, "contracts");
    messages(&CONTRACTS.replace("policy = \"keep-going\"", "policy = \"threshold\"\npercent = 5"));
    let error = classify("messages/1.jsonl", CONTRACTS_KIND).await.unwrap_err();
    assert!(matches!(error, ClassifyError::Configuration { .. }), "{error}");
    assert!(
        error.to_string().starts_with("messages.toml: rejects.policy: messages are read with `keep-going`"),
        "{error}"
    );
}

/// One bad row, wherever it stands: nothing is loaded.
pub(crate) async fn a_row_that_cannot_be_kept_keeps_all_out(place: &Place) {
    let many: String = (0..5_000).map(|row| format!("M-{row},Aspen,north,2024-01-10,1.00,\n")).collect();
    let text = |row: &str| format!("contract,agent,market,day,amount,status\n{many}{row}\n");
    let bad = [
        ("X,Aspen,north,,1.00,", "`day`, which puts it into a period, is empty"),
        ("X,Aspen,,2024-01-10,1.00,", "`market`, its market, is empty"),
        ("X,Aspen,no\u{7}rth,2024-01-10,1.00,", "`market`, its market, has control characters"),
    ];
    for (index, (row, words)) in bad.into_iter().enumerate() {
        let request = place.load_request(&format!("contracts-{index}.csv"), &text(row), "arn:1");
        let error = place.load_as(request).await.unwrap_err();
        assert!(matches!(error, LoadError::BadRow { .. }), "{error}");
        assert!(error.to_string().contains(words) && error.to_string().starts_with("row 5001 "), "{error}");
    }
    let long = text(&format!("{},Aspen,north,2024-01-10,1.00,", "K".repeat(1_001)));
    let error = place.load_as(place.load_request("contracts-l.csv", &long, "arn:1")).await.unwrap_err();
    assert!(error.to_string().contains("its key has more than 1000 bytes"), "{error}");
    for table in ["ingest_row", "ingest_file", "ingest_reject", "ingest_feed"] {
        assert_eq!(place.texts(&format!("SELECT COUNT(*) FROM {table}")).await, ["0"], "{table}");
    }
    // The connection is as good as before.
    assert_eq!(place.load("contracts.csv", ROWS, "arn:1").await.rows, 5);
}

/// Text that means something to somebody arrives as text.
pub(crate) async fn hostile_rows_arrive_unchanged(place: &Place) {
    let hostile =
        ["'; DROP TABLE ingest_row; --", "back\\slash\\N", "tab\there", "NUL\0inside", "$1 ?1 %s", "日本 🦀"];
    let mut text = "contract,agent,market,day,amount,status\n".to_owned();
    for (index, words) in hostile.iter().enumerate() {
        for amount in ["1.00", "-1"] {
            writeln!(text, "{words},{words},m{index},2024-03-01,{amount},").unwrap();
        }
    }
    assert_eq!(place.load("contracts.csv", &text, "arn:1").await.rows, hostile.len() as u64);
    place.keep_all().await;
    let run = place.open("2024-03").await;
    let mut found = vec![];
    for market in &run.markets {
        let rows = place.text_of(&market.parsed.rows);
        let row: serde_json::Value = serde_json::from_str(rows.lines().nth(1).unwrap()).unwrap();
        assert_eq!(row[1], row[2]);
        found.push(row[1].as_str().unwrap().to_owned());
    }
    assert_eq!(found, hostile);
    let raw = place.texts("SELECT raw FROM ingest_reject ORDER BY number").await;
    assert_eq!(raw.len(), hostile.len());
    assert!(raw[3].contains("NUL\u{2400}inside"), "{raw:?}");
}

/// Loads of one feed at once happen one after the other.
pub(crate) async fn loads_at_once_lose_nothing(place: &Place) {
    let mut requests = vec![];
    for load in 0..6 {
        let rows: String =
            (0..200).map(|row| format!("C-{row},Aspen,north,2024-01-10,{load}.5{row},\n")).collect();
        let text = format!("contract,agent,market,day,amount,status\n{rows}");
        requests.push(place.load_request(&format!("contracts-{load}.csv"), &text, &format!("arn:{load}")));
    }
    // The tables are there: what is shown is loading.
    place.keep_all().await;
    let mut loads = vec![];
    for request in requests {
        loads.push(place.load_as(request));
    }
    let loaded = futures_join(loads).await;
    assert_eq!(loaded.iter().map(|loaded| loaded.rows).sum::<u64>(), 200);
    assert_eq!(loaded.iter().map(|loaded| loaded.replaced).sum::<u64>(), 1_000);
    // Every version of every row is somewhere.
    let versions = "SELECT COUNT(*) FROM (SELECT row_key, row_values FROM ingest_row UNION SELECT row_key, row_values FROM ingest_row_history) AS versions";
    assert_eq!(place.texts(versions).await, ["1200"]);
}

async fn futures_join(loads: Vec<impl Future<Output = Result<Loaded, LoadError>>>) -> Vec<Loaded> {
    let mut loads: Vec<_> = loads.into_iter().map(Box::pin).collect();
    let mut done = vec![];
    std::future::poll_fn(move |context| {
        let mut index = 0;
        while index < loads.len() {
            match loads[index].as_mut().poll(context) {
                std::task::Poll::Ready(loaded) => {
                    done.push(loaded.unwrap());
                    drop(loads.swap_remove(index));
                }
                std::task::Poll::Pending => index += 1,
            }
        }
        if loads.is_empty() {
            std::task::Poll::Ready(std::mem::take(&mut done))
        } else {
            std::task::Poll::Pending
        }
    })
    .await
}

/// Reference data becomes revisions, one in force for each scope.
pub(crate) async fn reference_data_has_revisions(place: &Place) {
    let first = "year,market,rate\n2023,north,0.02\n2023,south,0.60\n";
    let one = place.keep("cells", first, "arn:1").await;
    assert_eq!((one.scope.as_str(), one.number, one.rows, one.unchanged), ("year=2023", 1, 2, false));
    assert_eq!(one.warnings["HIGH"].rows, 1);
    // A repetition says the same; another execution, that nothing changed.
    assert_eq!(place.keep("cells", first, "arn:1").await, one);
    let again = place.keep("cells", first, "arn:2").await;
    assert_eq!((again.number, again.unchanged), (1, true));
    let two = place.keep("cells", "year,market,rate\n2023,north,0.03\n", "arn:3").await;
    assert_eq!((two.number, two.rows, two.unchanged), (2, 1, false));
    assert_eq!((one.warnings.contains_key("FEWER_ROWS"), two.warnings["FEWER_ROWS"].rows), (false, 1));
    assert_eq!(place.keep("cells", "year,market,rate\n2023,north,0.03\n", "arn:3").await, two);
    let other = place.keep("cells", "year,market,rate\n2024,north,0.04\n", "arn:4").await;
    assert_eq!((other.scope.as_str(), other.number), ("year=2024", 1));
    // Back to the first content is a third revision.
    let back = place.keep("cells", first, "arn:5").await;
    assert_eq!((back.number, back.unchanged), (3, false));
    let states = "SELECT scope || ' ' || number || ' ' || state FROM reference_revision ORDER BY 1";
    assert_eq!(
        place.texts(states).await,
        ["year=2023 1 replaced", "year=2023 2 replaced", "year=2023 3 active", "year=2024 1 active"]
    );
    assert_eq!(place.texts("SELECT COUNT(*) FROM reference_active").await, ["3"]);
    let targets = place.keep("targets", "agent,month,target\nAspen,2024-01,5\n", "arn:1").await;
    assert_eq!((targets.scope.as_str(), targets.number), ("", 1));
}

/// A file of reference data is for one scope.
pub(crate) async fn a_scope_has_one_value(place: &Place) {
    for (text, words) in [
        ("year,market,rate\n2023,north,1\n2024,north,1\n", "rows for year=2023 and rows for year=2024"),
        ("year,market,rate\n,north,1\n", "its rows have no `year`"),
        ("year,market,rate\n", "it has no rows"),
    ] {
        let error = place.keep_as("cells", text, "arn:1").await.unwrap_err();
        assert!(matches!(error, KeepError::BadScope { .. }), "{error}");
        assert!(error.to_string().contains(words) && error.to_string().starts_with("cells.csv: "), "{error}");
    }
    place.put("customer/customer.toml", &CUSTOMER.replace("name = \"targets\"", "name = \"other\""));
    let error = place.keep_as("targets", "agent,month,target\nA,2024-01,5\n", "arn:1").await.unwrap_err();
    assert!(error.to_string().contains("has no [[references]] with the name `targets`"), "{error}");
}

fn lines(place: &Place, run: &Run, market: &str) -> Vec<String> {
    let rows = &run.markets.iter().find(|rows| rows.market == market).unwrap().parsed.rows;
    place.text_of(rows).lines().skip(1).map(str::to_owned).collect()
}

/// A run has the rows of the period and the months before it, and what is in force.
pub(crate) async fn a_run_is_pinned_to_its_input(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let run = place.open("2024-03").await;
    assert!(run.missing.is_empty(), "{:?}", run.missing);
    assert_eq!(
        (run.feed.as_str(), run.period.as_str(), run.input_sha256.len()),
        ("agent-contracts", "2024-03", 64)
    );
    assert_eq!(run.markets.iter().map(|rows| rows.market.as_str()).collect::<Vec<_>>(), ["north", "south"]);
    // January to March, in the order of period and key.
    assert_eq!(
        lines(place, &run, "north"),
        [
            r#"[0,"C-1","Aspen","north","2024-01-10","100.00",null]"#,
            r#"[1,"C-3","Aspen","north","2024-03-01","300.00","withdrawn"]"#,
        ]
    );
    assert_eq!(lines(place, &run, "south").len(), 2);
    for rows in &run.markets {
        let reconciled = place.reconcile("contracts", &rows.parsed);
        assert_eq!(reconciled.stats, rows.parsed.stats);
    }
    let cells = place.text_of(&run.references["cells"]);
    assert_eq!(cells.lines().skip(1).collect::<Vec<_>>(), [r#"[0,2024,"0.02"]"#, r#"[0,2024,"0.03"]"#]);
    assert!(
        cells.contains(r#""columns":[{"name":"year","type":"integer"},{"name":"rate","type":"decimal"}]"#),
        "{cells}"
    );
    assert_eq!(
        run.revisions.iter().map(|it| format!("{} {} {}", it.name, it.scope, it.number)).collect::<Vec<_>>(),
        ["cells year=2024 1", "targets  1"]
    );

    // The same input is the same run, whoever opens it.
    let before = place.contents().await;
    let scheduled = OpenRequest {
        period: None,
        scheduled_at: Some("2024-04-01T05:00:00Z".into()),
        execution_arn: "arn:other".into(),
        ..place.open_request("")
    };
    assert_eq!(place.open_as(scheduled).await.unwrap(), run);
    assert_eq!(place.contents().await, before);
    // A month that is not looked at changes nothing; one that is makes another run.
    place
        .load(
            "contracts-2.csv",
            "contract,agent,market,day,amount,status\nC-7,Cedar,north,2024-04-02,1.00,\n",
            "arn:2",
        )
        .await;
    assert_eq!(place.open("2024-03").await.id, run.id);
    place
        .load(
            "contracts-3.csv",
            "contract,agent,market,day,amount,status\nC-8,Cedar,north,2024-01-02,1.00,\n",
            "arn:2",
        )
        .await;
    let other = place.open("2024-03").await;
    assert_ne!(other.id, run.id);
    place.keep("cells", "year,market,rate\n2024,north,0.05\n", "arn:2").await;
    assert_ne!(place.open("2024-03").await.id, other.id);
    assert_eq!(place.texts("SELECT COUNT(*) FROM calc_run WHERE state = 'open'").await, ["3"]);
}

/// What is missing is said in words, and no run is opened.
pub(crate) async fn what_is_missing_is_asked_for(place: &Place) {
    let run = place.open("2024-03").await;
    assert_eq!(
        run.missing,
        [
            "no `cells` at all: upload a file called `cells*.csv`",
            "no `targets` at all: upload a file called `targets*.csv`",
            "no contracts for 2024-03: upload a file called `contracts*.csv`",
        ]
    );
    assert_eq!((run.id.as_str(), run.markets.len()), ("", 0));
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    assert!(place.open("2024-04").await.missing.is_empty());
    let run = place.open("2024-05").await;
    assert_eq!(
        run.missing,
        [
            "no `targets` for 2024-05: upload a file called `targets*.csv`",
            "no contracts for 2024-05: upload a file called `contracts*.csv`",
        ]
    );
    assert_eq!(place.open("2025-01").await.missing.len(), 3);
    assert_eq!(place.texts("SELECT period FROM calc_run").await, ["2024-04"]);
    for period in ["2024-13", "2024", "March"] {
        let error = place.open_as(place.open_request(period)).await.unwrap_err();
        assert!(matches!(error, OpenError::BadPeriod { .. }), "{error}");
    }
    let neither = OpenRequest { period: None, ..place.open_request("") };
    assert!(matches!(place.open_as(neither).await.unwrap_err(), OpenError::BadPeriod { .. }));
}

/// Rows that an older spec read are read by their columns' names, or asked for again.
pub(crate) async fn rows_of_an_older_spec_are_understood(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let with = |column: &str| {
        CONTRACTS
            .replace("[[columns]]\nname = \"agent\"", &format!("{column}\n[[columns]]\nname = \"agent\""))
    };
    place.put("customer/contracts.toml", &with("[[columns]]\nname = \"note\"\ntype = \"text\"\n"));
    let run = place.open("2024-03").await;
    assert_eq!(
        lines(place, &run, "south")[0],
        r#"[0,"C-2",null,"Birch","south","2024-02-29","200.50",null]"#
    );
    place.put(
        "customer/contracts.toml",
        &with("[[columns]]\nname = \"note\"\ntype = \"text\"\nrequired = true\n"),
    );
    let error = place.open_as(place.open_request("2024-03")).await.unwrap_err();
    assert!(matches!(error, OpenError::Outdated { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "rows of contracts.csv were read by another spec than there is now: they have no `note`; load the file again"
    );
}

/// Totals are compared with the period before; a jump needs a person.
pub(crate) async fn a_jump_needs_a_person(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let first = place.deliver("2024-01", "100.00", None).await;
    assert_eq!((first.approval, first.previous_period, first.previous.len()), (None, None, 0));
    assert_eq!(first.deliveries.len(), 1);
    assert_eq!(first.totals["payable[currency=EUR]"], "100.00");
    let second = place.deliver("2024-02", "140.00", None).await;
    assert_eq!((second.approval, second.previous_period.as_deref()), (None, Some("2024-01")));
    assert_eq!(second.previous["payable[currency=EUR]"], "100.00");

    let run = place.open("2024-03").await;
    let jump = || {
        vec![
            place.figures(&run, "north", &[("Aspen", "150.00"), ("Cedar", "50.00")]),
            place.figures(&run, "south", &[("Birch", "7.50")]),
        ]
    };
    let third = place.control_as(&run, jump(), None).await.unwrap();
    assert_eq!(
        third.approval.as_deref(),
        Some(
            "2024-03 differs from 2024-02 by more than 40 %: payable[currency=EUR] 140.00 → 207.50 (+48.2 %). Look at the figures; approve them, or refuse and correct the input"
        )
    );
    assert_eq!(third.deliveries.len(), 2);
    let before = place.contents().await;
    assert_eq!(place.control_as(&run, jump(), None).await.unwrap(), third);
    assert_eq!(place.contents().await, before);
    let figures = "SELECT market || ' ' || entity_key || ' ' || figures FROM calc_figure WHERE period = '2024-03' ORDER BY 1";
    assert_eq!(
        place.texts(figures).await,
        [
            r#"north {"agent":"Aspen"} {"payable":"150.00"}"#,
            r#"north {"agent":"Cedar"} {"payable":"50.00"}"#,
            r#"south {"agent":"Birch"} {"payable":"7.50"}"#,
        ]
    );
    let totals =
        "SELECT CAST(amount AS text) FROM calc_market_total WHERE period = '2024-03' ORDER BY market";
    assert_eq!(place.texts(totals).await, ["200.00", "7.50"]);
    // Other figures for the run take the place of the ones before.
    let other = vec![place.figures(&run, "north", &[("Aspen", "150.00")])];
    assert_eq!(place.control_as(&run, other, None).await.unwrap().approval, None);
    assert_eq!(place.texts(figures).await.len(), 2);
}

/// Only the figures of the run are taken, and measures that there are.
pub(crate) async fn figures_of_something_else_are_refused(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let run = place.open("2024-01").await;
    let good = place.figures(&run, "north", &[("Aspen", "1.00")]);
    let mut other = good.clone();
    other.figures.period = "2024-02".into();
    let mut short = good.clone();
    short.figures.rows = 2;
    let mut garbled = good.clone();
    garbled.figures.totals.insert("payable[currency=EUR]".into(), "one".into());
    for (figures, words) in [
        (vec![other], "are of agent-contracts 2024-02"),
        (vec![good.clone(), good.clone()], "are there twice"),
        (vec![short], "1 rows instead of 2"),
        (vec![garbled], "is `one`"),
    ] {
        let error = place.control_as(&run, figures, None).await.unwrap_err();
        assert!(matches!(error, ControlError::Mismatch { .. } | ControlError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let unknown = Run { id: "none".into(), ..run.clone() };
    let error = place.control_as(&unknown, vec![good.clone()], None).await.unwrap_err();
    assert!(error.to_string().contains("there is no run none"), "{error}");
    assert_eq!(place.texts("SELECT COUNT(*) FROM calc_row").await, ["0"]);
    place.put("customer/customer.toml", &CUSTOMER.replace("measure = \"payable\"", "measure = \"pay\""));
    let error = place.control_as(&run, vec![good], None).await.unwrap_err();
    assert!(matches!(error, ControlError::Configuration { .. }), "{error}");
    assert!(error.to_string().contains("there is no total of `pay` (`payable`)"), "{error}");
}

/// With all receipts a run stands for its period; a correction takes its place.
pub(crate) async fn a_correction_takes_the_place(place: &Place) {
    place.keep_all().await;
    place.load("contracts.csv", ROWS, "arn:1").await;
    let run = place.open("2024-03").await;
    let figures = vec![
        place.figures(&run, "north", &[("Aspen", "100.00")]),
        place.figures(&run, "south", &[("Birch", "10.00")]),
    ];
    let planned = place.control_as(&run, figures, None).await.unwrap().deliveries;
    let receipts: Vec<_> = planned.iter().map(receipt).collect();
    let error = place.close(&run.id, receipts[..1].to_vec()).await.unwrap_err();
    assert!(matches!(error, CloseError::Incomplete { .. }), "{error}");
    assert!(error.to_string().contains("no receipt of market `south` by `coreview-database`"), "{error}");
    let mut wrong = receipts.clone();
    wrong[0].market = "west".into();
    let error = place.close(&run.id, wrong).await.unwrap_err();
    assert!(matches!(error, CloseError::Mismatch { .. }), "{error}");
    let closed = place.close(&run.id, receipts.clone()).await.unwrap();
    assert_eq!((closed.deliveries, closed.rows, closed.already_closed), (2, 2, false));
    let before = place.contents().await;
    assert!(place.close(&run.id, receipts).await.unwrap().already_closed);
    assert_eq!(place.contents().await, before);
    assert!(matches!(place.close("none", vec![]).await.unwrap_err(), CloseError::Mismatch { .. }));

    place
        .load(
            "contracts-2.csv",
            "contract,agent,market,day,amount,status\nC-1,Aspen,north,2024-01-10,1.00,\n",
            "arn:2",
        )
        .await;
    let corrected = place.open("2024-03").await;
    let figures = vec![place.figures(&corrected, "north", &[("Aspen", "300.00")])];
    let controlled = place.control_as(&corrected, figures, Some("C-1 was cheaper")).await.unwrap();
    assert_eq!(
        controlled.approval.as_deref(),
        Some(
            "it corrects what was delivered for 2024-03 (C-1 was cheaper): payable[currency=EUR] 110.00 → 300.00 (+172.7 %). 1 row was rejected as files and messages were taken in, and it is in no month: 1 NOT_POSITIVE in contracts.csv. The view ingest_rejected shows each with its reason. Look at the figures; approve them, or refuse and correct the input"
        )
    );
    place.close(&corrected.id, controlled.deliveries.iter().map(receipt).collect()).await.unwrap();
    let states = "SELECT state FROM calc_run ORDER BY opened_at, state DESC";
    let mut found = place.texts(states).await;
    found.sort();
    assert_eq!(found, ["delivered", "superseded"]);
    // What stands for the period already needs nobody.
    let figures = vec![place.figures(&corrected, "north", &[("Aspen", "300.00")])];
    assert_eq!(place.control_as(&corrected, figures, Some("again")).await.unwrap().approval, None);
}

/// A question is kept with its token; what was answered stays beside it.
pub(crate) async fn people_are_asked(place: &Place) {
    let question = Question {
        execution_arn: "arn:e".into(),
        kind: "approval".into(),
        period: "2024-03".into(),
        text: "payable rises by 48 %".into(),
    };
    let ask = |token: &str| Ask::handle(question.clone(), Callback::of(token), Use::of(&*place.url));
    ask("first").await.unwrap();
    ask("first").await.unwrap();
    // A redrive asks again, with another token.
    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    ask("second").await.unwrap();
    let answer = Answer { approved: true, by: "A. Controller".into(), note: Some("new\0market".into()) };
    let request = AnswerRequest { execution_arn: "arn:e".into(), kind: "approval".into(), answer };
    let note = |request: AnswerRequest| NoteAnswer::handle(request, Use::of(&*place.url));
    assert_eq!(note(request.clone()).await.unwrap(), request.answer);
    let kept = "SELECT task_token || ' ' || COALESCE(approved, '?') || ' ' || COALESCE(answered_by, '?') || ' ' || COALESCE(note, '?') \
                FROM ops_question ORDER BY asked_at";
    let expected = ["first ? ? ?", "second yes A. Controller new\u{2400}market"];
    assert_eq!(place.texts(kept).await, expected);
    // A repetition changes nothing.
    note(request.clone()).await.unwrap();
    assert_eq!(place.texts(kept).await, expected);
    let nobody = Answer { by: " ".into(), ..request.answer.clone() };
    let error = note(AnswerRequest { answer: nobody, ..request.clone() }).await.unwrap_err();
    assert!(matches!(error, AnswerError::NotUnderstood { .. }), "{error}");
    let other = AnswerRequest { kind: "reference".into(), ..request };
    let error = note(other).await.unwrap_err();
    assert!(matches!(error, AnswerError::NotAsked { .. }), "{error}");
}

/// The tests of all scenarios on one database.
macro_rules! on {
    ($place:expr; $($scenario:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $scenario() {
            if let Some((place, _guard)) = $place {
                crate::scenarios::$scenario(&place).await;
            }
        }
    )*};
    ($place:expr) => {
        crate::scenarios::on! { $place;
            rows_are_loaded_once
            rejected_rows_are_told_by_the_next_run
            a_later_row_replaces_an_earlier_one
            a_changed_spec_reads_a_file_again
            rows_without_a_key_are_all_different
            a_row_that_cannot_be_kept_keeps_all_out
            hostile_rows_arrive_unchanged
            loads_at_once_lose_nothing
            reference_data_has_revisions
            a_scope_has_one_value
            a_run_is_pinned_to_its_input
            what_is_missing_is_asked_for
            rows_of_an_older_spec_are_understood
            a_jump_needs_a_person
            figures_of_something_else_are_refused
            a_correction_takes_the_place
            what_was_delivered_is_taken_back
            only_what_stands_was_delivered
            what_is_not_known_row_by_row_is_asked_for
            the_same_bytes_twice_are_counted_once
            a_delivered_period_is_not_changed_silently
            what_is_gone_is_taken_back
            a_delivered_period_keeps_its_revisions
            a_delivered_run_is_not_noted_again
            a_plan_follows_the_channels
            a_period_may_have_no_figures
            damaged_totals_are_not_zero
            closes_at_once_leave_one_that_stands
            a_file_is_taken_where_it_belongs
            people_are_asked
        }
    };
}

pub(crate) use on;
