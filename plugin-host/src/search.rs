//! From what stands behind `--plugin` to a file.

use std::env;
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Code, LoadError};
use pylm_protocol::nearest;

/// Where a name was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line: a file name is first looked for in the current folder.
    CommandLine,
    /// In a configuration file or the environment.
    Configuration,
}

/// The folders in which names are looked up.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// What `--plugin-dir` gave, in order.
    pub plugin_dirs: Vec<PathBuf>,
    /// What `PYLMD_PLUGIN_PATH` holds: folders separated by colons.
    pub plugin_path: Option<OsString>,
    /// The folder of the running program; `../lib/pylmd/plugins` beside it is looked at last.
    pub program_dir: Option<PathBuf>,
}

impl Search {
    /// The folders of this process.
    pub fn from_environment(plugin_dirs: Vec<PathBuf>) -> Search {
        let program_dir = env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
        Search { plugin_dirs, plugin_path: env::var_os("PYLMD_PLUGIN_PATH"), program_dir }
    }

    /// The file that `name` stands for: a path (anything with a slash), a file name, or a bare name.
    ///
    /// # Errors
    ///
    /// [`Code::NotFound`], with every place that was tried.
    pub fn find(&self, name: &OsStr, origin: Origin) -> Result<PathBuf, LoadError> {
        let path = Path::new(name);
        if name.as_encoded_bytes().contains(&b'/') {
            // What is there and no file is told when it is read.
            return if path.exists() {
                Ok(path.to_owned())
            } else {
                Err(not_found(path, &[path.to_owned()], near_path(path).as_deref()))
            };
        }
        let is_file_name = path.extension() == Some(OsStr::new(DLL_SUFFIX.trim_start_matches('.')));
        let file_name = if is_file_name { name.to_owned() } else { library_name(name) };
        let mut tried = Vec::new();
        let current = (is_file_name && origin == Origin::CommandLine).then(|| PathBuf::from("."));
        for folder in current.into_iter().chain(self.folders()) {
            let candidate = folder.join(&file_name);
            if candidate.is_file() {
                return Ok(candidate);
            }
            if !tried.contains(&candidate) {
                tried.push(candidate);
            }
        }
        let names = tried.iter().filter_map(|path| path.parent()).flat_map(libraries);
        let names: Vec<String> = if is_file_name {
            names.collect()
        } else {
            names.filter_map(|file_name| bare_name(&file_name).map(str::to_owned)).collect()
        };
        let near = nearest(&name.to_string_lossy(), names.iter().map(String::as_str));
        Err(not_found(path, &tried, near))
    }

    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let listed: Vec<PathBuf> = self.plugin_path.iter().flat_map(|path| env::split_paths(path)).collect();
        let beside = self.program_dir.as_ref().map(|dir| dir.join("../lib/pylmd/plugins"));
        self.plugin_dirs
            .iter()
            .cloned()
            // An empty element would mean the current folder, which a name in the environment must not reach.
            .chain(listed.into_iter().filter(|dir| !dir.as_os_str().is_empty()))
            .chain(self.program_dir.clone())
            .chain(beside)
    }
}

/// What cargo calls the library of a package.
fn library_name(name: &OsStr) -> OsString {
    let mut file_name = OsString::from(DLL_PREFIX);
    file_name.push(name.to_string_lossy().replace('-', "_"));
    file_name.push(DLL_SUFFIX);
    file_name
}

/// What a library would be called where it is looked for by name.
fn bare_name(file_name: &str) -> Option<&str> {
    file_name.strip_prefix(DLL_PREFIX)?.strip_suffix(DLL_SUFFIX)
}

/// The files in a folder that have a library's ending.
fn libraries(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.ends_with(DLL_SUFFIX))
}

/// The library beside a path where nothing is, by the path that was probably meant.
fn near_path(path: &Path) -> Option<String> {
    let names: Vec<String> = libraries(path.parent()?).collect();
    let near = nearest(path.file_name()?.to_str()?, names.iter().map(String::as_str))?;
    Some(path.with_file_name(near).display().to_string())
}

fn not_found(name: &Path, tried: &[PathBuf], near: Option<&str>) -> LoadError {
    let places: Vec<String> = tried.iter().map(|path| path.display().to_string()).collect();
    let cause = match places.as_slice() {
        [] => "is not there, and there is no folder to look in".to_owned(),
        places => format!("is not there: tried {}", places.join(", ")),
    };
    let remedy = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "give its path, or name its folder with --plugin-dir".to_owned(),
    };
    LoadError::new(Code::NotFound, name, cause, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touch(folder: &Path, file: &str) -> PathBuf {
        fs::create_dir_all(folder).unwrap();
        let path = folder.join(file);
        fs::write(&path, "").unwrap();
        path
    }

    fn search(root: &Path) -> Search {
        let path = env::join_paths([root.join("path1"), PathBuf::new(), root.join("path2")]).unwrap();
        Search {
            plugin_dirs: vec![root.join("dir")],
            plugin_path: Some(path),
            program_dir: Some(root.join("bin")),
        }
    }

    #[test]
    fn folders_are_looked_at_in_their_order() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        let find = || search.find(OsStr::new("my-plugin"), Origin::Configuration).unwrap();
        for folder in ["bin/../lib/pylmd/plugins", "bin", "path2", "path1", "dir"] {
            fs::create_dir_all(root.path().join("bin")).unwrap();
            let path = touch(&root.path().join(folder), "libmy_plugin.so");
            assert_eq!(find(), path);
        }
    }

    #[test]
    fn a_path_is_taken_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        let path = touch(root.path(), "anything");
        assert_eq!(search(root.path()).find(path.as_os_str(), Origin::Configuration).unwrap(), path);
    }

    #[test]
    fn the_error_names_every_place() {
        let root = tempfile::tempdir().unwrap();
        let error = search(root.path()).find(OsStr::new("libnone.so"), Origin::CommandLine).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.code(), "plugin-not-found");
        assert!(text.contains("./libnone.so, "), "{text}");
        for folder in ["dir", "path1", "path2", "bin", "bin/../lib/pylmd/plugins"] {
            let place = root.path().join(folder).join("libnone.so");
            assert!(text.contains(&place.display().to_string()), "{text}");
        }
    }

    #[test]
    fn the_error_names_the_nearest_plugin_as_it_was_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let search = search(root.path());
        let beside = touch(&root.path().join("path2"), "libwordcount.so");
        touch(&root.path().join("dir"), "libparallel.so");
        let remedy = |name: &OsStr| search.find(name, Origin::Configuration).unwrap_err().remedy().to_owned();
        assert_eq!(remedy(OsStr::new("wordcuont")), "did you mean `wordcount`?");
        assert_eq!(remedy(OsStr::new("libwordcuont.so")), "did you mean `libwordcount.so`?");
        let path = beside.with_file_name("libwordcuont.so");
        assert_eq!(remedy(path.as_os_str()), format!("did you mean `{}`?", beside.display()));
        assert!(remedy(OsStr::new("thumbnails")).starts_with("give its path"));
    }

    #[test]
    fn only_a_file_name_on_the_command_line_reaches_the_current_folder() {
        let search = search(Path::new("/nowhere"));
        let in_current = |name: &str, origin| {
            let text = search.find(OsStr::new(name), origin).unwrap_err().to_string();
            text.contains(" ./")
        };
        assert!(in_current("libx.so", Origin::CommandLine));
        assert!(!in_current("x", Origin::CommandLine));
        assert!(!in_current("libx.so", Origin::Configuration));
        assert!(!in_current("x", Origin::Configuration));
    }
}
