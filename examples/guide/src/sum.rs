//! A join.

use pylm_plugin_api::prelude::*;

pub(crate) struct Sum {
    parent: Message,
    sum: u64,
}

#[join]
pub(crate) fn sum(parent: &Message) -> Sum {
    Sum { parent: parent.clone(), sum: 0 }
}

impl Join for Sum {
    fn take(&mut self, result: Message) -> Result<(), Failure> {
        self.sum += std::str::from_utf8(result.payload())?.parse::<u64>()?;
        Ok(())
    }

    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        std::iter::once(Ok(self.parent.with_payload(self.sum.to_string())))
    }
}
