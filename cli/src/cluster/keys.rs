//! The keys of a cluster's file: those of its own, and the flags of `pylmd` and `pylm-worker` that a table may set.
//!
//! This crate does not build the daemon, so the flags are listed here; a test in `tests/cluster.rs` compares the list with
//! what the programs say of themselves.

/// A key, and what can stand behind it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The flag's long name, or a word of the file's own.
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// Whether the program has a flag of that name; the other keys are for `pylm up` alone.
    pub(crate) is_flag: bool,
}

/// What can stand behind a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Switch,
    Number,
    /// A length of time.
    Time,
    /// A number of bytes.
    Size,
    /// Text; a number will do.
    Text,
    /// A list of texts, or a single one.
    List,
    /// As a list, or a table whose entries become `key=value`.
    Table,
}

const fn flag(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, is_flag: true }
}

const fn own(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, is_flag: false }
}

/// At the top of the file, before any table.
pub(crate) const TOP: &[Key] = &[
    own("host", Kind::Text),
    own("ports", Kind::Number),
    own("plugin-dir", Kind::List),
    own("log", Kind::Text),
    own("calls", Kind::List),
];

/// In a table `[node.NAME]`.
pub(crate) const NODE: &[Key] = &[
    flag("plugin", Kind::List),
    flag("plugin-dir", Kind::List),
    flag("set", Kind::Table),
    flag("workers", Kind::Number),
    flag("name", Kind::Text),
    flag("inline", Kind::Switch),
    flag("from", Kind::List),
    flag("pipelined", Kind::Switch),
    flag("host", Kind::Text),
    flag("pylm", Kind::Text),
    flag("allow-user", Kind::List),
    flag("listen", Kind::Text),
    flag("state-dir", Kind::Text),
    flag("access", Kind::List),
    flag("advertise", Kind::Text),
    flag("pull", Kind::Text),
    flag("pub", Kind::Text),
    flag("worker-pull", Kind::Text),
    flag("worker-push", Kind::Text),
    flag("db", Kind::Text),
    flag("peer-ports", Kind::Text),
    flag("http", Kind::Text),
    flag("stuck-after", Kind::Time),
    flag("gateway", Kind::Text),
    flag("gateway-timeout", Kind::Time),
    flag("gateway-requests", Kind::Number),
    flag("http-worker", Kind::List),
    flag("http-worker-calls", Kind::Number),
    flag("http-worker-timeout", Kind::Time),
    flag("http-worker-attempts", Kind::Number),
    flag("journal", Kind::Text),
    flag("max-message", Kind::Size),
    flag("cache-bytes", Kind::Size),
    flag("max-attempts", Kind::Number),
    flag("failed-bytes", Kind::Size),
    flag("function-wait", Kind::Time),
    flag("client-grace", Kind::Time),
    flag("keep", Kind::Time),
    flag("drain-limit", Kind::Time),
    flag("worker-grace", Kind::Time),
    flag("stack", Kind::Size),
    flag("spin", Kind::Time),
    flag("pylm-zero", Kind::Text),
    flag("pylm-functions", Kind::List),
    flag("pylm-single", Kind::List),
    flag("pylm-pace", Kind::Table),
    flag("pylm-silence", Kind::Time),
    flag("pylm-quiet", Kind::Time),
    flag("pylm-attempts", Kind::Number),
    flag("log", Kind::Text),
    flag("log-format", Kind::Text),
];

/// In a table `[worker.NAME]`.
pub(crate) const WORKER: &[Key] = &[
    own("node", Kind::Text),
    own("count", Kind::Number),
    flag("plugin", Kind::List),
    flag("plugin-dir", Kind::List),
    flag("set", Kind::Table),
    flag("name", Kind::Text),
    flag("slots", Kind::Number),
    flag("limit-bytes", Kind::Size),
    flag("stack", Kind::Size),
    flag("grace", Kind::Time),
    flag("spin", Kind::Time),
    flag("http", Kind::Text),
    flag("http-wait", Kind::Time),
    flag("access", Kind::Text),
    flag("allow-user", Kind::List),
    flag("max-message", Kind::Size),
    flag("log", Kind::Text),
    flag("log-format", Kind::Text),
];
