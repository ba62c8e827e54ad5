//! Settings in layers: flags of the command line win over `PYLMD_…` variables, and those over a TOML file.
//!
//! A program describes its flags with `clap` and nothing else; [`parse`] gives each flag that was not typed the value of
//! the variable or the file's key that is named after it:
//!
//! - Variable: the prefix, then the long name in capitals with `_` for `-` (`PYLMD_PLUGIN_DIR`). An empty one counts as not
//!   set. A flag that can be given many times is split at commas, or at line ends where there is one.
//! - File: the one that `--config` (or `PYLMD_CONFIG`) names; its keys are the long names. A flag that can be given many
//!   times is an array, or a table whose entries become `key=value` (`[set.wordcount]` with `parts = 4` is
//!   `--set wordcount.parts=4`). A key that is no flag is an error.

mod error;
mod file;
mod pages;
mod variables;
#[cfg(test)]
mod ways;

pub use error::SettingsError;
pub use pages::Pages;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use variables::Variables;

/// The prefix of the variables that both programs read.
pub const ENV_PREFIX: &str = "PYLMD_";

/// Flags that ask for something now, or that say where the file is: they are no keys of it.
const NOT_IN_FILES: [&str; 5] = ["help", "version", "completions", "man", "config"];

/// Where the value of a flag came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It was typed.
    CommandLine,
    /// This variable.
    Environment(String),
    /// This file.
    File(PathBuf),
    /// The flag's default, or nothing.
    Default,
}

/// Where the values of all flags came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Where the value of the flag with this long name came from.
    pub fn of(&self, long: &str) -> &Origin {
        self.0.get(long).unwrap_or(&Origin::Default)
    }
}

/// Reads a program's settings from its arguments (the program's name first), the environment and the file. The variables of
/// `neighbour`, which is told by the same environment, are no mistake here.
///
/// # Errors
/// When something is wrong with any of them, and when help or the version is asked for; see [`SettingsError::report`].
pub fn parse<T: Parser>(
    env_prefix: &str,
    neighbour: &Command,
    args: impl IntoIterator<Item = impl Into<OsString>>,
) -> Result<(T, Origins), SettingsError> {
    let variables = Variables::new(env_prefix, std::env::vars_os());
    let args = args.into_iter().map(Into::into).collect();
    let (matches, origins) = merged(&T::command(), neighbour, args, &variables)?;
    let settings = T::from_arg_matches(&matches).map_err(|error| SettingsError::usage(error, &origins))?;
    Ok((settings, origins))
}

/// What a program is told in all three ways.
fn merged(
    command: &Command,
    neighbour: &Command,
    args: Vec<OsString>,
    variables: &Variables,
) -> Result<(ArgMatches, Origins), SettingsError> {
    // What is missing may stand elsewhere, and what is wrong is found when everything is there.
    let typed = command.clone().ignore_errors(true).try_get_matches_from(&args);
    let typed = typed.map_err(|error| SettingsError::usage(error, &Origins::default()))?;
    let mut built = command.clone();
    built.build();
    let is_typed = |arg: &Arg| typed.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let known = layered(command).chain(layered(neighbour)).map(|(long, _)| long);
    variables.check(known.chain(["config"]))?;

    let mut taken: Vec<&Arg> = built.get_arguments().filter(|arg| is_typed(arg)).collect();
    let mut origins = Origins::default();
    for arg in &taken {
        origins.0.extend(arg.get_long().map(|long| (long.to_owned(), Origin::CommandLine)));
    }
    let mut given = Vec::new();
    let above = taken.len();
    for (long, arg) in layered(&built) {
        if let Some((name, value)) = variables.of(long)
            && is_free(&built, arg, &taken[..above])
        {
            given.extend(variables::flags(long, arg, name, value)?);
            origins.0.insert(long.to_owned(), Origin::Environment(name.to_owned()));
            taken.push(arg);
        }
    }
    if let Some(path) = config_path(command, &typed, variables) {
        let mut file = file::File::read(&path, &layered(command).collect::<Vec<_>>())?;
        for (long, arg) in layered(&built) {
            if is_free(&built, arg, &taken)
                && let Some(values) = file.take(long, arg)?
            {
                given.extend(values);
                origins.0.insert(long.to_owned(), Origin::File(path.clone()));
            }
        }
    }

    // What was not typed goes first: behind a `--` it would not be read as flags.
    let mut all = args;
    all.splice(all.len().min(1)..all.len().min(1), given);
    let matches = command.clone().try_get_matches_from(all);
    Ok((matches.map_err(|error| SettingsError::usage(error, &origins))?, origins))
}

