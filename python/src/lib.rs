//! The native half of the Python package `pylmd`: the Rust client, with Python's manners.
//!
//! What waits gives up the interpreter's lock and looks for signals; what Python throws away says goodbye; what a fork has left
//! behind is neither used nor touched (`process`). Names, defaults and docs for users are in `pylmd/*.py`.

mod bell;
mod buffer;
mod client;
mod errors;
mod lanes;
mod options;
mod output;
mod payload;
mod pending;
mod process;
mod sender;
mod stream;
mod wait;

/// The module `pylmd._native`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    #[allow(non_upper_case_globals)]
    const __version__: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::bell::Bell;
    #[pymodule_export]
    use super::client::Client;
    #[pymodule_export]
    use super::lanes::{Lane, Reader};
    #[pymodule_export]
    use super::options::Options;
    #[pymodule_export]
    use super::output::{Done, Failed, Result};
    #[pymodule_export]
    use super::pending::Pending;
    #[pymodule_export]
    use super::process::forked;
    #[pymodule_export]
    use super::sender::Sender;
    #[pymodule_export]
    use super::stream::Stream;
}
