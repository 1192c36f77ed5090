//! Map Runs: the child executions of a distributed Map.
//!
//! A Map Run has no records of its own. What children there are *is* its
//! state: a child is durable before it does anything, with its number and how
//! many items it took, so the counts, and from where to read on, are sums over
//! the children. After a crash the machine hands out the plan again, the
//! children are counted, the source is opened again (it has to be the same,
//! by its tag) and read on from behind the last item that was taken: no child
//! is lost, and none is there twice. The listing of a prefix has no tag: it is
//! taken up behind as many objects as were taken, so objects that appear or go
//! before them while no engine runs shift what follows. Memory holds one item, one batch, and a
//! number for each child that runs.
//!
//! | file | owns |
//! |---|---|
//! | `tally` | counts, concurrency, thresholds: pure |
//! | `inputs` | items → `ItemSelector` → batches: the inputs of children |
//! | `driver` | one thread for each Map Run of an engine |
//! | `api` | `DescribeMapRun`, `ListMapRuns`, `UpdateMapRun` |

mod api;
mod driver;
mod inputs;
mod tally;
#[cfg(test)]
mod tests;

pub use api::{MapRunDescription, UpdateMapRun};
pub use tally::MapRunCounts;

pub(crate) use driver::{ChildOf, MapRuns, Processors, Told, abort_orphans, child_definition};
pub(crate) use inputs::{ChildInputs, results_outcome};
pub(crate) use tally::{Limits, Tally};
