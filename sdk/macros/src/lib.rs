//! Procedural macros of `stepwright`.
