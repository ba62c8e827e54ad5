//! Gives one result for a message: how many results its parts had, and the sum of the numbers in them.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[join]
fn sum(parent: &Message) -> Sum {
    Sum { parent: parent.clone(), results: 0, sum: 0 }
}

struct Sum {
    parent: Message,
    results: u64,
    sum: u64,
}

impl Join for Sum {
    fn take(&mut self, result: Message) -> Result<(), Failure> {
        assert!(&result.payload()[..] != b"panic in join", "join was told to panic");
        let text = std::str::from_utf8(result.payload()).map_err(Failure::new)?;
        self.sum += text.parse::<u64>().map_err(Failure::new)?;
        self.results += 1;
        Ok(())
    }

    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        let text = format!("{} results, sum {}", self.results, self.sum);
        std::iter::once(Ok(self.parent.with_payload(text)))
    }
}

export_plugin!(sum);