/// Whether nothing above has this flag, or one that excludes it: what is nearer to the user wins.
fn is_free(command: &Command, arg: &Arg, above: &[&Arg]) -> bool {
    let excludes = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|excluded| excluded.get_id() == other.get_id())
    };
    above.iter().all(|other| other.get_id() != arg.get_id() && !excludes(arg, other) && !excludes(other, arg))
}

/// The flags that variables and files can give.
fn layered(command: &Command) -> impl Iterator<Item = (&str, &Arg)> {
    command.get_arguments().filter_map(|arg| {
        let long = arg.get_long()?;
        (!arg.is_hide_set() && !NOT_IN_FILES.contains(&long)).then_some((long, arg))
    })
}

fn config_path(command: &Command, typed: &ArgMatches, variables: &Variables) -> Option<PathBuf> {
    let arg = command.get_arguments().find(|arg| arg.get_long() == Some("config"))?;
    let typed = typed.get_raw(arg.get_id().as_str()).and_then(|mut values| values.next());
    typed
        .map(|path| Path::new(path).to_owned())
        .or_else(|| variables.of("config").map(|(_, path)| PathBuf::from(path)))
}

/// How often a flag can be given, and whether it takes a value.
enum Kind {
    Switch,
    One,
    List,
}

fn kind(arg: &Arg) -> Kind {
    match arg.get_action() {
        ArgAction::Append => Kind::List,
        ArgAction::Set => Kind::One,
        _ => Kind::Switch,
    }
}

fn switch(long: &str) -> OsString {
    format!("--{long}").into()
}

