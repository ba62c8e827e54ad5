//! The descriptor as a host reads it.

use std::fmt;

use pylm_plugin_api::descriptor::{self as raw, Head, Tag};
use serde::Serialize;

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Descriptor {
    /// The name of its package, which settings are addressed to.
    pub name: String,
    /// The version of its package.
    pub version: String,
    /// The API that it was built against.
    pub api: ApiVersion,
    /// What a panic does in it.
    pub panic: PanicStrategy,
    /// The compiler, as it names itself.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// Its functions.
    pub functions: Vec<FunctionInfo>,
    /// Its hooks.
    pub hooks: Vec<HookInfo>,
    /// What can be set.
    pub settings: Vec<SettingInfo>,
}

/// A version of the plugin API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ApiVersion {
    /// Changes when older plugins no longer load.
    pub major: u16,
    /// Grows with every addition.
    pub minor: u16,
}

impl ApiVersion {
    /// The version of this host.
    pub const HOST: ApiVersion = ApiVersion { major: raw::API.major, minor: raw::API.minor };
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.major, self.minor)
    }
}

/// What a panic does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PanicStrategy {
    /// It unwinds, and ends one message.
    Unwind,
    /// It ends the process.
    Abort,
}

/// A function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FunctionInfo {
    /// What messages call it.
    pub name: String,
    /// Whether a rerun may give other results.
    pub atomic: bool,
}

/// A hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HookInfo {
    /// Where in a message's way it stands.
    pub kind: HookKind,
    /// Its name, for logs.
    pub name: String,
}

/// Where in a message's way a hook stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum HookKind {
    /// Makes parts of a client's message.
    Scatter,
    /// Sees each result.
    Gather,
    /// Replaces all results of a parent.
    Join,
    /// Says where a result goes.
    Route,
}

/// A key of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SettingInfo {
    /// The key.
    pub key: String,
    /// The Rust type of the value.
    pub kind: String,
    /// The default, as Rust source.
    pub default: Option<String>,
    /// Whether the plugin does not start without it.
    pub required: bool,
    /// What it is for.
    pub help: String,
}

/// What is wrong with the bytes of a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They are no descriptor, or are cut short.
    Damaged(&'static str),
    /// It describes another kind of plugin.
    Kind(u8),
}

impl Descriptor {
    /// Reads the bytes of the section.
    pub(crate) fn parse(section: &[u8]) -> Result<Descriptor, Unreadable> {
        let size_of_head = size_of::<Head>();
        let head = section.get(..size_of_head).ok_or(Unreadable::Damaged("is too short"))?;
        if head[..16] != raw::MAGIC {
            return Err(Unreadable::Damaged("does not begin as a descriptor does"));
        }
        let size = u32::from_ne_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let (major, minor) =
            (u16::from_ne_bytes([head[20], head[21]]), u16::from_ne_bytes([head[22], head[23]]));
        let (kind, panic) = (head[24], head[25]);
        if kind != 1 {
            return Err(Unreadable::Kind(kind));
        }
        let records = section.get(size_of_head..size).ok_or(Unreadable::Damaged("is cut short"))?;
        let mut descriptor = Descriptor {
            name: String::new(),
            version: String::new(),
            api: ApiVersion { major, minor },
            panic: if panic == 0 { PanicStrategy::Unwind } else { PanicStrategy::Abort },
            rustc: String::new(),
            target: String::new(),
            functions: Vec::new(),
            hooks: Vec::new(),
            settings: Vec::new(),
        };
        let mut rest = records;
        while let Some((tag, text)) = next_record(&mut rest)? {
            descriptor.add(tag, text);
        }
        if descriptor.name.is_empty() {
            return Err(Unreadable::Damaged("gives no name"));
        }
        Ok(descriptor)
    }

