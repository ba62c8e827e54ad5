//! The macros of a plugin: those that mark what it has, with an example for each, and the one that exports it.

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// /// The number of bytes.
/// #[function]
/// fn length(payload: &[u8]) -> String {
///     payload.len().to_string()
/// }
///
/// /// Each line, from which host it was.
/// #[function]
/// fn lines(context: &Context, payload: &[u8]) -> Result<impl Iterator<Item = String>, Failure> {
///     Ok(std::str::from_utf8(payload)?.lines().map(|line| format!("{}: {line}", context.worker())))
/// }
///
/// export_plugin!(length, lines);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::function;

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// /// A part for each line, which shares the memory of the message.
/// #[scatter]
/// fn lines(message: Message) -> impl Iterator<Item = Message> {
///     let ends = message.payload().iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
///     let ends: Vec<usize> = ends.collect();
///     let begins = std::iter::once(0).chain(ends.clone());
///     let lines: Vec<_> = begins.zip(ends).map(|(begin, end)| message.payload().slice(begin..end)).collect();
///     lines.into_iter().map(move |line| message.clone().with_payload(line))
/// }
///
/// export_plugin!(lines);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::scatter;

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// /// Lets results through that are shorter than what they came from.
/// #[gather]
/// fn shorter(parent: &Message, result: Message) -> Option<Message> {
///     (result.payload().len() < parent.payload().len()).then_some(result)
/// }
///
/// export_plugin!(shorter);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::gather;

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// /// How many results a message had.
/// #[join]
/// fn count(parent: &Message) -> Count {
///     Count { parent: parent.clone(), results: 0 }
/// }
///
/// struct Count {
///     parent: Message,
///     results: u64,
/// }
///
/// impl Join for Count {
///     fn take(&mut self, _: Message) -> Result<(), Failure> {
///         self.results += 1;
///         Ok(())
///     }
///
///     fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
///         std::iter::once(Ok(self.parent.with_payload(self.results.to_string())))
///     }
/// }
///
/// export_plugin!(count);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::join;

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// /// Long results go to those who follow `long`, the others to those who follow `short`.
/// #[route]
/// fn by_length(result: Message) -> (&'static str, Message) {
///     (if result.payload().len() > 1_000 { "long" } else { "short" }, result)
/// }
///
/// export_plugin!(by_length);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::route;

/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use pylm_plugin_api::prelude::*;
///
/// struct Numbered(AtomicU64);
///
/// #[state]
/// impl Numbered {
///     #[start]
///     fn new() -> Self {
///         Numbered(AtomicU64::new(0))
///     }
///
///     #[function]
///     fn number(&self, payload: &[u8]) -> String {
///         let number = self.0.fetch_add(1, Ordering::Relaxed);
///         format!("{number}: {}", String::from_utf8_lossy(payload))
///     }
/// }
///
/// export_plugin!(Numbered);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::state;

/// # Example
///
/// See [`macro@state`] and [`macro@config`].
pub use pylm_plugin_api_macros::start;

/// # Example
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// #[config]
/// struct Settings {
///     /// How large it may be: `--set PLUGIN.size=200`.
///     #[config(default = 128)]
///     size: u32,
///     /// What becomes of it: `--set PLUGIN.format=png`.
///     #[config(default = Format::Jpeg)]
///     format: Format,
///     /// Where to look, one behind the other: `--set PLUGIN.folders=a,b`.
///     folders: Vec<String>,
///     /// What to write on it; nothing if not set.
///     title: Option<String>,
/// }
///
/// #[config]
/// #[serde(rename_all = "lowercase")]
/// enum Format {
///     Jpeg,
///     Png,
/// }
///
/// struct Thumbnails(Settings);
///
/// #[state]
/// impl Thumbnails {
///     #[start]
///     fn new(settings: Settings) -> Result<Self, String> {
///         if settings.size == 0 { Err("size must be at least 1".into()) } else { Ok(Thumbnails(settings)) }
///     }
///
///     #[function]
///     fn title(&self, _: &[u8]) -> Option<String> {
///         self.0.title.clone()
///     }
/// }
///
/// export_plugin!(Thumbnails);
/// # fn main() {}
/// ```
pub use pylm_plugin_api_macros::config;

