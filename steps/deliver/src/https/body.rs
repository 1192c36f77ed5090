//! The rows of a batch as the body of a request, checked while they are sent.

use std::io::{self, BufRead, Read};

use crate::batch::Rows;
use crate::deliver::DeliverError;

/// Reads canonical rows; fails before its end is reached when they are not what
/// the batch says, so that the request is never complete.
pub(super) struct CheckedRows<R> {
    rows: Rows<R>,
    expected: u64,
    received: u64,
    line: io::Cursor<Vec<u8>>,
    problem: Option<DeliverError>,
}

impl<R: BufRead> CheckedRows<R> {
    pub(super) fn new(source: R, expected: u64) -> Self {
        Self {
            rows: Rows::new(source),
            expected,
            received: 0,
            line: io::Cursor::new(Vec::new()),
            problem: None,
        }
    }

    /// What was wrong with the rows.
    pub(super) fn into_problem(self) -> Option<DeliverError> {
        self.problem
    }

    fn next_line(&mut self) -> Result<bool, DeliverError> {
        let Some(row) = self.rows.next_row()? else {
            return Ok(false);
        };
        self.received += 1;
        if self.received > self.expected {
            let expected = self.expected;
            return Err(DeliverError::rejected(format!(
                "the batch has more than {expected} rows; stage it again"
            )));
        }
        self.line = io::Cursor::new(row.line().into_bytes());
        Ok(true)
    }
}

impl<R: BufRead> Read for CheckedRows<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.line.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.next_line() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.problem = Some(error);
                    return Err(io::Error::other("the batch is not what it says"));
                }
            }
        }
    }
}
