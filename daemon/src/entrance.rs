//! What the programs come in with at a node's encrypted door: the access file that is given, or the one that is found.

use pylm_access::AccessFile;
use pylm_protocol::Address;
use pylm_transport::Security;
use std::path::{Path, PathBuf};

/// Where a node is, and what a peer comes in with there.
#[derive(Debug, Clone)]
pub(crate) struct Entrance {
    /// The node's address.
    pub(crate) address: Address,
    /// The keys, or none for a plain door.
    pub(crate) security: Security,
}

impl Entrance {
    /// That of an access file.
    ///
    /// # Errors
    /// When the file is none, or cannot be used, with what mends it.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let access = AccessFile::load(path).map_err(|error| error.to_string())?;
        let first = access.addresses.first().map_or("", String::as_str);
        let address = Address::of_peer(first).map_err(|error| format!("{}: {error}", path.display()))?;
        let security = Security::client(*access.node_key.as_bytes(), *access.secret_key.as_bytes());
        Ok(Entrance { address, security: security.map_err(|error| error.to_string())? })
    }

    /// That of the node at an address: of one of these files, or of the one that is found; or else without a key.
    ///
    /// # Errors
    /// As [`Entrance::load`].
    pub(crate) fn to(address: &Address, files: &[PathBuf]) -> Result<Self, String> {
        for file in files {
            let entrance = Self::load(file)?;
            if entrance.address == *address {
                return Ok(entrance);
            }
        }
        match pylm_access::store::access_folder()
            .and_then(|folder| AccessFile::find(&folder, &address.to_string()))
        {
            Some(file) => Self::load(&file),
            None => Ok(Entrance { address: address.clone(), security: Security::None }),
        }
    }
}
