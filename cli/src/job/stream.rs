//! A job as three threads: one reads and submits, one writes results, and this one waits for the end or a signal.

use crate::arguments::{Format, Stages, StreamArguments};
use crate::failure::{Failure, say};
use crate::interrupt::Interrupts;
use crate::job::apart::keep_apart;
use crate::job::errors::Errors;
use crate::job::input::Sources;
use crate::job::progress::{Counts, Progress};
use crate::job::results::{Plan, Results};
use crate::job::split::Piece;
use indicatif::HumanCount;
use pylm_client::blocking::{Client, JobResults, JobSender};
use pylm_client::{Error, Event, JobOptions, Output as JobOutput};
use pylm_protocol::codes::REFUSED;
use std::os::unix::ffi::OsStrExt;
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
    /// The names of files are kept until their messages have ended.
    is_each_file: bool,
}

impl Shared {
    fn errors<T>(&self, with: impl FnOnce(&mut Errors) -> T) -> T {
        with(&mut self.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a job reads and writes, looked at before anything is done.
pub(crate) struct Prepared {
    sources: Sources,
    errors: Errors,
    results: Plan,
}

impl Prepared {
    /// Looks at the files that the arguments name.
    ///
    /// # Errors
    /// When one is missing, cannot be written, or is read and written at once.
    pub(crate) fn new(arguments: &StreamArguments) -> Result<Self, Failure> {
        let sources = Sources::new(&arguments.files)?;
        let read = sources.files();
        keep_apart(&read, arguments.errors.as_deref())?;
        if arguments.errors.is_some()
            && arguments.format.format() == Format::EachFile
            && !arguments.format.null
        {
            let is_two = |name: &&std::path::Path| name.as_os_str().as_bytes().contains(&b'\n');
            if let Some(name) = sources.names().find(is_two) {
                return Err(Failure::Usage(format!(
                    "the name {name:?} has a line end, and would be two in the list of --errors; give --null too, for a list that `xargs -0` reads"
                )));
            }
        }
        Ok(Prepared { sources, errors: Errors::new(arguments)?, results: Plan::new(arguments, read)? })
    }
}

/// Streams the sources through the function. When `node_end` comes first, it ends the job.
pub(crate) async fn stream(
    client: Client,
    function: &Stages,
    arguments: &StreamArguments,
    prepared: Prepared,
    node_end: impl Future<Output = Failure>,
) -> Result<Ending, Failure> {
    let mut interrupts = Interrupts::new()?;
    let Prepared { sources, mut errors, results: plan } = prepared;
    let mut progress = Progress::new(sources.bytes(), arguments.quiet);
    errors.set_bar(progress.bar());
    let format = arguments.format.format();
    let is_each_file = format == Format::EachFile;
    let shared = Arc::new(Shared { counts: Counts::default(), errors: Mutex::new(errors), is_each_file });
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
    let mut writing = spawn("writer", &shared, move |shared| write(results, plan.start(bar), shared))?;
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
        say(format_args!("{} of {} messages failed", HumanCount(failed), HumanCount(all)));
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
    let mut last = None;
    sources.read(format, limit, |piece, name| {
        let payload = match piece {
            Piece::Message(payload) => payload,
            Piece::TooLarge(size) => {
                shared.errors(|errors| errors.too_large(size, limit, name))?;
                shared.counts.failed.fetch_add(1, Relaxed);
                return Ok(());
            }
        };
        if format == Format::EachFile || last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, name)) {
            // Before the message can end.
            shared.errors(|errors| errors.begin(next, name));
            last = Some(Arc::clone(name));
        }
        let bytes = payload.len() as u64 + 1;
        next = sender.send(payload)? + 1;
        shared.counts.submitted.fetch_add(1, Relaxed);
        shared.counts.bytes.fetch_add(bytes, Relaxed);
        Ok(())
    })
}

/// Writes results as they come, and what waits to be written whenever nothing more is at hand.
fn write(mut results: JobResults, mut written: Results, shared: &Shared) -> Result<(), Failure> {
    while let Some(next) = next(&mut results, &mut written)? {
        take(next, &mut written, shared)?;
    }
    Ok(())
}

/// The next output; before it is waited for, what was gathered is written.
#[inline]
pub(crate) fn next(results: &mut JobResults, written: &mut Results) -> Result<Option<JobOutput>, Failure> {
    let ready = results.try_next();
    if let Ok(Some(next)) = ready {
        return Ok(Some(next));
    }
    // Nothing waits in here while nothing comes, nor when nothing comes any more.
    written.flush()?;
    ready?;
    Ok(results.next().transpose()?)
}

#[inline]
fn take(next: JobOutput, results: &mut Results, shared: &Shared) -> Result<(), Failure> {
    let number = next.number;
    let name = if results.wants_names() { shared.errors(|errors| errors.name(number)) } else { None };
    match next.event {
        Event::Result { place, payload } => results.result(number, &place, &payload, name.as_deref())?,
        Event::Done { results: count } => {
            shared.counts.done.fetch_add(1, Relaxed);
            results.done(number, count, name.as_deref())?;
            if shared.is_each_file {
                shared.errors(|errors| errors.forget(number));
            }
        }
        // The function is not the client's to call: every other message would be refused as well.
        Event::Failed { code, text, .. } if *code == *REFUSED && shared.counts.done.load(Relaxed) == 0 => {
            return Err(Failure::Usage(text.into()));
        }
        Event::Failed { code, text, submitted } => {
            shared.counts.failed.fetch_add(1, Relaxed);
            results.failed(number, &code, &text, name.as_deref())?;
            shared.errors(|errors| errors.failed(number, &code, &text, &submitted.payload))?;
        }
    }
    Ok(())
}
