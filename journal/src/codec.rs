//! Records as bytes, and back.
//!
//! The job of a record is written once in each frame: 0 and the identity where it is new to the frame, its place among the
//! frame's jobs and 1 afterwards. So a frame can be read alone, and a record costs a byte for its job. Data comes last in a
//! record and takes what is left of it, so that it can be written from where it lies.

use crate::record::{JobHeader, Output, Record};
use bytes::Bytes;
use pylm_protocol::varint::{self, Reader};
use pylm_protocol::{DecodeError, Place};
use uuid::Uuid;

const STARTED: u8 = 1;
const JOB_OPENED: u8 = 2;
const ACCEPTED: u8 = 3;
const RESULT: u8 = 4;
const HELD_RESULT: u8 = 5;
const REPLY: u8 = 6;
const DONE: u8 = 7;
const FAILED: u8 = 8;
const ACKNOWLEDGED: u8 = 9;
const FINISHED: u8 = 10;
const CANCELLED: u8 = 11;
const CLOSED: u8 = 12;
const CACHE_SET: u8 = 13;
const CACHE_DELETE: u8 = 14;
const RERUN: u8 = 15;

/// The jobs that the records of one frame are about, in the order in which they came up.
#[derive(Debug, Default)]
pub(crate) struct Jobs(Vec<Uuid>);

impl Jobs {
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn write(&mut self, job: Uuid, out: &mut Vec<u8>) {
        // Most frames are about few jobs, most records about the one that came last.
        match self.0.iter().rposition(|&known| known == job) {
            Some(place) => varint::write(place as u64 + 1, out),
            None => {
                self.0.push(job);
                out.push(0);
                out.extend_from_slice(job.as_bytes());
            }
        }
    }

    fn read(&mut self, reader: &mut Reader<'_>) -> Result<Uuid, DecodeError> {
        match reader.varint()? {
            0 => {
                let job = read_id(reader)?;
                self.0.push(job);
                Ok(job)
            }
            place => {
                let place = usize::try_from(place - 1).map_err(|_| DecodeError::Value)?;
                self.0.get(place).copied().ok_or(DecodeError::Value)
            }
        }
    }
}

/// How many jobs a frame is about at the most: looking one up stays cheap.
pub(crate) const JOBS: usize = 64;

impl Jobs {
    /// Whether another frame is to be begun.
    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= JOBS
    }
}

