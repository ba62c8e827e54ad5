//! Outputs in the order of their messages.

use crate::output::Output;
use std::collections::VecDeque;

/// Holds outputs back until every earlier message has ended.
#[derive(Debug, Default)]
pub(crate) struct Reorder {
    /// The message whose outputs are passed on.
    head: u64,
    /// The outputs of the messages from `head` on, as they came.
    waiting: VecDeque<VecDeque<Output>>,
}

impl Reorder {
    /// Takes an output.
    pub(crate) fn push(&mut self, output: Output) {
        let Some(index) = output.number.checked_sub(self.head).and_then(|index| usize::try_from(index).ok())
        else {
            return;
        };
        if self.waiting.len() <= index {
            self.waiting.resize_with(index + 1, VecDeque::new);
        }
        self.waiting[index].push_back(output);
    }

    /// The next output whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<Output> {
        let output = self.waiting.front_mut()?.pop_front()?;
        if output.is_end() {
            self.waiting.pop_front();
            self.head += 1;
        }
        Some(output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Event;
    use bytes::Bytes;
    use proptest::prelude::*;
    use pylm_protocol::Place;

    proptest! {
        #[test]
        fn outputs_come_in_the_order_of_messages_and_within_one_as_they_came(
            results in prop::collection::vec(0u64..4, 1..20), keys in prop::collection::vec(any::<u32>(), 100),
        ) {
            let expected: Vec<_> = (0..).zip(&results).flat_map(|(number, &results)| {
                let result = move |place| Output {
                    number, event: Event::Result { place: Place(vec![place]), payload: Bytes::new() }
                };
                (0..results).map(result).chain([Output { number, event: Event::Done { results } }])
            }).collect();
            // Mixes the messages, and keeps the order within each.
            let mut queues: Vec<VecDeque<_>> = (0..results.len() as u64)
                .map(|number| expected.iter().filter(|output| output.number == number).cloned().collect())
                .collect();
            let mut reorder = Reorder::default();
            let mut came = Vec::new();
            for key in keys {
                let index = key as usize % queues.len();
                came.extend(queues[index].pop_front().into_iter().inspect(|output| reorder.push(output.clone())));
                came.clear();
            }
            let mut popped: Vec<Output> = std::iter::from_fn(|| reorder.pop()).collect();
            for output in queues.into_iter().flatten() {
                reorder.push(output);
                popped.extend(std::iter::from_fn(|| reorder.pop()));
            }
            prop_assert_eq!(popped, expected);
            prop_assert!(reorder.waiting.is_empty());
        }
    }
}
