//! What an author of workflow tests relies on, and the proof that a generated
//! definition does what its workflow says.

#[cfg(test)]
mod experience;
#[cfg(test)]
mod lowering;
#[cfg(test)]
mod triggers;
#[cfg(test)]
mod waiting;
