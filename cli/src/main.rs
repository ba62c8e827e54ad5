//! The program `pylm`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylm_cli::run()
}
