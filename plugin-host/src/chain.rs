//! Hooks of several plugins, one after the other.

use std::sync::Arc;

use pylm_plugin_api::host::{CallError, Instance, Items, Joining};
use pylm_plugin_api::{Message, Text};

/// A hook: where it is in its plugin's table.
pub(crate) struct Hook {
    pub(crate) instance: Arc<Instance>,
    pub(crate) index: usize,
}

/// The hooks that parts go through, one after the other.
#[derive(Clone, Copy)]
enum Steps<'a> {
    Scatter(&'a [Hook]),
    Gather(&'a [Hook], &'a Message),
}

impl<'a> Steps<'a> {
    #[inline]
    fn len(self) -> usize {
        let (Steps::Scatter(hooks) | Steps::Gather(hooks, _)) = self;
        hooks.len()
    }

    /// Runs the hook at `depth`.
    #[inline]
    fn run(self, depth: usize, message: Message) -> Result<Items<'a, Message>, CallError> {
        match self {
            Steps::Scatter(hooks) => {
                let Hook { instance, index } = &hooks[depth];
                instance.scatter(*index, message)
            }
            Steps::Gather(hooks, parent) => {
                let Hook { instance, index } = &hooks[depth];
                instance.gather(*index, parent, message)
            }
        }
    }
}

/// Messages that a chain of hooks yields, pulled one by one: each hook sees what the one before it yields. After an
/// error there are no more.
pub struct Parts<'a> {
    steps: Steps<'a>,
    /// The iterators of the hooks before the innermost one.
    outer: Vec<Items<'a, Message>>,
    /// The iterator of the innermost hook under way.
    inner: Option<Items<'a, Message>>,
    /// What there is without any iterator: the message itself where there is no hook, or the error of the first. Most have none, and
    /// are smaller for that.
    only: Option<Box<Result<Message, CallError>>>,
}

impl<'a> Parts<'a> {
    #[inline]
    pub(crate) fn scatter(hooks: &'a [Hook], message: Message) -> Parts<'a> {
        Parts::begin(Steps::Scatter(hooks), message)
    }

    #[inline]
    pub(crate) fn gather(hooks: &'a [Hook], parent: &'a Message, result: Message) -> Parts<'a> {
        Parts::begin(Steps::Gather(hooks, parent), result)
    }

    #[inline]
    fn begin(steps: Steps<'a>, message: Message) -> Parts<'a> {
        match steps.len() {
            0 => Parts { steps, outer: Vec::new(), inner: None, only: Some(Box::new(Ok(message))) },
            _ => Parts { steps, ..Parts::of(steps.run(0, message)) },
        }
    }

    /// What one iterator yields, through no hook that follows.
    #[inline]
    fn of(items: Result<Items<'a, Message>, CallError>) -> Parts<'a> {
        let (inner, only) = match items {
            Ok(items) => (Some(items), None),
            Err(error) => (None, Some(Box::new(Err(error)))),
        };
        Parts { steps: Steps::Scatter(&[]), outer: Vec::new(), inner, only }
    }

    /// Puts a message into the next hook.
    fn deepen(&mut self, message: Message) -> Result<(), CallError> {
        let items = self.steps.run(self.outer.len() + 1, message)?;
        self.outer.extend(self.inner.replace(items));
        Ok(())
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Message, CallError>;

    #[inline]
    fn next(&mut self) -> Option<Result<Message, CallError>> {
        loop {
            let Some(items) = &mut self.inner else { return self.only.take().map(|only| *only) };
            let failed = match items.next() {
                Some(Ok(message)) if self.outer.len() + 1 < self.steps.len() => self.deepen(message),
                Some(Ok(message)) => return Some(Ok(message)),
                Some(Err(error)) => Err(error),
                None => {
                    self.inner = self.outer.pop();
                    continue;
                }
            };
            if let Err(error) = failed {
                self.inner = None;
                self.outer.clear();
                return Some(Err(error));
            }
        }
    }
}

impl std::iter::FusedIterator for Parts<'_> {}

/// The joins of all plugins at work on one parent: what one gives at the end, the next one takes.
pub struct JoinState<'a> {
    /// At least one.
    first: Joining<'a>,
    rest: Vec<Joining<'a>>,
}

impl<'a> JoinState<'a> {
    pub(crate) fn new(hooks: &'a [Hook], parent: &Message) -> Result<Option<JoinState<'a>>, CallError> {
        let mut all = hooks.iter().map(|Hook { instance, index }| instance.join(*index, parent));
        let Some(first) = all.next() else { return Ok(None) };
        Ok(Some(JoinState { first: first?, rest: all.collect::<Result<_, _>>()? }))
    }

    /// Takes the next result.
    ///
    /// # Errors
    ///
    /// If the join returns an error or panics.
    pub fn take(&mut self, result: Message) -> Result<(), CallError> {
        self.first.take(result)
    }

    /// Gives what replaces the results.
    pub fn finish(self) -> Parts<'a> {
        let mut last = self.first;
        for mut next in self.rest {
            match feed(last, &mut next) {
                Ok(()) => last = next,
                Err(error) => return Parts::of(Err(error)),
            }
        }
        Parts::of(last.finish())
    }
}

fn feed(from: Joining<'_>, into: &mut Joining<'_>) -> Result<(), CallError> {
    from.finish()?.try_for_each(|message| into.take(message?))
}

/// Where a result goes: pairs of topic and message, of each route hook in turn. After an error there are no more.
pub struct Routes<'a> {
    hooks: &'a [Hook],
    message: &'a Message,
    next: usize,
    open: Option<Items<'a, pylm_plugin_api::abi::RawRoute>>,
}

impl<'a> Routes<'a> {
    pub(crate) fn new(hooks: &'a [Hook], message: &'a Message) -> Routes<'a> {
        Routes { hooks, message, next: 0, open: None }
    }
}

impl Iterator for Routes<'_> {
    type Item = Result<(Text, Message), CallError>;

    fn next(&mut self) -> Option<Result<(Text, Message), CallError>> {
        loop {
            let route = match &mut self.open {
                Some(items) => items.next_route(),
                None => {
                    let Hook { instance, index } = self.hooks.get(self.next)?;
                    self.next += 1;
                    match instance.route(*index, self.message.clone()) {
                        Ok(items) => {
                            self.open = Some(items);
                            continue;
                        }
                        Err(error) => Some(Err(error)),
                    }
                }
            };
            match route {
                Some(Ok(route)) => return Some(Ok(route)),
                Some(Err(error)) => {
                    self.open = None;
                    self.next = self.hooks.len();
                    return Some(Err(error));
                }
                None => self.open = None,
            }
        }
    }
}

impl std::iter::FusedIterator for Routes<'_> {}
