//! Streams the lines of standard input through a function, and writes the results in the order of the lines; async.
//!
//!     printf 'one\ntwo\n' | cargo run -p pylm-client --example lines -- server.shout
#![allow(clippy::print_stdout)]

use pylm_client::{Client, ClientOptions, DEFAULT_ADDRESS, Event, JobOptions};
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

/// The job ended, and some messages failed.
const SOME_FAILED: u8 = 3;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let function = std::env::args().nth(1).unwrap_or_else(|| "server.shout".to_owned());
    let client = Client::connect(ClientOptions::new(DEFAULT_ADDRESS).name("lines")).await?;

    let options = JobOptions::new().ordered(true).timeout(Some(Duration::from_secs(10)));
    let (sender, mut results) = client.job(&function, options);
    // Reading standard input blocks, so it has a thread of its own; `send` waits there while the job has no room.
    let sender = pylm_client::blocking::JobSender::from(sender);
    let writer = std::thread::spawn(move || -> Result<(), Box<dyn Error + Send + Sync>> {
        for line in std::io::stdin().lines() {
            sender.send(line?)?;
        }
        Ok(())
    });

    let mut code = ExitCode::SUCCESS;
    while let Some(output) = results.next().await? {
        match output.event {
            Event::Result { payload, .. } => println!("{}", String::from_utf8_lossy(&payload)),
            Event::Done { .. } => {}
            Event::Failed { code: kind, text, submitted } => {
                let line = submitted.payload.escape_ascii();
                eprintln!("line {}, \"{line}\": {kind}: {text}", output.number + 1);
                code = ExitCode::from(SOME_FAILED);
            }
        }
    }
    writer.join().map_err(|_| "the writer panicked")??;
    client.close().await;
    Ok(code)
}
