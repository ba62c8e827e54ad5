//! The private copy that is loaded instead of the file itself, so that replacing the file harms nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::bundle::Bundle;

/// Copies that nobody has loaded for this long are removed.
const KEPT: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The folder of this user's copies.
pub(crate) fn folder() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
    match cache {
        Some(cache) => cache.join("pylmd/plugins"),
        None => std::env::temp_dir().join(format!("pylmd-{}", rustix::process::geteuid().as_raw())),
    }
}

/// Copies of all files of a bundle, in a folder of their own below `folder` that is named by their hash; gives that of the plugin.
///
/// # Errors
///
/// If the folder cannot be made, belongs to somebody else or can be written by others, or a copy cannot be written.
pub(crate) fn private(folder: &Path, bundle: &Bundle) -> io::Result<PathBuf> {
    make_private(folder)?;
    let own = folder.join(format!("{:016x}", bundle.hash()));
    make_private(&own)?;
    File::open(&own).and_then(|own| own.set_modified(SystemTime::now())).ok();
    for piece in &bundle.pieces {
        let path = own.join(&piece.place);
        // The name alone proves nothing: a copy may be half-written, or two contents may share a hash.
        if !fs::read(&path).is_ok_and(|there| there == piece.bytes) {
            DirBuilder::new().recursive(true).mode(0o700).create(path.parent().unwrap_or(&own))?;
            write(folder, &path, &piece.bytes)?;
        }
    }
    remove_old(folder, &own);
    let plugin = bundle.pieces.first().ok_or(io::ErrorKind::NotFound)?;
    Ok(own.join(&plugin.place))
}

fn make_private(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::other(format!("{} is not a folder", folder.display())));
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::other(format!("{} belongs to another user", folder.display())));
    }
    if found.mode() & 0o022 != 0 {
        return Err(io::Error::other(format!("other users can write to {}", folder.display())));
    }
    Ok(())
}

/// Writes under a name of its own first: whoever finds the copy finds all of it, and a file in use is never changed.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let unique = format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let unfinished = folder.join(unique);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o500)
        .open(&unfinished)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| fs::rename(&unfinished, path));
    if written.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Removing a copy that some process has loaded is harmless: the process keeps the file's content.
fn remove_old(folder: &Path, keep: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|found| found.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > KEPT) && entry.path() != keep {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    fn of(path: &str, content: &[u8]) -> Bundle {
        Bundle::of(Path::new(path), content.to_vec())
    }

    #[test]
    fn one_content_has_one_copy_that_only_its_user_can_reach() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("copies");
        let first = private(&folder, &of("a/libx.so", b"content")).unwrap();
        assert_eq!(private(&folder, &of("b/libx.so", b"content")).unwrap(), first);
        assert_ne!(private(&folder, &of("a/libx.so", b"other")).unwrap(), first);
        assert_eq!(fs::read(&first).unwrap(), b"content");
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    }

    #[test]
    fn a_half_written_copy_is_replaced_and_not_changed_in_place() {
        let root = tempfile::tempdir().unwrap();
        let bundle = of("libx.so", b"content");
        let path = private(root.path(), &bundle).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
        fs::write(&path, b"cont").unwrap();
        let before = fs::metadata(&path).unwrap().ino();
        let open = File::open(&path).unwrap();
        assert_eq!(private(root.path(), &bundle).unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"content");
        assert_ne!(fs::metadata(&path).unwrap().ino(), before);
        assert_eq!(open.metadata().unwrap().len(), 4);
    }

    #[test]
    fn a_name_may_be_as_long_as_any() {
        let root = tempfile::tempdir().unwrap();
        let name = format!("{}.so", "n".repeat(252));
        assert!(private(root.path(), &of(&name, b"content")).unwrap().ends_with(name));
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o777)).unwrap();
        let error = private(root.path(), &of("libx.so", b"content")).unwrap_err();
        assert!(error.to_string().starts_with("other users can write to "), "{error}");
    }

    #[test]
    fn copies_that_nobody_used_for_long_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let old = private(root.path(), &of("libx.so", b"old")).unwrap();
        let folder = File::open(old.parent().unwrap()).unwrap();
        folder.set_modified(SystemTime::now() - KEPT - Duration::from_secs(60)).unwrap();
        let new = private(root.path(), &of("libx.so", b"new")).unwrap();
        assert!(!old.exists() && new.exists());
    }
}
