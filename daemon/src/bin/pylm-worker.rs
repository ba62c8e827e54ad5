//! The program `pylm-worker`: a worker host.
fn main() {}
