//! What a peer needs to come in: where the node is, the node's key, and its own.

use crate::grant::text;
use crate::store::{self, FileError};
use crate::{PublicKey, SecretKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::path::{Path, PathBuf};

/// An access file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AccessFile {
    /// The node's name.
    pub node: String,
    /// The name of the grant, for people.
    pub name: String,
    /// Where the node is, as in `tcp://node1.example:5560`; the first one is used.
    pub addresses: Vec<String>,
    /// The node's key.
    #[serde(with = "text")]
    pub node_key: PublicKey,
    /// The peer's own key.
    #[serde(serialize_with = "write_secret", deserialize_with = "read_secret")]
    pub secret_key: SecretKey,
}

fn write_secret<S: Serializer>(key: &SecretKey, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&key.to_text())
}

fn read_secret<'d, D: Deserializer<'d>>(deserializer: D) -> Result<SecretKey, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
}

impl AccessFile {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none, with the line.
    pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The file's text.
    ///
    /// # Errors
    /// None is known.
    pub fn to_text(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// Reads the file at a path, which nobody else may be able to read.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it is none.
    pub fn load(path: &Path) -> Result<Self, FileError> {
        let text = store::read_secret(path)?;
        let access = Self::parse(&text).map_err(|error| FileError::no(path, error))?;
        match access.addresses.is_empty() {
            true => Err(FileError::no(path, "it has no address")),
            false => Ok(access),
        }
    }

    /// The file of those in a folder that is for the node at an address, if there is one alone. Others are passed over.
    #[must_use]
    pub fn find(folder: &Path, address: &str) -> Option<PathBuf> {
        let files = std::fs::read_dir(folder).ok()?;
        let paths = files.filter_map(|file| Some(file.ok()?.path()));
        let is_for_it = |path: &PathBuf| {
            let access = std::fs::read_to_string(path).ok().and_then(|text| Self::parse(&text).ok());
            access.is_some_and(|access| access.addresses.iter().any(|known| known == address))
        };
        let mut found =
            paths.filter(|path| path.extension().is_some_and(|kind| kind == "toml")).filter(is_for_it);
        found.next().filter(|_| found.next().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn access() -> AccessFile {
        AccessFile {
            node: "server".into(),
            name: "alice".into(),
            addresses: vec!["tcp://node1.example:5560".into()],
            node_key: PublicKey::from_bytes([1; 32]),
            secret_key: SecretKey::from_bytes([2; 32]),
        }
    }

    #[test]
    fn it_is_read_as_it_was_written_and_shows_no_secret() {
        let text = access().to_text().unwrap();
        assert_eq!(AccessFile::parse(&text).unwrap(), access());
        assert!(text.contains("pylm-secret-") && !format!("{:?}", access()).contains("pylm-secret-"));
        let swapped = text.replace("secret-key", "secret");
        assert!(AccessFile::parse(&swapped).is_err() && AccessFile::parse("").is_err());
    }

    #[test]
    fn one_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        fs::write(&path, access().to_text().unwrap()).unwrap();
        for mode in [0o644, 0o640, 0o604, 0o660] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            let told = AccessFile::load(&path).unwrap_err().to_string();
            assert!(told.contains("chmod 600") && told.contains("server.toml"), "{told}");
        }
        fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(AccessFile::load(&path).unwrap(), access());
        fs::write(&path, "x").unwrap();
        assert!(AccessFile::load(&path).unwrap_err().to_string().contains("server.toml"));
    }

    #[test]
    fn the_file_for_a_node_is_found_where_there_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let address = "tcp://node1.example:5560";
        assert_eq!(AccessFile::find(folder.path(), address), None);
        let path = folder.path().join("a.toml");
        fs::write(&path, access().to_text().unwrap()).unwrap();
        fs::write(folder.path().join("b.toml"), "what").unwrap();
        assert_eq!(AccessFile::find(folder.path(), address), Some(path.clone()));
        assert_eq!(AccessFile::find(folder.path(), "tcp://node2.example:5560"), None);
        fs::copy(path, folder.path().join("c.toml")).unwrap();
        assert_eq!(AccessFile::find(folder.path(), address), None, "which of two is not to be guessed");
    }
}
