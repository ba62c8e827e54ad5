//! Why a function or a hook gives no answer.

use std::any::Any;
use std::fmt;

/// An error of one message.
///
/// Functions may return any error that displays; this one also says whether another attempt makes sense. `?` turns every
/// `std::error::Error` into a `Failure` that does not exclude another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    text: String,
    permanent: bool,
}

impl Failure {
    /// A failure that another attempt may not meet.
    pub fn new(error: impl fmt::Display) -> Failure {
        // The alternate form makes errors with a chain of causes print all of it.
        Failure { text: format!("{error:#}"), permanent: false }
    }

    /// A failure that every attempt will meet: the message is not tried again.
    pub fn permanent(error: impl fmt::Display) -> Failure {
        Failure { permanent: true, ..Failure::new(error) }
    }

    /// Whether every attempt will meet this failure.
    pub fn is_permanent(&self) -> bool {
        self.permanent
    }

    /// What went wrong.
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }

    /// The failure that any displayable error stands for: itself, where it is one.
    pub(crate) fn of<E: fmt::Display + 'static>(error: E) -> Failure {
        match (&error as &dyn Any).downcast_ref::<Failure>() {
            Some(failure) => failure.clone(),
            None => Failure::new(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::new(error)
    }
}