    fn add(&mut self, tag: u16, text: &str) {
        let Some(tag) = Tag::ALL.into_iter().find(|known| *known as u16 == tag) else { return };
        let hook = |kind| HookInfo { kind, name: text.to_owned() };
        match tag {
            Tag::Name => text.clone_into(&mut self.name),
            Tag::Version => text.clone_into(&mut self.version),
            Tag::Rustc => text.clone_into(&mut self.rustc),
            Tag::Target => text.clone_into(&mut self.target),
            Tag::Function | Tag::AtomicFunction => {
                self.functions
                    .push(FunctionInfo { name: text.to_owned(), atomic: tag == Tag::AtomicFunction });
            }
            Tag::Scatter => self.hooks.push(hook(HookKind::Scatter)),
            Tag::Gather => self.hooks.push(hook(HookKind::Gather)),
            Tag::Join => self.hooks.push(hook(HookKind::Join)),
            Tag::Route => self.hooks.push(hook(HookKind::Route)),
            Tag::Setting | Tag::RequiredSetting => {
                let mut parts = text.splitn(4, '\0').map(str::to_owned);
                let mut part = || parts.next().unwrap_or_default();
                let (key, kind, default, help) = (part(), part(), part(), part());
                let default = Some(default).filter(|default| !default.is_empty());
                let required = tag == Tag::RequiredSetting;
                self.settings.push(SettingInfo { key, kind, default, required, help });
            }
        }
    }
}

/// Takes the next record off; `None` at the end.
fn next_record<'a>(rest: &mut &'a [u8]) -> Result<Option<(u16, &'a str)>, Unreadable> {
    if rest.is_empty() {
        return Ok(None);
    }
    let cut = Unreadable::Damaged("has a record that is cut short");
    let (head, after) = rest.split_at_checked(6).ok_or(cut)?;
    let len = u32::from_ne_bytes([head[2], head[3], head[4], head[5]]) as usize;
    let (text, after) = after.split_at_checked(len).ok_or(cut)?;
    *rest = after;
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::Damaged("holds text that is not UTF-8"))?;
    Ok(Some((u16::from_ne_bytes([head[0], head[1]]), text)))
}

impl fmt::Display for Descriptor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} {}", self.name, self.version)?;
        writeln!(out, "  api      {}", self.api)?;
        writeln!(out, "  target   {}", self.target)?;
        writeln!(out, "  rustc    {}", self.rustc)?;
        let panic = match self.panic {
            PanicStrategy::Unwind => "unwind",
            PanicStrategy::Abort => "abort",
        };
        write!(out, "  panic    {panic}")?;
        for FunctionInfo { name, atomic } in &self.functions {
            write!(out, "\n  function {name}{}", if *atomic { " (atomic)" } else { "" })?;
        }
        for HookInfo { kind, name } in &self.hooks {
            let kind = match kind {
                HookKind::Scatter => "scatter",
                HookKind::Gather => "gather",
                HookKind::Join => "join",
                HookKind::Route => "route",
            };
            write!(out, "\n  {kind:<8} {name}")?;
        }
        for SettingInfo { key, kind, default, required, help } in &self.settings {
            write!(out, "\n  setting  {key}: {kind}")?;
            match default {
                Some(default) => write!(out, " = {default}")?,
                None if *required => write!(out, " (required)")?,
                None => {}
            }
            if !help.is_empty() {
                write!(out, " - {help}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(records: &[(u16, &str)]) -> Vec<u8> {
        let mut body = Vec::new();
        for (tag, text) in records {
            body.extend(tag.to_ne_bytes());
            body.extend((text.len() as u32).to_ne_bytes());
            body.extend(text.as_bytes());
        }
        let mut bytes = raw::MAGIC.to_vec();
        bytes.extend((32 + body.len() as u32).to_ne_bytes());
        bytes.extend([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn records_of_a_later_version_are_skipped() {
        let bytes = descriptor(&[(1, "x"), (9999, "what"), (16, "f"), (48, "k\0u8\x005\0help")]);
        let descriptor = Descriptor::parse(&bytes).unwrap();
        assert_eq!(descriptor.functions, [FunctionInfo { name: "f".into(), atomic: false }]);
        assert_eq!(descriptor.settings[0].default.as_deref(), Some("5"));
    }

    #[test]
    fn every_cut_is_noticed() {
        let bytes = descriptor(&[(1, "x"), (16, "f")]);
        assert!(Descriptor::parse(&bytes).is_ok());
        for len in 0..bytes.len() {
            assert!(matches!(Descriptor::parse(&bytes[..len]), Err(Unreadable::Damaged(_))), "{len} bytes");
        }
    }

    #[test]
    fn padding_behind_the_descriptor_is_no_part_of_it() {
        let mut bytes = descriptor(&[(1, "x")]);
        bytes.extend([0; 7]);
        assert_eq!(Descriptor::parse(&bytes).unwrap().name, "x");
    }
}