/// Names what a plugin exports: functions, hooks, and at most one state, whose methods come with it.
///
/// Stands once, in the root of the crate. What stands in a module is named by its path, and is `pub`.
///
/// ```
/// use pylm_plugin_api::prelude::*;
///
/// #[function]
/// fn shout(payload: &[u8]) -> Vec<u8> {
///     payload.to_ascii_uppercase()
/// }
///
/// #[scatter]
/// fn three(message: Message) -> impl Iterator<Item = Message> {
///     std::iter::repeat_n(message, 3)
/// }
///
/// mod words {
///     use pylm_plugin_api::prelude::*;
///
///     #[function]
///     pub fn first(payload: &[u8]) -> &[u8] {
///         payload.split(u8::is_ascii_whitespace).next().unwrap_or_default()
///     }
/// }
///
/// export_plugin!(shout, three, words::first);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_plugin {
    ($($first:ident $(:: $rest:ident)*),+ $(,)?) => {
        $crate::__export_plugin!($([[] $first $($rest)*]),+);
    };
    ($($item:path),+ $(,)?) => {
        $crate::__export_plugin!($([path $item]),+);
    };
    ($($other:tt)*) => {
        compile_error!("the names of what the plugin exports stand here, with commas between them: `export_plugin!(shout, three);`");
    };
}

/// What one name stands for.
///
/// What was not marked, or cannot be seen, has no type of its name. The one that stands in for it is not exported, and says so.
#[doc(hidden)]
#[macro_export]
macro_rules! __exports {
    ([$($module:ident)*] $next:ident $($rest:ident)+) => {
        $crate::__exports!([$($module)* $next] $($rest)+)
    };
    ([] $item:ident) => {
        $crate::__exports!(in self, $item)
    };
    ([$($module:ident)+] $item:ident) => {{
        // By another name: what is in it may be called as it is.
        use $($module)::+ as path_to_module;
        $crate::__exports!(in path_to_module, $item)
    }};
    (in $module:ident, $item:ident) => {{
        #[allow(non_camel_case_types, dead_code)]
        struct $item {}
        {
            #[allow(unused_imports)]
            use $module::*;
            $crate::__private::Exports::of::<$item>()
        }
    }};
    (path $item:path) => {
        $crate::__private::Exports::of::<$item>()
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __export_plugin {
    ($([$($item:tt)+]),+) => {
        #[doc(hidden)]
        pub fn __pylm_plugin() -> $crate::__private::Exported {
            use $crate::__private as pylm;

            const ITEMS: &[pylm::Exports; [$(stringify!($($item)+)),+].len()] = &[$($crate::__exports!($($item)+)),+];
            const STATE: pylm::Lifecycle = pylm::only_state(ITEMS);
            const ENTRIES: &[&[pylm::Entry]] = &[
                &pylm::identity(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
                &pylm::concat::<_, { pylm::total(&pylm::entries(ITEMS)) }>(&pylm::entries(ITEMS)),
            ];

            struct All;

            impl pylm::Plugin for All {
                const STATE: pylm::Lifecycle = STATE;
                const FUNCTIONS: &'static [pylm::FunctionV1] =
                    &pylm::concat::<_, { pylm::total(&pylm::functions(ITEMS)) }>(&pylm::functions(ITEMS));
                const SCATTERS: &'static [pylm::ScatterV1] =
                    &pylm::concat::<_, { pylm::total(&pylm::scatters(ITEMS)) }>(&pylm::scatters(ITEMS));
                const GATHERS: &'static [pylm::GatherV1] =
                    &pylm::concat::<_, { pylm::total(&pylm::gathers(ITEMS)) }>(&pylm::gathers(ITEMS));
                const JOINS: &'static [pylm::JoinV1] =
                    &pylm::concat::<_, { pylm::total(&pylm::joins(ITEMS)) }>(&pylm::joins(ITEMS));
                const ROUTES: &'static [pylm::RouteV1] =
                    &pylm::concat::<_, { pylm::total(&pylm::routes(ITEMS)) }>(&pylm::routes(ITEMS));
            }

            #[used]
            #[unsafe(no_mangle)]
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__pylmd_meta"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".pylmd.meta"))]
            #[allow(non_upper_case_globals)]
            pub static pylmd_plugin_descriptor: pylm::Whole<{ pylm::records_len(ENTRIES) }> =
                pylm::layout(cfg!(panic = "unwind"), ENTRIES);

            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals)]
            pub static pylmd_plugin_v1: pylm::LibHeader = pylm::header::<All>();

            pylm::Exported {
                header: &pylmd_plugin_v1,
                manifest_dir: env!("CARGO_MANIFEST_DIR"),
                package: env!("CARGO_PKG_NAME"),
            }
        }
    };
}
