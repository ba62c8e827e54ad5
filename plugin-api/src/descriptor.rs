//! The descriptor: what a plugin says of itself, readable from its file without running it.
//!
//! It lies in a section of its own (`.pylmd.meta`, on macOS `__DATA,__pylmd_meta`) as a fixed [`Head`] and a list of
//! records, without any pointer, so that the bytes in the file mean the same as those in memory. Numbers are in the byte
//! order of the machine that the file is for. A record is a tag (u16), a length in bytes (u32) and text; where a record
//! has several parts, each but the last ends with a zero byte. Readers skip tags that they do not know.

/// The first bytes of every descriptor.
pub const MAGIC: [u8; 16] = *b"pylmd.descriptor";

/// The version of the API that this crate offers.
pub const API: ApiVersion = ApiVersion { major: 1, minor: 0 };

/// The section on ELF.
pub const SECTION: &str = ".pylmd.meta";

/// The section on Mach-O.
pub const SECTION_APPLE: &str = "__pylmd_meta";

/// The symbol of the root module, version 1.
pub const ROOT_SYMBOL: &str = "pylmd_plugin_v1";

/// A version of the plugin API: a host takes every plugin of its own major version and no later minor one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// Changes when older plugins no longer load.
    pub major: u16,
    /// Grows with every addition.
    pub minor: u16,
}

/// The fixed start of a descriptor; its records follow.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Head {
    /// [`MAGIC`].
    pub magic: [u8; 16],
    /// Bytes of head and records.
    pub size: u32,
    /// The major API version.
    pub api_major: u16,
    /// The minor API version.
    pub api_minor: u16,
    /// What kind of file this is: 1, a native plugin.
    pub kind: u8,
    /// What a panic does: 0 unwinds, 1 aborts.
    pub panic: u8,
    /// Zero.
    pub reserved: [u8; 6],
}

/// A whole descriptor with `N` bytes of records.
#[repr(C)]
pub struct Whole<const N: usize> {
    head: Head,
    records: [u8; N],
}

/// The meaning of a record.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// The plugin's name.
    Name = 1,
    /// The plugin's version.
    Version = 2,
    /// The compiler, as it names itself.
    Rustc = 3,
    /// The target triple.
    Target = 4,
    /// A function.
    Function = 16,
    /// A function whose reruns may differ.
    AtomicFunction = 17,
    /// A scatter hook.
    Scatter = 32,
    /// A gather hook.
    Gather = 33,
    /// A join hook.
    Join = 34,
    /// A route hook.
    Route = 35,
    /// A key that may be left out: name, kind, default, help.
    Setting = 48,
    /// A key that must be given: name, kind, default (empty), help.
    RequiredSetting = 49,
}

impl Tag {
    /// Every tag that this version knows.
    pub const ALL: [Tag; 12] = [
        Tag::Name,
        Tag::Version,
        Tag::Rustc,
        Tag::Target,
        Tag::Function,
        Tag::AtomicFunction,
        Tag::Scatter,
        Tag::Gather,
        Tag::Join,
        Tag::Route,
        Tag::Setting,
        Tag::RequiredSetting,
    ];
}

/// A record before it is laid out.
#[derive(Clone, Copy)]
pub struct Entry {
    tag: Tag,
    parts: [&'static str; 4],
    used: usize,
}

impl Entry {
    /// A record of one part.
    pub const fn new(tag: Tag, text: &'static str) -> Entry {
        Entry { tag, parts: [text, "", "", ""], used: 1 }
    }

    /// The record of a setting.
    pub const fn setting(key: &crate::config::Key) -> Entry {
        let tag = if key.required { Tag::RequiredSetting } else { Tag::Setting };
        Entry { tag, parts: [key.name, key.kind, key.default, key.help], used: 4 }
    }

    const fn text_len(&self) -> usize {
        let mut len = self.used - 1;
        let mut part = 0;
        while part < self.used {
            len += self.parts[part].len();
            part += 1;
        }
        len
    }
}

/// The records of a configuration's keys.
pub const fn settings<const N: usize>(keys: &[crate::config::Key]) -> [Entry; N] {
    let mut entries = [Entry::new(Tag::Setting, ""); N];
    let mut index = 0;
    while index < N {
        entries[index] = Entry::setting(&keys[index]);
        index += 1;
    }
    entries
}

/// The records that every plugin has.
pub const fn identity(name: &'static str, version: &'static str) -> [Entry; 4] {
    [
        Entry::new(Tag::Name, name),
        Entry::new(Tag::Version, version),
        Entry::new(Tag::Rustc, env!("PYLM_PLUGIN_RUSTC")),
        Entry::new(Tag::Target, env!("PYLM_PLUGIN_TARGET")),
    ]
}

/// How many bytes the records take.
pub const fn records_len(lists: &[&[Entry]]) -> usize {
    let mut len = 0;
    let mut list = 0;
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            len += 6 + lists[list][index].text_len();
            index += 1;
        }
        list += 1;
    }
    len
}

/// Lays the descriptor out; `N` is [`records_len`] of the same lists.
///
/// # Panics
///
/// At compile time, if two functions have one name.
pub const fn layout<const N: usize>(unwinds: bool, lists: &[&[Entry]]) -> Whole<N> {
    let mut records = [0; N];
    let mut at = 0;
    let mut list = 0;
    while list < lists.len() {
        let mut index = 0;
        while index < lists[list].len() {
            let entry = &lists[list][index];
            assert!(!has_earlier(lists, list, index), "two functions of one plugin have the same name");
            at = put(&mut records, at, &(entry.tag as u16).to_ne_bytes());
            at = put(&mut records, at, &(entry.text_len() as u32).to_ne_bytes());
            let mut part = 0;
            while part < entry.used {
                if part > 0 {
                    at = put(&mut records, at, &[0]);
                }
                at = put(&mut records, at, entry.parts[part].as_bytes());
                part += 1;
            }
            index += 1;
        }
        list += 1;
    }
    let head = Head {
        magic: MAGIC,
        size: (size_of::<Head>() + N) as u32,
        api_major: API.major,
        api_minor: API.minor,
        kind: 1,
        panic: if unwinds { 0 } else { 1 },
        reserved: [0; 6],
    };
    Whole { head, records }
}

const fn put(records: &mut [u8], mut at: usize, bytes: &[u8]) -> usize {
    let mut index = 0;
    while index < bytes.len() {
        records[at] = bytes[index];
        at += 1;
        index += 1;
    }
    at
}

/// Whether a function stands earlier in the lists under the same name.
const fn has_earlier(lists: &[&[Entry]], list: usize, index: usize) -> bool {
    let this = &lists[list][index];
    if !is_function(this) {
        return false;
    }
    let mut other = 0;
    while other <= list {
        let end = if other == list { index } else { lists[other].len() };
        let mut within = 0;
        while within < end {
            let earlier = &lists[other][within];
            if is_function(earlier) && same(earlier.parts[0].as_bytes(), this.parts[0].as_bytes()) {
                return true;
            }
            within += 1;
        }
        other += 1;
    }
    false
}

const fn is_function(entry: &Entry) -> bool {
    matches!(entry.tag, Tag::Function | Tag::AtomicFunction)
}

const fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}
