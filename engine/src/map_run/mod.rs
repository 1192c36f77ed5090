//! Map Runs: the child executions of a distributed Map.
//!
//! A Map Run has no records of its own. What children there are *is* its
//! state: a child is durable before it does anything, with its number and how
//! many items it took, so the counts, and from where to read on, are sums over
//! the children. After a crash the machine hands out the plan again, the
//! children are counted, the source is opened again (it has to be the same,
//! by its tag) and read on from behind the last item that was taken: no child
//! is lost, and none is there twice. In a dataset of several objects each child
//! notes the place of its last item. Memory holds one item, one batch, and a
//! number for each child that runs; a Map Run that waits takes no thread. A
//! child whose records are damaged counts as failed.
//!
//! | file | owns |
//! |---|---|
//! | `tally` | counts, concurrency, thresholds: pure |
//! | `inputs` | items → `ItemSelector` → batches: the inputs of children |
//! | `driver` | a Map Run of an engine at work |
//! | `pool` | whose turn it is: a few threads for all Map Runs |
//! | `api` | `DescribeMapRun`, `ListMapRuns`, `UpdateMapRun` |

mod api;
mod driver;
mod inputs;
mod pool;
mod tally;
#[cfg(test)]
mod tests;

pub use api::{MapRunDescription, UpdateMapRun};
pub use tally::MapRunCounts;

pub(crate) use driver::{ChildOf, Processors, abort_orphans, child_definition};
pub(crate) use inputs::{ChildInputs, results_outcome};
pub(crate) use pool::{MapRuns, Told};
pub(crate) use tally::{Limits, Tally};
