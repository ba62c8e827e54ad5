//! The control plane: health, metrics, status and a dashboard over HTTP, for those who watch the node.
//!
//! It has a thread of its own, beside the way of messages: it asks the routing thread for a snapshot now and then, and answers
//! everybody from that. It serves as long as the process runs, also while the node drains.

mod flags;
mod metrics;
mod pages;
mod server;
mod view;

pub use flags::ControlFlags;

use crate::binding::remedy;
use crate::node::Onlooker;
use pylm_protocol::HttpAddress;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use view::View;

/// Why the control plane did not start.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Its address could not be bound.
    #[error("cannot listen at --http {address}; {}", remedy(source))]
    Bind {
        /// The address as it was given.
        address: HttpAddress,
        /// What the system says.
        source: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start the thread for --http")]
    Thread(#[source] io::Error),
}

/// Binds the address, and serves there from now on; returns where that is.
///
/// # Errors
/// When the address cannot be bound, or the system has no thread to give.
fn start(address: &HttpAddress, onlooker: Onlooker) -> Result<SocketAddr, ControlError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(ControlError::Thread)?;
    let bind = async {
        let listener = TcpListener::bind(address.to_string()).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, bound) =
        runtime.block_on(bind).map_err(|source| ControlError::Bind { address: address.clone(), source })?;
    let routes = pages::routes(View::new(onlooker));
    std::thread::Builder::new()
        .name("control".into())
        .spawn(move || runtime.block_on(server::serve(listener, routes)))
        .map_err(ControlError::Thread)?;
    Ok(bound)
}
