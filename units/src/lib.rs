//! Lengths of time and sizes, written one way in all flags, variables and files: `500ms`, `5s`, `256MiB`, and bare numbers.
//!
//! Both types have an upper end, far beyond what anybody waits for or stores: what is added to a clock or a sum of sizes
//! cannot overflow, whatever a user has typed.

mod number;
mod size;
mod time;

pub use number::no_number;
pub use size::ByteSize;
pub use time::TimeSpan;

/// A text that is no length of time, or no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// It is not written as one.
    #[error("write {0}")]
    Form(&'static str),
    /// It is beyond what is taken.
    #[error("at most {0}")]
    TooLarge(String),
    /// It is zero, where something has to be.
    #[error("it must be more than 0")]
    Zero,
}
