//! A started plugin, with what a test does with it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::Cache;
use crate::Message;
use crate::host::{Call, CallError, Instance, Outcome};

/// A started plugin.
pub struct Plugin {
    instance: Arc<Instance>,
    cache: Cache,
}

impl Plugin {
    pub(super) fn new(instance: Arc<Instance>) -> Plugin {
        Plugin { instance, cache: Cache::default() }
    }

    /// The cache that functions see.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Calls a function and takes all its results.
    ///
    /// # Errors
    ///
    /// If the function or one of its results is an error, or panics.
    ///
    /// # Panics
    ///
    /// If there is no such function.
    pub fn call(&self, function: &str, payload: &[u8]) -> Result<Vec<Vec<u8>>, CallError> {
        self.prepare(function).call(payload)
    }

    /// A call that says more than the payload.
    pub fn prepare<'a>(&'a self, function: &'a str) -> CallBuilder<'a> {
        CallBuilder {
            plugin: self,
            function,
            worker: "worker",
            cache_key: "",
            number: 0,
            attempt: 1,
            deadline: None,
            cancelled: AtomicBool::new(false),
        }
    }

    /// The parts that the plugin's scatter hook makes of a message.
    ///
    /// # Errors
    ///
    /// If the hook fails or panics; likewise below.
    ///
    /// # Panics
    ///
    /// If the plugin has no such hook; likewise below.
    pub fn scatter(&self, message: Message) -> Result<Vec<Message>, CallError> {
        self.instance.scatter(0, message)?.collect()
    }

    /// What the plugin's gather hook makes of one result.
    ///
    /// # Errors
    ///
    /// See [`Plugin::scatter`].
    pub fn gather(&self, parent: &Message, result: Message) -> Result<Vec<Message>, CallError> {
        self.instance.gather(0, parent, result)?.collect()
    }

    /// What the plugin's join makes of all results of a parent.
    ///
    /// # Errors
    ///
    /// See [`Plugin::scatter`].
    pub fn join(
        &self,
        parent: &Message,
        results: impl IntoIterator<Item = Message>,
    ) -> Result<Vec<Message>, CallError> {
        let mut join = self.instance.join(0, parent)?;
        for result in results {
            join.take(result)?;
        }
        join.finish()?.collect()
    }

    /// Where the plugin's route hook sends a result: pairs of topic and message.
    ///
    /// # Errors
    ///
    /// See [`Plugin::scatter`].
    pub fn route(&self, result: Message) -> Result<Vec<(String, Message)>, CallError> {
        let mut routes = self.instance.route(0, result)?;
        let pairs = std::iter::from_fn(|| routes.next_route());
        pairs.map(|pair| pair.map(|(topic, message)| (topic.to_string(), message))).collect()
    }
}

/// A call, before it is made.
pub struct CallBuilder<'a> {
    plugin: &'a Plugin,
    function: &'a str,
    worker: &'a str,
    cache_key: &'a str,
    number: u64,
    attempt: u32,
    deadline: Option<Instant>,
    cancelled: AtomicBool,
}

impl<'a> CallBuilder<'a> {
    /// The worker's name; `worker` if not set.
    #[must_use]
    pub fn worker(mut self, worker: &'a str) -> Self {
        self.worker = worker;
        self
    }

    /// The message's cache key; empty if not set.
    #[must_use]
    pub fn cache_key(mut self, key: &'a str) -> Self {
        self.cache_key = key;
        self
    }

    /// The message's number; 0 if not set.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.number = number;
        self
    }

    /// The attempt; 1 if not set.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// The moment after which nobody waits for the answer.
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// The answer is no longer wanted.
    #[must_use]
    pub fn cancelled(mut self) -> Self {
        self.cancelled = AtomicBool::new(true);
        self
    }

    /// Makes the call and takes all results.
    ///
    /// # Errors
    ///
    /// If the function or one of its results is an error, or panics.
    ///
    /// # Panics
    ///
    /// If there is no such function.
    pub fn call(&self, payload: &[u8]) -> Result<Vec<Vec<u8>>, CallError> {
        let instance = &self.plugin.instance;
        let Some(index) = instance.functions().position(|name| name == self.function) else {
            panic!("the plugin has no function {:?}", self.function)
        };
        let stages = format!("test.{}", self.function);
        let call = Call::new(&self.plugin.cache, &self.cancelled)
            .pipeline("job")
            .client("client")
            .stage(0)
            .function(&stages)
            .cache_key(self.cache_key)
            .worker(self.worker)
            .number(self.number)
            .attempt(self.attempt)
            .deadline(self.deadline);
        let results = match Instance::call(instance, index, &call, payload)? {
            Outcome::Nothing => Vec::new(),
            Outcome::One(payload) => vec![payload.to_vec()],
            Outcome::Many(results) => {
                results.map(|result| result.map(|payload| payload.to_vec())).collect::<Result<_, _>>()?
            }
        };
        Ok(results)
    }
}
