//! Jobs and messages are chosen by the beginning of their ids.

use crate::failure::Failure;
use pylm_protocol::nearest;
use std::fmt;
use std::str::FromStr;

/// As much of an id as no other has; never nothing, which is how a variable that was not set would choose what there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Beginning(String);

impl FromStr for Beginning {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "" => {
                Err("it is empty, and would choose whatever there is; write at least the beginning of an id")
            }
            text => Ok(Beginning(text.to_owned())),
        }
    }
}

impl fmt::Display for Beginning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Beginning {
    /// The whole of it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The one of `all` whose id is this, or which alone begins so. `what` they are, and where they are `listed`, is for people.
    ///
    /// # Errors
    /// When there is none, or several.
    pub(crate) fn choose<'a, T>(
        &self,
        (what, listed): (&str, &str),
        all: &'a [T],
        id: impl Fn(&'a T) -> &'a str,
    ) -> Result<&'a T, Failure> {
        if let Some(exact) = all.iter().find(|one| id(one) == self.0) {
            return Ok(exact);
        }
        let mut found = all.iter().filter(|one| id(one).starts_with(&self.0));
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (Some(_), Some(_)) => {
                Err(Failure::Usage(format!("several {what}s begin with `{self}`; write more of the id")))
            }
            (None, _) => {
                let cut = |one: &'a T| id(one).get(..self.0.len()).unwrap_or_else(|| id(one));
                let near = nearest(&self.0, all.iter().map(cut)).filter(|_| self.0.len() > 3);
                let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                Err(Failure::Running(format!("no {what} begins with `{self}`{hint}; see `{listed}`")))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_found_by_a_beginning_that_only_it_has_and_never_by_nothing() {
        let all = ["job/1/0", "job/10/0", "job/2/0"];
        let find = |text: &str| {
            text.parse::<Beginning>().map(|text| text.choose(("message", "list"), &all, |id| id))
        };
        assert!(matches!(find("job/2"), Ok(Ok(&"job/2/0"))));
        assert!(matches!(find("job/1/"), Ok(Ok(&"job/1/0"))));
        assert!(matches!(find("job/1/0"), Ok(Ok(&"job/1/0"))));
        assert!(matches!(find("job/1"), Ok(Err(Failure::Usage(_)))));
        assert!(matches!(find("jub/2"), Ok(Err(Failure::Running(text))) if text.contains("`job/2`")));
        assert!(matches!(find("other"), Ok(Err(Failure::Running(_)))));
        for nothing in ["", "  ", "\n"] {
            assert!(find(nothing).is_err());
        }
    }
}
