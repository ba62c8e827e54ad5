//! What the slots share with the thread that moves messages.

use super::calls::Calls;
use super::outbox::Outbox;
use super::queue::Queue;
use super::room::Gates;
use crate::supervisor::Fields;
use pylm_plugin_host::Function;
use pylm_protocol::FunctionOffer;
use pylm_transport::Waker;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64};

/// What the slots share with the thread that moves messages.
pub(super) struct Shared {
    /// The host's name.
    pub(super) name: String,
    /// The functions on offer, as Hello lists them.
    pub(super) functions: Vec<Function>,
    /// In place of them, any that nobody offers by name.
    any_function: bool,
    /// The host can do nothing with leases for now, and takes none.
    pub(super) takes_nothing: AtomicBool,
    /// Leases that wait.
    pub(super) queue: Queue,
    /// What each slot has to say.
    pub(super) outboxes: Vec<Outbox>,
    /// Room for the results of leases that yield several.
    pub(super) gates: Gates,
    /// Cache calls of functions.
    pub(super) calls: Calls,
    /// Which run of the node it is that is being served, counted from 0. Leases of others are nobody's.
    pub(super) run: AtomicU32,
    /// The largest payload that the node takes, in bytes.
    pub(super) max_message: AtomicU64,
    waker: Waker,
    signalled: AtomicBool,
}

impl Shared {
    /// What `slots` slots share that run `functions`; `waker` wakes the thread that moves messages.
    pub(super) fn new(name: String, functions: Vec<Function>, slots: usize, waker: Waker) -> Self {
        Shared {
            name,
            functions,
            any_function: false,
            takes_nothing: AtomicBool::new(false),
            queue: Queue::new(slots),
            outboxes: (0..slots).map(|_| Outbox::default()).collect(),
            gates: Gates::default(),
            calls: Calls::default(),
            run: AtomicU32::new(0),
            max_message: AtomicU64::new(pylm_protocol::DEFAULT_MAX_MESSAGE),
            waker,
            signalled: AtomicBool::new(false),
        }
    }

    /// As [`new`](Self::new), for slots that run any function, as soon as they take anything.
    pub(super) fn for_any_function(name: String, slots: usize, waker: Waker) -> Self {
        let takes_nothing = AtomicBool::new(true);
        Shared { any_function: true, takes_nothing, ..Self::new(name, Vec::new(), slots, waker) }
    }

    /// What Hello offers.
    pub(super) fn offers(&self) -> Vec<FunctionOffer<'_>> {
        if self.any_function {
            return vec![FunctionOffer::ANY];
        }
        let functions = self.functions.iter();
        functions
            .map(|function| FunctionOffer {
                atomic: function.atomic(),
                ..FunctionOffer::function(function.name())
            })
            .collect()
    }

    /// What there is to know of a host that serves the node at `db`, which is called so where it is a native one.
    pub(super) fn fields(&self, db: &str, node: Option<&str>) -> Fields {
        let functions: Vec<&str> = self.functions.iter().map(Function::name).collect();
        let mut fields = Fields::from_iter([
            ("name".to_owned(), self.name.as_str().into()),
            ("db".to_owned(), db.into()),
            ("native".to_owned(), node.is_some().into()),
            ("slots".to_owned(), self.outboxes.len().into()),
            ("functions".to_owned(), functions.into()),
        ]);
        fields.extend(node.map(|node| ("node".to_owned(), node.into())));
        fields
    }

    /// Tells the thread that moves messages that there is something to fetch.
    pub(super) fn signal(&self) {
        if !self.signalled.swap(true, AcqRel)
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "the thread that moves messages cannot be woken");
        }
    }

    /// Whether there was a signal; to be asked before fetching.
    pub(super) fn take_signal(&self) -> bool {
        self.signalled.swap(false, AcqRel)
    }

    /// Begins to serve another run of the node.
    pub(super) fn next_run(&self) {
        self.run.fetch_add(1, Release);
    }

    /// Which run of the node is being served.
    pub(super) fn run(&self) -> u32 {
        self.run.load(Relaxed)
    }
}
