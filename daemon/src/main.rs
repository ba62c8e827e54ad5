//! The program `pylmd`: a node.

use std::process::ExitCode;

fn main() -> ExitCode {
    pylmd::node::main()
}
