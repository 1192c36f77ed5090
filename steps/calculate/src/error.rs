//! What can go wrong in a calculation, by the names a workflow can catch.

use std::io;

use feed::measure::MeasureError;
use feed::number::ArithmeticError;
use feed::rows::RowsError;
use stepwright::StepError;
use stepwright::objects::ObjectError;

/// Why there are no figures. None of these goes away by trying again.
#[derive(Debug, Clone, PartialEq, Eq, StepError)]
#[error_name = "Calculate"]
pub enum CalculateError {
    /// The feed's spec has mistakes, or is not the one the rows were parsed with.
    #[message("{detail}")]
    Spec {
        /// Each mistake with file, line and column.
        detail: String,
    },
    /// The stored rows cannot be read.
    #[message("{detail}")]
    Damaged {
        /// What happened and what to do.
        detail: String,
    },
    /// A figure needs more digits than can be kept exactly.
    #[message("{detail}")]
    Overflow {
        /// Which measure, in which group.
        detail: String,
    },
    /// A unit conversion divides by zero.
    #[message("{detail}")]
    DivisionByZero {
        /// Which measure, in which group.
        detail: String,
    },
    /// There are more groups or different values than fit into memory.
    #[message("{detail}")]
    TooLarge {
        /// What to do.
        detail: String,
    },
    /// The period is to be taken from the rows, but there are none.
    #[message("{detail}")]
    NoPeriod {
        /// What to do.
        detail: String,
    },
    /// The groups do not add up to the whole.
    #[message("{detail}")]
    ControlMismatch {
        /// Which measure, and both values.
        detail: String,
    },
    /// Reference data that the spec needs was not given, has other columns, or
    /// has nothing for a row that cannot go without.
    #[message("{detail}")]
    Reference {
        /// What is missing, and for which row.
        detail: String,
    },
    /// A value of a window's period column is no period.
    #[message("{detail}")]
    BadPeriod {
        /// The value, and what is expected.
        detail: String,
    },
    /// The latest exchange rate is older than the spec allows.
    #[error_name = "Fx.Stale"]
    #[message("{detail}")]
    FxStale {
        /// Which currency, which day, and the day of the latest rate.
        detail: String,
    },
    /// There is no exchange rate.
    #[error_name = "Fx.Missing"]
    #[message("{detail}")]
    FxMissing {
        /// Which currency and which day.
        detail: String,
    },
    /// The objects cannot be read or written.
    #[message("{detail}")]
    StorageFailed {
        /// What happened and what to do.
        detail: String,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
impl CalculateError {
    pub(crate) fn storage(error: ObjectError) -> Self {
        Self::StorageFailed { detail: error.to_string() }
    }

    pub(crate) fn write(error: io::Error) -> Self {
        Self::StorageFailed {
            detail: format!("the figures cannot be written: {error}; try again when there is space"),
        }
    }

    pub(crate) fn rows(error: RowsError) -> Self {
        match error {
            RowsError::Io(error) => {
                Self::StorageFailed { detail: format!("the stored rows cannot be read: {error}") }
            }
            other => Self::Damaged { detail: other.to_string() },
        }
    }

    /// A number of a table's row has no result.
    pub(crate) fn arithmetic(error: ArithmeticError, place: &str) -> Self {
        let detail = format!("{error}, in {place}; correct the source, or the calculation in the spec");
        match error {
            ArithmeticError::DivisionByZero => Self::DivisionByZero { detail },
            ArithmeticError::Overflow | ArithmeticError::TextTooLong => Self::Overflow { detail },
        }
    }

    /// A measure failed; `group` says where.
    pub(crate) fn measure(error: &MeasureError, group: &str) -> Self {
        let advice = "correct the source, or the unit and rounding in the spec";
        let detail = format!("{error}, in {group}; {advice}");
        match error {
            MeasureError::TooMuch => Self::TooLarge { detail: error.to_string() },
            MeasureError::Arithmetic { error: ArithmeticError::DivisionByZero, .. } => {
                Self::DivisionByZero { detail }
            }
            MeasureError::Arithmetic { .. } => Self::Overflow { detail },
        }
    }
}
