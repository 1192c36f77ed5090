//! The thread that fires schedules, and rules that have one.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;

use super::schedule::Schedule;
use super::table;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::deliveries::{self, Deliveries};
use crate::stores::events;
use crate::stores::place::Place;
use crate::stores::request::Given;
use crate::stores::shared::Shared;
use crate::stores::time;

/// The longest wait: the clock of a machine may be set.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Fires what is due.
pub(crate) struct Clockwork {
    shared: Arc<Shared>,
    deliveries: Arc<Deliveries>,
    bell: Arc<Bell>,
}

impl Clockwork {
    pub(crate) const fn new(shared: Arc<Shared>, deliveries: Arc<Deliveries>, bell: Arc<Bell>) -> Self {
        Self { shared, deliveries, bell }
    }

    /// Fires until it is over.
    pub(crate) fn run(&self) {
        loop {
            let heard = self.bell.rings();
            let pause = match self.fire() {
                Ok(pause) => pause,
                Err(failure) => {
                    tracing::error!(?failure, "schedules cannot be fired");
                    Some(Duration::from_secs(1))
                }
            };
            let pause = pause.unwrap_or(WAIT_MAX).min(WAIT_MAX);
            if !self.bell.wait(heard, Some(pause)) {
                return;
            }
        }
    }

    /// Fires what is due; answers how long until there is more.
    fn fire(&self) -> Done<Option<Duration>> {
        let now = self.shared.now();
        let (rules, schedules) = self
            .shared
            .database
            .read(|connection| Ok((events::due_rules(connection, now)?, table::due(connection, now)?)))?;
        let has_fired = !rules.is_empty() || !schedules.is_empty();
        for (bus, name, instant) in rules {
            let place = self.shared.place.clone();
            let fire = move |connection: &Connection| {
                events::fire_rule(connection, &place, (&bus, &name, instant), now)
            };
            self.shared.database.write(fire)?;
        }
        for kept in schedules {
            let Some(instant) = kept.next_millis else { continue };
            let place = self.shared.place.clone();
            let fire = move |connection: &Connection| {
                fire_schedule(connection, &place, (&kept.group, &kept.name, instant), now)
            };
            self.shared.database.write(fire)?;
        }
        if has_fired {
            self.deliveries.bell.ring();
            return Ok(Some(Duration::ZERO));
        }
        let (rule, schedule) = self
            .shared
            .database
            .read(|connection| Ok((events::first_rule_millis(connection)?, table::first_due(connection)?)))?;
        let next = [rule, schedule].into_iter().flatten().min();
        Ok(next.map(|next| Duration::from_millis((next - now).max(0).unsigned_abs())))
    }
}

/// Fires a schedule for an instant as it is now: moves it on, and notes what is to be delivered. One
/// that has changed since it was due is left to the next look.
fn fire_schedule(
    connection: &Connection,
    place: &Place,
    (group, name, instant): (&str, &str, i64),
    now: i64,
) -> Done {
    let arn = place.schedule_arn(group, name);
    let Some(kept) = table::find(connection, group, name)? else { return Ok(()) };
    let document = Value::Object(kept.document.clone());
    let schedule = match Schedule::of(Given::of(&document)) {
        Ok(schedule) => schedule,
        Err(error) => {
            tracing::error!(schedule = arn, error = error.message, "a schedule does not fire any more");
            return table::move_on(connection, &kept, None, None).map(drop);
        }
    };
    if !table::is_due(connection, &kept, instant, now)? {
        return Ok(());
    }
    let oldest = now - schedule.age_millis_max();
    let next = schedule.next_after(instant.max(oldest - 1), kept.created_millis);
    let due = next.map(|next| schedule.due(&arn, next));
    table::move_on(connection, &kept, next, due)?;
    if instant < oldest {
        tracing::warn!(
            schedule = arn,
            time = time::iso(instant),
            "a firing was missed and is too old to be made up"
        );
    } else {
        deliveries::insert(connection, &schedule.delivery(&arn, instant, place), now)?;
    }
    if next.is_none() && schedule.is_deleted_at_end {
        table::delete(connection, group, name)?;
    }
    Ok(())
}
