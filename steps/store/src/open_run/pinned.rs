//! What was delivered for a period before, as far as another run of it has to know:
//! the revisions of reference data it keeps, and the markets it had.

use database::{Database, DatabaseError};
use feed::{FeedSpec, PinnedRevision};

use super::{OpenError, OpenRequest};
use crate::tables::reference::{self, Active};
use crate::tables::{calc, unsigned};

/// What stands for a period.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    /// The revisions of the run that stands; none when nothing was delivered.
    delivered: Option<Vec<PinnedRevision>>,
    /// Whether the request wants what is in force now all the same.
    wants_current: bool,
    /// Every market that was ever delivered for the period.
    pub(super) markets: Vec<String>,
    /// Whether the period is corrected: then it may be that nothing is left of it.
    pub(super) is_corrected: bool,
}

impl Pinned {
    pub(super) async fn of(
        database: &mut impl Database,
        request: &OpenRequest,
        feed: &str,
        period: &str,
    ) -> Result<Self, OpenError> {
        let markets = calc::markets_delivered(database, feed, period).await?;
        let standing = calc::delivered_for(database, feed, period).await?;
        let revisions = |text: &str| {
            serde_json::from_str(text).map_err(|error| OpenError::Damaged {
                detail: format!(
                    "the revisions of what was delivered of {feed} for {period} (table calc_run) cannot be read: \
                     {error}; find out who changed them"
                ),
            })
        };
        Ok(Self {
            is_corrected: request.correction.is_some() && (standing.is_some() || !markets.is_empty()),
            delivered: standing.map(|it| revisions(&it.revisions)).transpose()?,
            wants_current: request.current_references,
            markets,
        })
    }

    /// The revisions of a reference that a run takes: those the period was delivered with, else
    /// those in force.
    pub(super) async fn revisions_of(
        &self,
        database: &mut impl Database,
        name: &str,
    ) -> Result<Vec<Active>, DatabaseError> {
        let delivered = self.delivered.iter().flatten().filter(|_| !self.wants_current);
        let mut kept = vec![];
        for revision in delivered.filter(|revision| revision.name == name) {
            kept.extend(reference::find(database, revision).await?);
        }
        // What the spec asks for only since then is what is in force.
        if kept.is_empty() { reference::active_of(database, name).await } else { Ok(kept) }
    }

    /// Where a run's revisions differ from those the period was delivered with, or from those in
    /// force.
    pub(super) async fn notices(
        &self,
        database: &mut impl Database,
        spec: &FeedSpec,
        taken: &[PinnedRevision],
    ) -> Result<Vec<String>, OpenError> {
        let Some(delivered) = &self.delivered else { return Ok(vec![]) };
        let mut notices = vec![];
        if self.wants_current {
            for it in taken.iter().filter(|it| !delivered.contains(it)) {
                notices.push(format!(
                    "{} is taken in revision {}, which is not what the period was delivered with",
                    of(&it.name, &it.scope),
                    it.number
                ));
            }
            return Ok(notices);
        }
        for wanted in &spec.references {
            for active in reference::active_of(database, &wanted.name).await? {
                let kept = taken.iter().find(|it| it.name == wanted.name && it.scope == active.scope);
                let number = unsigned(Some(active.number));
                if let Some(kept) = kept.filter(|kept| kept.number != number) {
                    notices.push(format!(
                        "{} is in force in revision {number}, but the period keeps revision {} that it was delivered with",
                        of(&wanted.name, &active.scope),
                        kept.number
                    ));
                }
            }
        }
        Ok(notices)
    }
}

/// `cells (year=2024)`.
fn of(name: &str, scope: &str) -> String {
    if scope.is_empty() { format!("`{name}`") } else { format!("`{name}` ({scope})") }
}
