//! A job as three threads: one reads and submits, one writes results, and this one waits for the end or a signal.

use crate::arguments::{Format, Stages, StreamArguments};
use crate::failure::{Failure, written};
use crate::interrupt::Interrupts;
use crate::job::errors::Errors;
use crate::job::input::Sources;
use crate::job::output::Output;
use crate::job::progress::{Counts, Progress};
use crate::job::split::Piece;
use indicatif::HumanCount;
use pylm_client::blocking::{Client, JobResults, JobSender};
use pylm_client::{Error, Event, JobOptions, Output as JobOutput};
use std::io::{StdoutLock, Write};
use std::pin::pin;
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, timeout};

const REFRESH: Duration = Duration::from_millis(100);

/// How a job ended that was not cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    AllDone,
    SomeFailed,
}

impl Ending {
    /// The program's exit code.
    pub(crate) fn code(self) -> ExitCode {
        match self {
            Ending::AllDone => ExitCode::SUCCESS,
            Ending::SomeFailed => ExitCode::from(3),
        }
    }
}

/// What signals and child processes are waited for on.
pub(crate) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread().enable_all().build().map_err(Failure::running("cannot start"))
}

/// What the threads of a job share.
struct Shared {
    counts: Counts,
    errors: Mutex<Errors>,
}

impl Shared {
    fn errors<T>(&self, with: impl FnOnce(&mut Errors) -> T) -> T {
        with(&mut self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Streams the sources through the function. When `node_end` comes first, it ends the job.
pub(crate) async fn stream(
    client: Client,
    function: &Stages,
    arguments: &StreamArguments,
    sources: Sources,
    node_end: impl Future<Output = Failure>,
) -> Result<Ending, Failure> {
    let mut interrupts = Interrupts::new()?;
    let mut progress = Progress::new(sources.bytes(), arguments.quiet);
    let errors = Errors::new(arguments, progress.bar())?;
    let shared = Arc::new(Shared { counts: Counts::default(), errors: Mutex::new(errors) });
    let format = arguments.format.format();
    let options = JobOptions::new()
        .ordered(arguments.ordered)
        .timeout(arguments.timeout.map(Into::into))
        .deadline(arguments.deadline.map(Into::into))
        .retries(arguments.retries)
        .priority(arguments.priority);
    let (sender, results) = client.job(&function.0, options);
    let limit = client.max_message();
    let bar = progress.bar();
    let mut reading =
        spawn("reader", &shared, move |shared| submit(&sources, format, limit, &sender, shared))?;
    let mut writing =
        spawn("writer", &shared, move |shared| write(results, Output::standard(format, bar), shared))?;
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut is_read = false;
    let mut node_end = pin!(node_end);
    let outcome = loop {
        tokio::select! {
            // An error in the input ends the job; else what ends it is the last result.
            read = &mut reading, if !is_read => match outcome_of(read) {
                Ok(()) => is_read = true,
                Err(failure) => break Err(output_closed(writing).await.unwrap_or(failure)),
            },
            wrote = &mut writing => break match outcome_of(wrote) {
                Ok(()) if !is_read => all_was_read(reading).await,
                outcome => outcome,
            },
            end = &mut node_end => break Err(end),
            signal = interrupts.next() => break Err(Failure::Interrupted(signal)),
            _ = ticks.tick() => progress.show(&shared.counts, client.status()),
        }
    };
    progress.clear();
    client.close();
    shared.errors(Errors::flush)?;
    outcome?;
    let failed = shared.errors(|errors| errors.count());
    if failed == 0 {
        return Ok(Ending::AllDone);
    }
    if !arguments.quiet {
        let all = shared.counts.done.load(Relaxed) + failed;
        eprintln!("pylm: {} of {} messages failed", HumanCount(failed), HumanCount(all));
    }
    Ok(Ending::SomeFailed)
}

type Task = oneshot::Receiver<Result<(), Failure>>;

/// Runs something on a thread of its own.
fn spawn(
    name: &str,
    shared: &Arc<Shared>,
    run: impl FnOnce(&Shared) -> Result<(), Failure> + Send + 'static,
) -> Result<Task, Failure> {
    let (done, task) = oneshot::channel();
    let shared = Arc::clone(shared);
    let body = move || {
        // Nobody waits any more where the job was cut off.
        let _ = done.send(run(&shared));
    };
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(Failure::running("cannot start a thread"))?;
    Ok(task)
}

fn outcome_of(task: Result<Result<(), Failure>, oneshot::error::RecvError>) -> Result<(), Failure> {
    task.unwrap_or_else(|_| Err(Failure::Running("a thread of the job panicked".into())))
}

/// The input has failed: perhaps only because nobody takes the output any more, which ends the job too.
async fn output_closed(writing: Task) -> Option<Failure> {
    let wrote = timeout(REFRESH, writing).await.ok()?;
    outcome_of(wrote).err().filter(|failure| matches!(failure, Failure::OutputClosed))
}

/// The last result is there: either all was read, or the job was cancelled at the node.
async fn all_was_read(reading: Task) -> Result<(), Failure> {
    match timeout(REFRESH, reading).await {
        Ok(read) => outcome_of(read),
        Err(_) => Err(Error::Cancelled.into()),
    }
}

/// Submits what is read, no faster than the job's window lets it.
fn submit(
    sources: &Sources,
    format: Format,
    limit: u64,
    sender: &JobSender,
    shared: &Shared,
) -> Result<(), Failure> {
    let mut next = 0;
    sources.read(format, limit, |piece, name| {
        let payload = match piece {
            Piece::Message(payload) => payload,
            Piece::TooLarge(size) => {
                shared.errors(|errors| errors.too_large(size, limit, name))?;
                shared.counts.failed.fetch_add(1, Relaxed);
                return Ok(());
            }
        };
        if format == Format::EachFile {
            // Before the message can fail.
            shared.errors(|errors| errors.name(next, name.to_owned()));
        }
        let bytes = payload.len() as u64 + 1;
        next = sender.send(payload)? + 1;
        shared.counts.submitted.fetch_add(1, Relaxed);
        shared.counts.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    })
}

/// Writes results as they come, and what waits to be written whenever nothing more is at hand.
fn write(
    mut results: JobResults,
    mut output: Output<StdoutLock<'_>>,
    shared: &Shared,
) -> Result<(), Failure> {
    while let Some(next) = next(&mut results, &mut output)? {
        take(next, &mut output, shared)?;
    }
    Ok(())
}

/// The next output; before it is waited for, what was gathered is written.
pub(crate) fn next<W: Write>(
    results: &mut JobResults,
    output: &mut Output<W>,
) -> Result<Option<JobOutput>, Failure> {
    if let Some(next) = results.try_next()? {
        return Ok(Some(next));
    }
    written(output.flush())?;
    Ok(results.next().transpose()?)
}

#[inline]
fn take(next: JobOutput, output: &mut Output<StdoutLock<'_>>, shared: &Shared) -> Result<(), Failure> {
    match next.event {
        Event::Result { payload, .. } => written(output.push(&payload))?,
        Event::Done { .. } => {
            shared.counts.done.fetch_add(1, Relaxed);
            if output.format() == Format::EachFile {
                shared.errors(|errors| errors.forget(next.number));
            }
        }
        Event::Failed { code, text, submitted } => {
            shared.counts.failed.fetch_add(1, Relaxed);
            shared.errors(|errors| errors.failed(next.number, &code, &text, &submitted.payload))?;
        }
    }
    Ok(())
}
