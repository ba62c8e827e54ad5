//! The web workers as the slots see them: who gets a call, and who is looked for.

use super::connections::CONNECT_TIME;
use super::health::{Choice, Health, News};
use super::tried::Tried;
use super::url::WebUrl;
use crate::host::shared::Shared;
use crate::supervisor::Backoff;
use std::sync::atomic::Ordering::Release;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

/// The delay before a lost worker is looked for, which doubles each time.
const FIRST_DELAY: Duration = Duration::from_millis(50);
/// The longest delay before a lost worker is looked for.
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// All web workers of a node.
pub(super) struct Workers {
    urls: Vec<WebUrl>,
    health: Mutex<Health>,
    news: Condvar,
    /// Wakes who looks for each worker when it is lost.
    lost: Vec<Notify>,
    pub(super) tried: Tried,
    shared: Arc<Shared>,
}

impl Workers {
    /// Workers that nobody has looked for yet.
    pub(super) fn new(urls: Vec<WebUrl>, most_calls: usize, shared: Arc<Shared>) -> Self {
        let health = Mutex::new(Health::new(urls.len(), most_calls));
        let lost = urls.iter().map(|_| Notify::new()).collect();
        Workers { urls, health, news: Condvar::new(), lost, tried: Tried::default(), shared }
    }

    /// Where a worker is.
    pub(super) fn url(&self, worker: usize) -> &WebUrl {
        &self.urls[worker]
    }

    /// Who gets a call, rather not the one to `avoid`. Waits for one up to `patience`: nobody, then, has room for it.
    pub(super) fn choose(&self, avoid: Option<usize>, patience: Duration) -> Choice {
        let mut health = self.lock();
        let choice = health.choose(avoid, Instant::now());
        let until = match choice {
            Choice::Worker(_) | Choice::Nobody => return choice,
            Choice::Later(until) => until.map(|until| until.saturating_duration_since(Instant::now())),
        };
        let wait = until.unwrap_or(patience).min(patience);
        health = self.news.wait_timeout(health, wait).unwrap_or_else(PoisonError::into_inner).0;
        health.choose(avoid, Instant::now())
    }

    /// A call has ended.
    pub(super) fn end_call(&self, worker: usize, news: News) {
        self.change(worker, |health| health.end_call(worker, news, Instant::now()));
    }

    fn hear(&self, worker: usize, news: News) {
        self.change(worker, |health| health.hear(worker, news, Instant::now()));
    }

    fn change(&self, worker: usize, change: impl FnOnce(&mut Health)) {
        let mut health = self.lock();
        let was_lost = health.is_lost(worker);
        change(&mut health);
        let is_lost = health.is_lost(worker);
        let takes_nothing = !health.any_reachable();
        if takes_nothing != self.shared.takes_nothing.swap(takes_nothing, Release) {
            self.shared.signal();
        }
        drop(health);
        self.news.notify_all();
        if is_lost && !was_lost {
            warn!(url = %self.urls[worker], "a web worker is lost, and looked for");
            self.lost[worker].notify_one();
        }
    }

    /// Looks for all workers that are lost, as all are at first.
    pub(super) async fn look_for_lost_ones(self: Arc<Self>) {
        let mut looking = JoinSet::new();
        for worker in 0..self.urls.len() {
            looking.spawn(Arc::clone(&self).look_for(worker));
        }
        looking.join_all().await;
    }

    /// Looks for one worker whenever it is lost.
    async fn look_for(self: Arc<Self>, worker: usize) {
        let url = &self.urls[worker];
        let mut backoff = Backoff::new(FIRST_DELAY, LONGEST_DELAY);
        let mut reached = None;
        let mut reported = false;
        loop {
            // The connection is closed at once: one that is only held open would keep a simple server from all others.
            let connecting = timeout(CONNECT_TIME, TcpStream::connect(url.address()));
            let connected = connecting.await.map(|connected| connected.map(drop));
            match connected {
                Ok(Ok(())) => {
                    info!(%url, "a web worker is here");
                    reached = Some(Instant::now());
                    reported = false;
                    self.hear(worker, News::Reachable);
                    self.lost[worker].notified().await;
                }
                Ok(Err(error)) if !std::mem::replace(&mut reported, true) => {
                    warn!(%url, %error, "a web worker cannot be reached");
                }
                Err(_) if !std::mem::replace(&mut reported, true) => {
                    warn!(%url, "a web worker cannot be reached: nothing there answers");
                }
                _ => {}
            }
            if reached.take().is_some_and(|reached| reached.elapsed() >= LONGEST_DELAY) {
                backoff.reset();
            }
            sleep(backoff.next_delay()).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
