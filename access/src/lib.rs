//! Who may do what at a node: keys, grants and access files, as they are written.
//!
//! - A [`PublicKey`] names a peer, and whoever has the [`SecretKey`] that belongs to it is that peer. As text, both say what they are, and
//!   carry a checksum: a slip is found, and a leak can be searched for.
//! - A [`Grant`] is a small file at a node, which says what one key may do. [`Grants`] are all of a node's.
//! - An [`AccessFile`] holds all that a peer needs to come in: where the node is, the node's key, and its own.
//! - [`zap`] reads the questions that libzmq asks before it lets a connection in.
//!
//! All but [`store`] and [`AccessFile::load`], which read and write files, is pure: text and bytes in, values out.

mod access_file;
mod date;
mod glob;
mod grant;
mod grants;
mod key;
mod network;
mod prefix;
mod role;
pub mod store;
pub mod zap;

pub use access_file::AccessFile;
pub use date::{Date, DateError};
pub use glob::Globs;
pub use grant::{Grant, GrantError, Standing};
pub use grants::Grants;
pub use key::{KeyError, PublicKey, SecretKey};
pub use network::{Network, NetworkError};
pub use prefix::Prefixes;
pub use role::Role;
pub use store::FileError;
