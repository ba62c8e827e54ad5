//! From a file to a started plugin.
#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW, Symbol};
use pylm_plugin_api::descriptor::ROOT_SYMBOL;
use pylm_plugin_api::host::{Instance, Root, StartError};
use rustix::fs::StatVfsMountFlags;

use crate::bundle::Bundle;
use crate::copy;
use crate::descriptor::Descriptor;
use crate::error::{Code, LoadError};
use crate::file;
use crate::logs::Logs;

/// A started plugin. Clones are the same one; its state is dropped with the last of them, its code stays in memory.
#[derive(Clone)]
pub struct Plugin(Arc<Loaded>);

struct Loaded {
    path: PathBuf,
    descriptor: Descriptor,
    instance: Arc<Instance>,
}

impl Plugin {
    /// What the plugin says of itself.
    pub fn descriptor(&self) -> &Descriptor {
        &self.0.descriptor
    }

    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Its name, which settings are addressed to.
    pub fn name(&self) -> &str {
        &self.0.descriptor.name
    }

    pub(crate) fn instance(&self) -> &Arc<Instance> {
        &self.0.instance
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Plugin").field("name", &self.name()).field("path", &self.path()).finish()
    }
}

/// Loads a plugin and starts it with settings of key and value. Its logs go to the `tracing` of this process.
///
/// # Errors
///
/// Any code but [`Code::DuplicateFunction`] across two files.
pub fn load(path: &Path, settings: &[(String, String)]) -> Result<Plugin, LoadError> {
    let bytes = file::read(path)?;
    let descriptor = file::describe(path, &bytes)?;
    file::admit(path, &descriptor)?;
    let folder = copy::folder();
    let copy = copy::private(&folder, &Bundle::of(path, bytes))
        .map_err(|error| not_copied(path, &folder, &error))?;
    let root = open(path, &copy)?;
    let started = root.start(settings, Arc::new(Logs::new(&descriptor.name)));
    let instance = started.map_err(|error| not_started(path, &descriptor, error))?;
    tracing::debug!(plugin = descriptor.name, path = %path.display(), copy = %copy.display(), "plugin loaded");
    Ok(Plugin(Arc::new(Loaded { path: path.to_owned(), descriptor, instance })))
}

/// Loads and starts a plugin as [`load`] does, and stops it again.
///
/// # Errors
///
/// As [`load`].
pub fn check(path: &Path, settings: &[(String, String)]) -> Result<Descriptor, LoadError> {
    load(path, settings).map(|plugin| plugin.descriptor().clone())
}

fn not_copied(path: &Path, folder: &Path, error: &io::Error) -> LoadError {
    let folder = folder.display();
    let cause = format!("cannot be copied to {folder} before it is loaded ({error})");
    let remedy = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "make room there, or set XDG_CACHE_HOME to a folder with more of it"
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            "let this user write there, or set XDG_CACHE_HOME to a folder where it can"
        }
        io::ErrorKind::InvalidFilename => "set XDG_CACHE_HOME to a folder with a shorter path",
        _ => "set XDG_CACHE_HOME to a folder that is yours alone",
    };
    LoadError::new(Code::NotCopied, path, cause, remedy)
}

/// Whether nothing in this folder may be executed, however it is marked.
fn is_noexec(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

/// Opens the copy of a file whose descriptor was admitted.
fn open(path: &Path, copy: &Path) -> Result<Root, LoadError> {
    // SAFETY: the constructors of a library run here. It says that it is a plugin, and plugins are trusted to run at all.
    // All its symbols are resolved now, so that a missing one is an error here and no crash in some later call.
    let library = unsafe { Library::open(Some(copy), RTLD_NOW | RTLD_LOCAL) }.map_err(|error| {
        let folder = copy.parent().unwrap_or(copy);
        if is_noexec(folder) {
            let cause =
                format!("cannot be executed: its copy lies in {}, which is mounted noexec", folder.display());
            let remedy = "set XDG_CACHE_HOME to a folder whose file system allows execution";
            return LoadError::new(Code::NotLinked, path, cause, remedy);
        }
        let cause = format!("is refused by the system's loader ({})", one_line(&error, folder));
        let remedy = "install what it needs, put it where its $ORIGIN points, or build it on this system";
        LoadError::new(Code::NotLinked, path, cause, remedy)
    })?;
    let wrong_layout = |details: &str| {
        tracing::debug!(path = %path.display(), details, "unexpected root module");
        let cause = "has tables that are not those of its API version";
        LoadError::new(Code::WrongLayout, path, cause, "build it with an unmodified pylm-plugin-api")
    };
    // SAFETY: only the symbol's address is taken.
    let symbol: Symbol<*const ()> =
        unsafe { library.get(ROOT_SYMBOL.as_bytes()) }.map_err(|error| wrong_layout(&error.to_string()))?;
    let address = symbol.as_raw_ptr().cast_const().cast();
    // A library that used threads or thread-locals is never really unmapped.
    std::mem::forget(library);
    // SAFETY: the address is that of the symbol, and the library stays.
    unsafe { Root::from_symbol(address) }.map_err(|error| wrong_layout(&error.0))
}

fn not_started(path: &Path, descriptor: &Descriptor, error: StartError) -> LoadError {
    match error {
        StartError::Setting(text) => {
            let remedy = format!("correct --set {}.KEY=VALUE", descriptor.name);
            LoadError::new(Code::BadSetting, path, format!("is set up wrongly: {text}"), remedy)
        }
        StartError::Refused(text) => {
            let cause = format!("refuses to start: {text}");
            LoadError::new(Code::StartRefused, path, cause, "see to what it asks for")
        }
        StartError::Panicked(text) => {
            let cause = format!("does not start: it {text}");
            LoadError::new(Code::StartPanicked, path, cause, "report this to the plugin's author")
        }
    }
}

/// The loader's own words, without the name of the copy and on one line.
fn one_line(error: &libloading::Error, folder: &Path) -> String {
    let text = match std::error::Error::source(error) {
        Some(source) => source.to_string(),
        None => error.to_string(),
    };
    let folder = folder.to_string_lossy();
    let words = text.split_whitespace().filter(|word| !word.starts_with(&*folder));
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_why_there_is_no_copy_has_its_own_remedy() {
        for (number, remedy) in [
            (rustix::io::Errno::NOSPC, "make room"),
            (rustix::io::Errno::DQUOT, "make room"),
            (rustix::io::Errno::ROFS, "let this user write"),
            (rustix::io::Errno::ACCESS, "let this user write"),
            (rustix::io::Errno::NAMETOOLONG, "a shorter path"),
        ] {
            let error = not_copied(Path::new("libx.so"), Path::new("/cache"), &number.into());
            assert!(error.remedy().contains(remedy) && error.cause().contains("/cache"), "{error}");
        }
    }
}
