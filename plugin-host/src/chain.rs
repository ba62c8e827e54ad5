//! Hooks of several plugins, one after the other.

use std::sync::Arc;

use pylm_plugin_api::host::{CallError, Instance, Items, Joining};
use pylm_plugin_api::{Message, Text};

/// A hook: where it is in its plugin's table.
pub(crate) struct Hook {
    pub(crate) instance: Arc<Instance>,
    pub(crate) index: usize,
}

/// The hooks that parts go through.
enum Steps {
    None,
    Scatter(Arc<[Hook]>),
    Gather(Arc<[Hook]>, Arc<Message>),
}

/// A message that has been through a step, or all of them.
enum Stepped {
    Through(Message),
    Into(Result<Items<Message>, CallError>),
}

impl Steps {
    /// Runs the hook at `depth`, if there is one.
    fn run(&self, depth: usize, message: Message) -> Stepped {
        let hooks = match self {
            Steps::None => return Stepped::Through(message),
            Steps::Scatter(hooks) | Steps::Gather(hooks, _) => hooks,
        };
        let Some(Hook { instance, index }) = hooks.get(depth) else { return Stepped::Through(message) };
        Stepped::Into(match self {
            Steps::Gather(_, parent) => instance.gather(*index, parent, message),
            _ => instance.scatter(*index, message),
        })
    }
}

/// Messages that a chain of hooks yields, pulled one by one: each hook sees what the one before it yields. After an
/// error there are no more.
pub struct Parts {
    steps: Steps,
    /// What goes in, before it is pulled.
    first: Option<Result<Message, CallError>>,
    /// The iterators under way; the one at `n` comes from the hook at `n`.
    open: Vec<Items<Message>>,
}

impl Parts {
    pub(crate) fn scatter(hooks: &Arc<[Hook]>, message: Message) -> Parts {
        let steps = if hooks.is_empty() { Steps::None } else { Steps::Scatter(Arc::clone(hooks)) };
        Parts { steps, first: Some(Ok(message)), open: Vec::new() }
    }

    pub(crate) fn gather(hooks: &Arc<[Hook]>, parent: &Message, result: Message) -> Parts {
        let steps = match hooks.is_empty() {
            true => Steps::None,
            false => Steps::Gather(Arc::clone(hooks), Arc::new(parent.clone())),
        };
        Parts { steps, first: Some(Ok(result)), open: Vec::new() }
    }

    fn of(items: Result<Items<Message>, CallError>) -> Parts {
        let (first, open) = match items {
            Ok(items) => (None, vec![items]),
            Err(error) => (Some(Err(error)), Vec::new()),
        };
        Parts { steps: Steps::None, first, open }
    }

    /// The next message of the innermost iterator that has one.
    fn pull(&mut self) -> Option<Result<Message, CallError>> {
        while let Some(items) = self.open.last_mut() {
            if let Some(next) = items.next() {
                return Some(next);
            }
            self.open.pop();
        }
        self.first.take()
    }
}

impl Iterator for Parts {
    type Item = Result<Message, CallError>;

    fn next(&mut self) -> Option<Result<Message, CallError>> {
        let mut next = self.pull()?;
        loop {
            let items = match next {
                Ok(message) => match self.steps.run(self.open.len(), message) {
                    Stepped::Into(items) => items,
                    Stepped::Through(message) => return Some(Ok(message)),
                },
                Err(error) => Err(error),
            };
            match items {
                Ok(items) => self.open.push(items),
                Err(error) => {
                    self.open.clear();
                    return Some(Err(error));
                }
            }
            next = self.pull()?;
        }
    }
}

impl std::iter::FusedIterator for Parts {}

/// The joins of all plugins at work on one parent: what one gives at the end, the next one takes.
pub struct JoinState {
    /// At least one.
    first: Joining,
    rest: Vec<Joining>,
}

impl JoinState {
    pub(crate) fn new(hooks: &[Hook], parent: &Message) -> Result<Option<JoinState>, CallError> {
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
    pub fn finish(self) -> Parts {
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

fn feed(from: Joining, into: &mut Joining) -> Result<(), CallError> {
    from.finish()?.try_for_each(|message| into.take(message?))
}

/// Where a result goes: pairs of topic and message, of each route hook in turn. After an error there are no more.
pub struct Routes {
    hooks: Arc<[Hook]>,
    message: Message,
    next: usize,
    open: Option<Items<pylm_plugin_api::abi::RawRoute>>,
}

impl Routes {
    pub(crate) fn new(hooks: &Arc<[Hook]>, message: &Message) -> Routes {
        Routes { hooks: Arc::clone(hooks), message: message.clone(), next: 0, open: None }
    }
}

impl Iterator for Routes {
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

impl std::iter::FusedIterator for Routes {}
