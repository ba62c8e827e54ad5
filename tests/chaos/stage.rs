//! What all who take part in a run share: the clock, the log of what was done, and whether it is over.

use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use pylm_tests::process::Process;
use pylm_tests::programs::Profile;
use rustix::process::Signal;

/// How often those who wait look whether the run is over.
const LOOK: Duration = Duration::from_millis(10);

/// One run.
pub struct Stage {
    /// Where the logs are, and the journal.
    pub folder: PathBuf,
    /// What is run.
    pub profile: Profile,
    started: Instant,
    log: Mutex<File>,
    over: AtomicBool,
}

impl Stage {
    /// A run that begins now, with an empty folder.
    pub fn new(folder: PathBuf, profile: Profile) -> Self {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let log = Mutex::new(File::create(folder.join("events.log")).unwrap());
        Self { folder, profile, started: Instant::now(), log, over: AtomicBool::new(false) }
    }

    /// Removes everything from the folder but the log of what was done.
    pub fn keep_events_only(&self) {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                let _ = fs::remove_dir_all(path);
            } else if !path.ends_with("events.log") {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Writes down what is done, with the seconds since the start, and the time of the day in UTC, as in other logs.
    pub fn tell(&self, what: impl Display) {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let (seconds, millis) = (day.as_secs() % 86_400, day.subsec_millis());
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let since = self.started.elapsed().as_secs_f64();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(log, "{since:8.3} {hours:02}:{minutes:02}:{seconds:02}.{millis:03} {what}").unwrap();
    }

    /// Waits until so long after the start; false where the run is over before.
    pub fn wait_until(&self, at: Duration) -> bool {
        loop {
            let left = at.saturating_sub(self.started.elapsed());
            if self.is_over() || left.is_zero() {
                return !self.is_over();
            }
            thread::sleep(left.min(LOOK));
        }
    }

    /// Waits for so long, less where the run is over before.
    pub fn wait(&self, time: Duration) {
        self.wait_until(self.started.elapsed() + time);
    }

    /// Somebody has failed: the others need not go on.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether somebody has failed.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

/// A process whose output is added to a file in the run's folder when it has ended.
pub struct Logged {
    /// The process.
    pub process: Process,
    log: PathBuf,
}

impl Logged {
    /// It writes into `NAME.log`.
    pub fn new(stage: &Stage, name: &str, process: Process) -> Self {
        let log = stage.folder.join(format!("{name}.log"));
        stage.tell(format_args!("{name} is process {}", process.id()));
        Self { process, log }
    }

    /// Kills it alone, without those in its process group.
    pub fn kill_alone(&mut self) {
        self.process.signal(Signal::KILL);
        self.process.wait(Duration::from_secs(10));
    }
}

impl Drop for Logged {
    fn drop(&mut self) {
        self.process.kill();
        self.process.finish_output();
        let lines = [self.process.stdout_lines(), self.process.stderr_lines()].concat();
        let _ = append(&self.log, &format!("--- process {}\n{}\n", self.process.id(), lines.join("\n")));
    }
}

fn append(path: &Path, text: &str) -> std::io::Result<()> {
    OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
}
