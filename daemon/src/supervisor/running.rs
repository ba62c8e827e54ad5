//! One life of a child: from its start to its end, and what it said meanwhile.

use super::link::{self, Order as Said, Origin, Word, Words};
use super::output::Output;
use super::{ChildSpec, Order, Surroundings, report};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{self, IsTerminal, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::process::{ExitStatus, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// A child that runs.
pub(super) struct Running {
    child: Child,
    link: UnixStream,
    output: Output,
    words: Words,
    /// When it last gave a sign of life; `None` before the first.
    alive: Option<Instant>,
    linked: bool,
    end: End,
}

/// How a life ended.
#[derive(Debug, Default)]
pub(super) struct End {
    /// `None` where the system could not tell: something else in this process has asked for it first.
    status: Option<ExitStatus>,
    /// It was told to end.
    pub(super) was_told: bool,
    /// It was ready for its work.
    pub(super) was_ready: bool,
    /// Why it could not do its work, as it said itself.
    pub(super) refused: Option<String>,
    /// It was not wanted, nor another one in its place.
    pub(super) is_dismissed: bool,
    /// It wanted to be started again at once.
    pub(super) again: bool,
    /// It was killed since it gave no sign of life.
    was_silent: bool,
    /// What it wrote last, beside its log.
    last_words: Option<String>,
}

impl End {
    /// Its exit code; `None` where a signal ended it, or nobody knows.
    pub(super) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    /// In words.
    pub(super) fn how(&self) -> String {
        let how = match self.status {
            _ if self.was_silent => "SIGKILL, since it gave no sign of life".to_owned(),
            Some(status) => report::describe(status),
            None => "nobody knows how: what runs in this process has taken the word of it".to_owned(),
        };
        match &self.last_words {
            Some(words) => format!("{how}: {words}"),
            None => how,
        }
    }
}

impl Running {
    /// Starts it, in the place of one that ended like this.
    pub(super) fn start(spec: &ChildSpec, predecessor: Option<String>) -> io::Result<Self> {
        let (mut ours, childs) = Pair::pair()?;
        let is_terminal = io::stderr().is_terminal();
        ours.write_all(&link::line(&Said::Begin(Origin { predecessor, is_terminal })))?;
        ours.set_nonblocking(true)?;
        let mut command = Command::new(&spec.program);
        let Surroundings { env, folder } = &spec.surroundings;
        command.args(&spec.args).env_clear().envs(env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::from(OwnedFd::from(childs))).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(folder) = folder {
            command.current_dir(folder);
        }
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().ok_or_else(|| io::Error::other("it has no standard error"))?;
        let output = Output::follow(&spec.name, stderr.into_owned_fd()?)?;
        let link = UnixStream::from_std(ours)?;
        let (words, end) = (Words::default(), End::default());
        Ok(Running { child, link, output, words, alive: None, linked: true, end })
    }

    /// Waits for the child's end.
    pub(super) async fn watch(mut self, spec: &ChildSpec, orders: &mut UnboundedReceiver<Order>) -> End {
        let mut said = [0; 4096];
        let mut kill_at = None;
        loop {
            let silent_at = self.alive.map(|alive| alive + spec.silence);
            let next = [kill_at, silent_at].into_iter().flatten().min();
            tokio::select! {
                // The last words of a child go before its end.
                biased;
                read = self.link.read(&mut said), if self.linked => match read {
                    Ok(read @ 1..) => self.hear(spec, &said[..read]),
                    Ok(0) | Err(_) => self.linked = false,
                },
                status = self.child.wait() => {
                    self.end.status = status.ok();
                    break;
                }
                order = orders.recv(), if kill_at.is_none() => {
                    self.end.was_told = true;
                    match order {
                        Some(Order::Drain) => self.drain().await,
                        Some(Order::Stop { grace }) => {
                            self.drain().await;
                            kill_at = Some(Instant::now() + grace);
                        }
                        None => kill_at = Some(Instant::now()),
                    }
                }
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                    if kill_at.is_none() {
                        let seconds = spec.silence.as_secs_f64();
                        warn!(host = spec.name, seconds, "a worker host's process gives no sign of life, and is killed");
                        self.end.was_silent = true;
                    }
                    self.signal(Signal::KILL);
                    self.alive = None;
                    kill_at = kill_at.map(|_| Instant::now() + spec.silence);
                }
            }
        }
        self.end.last_words = self.output.last_words().await;
        self.end
    }

    fn hear(&mut self, spec: &ChildSpec, said: &[u8]) {
        self.alive = Some(Instant::now());
        for word in self.words.take(said) {
            match word {
                Word::Alive => {}
                Word::Ready(fields) => {
                    self.end.was_ready = true;
                    spec.on_ready.iter().for_each(|on_ready| on_ready(&fields));
                }
                Word::Refused(why) => self.end.refused = Some(why),
                Word::Dismissed(why) => {
                    self.end.refused = Some(why);
                    self.end.is_dismissed = true;
                }
                Word::Again => self.end.again = true,
            }
        }
    }

    /// Tells it to finish: over the link, which nothing in it can turn off, and by the signal that ends it at once while it starts.
    async fn drain(&mut self) {
        // It fails only when the child has ended just now.
        let _ = self.link.write_all(&link::line(&Said::Drain)).await;
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // As above.
            let _ = kill_process(pid, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, shell, wait_for_starts};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_child_goes_with_its_parent() {
        let folder = tempfile::tempdir().unwrap();
        let script = "trap '' TERM; echo x >> starts; cat > copy; echo gone > end";
        let running = {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _in_runtime = runtime.enter();
            let Running { child, link, .. } = Running::start(&shell(script, folder.path()), None).unwrap();
            wait_for_starts(folder.path(), 1);
            drop(link);
            (runtime, child)
        };
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !folder.path().join("end").exists() {
            assert!(std::time::Instant::now() < end, "the child goes on without its parent");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(lines(folder.path()), 1);
        drop(running);
    }

    #[test]
    fn the_end_of_a_child_is_told_with_what_it_wrote_last() {
        let end = End {
            status: Some(std::os::unix::process::ExitStatusExt::from_raw(6)),
            last_words: Some("stack overflow".to_owned()),
            ..End::default()
        };
        assert_eq!((end.how().as_str(), end.code()), ("SIGABRT: stack overflow", None));
        assert!(End::default().how().starts_with("nobody knows"));
    }
}
