//! Sets a value in the node's cache, and calls a function that uses it; shipped as the plugin `cached`.
//!
//!     cargo run -p pylm-client --example cached
#![allow(clippy::print_stdout)]

use pylm_client::blocking::Client;
use pylm_client::{ClientOptions, DEFAULT_ADDRESS};

fn main() -> Result<(), pylm_client::Error> {
    let client = Client::connect(ClientOptions::new(DEFAULT_ADDRESS))?;
    client.cache().set("cached", " cached data ")?;
    if let Some(value) = client.cache().get("cached")? {
        println!("the cache has \"{}\"", value.escape_ascii());
    }
    for result in client.eval("server.foo", "a message")? {
        println!("{}", result.escape_ascii());
    }
    println!("deleted: {}", client.cache().delete("cached")?);
    client.close();
    Ok(())
}
