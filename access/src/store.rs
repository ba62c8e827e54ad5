//! Files of keys and grants: a node's folder, and what is read only when nobody else can read it.

use crate::{Grant, Grants, PublicKey, SecretKey};
use std::fmt::Display;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// Grants that are read, at most.
pub const MOST_GRANTS: usize = 10_000;

/// Why a file of keys or grants cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system refuses it.
    #[error("{}: {source}", path.display())]
    System {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Others than its owner can read it.
    #[error("{path} holds a secret key, and others than its owner can read it; say `chmod 600 {path}`", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// It is not what it should be.
    #[error("{}: {why}", path.display())]
    No {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

impl FileError {
    pub(crate) fn no(path: &Path, why: impl Display) -> Self {
        FileError::No { path: path.to_owned(), why: why.to_string().trim_end().to_owned() }
    }

    fn system(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| FileError::System { path: path.to_owned(), source }
    }
}

/// Reads a file that only its owner can read.
///
/// # Errors
/// When others can, or the system refuses.
pub fn read_secret(path: &Path) -> Result<String, FileError> {
    let file = File::open(path).map_err(FileError::system(path))?;
    let about = file.metadata().map_err(FileError::system(path))?;
    // A pipe or a descriptor, as a shell or a supervisor hands one over, is nobody else's.
    if about.is_file() && about.mode() & 0o077 != 0 {
        return Err(FileError::Open { path: path.to_owned() });
    }
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text).map_err(FileError::system(path))?;
    Ok(text)
}

/// Writes a file that only its owner can read, whole or not at all. It replaces none, unless `replaces` says so.
///
/// # Errors
/// When there is one already, or the system refuses.
pub fn write_secret(path: &Path, text: &str, replaces: bool) -> Result<(), FileError> {
    if !replaces && path.exists() {
        return Err(FileError::no(path, "it is there already, and is not replaced"));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        give_to_owner(&file, path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if replaces {
            return fs::rename(&draft, path);
        }
        // Fails where there is one by now.
        fs::hard_link(&draft, path)?;
        fs::remove_file(&draft)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&draft);
        FileError::system(path)(error)
    })
}

/// What root writes into somebody's folder is that user's, who could not read it otherwise.
fn give_to_owner(file: &File, path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let (own, about) = (file.metadata()?.uid(), fs::metadata(folder)?);
    if own == 0 && about.uid() != own { fchown(file, Some(about.uid()), Some(about.gid())) } else { Ok(()) }
}

/// The folder of a node: its key, and its grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFolder(PathBuf);

/// When the files of the grants were changed last, and which there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64, u64)>);

impl StateFolder {
    /// The folder at a path; it need not be there.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        StateFolder(path.into())
    }

    /// That of the node with this name, where nothing else is said: `STATE_DIRECTORY`, which systemd gives a service; or
    /// `pylmd/NAME` below `XDG_STATE_HOME`, or else below `.local/state` at home.
    #[must_use]
    pub fn of_node(name: &str) -> Option<Self> {
        let of = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        let at_home = || of("XDG_STATE_HOME").or_else(|| of("HOME").map(|home| home.join(".local/state")));
        let folder = of("STATE_DIRECTORY").or_else(|| at_home().map(|state| state.join("pylmd").join(name)));
        folder.map(StateFolder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it, for its owner alone, where it is not there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn make(&self) -> Result<(), FileError> {
        let grants = self.grants_folder();
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&grants).map_err(FileError::system(&grants))
    }

    /// The file of the node's secret key.
    fn key_file(&self) -> PathBuf {
        self.0.join("node.key")
    }

    fn grants_folder(&self) -> PathBuf {
        self.0.join("grants")
    }

    fn grant_file(&self, name: &str) -> PathBuf {
        self.grants_folder().join(format!("{name}.toml"))
    }

    /// The node's secret key; where there is none yet, that which `generate` makes is kept.
    ///
    /// # Errors
    /// When the file is none, others can read it, or the system refuses.
    pub fn node_key(&self, generate: impl FnOnce() -> io::Result<SecretKey>) -> Result<SecretKey, FileError> {
        let path = self.key_file();
        if !path.exists() {
            self.make()?;
            let key = generate().map_err(FileError::system(&path))?;
            match write_secret(&path, &format!("{}\n", key.to_text()), false) {
                // Another program was faster.
                Err(_) if path.exists() => {}
                written => written?,
            }
        }
        read_secret(&path)?.parse().map_err(|error| FileError::no(&path, error))
    }

    /// The addresses that the node told when it was there last.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("addresses")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Keeps the addresses of the node, for access files.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn keep_addresses(&self, addresses: &[String]) -> Result<(), FileError> {
        write_secret(&self.0.join("addresses"), &format!("{}\n", addresses.join("\n")), true)
    }

    /// A grant by its name.
    ///
    /// # Errors
    /// When there is none of that name, or its file is none.
    pub fn grant(&self, name: &str) -> Result<Grant, FileError> {
        let path = self.grant_file(name);
        let text = fs::read_to_string(&path).map_err(FileError::system(&path))?;
        Grant::parse(name, &text).map_err(|error| FileError::no(&path, error))
    }

    /// Keeps a grant; it replaces another of its name only when told so.
    ///
    /// # Errors
    /// When there is one already, or the system refuses.
    pub fn keep(&self, grant: &Grant, replaces: bool) -> Result<(), FileError> {
        self.make()?;
        let path = self.grant_file(&grant.name);
        let text = grant.to_text().map_err(|error| FileError::no(&path, error))?;
        write_secret(&path, &text, replaces)
    }

    /// Takes a grant's file away, as if there had never been one.
    ///
    /// # Errors
    /// When there is none, or the system refuses.
    pub fn forget(&self, name: &str) -> Result<(), FileError> {
        let path = self.grant_file(name);
        fs::remove_file(&path).map_err(FileError::system(&path))
    }

    /// The names of all grants, in their order.
    ///
    /// # Errors
    /// When the folder cannot be read. Where there is none, there are no grants.
    pub fn names(&self) -> Result<Vec<String>, FileError> {
        let folder = self.grants_folder();
        let files = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            files => files.map_err(FileError::system(&folder))?,
        };
        let name = |file: io::Result<fs::DirEntry>| {
            let name = file.ok()?.file_name().into_string().ok()?;
            name.strip_suffix(".toml").filter(|name| !name.starts_with('.')).map(str::to_owned)
        };
        let mut names: Vec<_> = files.filter_map(name).take(MOST_GRANTS).collect();
        names.sort();
        Ok(names)
    }

    /// All grants, and what is wrong with those that cannot be read, which allow nothing.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn grants(&self) -> Result<(Grants, Vec<FileError>), FileError> {
        let (mut grants, mut wrong) = (Vec::new(), Vec::new());
        for name in self.names()? {
            match self.grant(&name) {
                Ok(grant) => grants.push(grant),
                Err(error) => wrong.push(error),
            }
        }
        Ok((Grants::new(grants), wrong))
    }

    /// By what it is seen that grants have changed.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let files = fs::read_dir(self.grants_folder()).into_iter().flatten();
        let about = |file: io::Result<fs::DirEntry>| {
            let path = file.ok()?.path();
            let about = fs::metadata(&path).ok()?;
            Some((path, about.modified().ok(), about.len(), about.ino()))
        };
        let mut stamps: Vec<_> = files.filter_map(about).collect();
        stamps.sort();
        Stamp(stamps)
    }
}