fn read_id(reader: &mut Reader<'_>) -> Result<Uuid, DecodeError> {
    Uuid::from_slice(reader.take(16)?).map_err(|_| DecodeError::Truncated)
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    varint::write(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Appends type and fields of a record, all but its data.
pub(crate) fn write(record: &Record, jobs: &mut Jobs, out: &mut Vec<u8>) {
    match record {
        Record::Started { run } => {
            out.push(STARTED);
            out.extend_from_slice(run.as_bytes());
        }
        Record::JobOpened(header) => {
            out.push(JOB_OPENED);
            jobs.write(header.identity, out);
            write_text(&header.client, out);
            write_text(&header.pipeline, out);
            write_text(&header.function, out);
            let stage = header.stage.cast_unsigned();
            for number in [stage, header.flags, header.window, header.window_bytes] {
                varint::write(number, out);
            }
            for number in [header.timeout, header.priority, header.retries, header.max_message] {
                varint::write(number, out);
            }
            varint::write(header.deadline, out);
        }
        Record::Accepted { job, number, cache, payload: _ } => {
            out.push(ACCEPTED);
            jobs.write(*job, out);
            varint::write(*number, out);
            write_text(cache, out);
        }
        Record::Output { job, serial, number, output } => {
            out.push(match output {
                Output::Result { held: false, .. } => RESULT,
                Output::Result { held: true, .. } => HELD_RESULT,
                Output::Reply { .. } => REPLY,
                Output::Done { .. } => DONE,
                Output::Failed { .. } => FAILED,
            });
            jobs.write(*job, out);
            varint::write(*serial, out);
            varint::write(*number, out);
            match output {
                Output::Result { place, .. } => {
                    varint::write(place.0.len() as u64, out);
                    place.0.iter().for_each(|&step| varint::write(step, out));
                }
                Output::Reply { .. } => {}
                Output::Done { results } => varint::write(*results, out),
                Output::Failed { results, code, text } => {
                    varint::write(*results, out);
                    write_text(code, out);
                    write_text(text, out);
                }
            }
        }
        Record::Acknowledged { job, below: number }
        | Record::Rerun { job, below: number }
        | Record::Finished { job, count: number } => {
            out.push(match record {
                Record::Finished { .. } => FINISHED,
                Record::Rerun { .. } => RERUN,
                _ => ACKNOWLEDGED,
            });
            jobs.write(*job, out);
            varint::write(*number, out);
        }
        Record::Cancelled { job } | Record::Closed { job } => {
            out.push(if matches!(record, Record::Closed { .. }) { CLOSED } else { CANCELLED });
            jobs.write(*job, out);
        }
        Record::CacheSet { key, value: _ } => {
            out.push(CACHE_SET);
            write_text(key, out);
        }
        Record::CacheDelete { key } => {
            out.push(CACHE_DELETE);
            write_text(key, out);
        }
    }
}

/// Reads one record from its `bytes`, a part of `frame`.
pub(crate) fn read(bytes: &[u8], frame: &Bytes, jobs: &mut Jobs) -> Result<Record, DecodeError> {
    let reader = &mut Reader::new(bytes);
    Ok(match reader.octet()? {
        STARTED => Record::Started { run: read_id(reader)? },
        JOB_OPENED => Record::JobOpened(Box::new(JobHeader {
            identity: jobs.read(reader)?,
            client: reader.string()?.into(),
            pipeline: reader.string()?.into(),
            function: reader.string()?.into(),
            stage: reader.varint()?.cast_signed(),
            flags: reader.varint()?,
            window: reader.varint()?,
            window_bytes: reader.varint()?,
            timeout: reader.varint()?,
            priority: reader.varint()?,
            retries: reader.varint()?,
            max_message: reader.varint()?,
            // Version 1 did not write it.
            deadline: if reader.is_empty() { 0 } else { reader.varint()? },
        })),
        ACCEPTED => Record::Accepted {
            job: jobs.read(reader)?,
            number: reader.varint()?,
            cache: reader.string()?.into(),
            payload: data(reader, frame),
        },
        kind @ (RESULT | HELD_RESULT | REPLY | DONE | FAILED) => Record::Output {
            job: jobs.read(reader)?,
            serial: reader.varint()?,
            number: reader.varint()?,
            output: match kind {
                REPLY => Output::Reply { payload: data(reader, frame) },
                DONE => Output::Done { results: reader.varint()? },
                FAILED => Output::Failed {
                    results: reader.varint()?,
                    code: reader.string()?.into(),
                    text: reader.string()?.into(),
                },
                _ => Output::Result {
                    place: read_place(reader)?,
                    held: kind == HELD_RESULT,
                    payload: data(reader, frame),
                },
            },
        },
        ACKNOWLEDGED => Record::Acknowledged { job: jobs.read(reader)?, below: reader.varint()? },
        RERUN => Record::Rerun { job: jobs.read(reader)?, below: reader.varint()? },
        FINISHED => Record::Finished { job: jobs.read(reader)?, count: reader.varint()? },
        CANCELLED => Record::Cancelled { job: jobs.read(reader)? },
        CLOSED => Record::Closed { job: jobs.read(reader)? },
        CACHE_SET => Record::CacheSet { key: reader.string()?.into(), value: data(reader, frame) },
        CACHE_DELETE => Record::CacheDelete { key: reader.string()?.into() },
        unknown => return Err(DecodeError::UnknownRecord(unknown)),
    })
}

fn read_place(reader: &mut Reader<'_>) -> Result<Place, DecodeError> {
    let steps = reader.varint()?;
    (0..steps).map(|_| reader.varint()).collect::<Result<_, _>>().map(Place)
}

/// The rest of a record: a part of its frame, or a copy where it would keep much more than itself.
fn data(reader: &mut Reader<'_>, frame: &Bytes) -> Bytes {
    let rest = reader.rest();
    if rest.len() >= frame.len() / 2 { frame.slice_ref(rest) } else { Bytes::copy_from_slice(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_was_written_without_a_deadline_has_none() {
        let header = JobHeader { client: "c7e1".into(), max_message: 1 << 20, ..JobHeader::default() };
        let limited = Record::JobOpened(Box::new(JobHeader { deadline: 100, ..header.clone() }));
        let mut bytes = Vec::new();
        write(&limited, &mut Jobs::default(), &mut bytes);
        let read = |bytes: &[u8]| read(bytes, &Bytes::copy_from_slice(bytes), &mut Jobs::default());
        assert_eq!(read(&bytes), Ok(limited));
        assert_eq!(bytes.pop(), Some(100));
        assert_eq!(read(&bytes), Ok(Record::JobOpened(Box::new(header))));
    }
}
