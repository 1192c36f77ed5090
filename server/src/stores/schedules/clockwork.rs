//! The thread that fires schedules, and rules that have one.

use std::sync::Arc;
use std::time::Duration;

use asl::limits::DELIVERY_AGE_SECONDS_MAX;
use serde_json::json;

use super::schedule::{Schedule, firing_id};
use super::table;
use crate::stores::bell::Bell;
use crate::stores::database::Done;
use crate::stores::deliveries::{self, Deliveries};
use crate::stores::events::{self, Events};
use crate::stores::request::Given;
use crate::stores::shared::Shared;
use crate::stores::time;

/// The longest wait: the clock of a machine may be set.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Fires what is due.
pub(crate) struct Clockwork {
    shared: Arc<Shared>,
    events: Arc<Events>,
    deliveries: Arc<Deliveries>,
    bell: Arc<Bell>,
}

impl Clockwork {
    pub(crate) fn new(
        shared: Arc<Shared>,
        events: Arc<Events>,
        deliveries: Arc<Deliveries>,
        bell: Arc<Bell>,
    ) -> Self {
        Self { shared, events, deliveries, bell }
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
            self.fire_rule(bus, name, instant, now)?;
        }
        for kept in schedules {
            self.fire_schedule(kept, now)?;
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

    fn fire_rule(&self, bus: String, name: String, instant: i64, now: i64) -> Done {
        let place = &self.shared.place;
        let arn = place.rule_arn(&bus, &name);
        let event = json!({
            "version": "0",
            "id": firing_id(&arn, instant),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": place.account,
            "time": time::iso(instant),
            "region": place.region,
            "resources": [arn],
            "detail": {},
        });
        let mut new = self.events.of_schedule(&bus, &name, &event, instant);
        let count = new.len();
        new.retain(|delivery| now - instant <= delivery.target.age_seconds_max * 1_000);
        let oldest = now - DELIVERY_AGE_SECONDS_MAX * 1_000;
        if new.len() < count || instant < oldest {
            tracing::warn!(
                rule = arn,
                time = time::iso(instant),
                "a firing was missed and is too old to be made up"
            );
        }
        self.shared.database.write(move |connection| {
            if !events::rule_fired(connection, &bus, &name, instant, oldest)? {
                return Ok(());
            }
            new.iter().try_for_each(|delivery| deliveries::insert(connection, delivery, now))
        })
    }

    fn fire_schedule(&self, kept: table::Kept, now: i64) -> Done {
        let Some(instant) = kept.next_millis else { return Ok(()) };
        let place = self.shared.place.clone();
        let arn = place.schedule_arn(&kept.group, &kept.name);
        self.shared.database.write(move |connection| {
            let document = serde_json::Value::Object(kept.document.clone());
            let schedule = match Schedule::of(Given::of(&document)) {
                Ok(schedule) => schedule,
                Err(error) => {
                    tracing::error!(schedule = arn, ?error, "a schedule does not fire any more");
                    return table::move_on(connection, &kept, None, None).map(drop);
                }
            };
            let oldest = now - schedule.age_millis_max();
            let next = schedule.next_after(instant.max(oldest - 1), kept.created_millis);
            let due = next.map(|next| schedule.due(&arn, next));
            if !table::move_on(connection, &kept, next, due)? {
                return Ok(());
            }
            if instant < oldest {
                tracing::warn!(
                    schedule = arn,
                    time = time::iso(instant),
                    "a firing was missed and is too old to be made up"
                );
            } else {
                deliveries::insert(connection, &schedule.delivery(&arn, instant, &place), now)?;
            }
            if next.is_none() && schedule.is_deleted_at_end {
                table::delete(connection, &kept.group, &kept.name)?;
            }
            Ok(())
        })
    }
}