/// Where a peer's access files are looked for: `pylm/access` below `XDG_CONFIG_HOME`, or else below `.config` at home.
#[must_use]
pub fn access_folder() -> Option<PathBuf> {
    let of = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = of("XDG_CONFIG_HOME").or_else(|| of("HOME").map(|home| home.join(".config")));
    config.map(|config| config.join("pylm/access"))
}

/// A name that a grant's file can have.
///
/// # Errors
/// When it is none.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(is_fit) {
        return Err(
            "a grant has a name of 1 to 64 letters, digits, -, _, . and @, and no . at its beginning",
        );
    }
    Ok(())
}

/// The public key of a file that holds one, or of the text itself.
///
/// # Errors
/// When it is neither.
pub fn public_key(text: &str) -> Result<PublicKey, crate::KeyError> {
    match fs::read_to_string(text) {
        Ok(file) => file.parse(),
        Err(_) => text.parse(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Role;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_node_keeps_its_key_and_its_grants_where_nobody_else_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::at(folder.path().join("state/server"));
        let key = state.node_key(|| Ok(SecretKey::from_bytes([3; 32]))).unwrap();
        assert_eq!(key.as_bytes(), &[3; 32]);
        let again = state.node_key(|| Err(io::Error::other("it has one"))).unwrap();
        assert_eq!(again, key);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(state.path()), mode(&state.key_file())), (0o700, 0o600));

        let alice = Grant::new("alice", PublicKey::from_bytes([1; 32]), Role::Client);
        let before = state.stamp();
        state.keep(&alice, false).unwrap();
        assert!(state.keep(&alice, false).is_err(), "a grant is not replaced unasked");
        assert_ne!(state.stamp(), before);
        let between = state.stamp();
        state.keep(&Grant { role: Role::Host, ..alice.clone() }, true).unwrap();
        assert_ne!(state.stamp(), between);
        fs::write(state.grant_file("wrong"), "role = 1").unwrap();
        let (grants, wrong) = state.grants().unwrap();
        assert_eq!((grants.len(), wrong.len()), (1, 1));
        assert_eq!(grants.of(&alice.key).unwrap().role, Role::Host);
        assert!(wrong[0].to_string().contains("wrong.toml"));
        assert_eq!(state.names().unwrap(), ["alice", "wrong"]);

        fs::set_permissions(state.key_file(), PermissionsExt::from_mode(0o644)).unwrap();
        let told = state.node_key(|| Err(io::Error::other("it has one"))).unwrap_err().to_string();
        assert!(told.contains("chmod 600"), "{told}");
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_grants() {
        let state = StateFolder::at("/no/such/folder");
        assert!(state.grants().unwrap().0.is_empty() && state.names().unwrap().is_empty());
        assert_eq!(state.stamp(), Stamp::default());
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        assert!(check_name("alice@laptop-1.example").is_ok());
        for wrong in ["", ".", "../x", "a/b", ".hidden", "a b", &"x".repeat(65), "ä"] {
            assert!(check_name(wrong).is_err(), "{wrong}");
        }
    }
}