fn flag(long: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{long}="));
    flag.push(value);
    flag
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, FromArgMatches as _};
    use std::io::Write;

    #[derive(Debug, Parser)]
    #[command(name = "program", version)]
    struct Flags {
        #[arg(long, required_unless_present = "http")]
        db: Option<String>,
        #[arg(long, conflicts_with = "db")]
        http: Option<String>,
        #[arg(long, default_value_t = 2)]
        slots: usize,
        #[arg(long)]
        plugin: Vec<String>,
        #[arg(long)]
        set: Vec<String>,
        #[arg(long)]
        inline: bool,
        #[arg(long)]
        config: Option<PathBuf>,
        #[arg(long, hide = true)]
        inner: bool,
    }

    fn read(args: &[&str], variables: &[(&str, &str)]) -> Result<(Flags, Origins), SettingsError> {
        let args = std::iter::once("program").chain(args.iter().copied()).map(OsString::from).collect();
        let variables = variables.iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let neighbour = Command::new("neighbour").arg(Arg::new("pull").long("pull"));
        let (matches, origins) =
            merged(&Flags::command(), &neighbour, args, &Variables::new("P_", variables))?;
        let flags =
            Flags::from_arg_matches(&matches).map_err(|error| SettingsError::usage(error, &origins))?;
        Ok((flags, origins))
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_flag_wins_then_the_variable_then_the_file() {
        let file = file("db = 'file'\nslots = 7\nplugin = ['x', 'y']");
        let config = file.path().to_str().unwrap();
        let (flags, origins) =
            read(&["--config", config, "--db", "flag"], &[("P_DB", "env"), ("P_SLOTS", "5")]).unwrap();
        assert_eq!((flags.db.as_deref().unwrap(), flags.slots, flags.inline), ("flag", 5, false));
        assert_eq!(flags.plugin, ["x", "y"]);
        assert_eq!(origins.of("db"), &Origin::CommandLine);
        assert_eq!(origins.of("slots"), &Origin::Environment("P_SLOTS".to_owned()));
        assert_eq!(origins.of("plugin"), &Origin::File(file.path().to_owned()));
        assert_eq!(origins.of("inline"), &Origin::Default);
    }

    #[test]
    fn lists_in_variables_are_split_at_commas_or_lines() {
        let (flags, _) =
            read(&["--db=d"], &[("P_PLUGIN", "a, b"), ("P_SET", "p.k=1,2\np.l=3\n"), ("P_INLINE", "true")])
                .unwrap();
        assert_eq!(flags.plugin, ["a", "b"]);
        assert_eq!(flags.set, ["p.k=1,2", "p.l=3"]);
        assert!(flags.inline);
    }

    #[test]
    fn a_table_gives_keys_and_values() {
        let file = file("db = 'd'\n[set.wordcount]\nparts = 4\n'deep.er' = true");
        let (flags, _) = read(&["--config", file.path().to_str().unwrap()], &[]).unwrap();
        assert_eq!(flags.set, ["wordcount.deep.er=true", "wordcount.parts=4"]);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest() {
        let file = file("plugins = ['x']");
        let error = read(&["--config", file.path().to_str().unwrap()], &[]).unwrap_err().to_string();
        assert!(error.contains("plugins") && error.contains("`plugin`"), "{error}");
        let hidden = self::file("inner = true");
        assert!(read(&["--db=d", "--config", hidden.path().to_str().unwrap()], &[]).is_err());
    }

    #[test]
    fn an_error_is_one_sentence_that_says_where_the_value_was() {
        let error = read(&["--db=d"], &[("P_SLOTS", "many")]).unwrap_err().to_string();
        assert!(error.contains("--slots") && error.contains("P_SLOTS") && !error.contains('\n'), "{error}");
        let error = read(&[], &[]).unwrap_err().to_string();
        assert!(error.contains("--db <DB>") && !error.contains('\n'), "{error}");
        let error = read(&["--plugn", "x"], &[]).unwrap_err().to_string();
        assert!(error.contains("'--plugn'") && error.contains("'--plugin'"), "{error}");
        let file = file("slots = [1]");
        let error = read(&["--db=d", "--config", file.path().to_str().unwrap()], &[]).unwrap_err();
        assert!(error.to_string().contains("slots"), "{error}");
        let error = read(&["--config", "/no/such/file"], &[]).unwrap_err();
        assert!(error.to_string().contains("/no/such/file"), "{error}");
    }

    #[test]
    fn what_must_be_told_may_be_told_in_any_way() {
        let file = file("db = 'file'");
        let config = file.path().to_str().unwrap();
        assert_eq!(read(&["--config", config], &[]).unwrap().0.db.as_deref(), Some("file"));
        assert_eq!(read(&[], &[("P_DB", "env"), ("P_CONFIG", config)]).unwrap().0.db.as_deref(), Some("env"));
        let (flags, origins) = read(&["--http=h"], &[("P_DB", "env"), ("P_CONFIG", config)]).unwrap();
        assert_eq!((flags.db, flags.http.as_deref()), (None, Some("h")));
        assert_eq!(origins.of("db"), &Origin::Default);
    }

    #[test]
    fn a_variable_that_is_no_flag_is_an_error_that_names_the_nearest() {
        let error = read(&["--db=d"], &[("P_SLOT", "2")]).unwrap_err().to_string();
        assert!(error.contains("P_SLOT ") && error.contains("P_SLOTS"), "{error}");
        for known in [
            "P_PULL",
            "P_PLUGIN_PATH",
            "P_SERVICE_HOST",
            "P_PORT",
            "P_PORT_5559_TCP_ADDR",
            "P_A_SERVICE_PORT",
        ] {
            assert!(read(&["--db=d"], &[(known, "x")]).is_ok(), "{known}");
        }
        assert!(read(&["--db=d"], &[("P_SLOT", ""), ("OTHER", "x")]).is_ok());
    }

    #[test]
    fn an_error_of_toml_keeps_its_lines() {
        let file = file("db = 'd'\nslots = = 3\n");
        let error = read(&["--config", file.path().to_str().unwrap()], &[]).unwrap_err().to_string();
        assert!(error.contains("\n2 | slots = = 3\n"), "{error}");
    }

    #[test]
    fn a_number_that_is_none_is_said_to_be_none() {
        let error = read(&["--db=d", "--slots=many"], &[]).unwrap_err().to_string();
        assert!(error.contains("it is no whole number") && !error.contains("digit"), "{error}");
    }
}
