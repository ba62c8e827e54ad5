//! Whether each message gets its results, each once, and then one end, which is the one it should get.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;

use pylm_client::{Event, Output, codes};
use pylm_tests::chaos::{Kind, Message, Report};
use uuid::Uuid;

use crate::arguments::Arguments;

/// What was seen so far.
pub struct Check {
    arguments: Arguments,
    /// Messages that have had results, or their end.
    seen: HashMap<u64, Seen>,
    /// In an ordered job, the last message of which something was seen.
    latest: u64,
    report: Report,
    ends: Option<File>,
}

#[derive(Default)]
struct Seen {
    indices: BTreeSet<u64>,
    places: Vec<String>,
    ended: bool,
}

/// What a client that was killed has left.
pub struct Left {
    /// The identity of its job.
    pub job: Uuid,
    /// The numbers of messages whose end it has seen.
    pub ended: BTreeSet<u64>,
}

impl Left {
    /// Reads it; `None` where the client was killed before it had a job. The last line may not be whole.
    pub fn read(path: &Path) -> Result<Option<Self>, String> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let mut lines = whole.lines();
        let Some(job) = lines.next() else { return Ok(None) };
        let job = job.parse().map_err(|_| format!("{job:?} is no identity"))?;
        Ok(Some(Self { job, ended: lines.filter_map(|line| line.parse().ok()).collect() }))
    }
}

impl Check {
    /// Nothing was seen.
    pub fn new(arguments: &Arguments, job: Uuid) -> Result<Self, String> {
        let create = |path| File::create(path).and_then(|mut file| writeln!(file, "{job}").map(|()| file));
        let ends = arguments.ends.as_ref().map(create).transpose().map_err(|error| error.to_string())?;
        let arguments = arguments.clone();
        Ok(Self { arguments, seen: HashMap::new(), latest: 0, report: Report::default(), ends })
    }

    /// Messages that have ended.
    pub fn ended(&self) -> u64 {
        self.report.done + self.report.failed.values().sum::<u64>()
    }

    /// Something went wrong.
    pub fn wrong(&mut self, what: String) {
        self.report.wrong.push(what);
    }

    /// Takes one output.
    pub fn see(&mut self, output: Output) {
        let Output { number, event } = output;
        if self.arguments.ordered && number < self.latest {
            self.wrong(format!("{number} comes after {}, in an ordered job", self.latest));
        }
        self.latest = number;
        let message = Message::of(self.arguments.owner, number, self.arguments.poison);
        let seen = self.seen.entry(number).or_default();
        if seen.ended {
            return self.wrong(format!("{number} goes on after its end: {}", shown(&event)));
        }
        match event {
            Event::Result { place, payload } => {
                let place = format!("{place:?}");
                let repeated = seen.places.contains(&place);
                let index = message.index_of(&payload);
                let fresh = index.is_some_and(|index| seen.indices.insert(index));
                seen.places.push(place.clone());
                if repeated || !fresh {
                    self.wrong(format!(
                        "{number} has the result {index:?} again, or none of its own, at {place}"
                    ));
                }
            }
            Event::Done { results } => {
                seen.ended = true;
                let counted = seen.indices.len() as u64;
                // A client that was killed may have had the first results.
                let is_whole = results == counted || self.arguments.attach.is_some();
                if message.kind != Kind::Work || results != message.results || !is_whole {
                    let expected = message.results;
                    self.wrong(format!(
                        "{number} ({:?}) is done with {results} results, {counted} of {expected} came",
                        message.kind
                    ));
                }
                self.report.done += 1;
                self.note(number);
            }
            Event::Failed { code, text, submitted } => {
                seen.ended = true;
                if submitted.payload != message.payload && self.arguments.attach.is_none() {
                    self.wrong(format!("{number} came back as another message"));
                }
                let timed = self.arguments.timeout.is_some();
                let is_right = match (message.kind, &*code) {
                    (Kind::Hang, codes::TIMEOUT) | (Kind::Crash, codes::LOST) => true,
                    (Kind::Work | Kind::Crash, codes::TIMEOUT) => timed,
                    _ => false,
                };
                if !is_right {
                    self.wrong(format!("{number} ({:?}) failed: {code}: {text}", message.kind));
                }
                self.report.late += u64::from(message.kind == Kind::Work && &*code == codes::TIMEOUT);
                *self.report.failed.entry(code.into()).or_default() += 1;
                self.note(number);
            }
        }
    }

    /// Writes down that a message has ended, for when this process is killed.
    fn note(&mut self, number: u64) {
        if let Some(file) = &mut self.ends
            && let Err(error) = writeln!(file, "{number}")
        {
            self.wrong(format!("an end cannot be written down: {error}"));
        }
    }

    /// Numbers whose end neither this client has seen nor the one before, among those that the node had accepted: all below
    /// one that it has, since they are accepted in their order.
    pub fn gaps(&self, before: &BTreeSet<u64>) -> Vec<u64> {
        let is_known =
            |number: &u64| before.contains(number) || self.seen.get(number).is_some_and(|seen| seen.ended);
        // What only the one before has seen proves nothing: results go out before what they are of is on disk.
        let last = self.seen.keys().max().map_or(0, |last| last + 1);
        (0..last).filter(|number| !is_known(number)).collect()
    }

    /// The job is over, and so many messages were submitted.
    pub fn report(mut self, submitted: u64) -> Report {
        for number in 0..submitted {
            if !self.seen.get(&number).is_some_and(|seen| seen.ended) {
                self.wrong(format!("{number} has no end"));
            }
        }
        self.report.submitted = submitted;
        self.report
    }
}

fn shown(event: &Event) -> String {
    match event {
        Event::Result { place, .. } => format!("a result at {place:?}"),
        Event::Done { results } => format!("done with {results}"),
        Event::Failed { code, text, .. } => format!("failed: {code}: {text}"),
    }
}
