//! Sends ten messages through a function of the node on this machine, and prints the results as they come.
//!
//!     cargo run -p pylm-client --example job -- server.foo
#![allow(clippy::print_stdout)]

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, DEFAULT_ADDRESS, Event, JobOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let function = std::env::args().nth(1).unwrap_or_else(|| "server.foo".to_owned());
    let client = Client::connect(ClientOptions::new(DEFAULT_ADDRESS))?;

    let (sender, results) = client.job(&function, JobOptions::new());
    // Written on one thread and read on another, so that a job may be longer than its window.
    let writer =
        std::thread::spawn(move || (0..10).try_for_each(|_| sender.send("a message").map(|_number| ())));
    for output in results {
        let output = output?;
        match output.event {
            Event::Result { payload, .. } => println!("{}: {}", output.number, payload.escape_ascii()),
            Event::Done { results } => println!("{}: done, with {results} results", output.number),
            Event::Failed { code, text, .. } => println!("{}: {code}: {text}", output.number),
        }
    }
    writer.join().map_err(|_| "the writer panicked")??;
    client.close();
    Ok(())
}
