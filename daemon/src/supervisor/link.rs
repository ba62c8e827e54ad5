//! The line between a child and its parent: what each tells the other, one JSON value a line.
//!
//! What a child wants its parent to know goes over it, and never by an exit code: that is for anybody to choose who runs in
//! the child.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// What a program tells of itself when it is ready: names and addresses, by name.
pub type Fields = Map<String, Value>;

/// What a child says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Word {
    /// A sign of life.
    Alive,
    /// It is ready for its work.
    Ready(Fields),
    /// It cannot do its work, and says why.
    Refused(String),
    /// Whom it works for wants neither it nor another one, for this reason.
    Dismissed(String),
    /// It ends because it has to, and nothing is wrong with the next one.
    Again,
}

/// What a parent says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    /// The first line, which is there before the child is.
    Begin(Origin),
    /// Finish what is begun, and end.
    Drain,
}

/// What a child is told at its start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// How the process ended in whose place the child was started.
    pub predecessor: Option<String>,
    /// What the child writes to standard error is passed on to a terminal.
    pub is_terminal: bool,
}

/// A word or an order as it is written.
pub(super) fn line(said: &impl Serialize) -> Vec<u8> {
    // What is said here has no keys but strings, the only thing that JSON refuses.
    let mut line = serde_json::to_vec(said).unwrap_or_default();
    line.push(b'\n');
    line
}

/// Ties a supervised process to the one that started it.
#[derive(Debug)]
pub struct ParentLink {
    link: UnixStream,
    origin: Origin,
    drain: Arc<Drain>,
}

/// Whether the parent has said that it is time to end, and what is to be done then.
#[derive(Default)]
struct Drain(Mutex<(bool, Option<OnDrain>)>);

type OnDrain = Box<dyn Fn() + Send>;

impl std::fmt::Debug for Drain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Drain")
    }
}

impl Drain {
    fn tell(&self) {
        let mut drain = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drain.0 = true;
        drain.1.iter().for_each(|on_drain| on_drain());
    }
}

impl ParentLink {
    /// Takes the link, which a supervised process finds in place of standard input. What the process starts itself gets
    /// an empty standard input instead, so that it cannot hold the link open. `on_end` is called on a thread of its own when the
    /// parent is gone.
    ///
    /// # Errors
    /// When standard input is closed, or the process has no descriptors or threads left.
    pub fn take(on_end: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
        let mut orders = BufReader::new(link.try_clone()?);
        let origin = match next_order(&mut orders) {
            Some(Some(Order::Begin(origin))) => origin,
            _ => Origin::default(),
        };
        let drain = Arc::<Drain>::default();
        let told = Arc::clone(&drain);
        thread::Builder::new().name("parent".to_owned()).spawn(move || {
            while let Some(order) = next_order(&mut orders) {
                if order == Some(Order::Drain) {
                    told.tell();
                }
            }
            on_end();
        })?;
        Ok(ParentLink { link, origin, drain })
    }

    /// What the parent told at the start.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Has this called when the parent says that it is time to end, or now if it has said so. In place of what was said before.
    pub fn on_drain(&self, on_drain: impl Fn() + Send + 'static) {
        let mut drain = self.drain.0.lock().unwrap_or_else(PoisonError::into_inner);
        if drain.0 {
            on_drain();
        }
        drain.1 = Some(Box::new(on_drain));
    }

    /// Gives a sign of life.
    pub fn beat(&self) {
        self.say(&Word::Alive);
    }

    /// Says that this process is ready for its work, and what there is to know of it.
    pub fn ready(&self, fields: Fields) {
        self.say(&Word::Ready(fields));
    }

    /// Says why this process cannot do its work.
    pub fn refuse(&self, why: &str) {
        self.say(&Word::Refused(why.to_owned()));
    }

    /// Says that this process is not wanted, nor another one in its place.
    pub fn dismissed(&self, why: &str) {
        self.say(&Word::Dismissed(why.to_owned()));
    }

    /// Says that this process ends, and that another one is to take its place at once.
    pub fn again(&self) {
        self.say(&Word::Again);
    }

    fn say(&self, word: &Word) {
        // A parent that is gone is noticed by the thread that reads.
        let _ = (&self.link).write_all(&line(word));
    }
}

/// The next order, `Some(None)` for one that is not known; `None` when there will be none any more.
fn next_order(orders: &mut impl BufRead) -> Option<Option<Order>> {
    let mut line = Vec::new();
    match orders.read_until(b'\n', &mut line) {
        Ok(1..) => Some(serde_json::from_slice(&line).ok()),
        Ok(0) | Err(_) => None,
    }
}

/// Puts lines together that arrive in pieces.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<u8>);

impl Words {
    /// A line that is longer than that is none of ours.
    const LONGEST: usize = 4 << 20;

    /// Takes up what was read, and gives the words that are complete.
    pub(super) fn take(&mut self, read: &[u8]) -> Vec<Word> {
        self.0.extend_from_slice(read);
        let Some(end) = self.0.iter().rposition(|&byte| byte == b'\n') else {
            if self.0.len() > Self::LONGEST {
                self.0.clear();
            }
            return Vec::new();
        };
        let rest = self.0.split_off(end + 1);
        let lines = std::mem::replace(&mut self.0, rest);
        lines.split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_put_together_and_what_is_none_is_passed_over() {
        let mut words = Words::default();
        assert_eq!(words.take(b"\"alive\"\n\"aga"), [Word::Alive]);
        assert_eq!(
            words.take(b"in\"\nwhat?\n{\"refused\":\"a\\nb\"}\n"),
            [Word::Again, Word::Refused("a\nb".to_owned())]
        );
        let fields = Fields::from_iter([("db".to_owned(), Value::from("tcp://h:1"))]);
        assert_eq!(words.take(&line(&Word::Ready(fields.clone()))), [Word::Ready(fields)]);
    }
}
