//! Tests of a disk that is full or broken: what was handed over stays, and becomes durable when the disk works again.

use crate::disk::{Disk, Faults};
use crate::journal::{Journal, Options};
use crate::record::{JobHeader, Record};
use crate::recovered::Recovered;
use bytes::Bytes;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;
use uuid::Uuid;

const LIMIT: Duration = Duration::from_secs(60);

const JOB: Uuid = Uuid::from_u128(7);

struct Bench {
    journal: Journal,
    disk: Disk,
    woken: Receiver<()>,
    next: u64,
}

impl Bench {
    fn new(folder: &Path) -> Bench {
        let (waker, woken) = mpsc::channel();
        let disk = Disk::default();
        let options =
            Options { segment_bytes: 16 << 10, retry: Duration::from_millis(5), ..Options::default() };
        let wake = Box::new(move || {
            // Nobody listens any more when the test is over.
            let _ = waker.send(());
        });
        let (mut journal, recovered) =
            Journal::open_on(disk.clone(), folder, Uuid::new_v4(), &options, wake).unwrap();
        let next = recovered.jobs.get(&JOB).map_or(0, |job| job.next_number);
        journal
            .append(vec![Record::JobOpened(Box::new(JobHeader { identity: JOB, ..JobHeader::default() }))]);
        Bench { journal, disk, woken, next }
    }

    /// Some messages; what they are durable at.
    fn accept(&mut self, count: u64) -> u64 {
        let record = |number| Record::Accepted {
            job: JOB,
            number,
            cache: "".into(),
            payload: Bytes::copy_from_slice(&[number as u8; 100]),
        };
        let records = (self.next..self.next + count).map(record).collect();
        self.next += count;
        self.journal.append(records)
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&Journal) -> bool) {
        while !holds(&self.journal) {
            self.woken.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{what}: {:?}", self.journal.status()));
        }
    }

    fn wait_for(&self, sequence: u64) {
        self.wait_until("durable", |journal| journal.durable() >= sequence);
    }
}

fn messages(folder: &Path) -> u64 {
    let recovered = Recovered::read(folder).unwrap();
    assert_eq!(recovered.lost, 0);
    let messages = &recovered.jobs[&JOB].messages;
    let count = messages.len() as u64;
    assert!(messages.iter().zip(0..).all(|((&number, message), expected)| {
        number == expected && message.payload.iter().all(|&byte| byte == number as u8)
    }));
    count
}

/// Something fails for a while, and then works again.
fn breaks_for_a_while(fault: impl Fn(&Faults) -> &AtomicBool) {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(folder.path());
    let before = bench.accept(10);
    bench.wait_for(before);
    for _ in 0..3 {
        let durable = bench.journal.durable();
        fault(&bench.disk.faults).store(true, Ordering::SeqCst);
        let after = bench.accept(10);
        bench.wait_until("the fault is told", Journal::is_full);
        assert!(bench.journal.trouble().is_some());
        // It takes what has to be kept all the same.
        let last = bench.accept(1);
        assert_eq!(bench.journal.durable(), durable, "nothing is durable that the disk did not confirm");
        fault(&bench.disk.faults).store(false, Ordering::SeqCst);
        bench.wait_for(after);
        bench.wait_for(last);
        bench.wait_until("the fault is over", |journal| !journal.is_full());
        assert_eq!(bench.journal.trouble(), None);
    }
    let count = bench.next;
    drop(bench);
    assert_eq!(messages(folder.path()), count);
}

#[test]
fn what_could_not_be_written_is_written_later() {
    breaks_for_a_while(|faults| &faults.write);
}

#[test]
fn what_the_disk_did_not_confirm_is_written_to_another_segment() {
    breaks_for_a_while(|faults| &faults.sync);
}

#[test]
fn a_full_disk_is_told_while_there_is_room_for_what_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(folder.path());
    let sequence = bench.accept(1);
    bench.wait_for(sequence);
    bench.disk.faults.full.store(true, Ordering::SeqCst);
    // The spare segment is in use as soon as the first one is full; from then on there is none.
    while !bench.journal.is_full() {
        let sequence = bench.accept(10);
        bench.wait_for(sequence);
    }
    let sequence = bench.accept(20);
    bench.wait_for(sequence);
    assert!(bench.journal.trouble().is_some_and(|trouble| trouble.contains("no room")));
    bench.disk.faults.full.store(false, Ordering::SeqCst);
    bench.wait_until("there is room again", |journal| !journal.is_full());
    let count = bench.next;
    bench.journal.close().unwrap();
    assert_eq!(messages(folder.path()), count);
}

#[test]
fn a_journal_that_is_closed_while_the_disk_is_broken_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(folder.path());
    let sequence = bench.accept(5);
    bench.wait_for(sequence);
    bench.disk.faults.sync.store(true, Ordering::SeqCst);
    bench.accept(3);
    let unwritten = bench.journal.close().unwrap_err();
    assert_eq!(unwritten.records, 3);
    assert!(unwritten.to_string().contains("cannot write"), "{unwritten}");
    assert!((5..=8).contains(&messages(folder.path())));
}

#[test]
fn a_crash_after_the_disk_failed_goes_on_with_what_it_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for round in 0..4 {
        let mut bench = Bench::new(folder.path());
        let sequence = bench.accept(5);
        bench.wait_for(sequence);
        count = bench.next;
        bench.disk.faults.sync.store(true, Ordering::SeqCst);
        bench.accept(2);
        bench.wait_until("the fault is told", Journal::is_full);
        if round % 2 == 0 {
            bench.disk.faults.sync.store(false, Ordering::SeqCst);
            bench.accept(2);
        }
    }
    assert!(messages(folder.path()) >= count);
}
