//! The parser of plugins' files, and what must hold of whatever it reads: for the fuzz targets, and for the tests that replay
//! their corpora (`docs/fuzzing.md`).

use std::path::Path;

use pylm_plugin_api::descriptor::{MAGIC, Tag};

use crate::descriptor::{Descriptor, FunctionInfo, HookInfo, HookKind, PanicStrategy, SettingInfo};
use crate::file::{admit, describe};

/// What a descriptor may take beside its text, for each byte it was read from: a record takes six bytes, and a vector may have
/// room for twice of what it holds.
const HEAP_PER_BYTE: usize = size_of::<SettingInfo>() / 2;

/// Reads a section.
///
/// # Panics
/// When what was read is not the same after it was written again or cut behind its end, or takes much more room.
pub fn descriptor(section: &[u8]) {
    let Ok(read) = Descriptor::parse(section) else { return };
    check(&read, section);
    let size = u32::from_ne_bytes([section[16], section[17], section[18], section[19]]) as usize;
    assert_eq!(Descriptor::parse(&section[..size]), Ok(read.clone()), "what stands behind it counts");
    assert!(Descriptor::parse(&section[..size - 1]).is_err(), "a descriptor that is cut short");
}

/// Reads a file.
///
/// # Panics
/// As [`descriptor`].
pub fn library(file: &[u8]) {
    if let Ok(read) = describe(Path::new("fuzzed"), file) {
        check(&read, file);
    }
}

fn check(read: &Descriptor, bytes: &[u8]) {
    let room = read.functions.capacity() * size_of::<FunctionInfo>()
        + read.hooks.capacity() * size_of::<HookInfo>()
        + read.settings.capacity() * size_of::<SettingInfo>();
    assert!(room <= HEAP_PER_BYTE * bytes.len(), "{room} bytes from {} bytes", bytes.len());
    assert!(read.to_string().len() <= 16 * bytes.len(), "shown at length");
    // Whether it is taken is another matter.
    let _ = admit(Path::new("fuzzed"), read);
    let written = write(read);
    assert!(written.len() <= bytes.len(), "more than was read");
    assert_eq!(Descriptor::parse(&written), Ok(read.clone()), "what was written is not what is read");
}

/// A descriptor as `export_plugin!` lays it out.
fn write(descriptor: &Descriptor) -> Vec<u8> {
    let mut records = Vec::new();
    let mut record = |tag: Tag, text: &str| {
        records.extend((tag as u16).to_ne_bytes());
        records.extend((text.len() as u32).to_ne_bytes());
        records.extend(text.as_bytes());
    };
    let Descriptor { name, version, rustc, target, .. } = descriptor;
    for (tag, text) in
        [(Tag::Name, name), (Tag::Version, version), (Tag::Rustc, rustc), (Tag::Target, target)]
    {
        if !text.is_empty() {
            record(tag, text);
        }
    }
    for FunctionInfo { name, atomic } in &descriptor.functions {
        record(if *atomic { Tag::AtomicFunction } else { Tag::Function }, name);
    }
    for HookInfo { kind, name } in &descriptor.hooks {
        let tag = match kind {
            HookKind::Scatter => Tag::Scatter,
            HookKind::Gather => Tag::Gather,
            HookKind::Join => Tag::Join,
            HookKind::Route => Tag::Route,
        };
        record(tag, name);
    }
    for SettingInfo { key, kind, default, required, help } in &descriptor.settings {
        let parts = [key, kind, default.as_deref().unwrap_or_default(), help].join("\0");
        // Parts that are missing at the end read as empty.
        let text = parts.strip_suffix("\0\0\0").or(parts.strip_suffix("\0\0")).or(parts.strip_suffix('\0'));
        let text = if help.is_empty() { text.unwrap_or(&parts) } else { &parts };
        record(if *required { Tag::RequiredSetting } else { Tag::Setting }, text);
    }
    let panic = u8::from(descriptor.panic == PanicStrategy::Abort);
    let mut bytes = MAGIC.to_vec();
    bytes.extend((32 + records.len() as u32).to_ne_bytes());
    bytes.extend(descriptor.api.major.to_ne_bytes());
    bytes.extend(descriptor.api.minor.to_ne_bytes());
    bytes.extend([1, panic, 0, 0, 0, 0, 0, 0]);
    bytes.extend(records);
    bytes
}
