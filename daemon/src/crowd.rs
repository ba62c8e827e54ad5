//! The connections of an HTTP server, up to a bound. Every new one is taken: for one too many, that one goes on which nothing was asked
//! for the longest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::Instant;

/// Connections that are served.
#[derive(Debug)]
pub struct Crowd {
    bound: usize,
    tasks: JoinSet<()>,
    members: HashMap<Id, (AbortHandle, Member)>,
}

/// What is going on on one connection.
#[derive(Debug, Clone)]
pub struct Member(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    asking: usize,
    /// Since when there are none.
    quiet: Instant,
}

/// A request that is being answered, until this is dropped.
#[derive(Debug)]
pub struct Asking(Member);

impl Member {
    /// A connection that was taken just now.
    pub fn new() -> Self {
        Member(Arc::new(Mutex::new(State { asking: 0, quiet: Instant::now() })))
    }

    /// Something is asked on it.
    pub fn ask(&self) -> Asking {
        self.with(|state| state.asking += 1);
        Asking(self.clone())
    }

    /// Since when nothing is asked on it, if nothing is.
    fn quiet(&self) -> Option<Instant> {
        self.with(|state| (state.asking == 0).then_some(state.quiet))
    }

    fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // It is never left half changed, so a panic elsewhere does not spoil it.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.asking -= 1;
            state.quiet = Instant::now();
        });
    }
}

impl Crowd {
    /// None; up to `bound`, one at least.
    pub fn new(bound: usize) -> Self {
        Crowd { bound, tasks: JoinSet::new(), members: HashMap::new() }
    }

    /// Serves one more connection, in the place of another where there are too many. Where something is asked on all of them it is
    /// dropped.
    pub fn serve(&mut self, member: Member, connection: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
            self.members.remove(&id);
        }
        if self.members.len() >= self.bound && !self.end_quietest() {
            return;
        }
        let task = self.tasks.spawn(connection);
        self.members.insert(task.id(), (task, member));
    }

    fn end_quietest(&mut self) -> bool {
        let quiet = self.members.iter().filter_map(|(id, (_, member))| Some((member.quiet()?, *id)));
        let Some((_, id)) = quiet.min_by_key(|(since, _)| *since) else { return false };
        if let Some((task, _)) = self.members.remove(&id) {
            task.abort();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn for_one_too_many_the_quietest_goes_and_none_on_which_something_is_asked() {
        let mut crowd = Crowd::new(2);
        let serve = |crowd: &mut Crowd| {
            let (member, (held, gone)) = (Member::new(), oneshot::channel::<()>());
            crowd.serve(member.clone(), async move {
                let _held = held;
                std::future::pending().await
            });
            (member, gone)
        };
        let (first, gone_first) = serve(&mut crowd);
        let (second, gone_second) = serve(&mut crowd);
        drop(first.ask());
        let (third, mut gone_third) = serve(&mut crowd);
        assert!(gone_second.await.is_err(), "nothing was ever asked on the second one");
        let asking = [first.ask(), third.ask(), second.ask()];
        let (_, gone_fourth) = serve(&mut crowd);
        assert!(gone_fourth.await.is_err(), "there was no place for it");
        drop(asking);
        let asking = third.ask();
        serve(&mut crowd);
        assert!(gone_first.await.is_err());
        assert!(gone_third.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Empty));
        drop(asking);
    }
}
