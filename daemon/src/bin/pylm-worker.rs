//! The program `pylm-worker`: a worker host.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylmd::host::main()
}
