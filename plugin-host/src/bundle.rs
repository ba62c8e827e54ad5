//! A plugin's file with the libraries that it brings: those that the system's loader finds by where the file is (`$ORIGIN`), and so
//! would not find beside a copy of the file alone.

use std::collections::VecDeque;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Component, Path, PathBuf};

use object::elf::{DT_NEEDED, DT_RPATH, DT_RUNPATH, FileHeader32, FileHeader64};
use object::read::elf::{Dyn as _, FileHeader};
use object::{Endianness, FileKind};

/// The files that are loaded together, in places that are to each other as those of the originals are.
pub(crate) struct Bundle {
    /// The plugin's own file first.
    pub(crate) pieces: Vec<Piece>,
}

/// A file of a bundle.
pub(crate) struct Piece {
    /// Its place below the bundle's folder.
    pub(crate) place: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

/// What a library says of those that it needs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wants {
    /// Their names.
    names: Vec<String>,
    /// Folders, from its own one, in which they are looked for.
    folders: Vec<String>,
}

/// A library whose own ones are still to be found.
struct Open {
    /// The folders in which the original lies: as it was named, and where that leads.
    folders: Vec<PathBuf>,
    /// Its folder in the bundle, from that of the plugin.
    place: PathBuf,
    wants: Wants,
}

impl Bundle {
    /// The file, whose content is known, and the libraries that it brings, as they are now.
    pub(crate) fn of(path: &Path, bytes: Vec<u8>) -> Bundle {
        let name = path.file_name().unwrap_or_default();
        let mut open = VecDeque::from([Open::new(path, PathBuf::new(), &bytes)]);
        let mut pieces = vec![Piece { place: name.into(), bytes }];
        while let Some(library) = open.pop_front() {
            for (file, place) in library.brought() {
                if pieces.iter().any(|piece| piece.place == place) {
                    continue;
                }
                // Whatever cannot be read, the system's loader will name.
                let Ok(bytes) = fs::read(&file) else { continue };
                let folder = place.parent().map(Path::to_owned).unwrap_or_default();
                open.push_back(Open::new(&file, folder, &bytes));
                pieces.push(Piece { place, bytes });
            }
        }
        let up = |place: &Path| place.components().filter(|part| *part == Component::ParentDir).count();
        let depth = pieces.iter().map(|piece| up(&piece.place)).max().unwrap_or(0);
        let below: PathBuf = (0..depth).map(|_| "below").collect();
        pieces.iter_mut().for_each(|piece| piece.place = plain(&below.join(&piece.place)));
        Bundle { pieces }
    }

    /// A hash of all contents and their places.
    pub(crate) fn hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for piece in &self.pieces {
            piece.place.hash(&mut hasher);
            piece.bytes.hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Open {
    fn new(file: &Path, place: PathBuf, bytes: &[u8]) -> Open {
        let named = file.parent().map(Path::to_owned);
        let real = fs::canonicalize(file).ok().and_then(|real| real.parent().map(Path::to_owned));
        let mut folders: Vec<PathBuf> = named.into_iter().chain(real).collect();
        folders.dedup();
        Open { folders, place, wants: Wants::of(bytes) }
    }

    /// The libraries that lie where this one looks for them, with their places from the plugin's folder.
    fn brought(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        self.wants.names.iter().filter_map(|name| {
            let mut places = self.wants.folders.iter().map(|folder| Path::new(folder).join(name));
            places.find_map(|place| {
                let file =
                    self.folders.iter().map(|folder| folder.join(&place)).find(|file| file.is_file())?;
                Some((file, plain(&self.place.join(&place))))
            })
        })
    }
}

impl Wants {
    /// Nothing where the file is no ELF library.
    fn of(bytes: &[u8]) -> Wants {
        let read = match FileKind::parse(bytes) {
            Ok(FileKind::Elf64) => Wants::read::<FileHeader64<Endianness>>(bytes),
            Ok(FileKind::Elf32) => Wants::read::<FileHeader32<Endianness>>(bytes),
            _ => None,
        };
        read.unwrap_or_default()
    }

    fn read<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<Wants> {
        let header = Elf::parse(bytes).ok()?;
        let endian = header.endian().ok()?;
        let sections = header.sections(endian, bytes).ok()?;
        let (entries, strings) = sections.dynamic(endian, bytes).ok()??;
        let strings = sections.strings(endian, bytes, strings).ok()?;
        let mut wants = Wants::default();
        for entry in entries {
            let text = || {
                let text = entry.string(endian, strings).ok()?;
                Some(String::from_utf8_lossy(text).into_owned())
            };
            match entry.tag32(endian) {
                Some(DT_NEEDED) => wants.names.extend(text().filter(|name| !name.contains('/'))),
                Some(DT_RPATH | DT_RUNPATH) => {
                    let list = text().unwrap_or_default();
                    wants.folders.extend(list.split(':').filter_map(from_origin).map(str::to_owned));
                }
                _ => {}
            }
        }
        Some(wants)
    }
}

/// The folder that an entry of a search path names from that of the library.
fn from_origin(entry: &str) -> Option<&str> {
    let rest = entry.strip_prefix("$ORIGIN").or_else(|| entry.strip_prefix("${ORIGIN}"))?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// The path without `.`, and with `..` only where it begins.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::ParentDir if matches!(plain.components().next_back(), Some(Component::Normal(_))) => {
                plain.pop();
            }
            Component::ParentDir => plain.push(".."),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_to_each_other_as_they_were() {
        assert_eq!(plain(Path::new("./a/../../b/c")), Path::new("../b/c"));
        assert_eq!(plain(Path::new("below/below/../lib/x")), Path::new("below/lib/x"));
        assert_eq!(from_origin("$ORIGIN"), Some(""));
        assert_eq!(from_origin("${ORIGIN}/../lib"), Some("../lib"));
        assert_eq!(from_origin("$ORIGINAL"), None);
        assert_eq!(from_origin("/usr/lib"), None);
    }

    #[test]
    fn what_is_no_library_brings_none() {
        assert_eq!(Wants::of(b"no library"), Wants::default());
        let bundle = Bundle::of(Path::new("/nowhere/libx.so"), b"content".to_vec());
        assert_eq!(bundle.pieces.len(), 1);
        assert_eq!(bundle.pieces[0].place, Path::new("libx.so"));
    }
}
