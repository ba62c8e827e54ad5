//! A plugin's file: what kind of file it is, and its descriptor. Nothing here runs any code of it.

use std::fs;
use std::path::Path;

use object::{Architecture, Object as _, ObjectKind, ObjectSection as _};
use pylm_plugin_api::descriptor::{SECTION, SECTION_APPLE};
use pylm_protocol::Name;

use crate::descriptor::{ApiVersion, Descriptor, PanicStrategy, Unreadable};
use crate::error::{Code, LoadError};

/// Reads what a plugin says of itself, also of one that this host would not load.
///
/// # Errors
///
/// If the file cannot be read, is no library for this machine, or has no descriptor that makes sense.
pub fn inspect(path: &Path) -> Result<Descriptor, LoadError> {
    describe(path, &read(path)?)
}

/// The bytes of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::IsADirectory => {
            let remedy = "give the plugin's file, or the folder as --plugin-dir and the plugin's name";
            LoadError::new(Code::NotALibrary, path, "is a folder", remedy)
        }
        std::io::ErrorKind::NotFound => {
            LoadError::new(Code::NotFound, path, "is not there", "give the path of a plugin's file")
        }
        _ => {
            let cause = format!("cannot be read ({error})");
            LoadError::new(Code::Unreadable, path, cause, "let this user read the file")
        }
    })
}

/// What else a build makes, of which one is given for the plugin by mistake.
fn of_a_build(bytes: &[u8]) -> Option<&'static str> {
    if object::FileKind::parse(bytes) == Ok(object::FileKind::Archive) {
        return Some("an archive (.rlib or .a)");
    }
    match object::File::parse(bytes).ok()?.kind() {
        ObjectKind::Executable => Some("a program"),
        ObjectKind::Relocatable => Some("an object file (.o)"),
        _ => None,
    }
}

/// The descriptor in the bytes of a file.
pub(crate) fn describe(path: &Path, bytes: &[u8]) -> Result<Descriptor, LoadError> {
    let not_a_library = || {
        if let Some(what) = of_a_build(bytes) {
            let cause = format!("is {what}, and no dynamic library");
            let remedy =
                "set crate-type = [\"cdylib\"] in the plugin's Cargo.toml, build it, and give the .so file";
            return LoadError::new(Code::NotALibrary, path, cause, remedy);
        }
        let remedy = "build the plugin with crate-type = [\"cdylib\"] and give the library's file";
        LoadError::new(Code::NotALibrary, path, "is no dynamic library", remedy)
    };
    let library = object::File::parse(bytes).map_err(|error| {
        tracing::debug!(path = %path.display(), %error, "not an object file");
        not_a_library()
    })?;
    if library.kind() != ObjectKind::Dynamic {
        return Err(not_a_library());
    }
    if library.format() != object::BinaryFormat::native_object()
        || library.architecture() != host_architecture()
    {
        let cause = format!(
            "is a library for {:?} on {:?}, and this program runs on {}",
            library.format(),
            library.architecture(),
            std::env::consts::ARCH
        );
        return Err(LoadError::new(Code::WrongMachine, path, cause, "build the plugin for this machine"));
    }
    let section = library.section_by_name(SECTION).or_else(|| library.section_by_name(SECTION_APPLE));
    let Some(section) = section else {
        let remedy = "export its functions with export_plugin! of pylm-plugin-api";
        return Err(LoadError::new(Code::NoDescriptor, path, "is a library but no plugin", remedy));
    };
    let damaged = |what: &str| {
        let cause = format!("has a descriptor that {what}");
        LoadError::new(Code::Damaged, path, cause, "build or copy the plugin again")
    };
    let data = section.data().map_err(|_| damaged("lies outside the file"))?;
    Descriptor::parse(data).map_err(|unreadable| match unreadable {
        Unreadable::Damaged(what) => damaged(what),
        Unreadable::Kind(kind) => {
            let cause =
                format!("is a plugin of kind {kind}, and this program runs native ones (kind 1) only");
            LoadError::new(Code::UnknownKind, path, cause, "use a later version of this program")
        }
    })
}

/// Whether this host can run what the descriptor of a file describes, as far as that shows without loading it.
///
/// # Errors
///
/// If it was built against another API or for another system, aborts on panics, or has two functions of one name.
pub fn admit(path: &Path, descriptor: &Descriptor) -> Result<(), LoadError> {
    let (theirs, ours) = (descriptor.api, ApiVersion::HOST);
    let versions =
        |word: &str| format!("was built against plugin API {theirs}, {word} than this program's {ours}");
    if theirs.major < ours.major {
        let remedy = format!("build it with pylm-plugin-api {}.x", ours.major);
        return Err(LoadError::new(Code::ApiTooOld, path, versions("older"), remedy));
    }
    if theirs > ours {
        let remedy = format!("use a later version of this program, or build it with pylm-plugin-api {ours}");
        return Err(LoadError::new(Code::ApiTooNew, path, versions("newer"), remedy));
    }
    if is_musl(&descriptor.target) != is_musl(env!("PYLM_HOST_TARGET")) {
        let cause =
            format!("was built for {}, and this program for {}", descriptor.target, env!("PYLM_HOST_TARGET"));
        let remedy = "build both against the same C library";
        return Err(LoadError::new(Code::WrongMachine, path, cause, remedy));
    }
    if descriptor.panic == PanicStrategy::Abort {
        let cause = "was built with panic = \"abort\", so that one panic would end this process";
        return Err(LoadError::new(Code::PanicAbort, path, cause, "build it with panic = \"unwind\""));
    }
    let names = descriptor.functions.iter().map(|function| &function.name);
    for (kind, name) in
        [("plugin", &descriptor.name)].into_iter().chain(names.clone().map(|name| ("function", name)))
    {
        if let Err(error) = Name::callable(name) {
            let cause = format!("has a {kind} named {name:?}: {error}");
            return Err(LoadError::new(Code::BadName, path, cause, format!("rename the {kind}")));
        }
    }
    let twice = names
        .clone()
        .enumerate()
        .find(|(index, name)| names.clone().take(*index).any(|other| other == *name));
    if let Some((_, name)) = twice {
        let cause = format!("exports two functions named {name:?}");
        return Err(LoadError::new(Code::DuplicateFunction, path, cause, "rename one of them"));
    }
    Ok(())
}

fn is_musl(target: &str) -> bool {
    target.contains("musl")
}

fn host_architecture() -> Architecture {
    match std::env::consts::ARCH {
        "x86_64" if cfg!(target_pointer_width = "32") => Architecture::X86_64_X32,
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        "arm" => Architecture::Arm,
        "x86" => Architecture::I386,
        "riscv64" => Architecture::Riscv64,
        "riscv32" => Architecture::Riscv32,
        "powerpc64" => Architecture::PowerPc64,
        "s390x" => Architecture::S390x,
        "loongarch64" => Architecture::LoongArch64,
        _ => Architecture::Unknown,
    }
}
