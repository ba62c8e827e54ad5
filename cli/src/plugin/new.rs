//! `pylm plugin new`: a project of its own, from templates that lie in the program.

use crate::failure::{self, Failure};
use clap::{Args, ValueEnum};
use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const MANIFEST: &str = include_str!("../../templates/plugin/manifest.toml");
const README: &str = include_str!("../../templates/plugin/README.md");
const IGNORED: &str = include_str!("../../templates/plugin/gitignore");
const WORKFLOW: &str = include_str!("../../templates/plugin/ci.yml");
/// The versions that this program was built with, so that a project builds without a network where this program was built.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The crate that plugins are written against, and the one with its macros.
const API: [&str; 2] = ["plugin-api", "plugin-api-macros"];
/// The version of the API that the templates are written for.
const API_VERSION: &str = "1.0";

#[derive(Debug, Args)]
#[command(after_long_help = "\
Example, from nothing to the first result:
      pylm plugin new words
      cd words
      pylm plugin run words README.md

A project takes pylm-plugin-api from the checkout or the package that this program belongs to, or else from crates.io.")]
pub(crate) struct NewArguments {
    /// The folder to make, whose last part is the name of the project
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// What to begin with
    #[arg(long, value_enum, default_value_t = Kind::Function)]
    kind: Kind,
    /// The folder with the source of pylm-plugin-api, where it is not found by itself
    #[arg(long, value_name = "FOLDER")]
    api: Option<PathBuf>,
}

/// A template.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// A function
    Function,
    /// A scatter hook, a function and a join
    ScatterJoin,
    /// A gather hook with state and a setting, and a function
    Hooks,
}

impl Kind {
    /// The code, and the function that it has.
    fn code(self) -> (&'static str, &'static str) {
        match self {
            Kind::Function => (include_str!("../../templates/plugin/function.rs"), "words"),
            Kind::ScatterJoin => (include_str!("../../templates/plugin/scatter-join.rs"), "words"),
            Kind::Hooks => (include_str!("../../templates/plugin/hooks.rs"), "shout"),
        }
    }
}

/// Makes the project.
pub(crate) fn new(arguments: &NewArguments) -> Result<ExitCode, Failure> {
    let folder = &arguments.folder;
    let name = name_of(folder)?;
    let api =
        arguments.api.as_deref().map_or_else(|| Ok(installed_api()), |given| api_in(given).map(Some))?;
    let (code, function) = arguments.kind.code();
    let library = format!("{DLL_PREFIX}{}{DLL_SUFFIX}", name.replace('-', "_"));
    let filled = |template: &str| {
        let values = [
            ("name", name),
            ("function", function),
            ("library", &library),
            ("api", API_VERSION),
            ("rust", env!("CARGO_PKG_RUST_VERSION")),
        ];
        values
            .iter()
            .fold(template.to_owned(), |text, (key, value)| text.replace(&format!("{{{{{key}}}}}"), value))
    };
    if folder.exists() {
        return Err(Failure::Usage(format!("{} is there already; give another name", folder.display())));
    }
    let manifest = filled(MANIFEST) + &patch(api.as_deref())?;
    for (file, text) in [
        ("Cargo.toml", manifest),
        ("Cargo.lock", third_party(LOCK)),
        ("src/lib.rs", filled(code)),
        ("README.md", filled(README)),
        (".gitignore", IGNORED.to_owned()),
        (".github/workflows/ci.yml", WORKFLOW.to_owned()),
    ] {
        write(&folder.join(file), &text)?;
    }
    let from = api.map_or_else(|| "crates.io".to_owned(), |api| api.display().to_string());
    let at = folder.display();
    failure::print(
        format!("{at} is a plugin, with pylm-plugin-api from {from}. Next:\n  cd {at}\n  pylm plugin run {function} README.md\n").as_bytes(),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// The last part of the folder, where a package of cargo may be called so.
fn name_of(folder: &Path) -> Result<&str, Failure> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'));
    // What cargo takes for no package, or would be built in place of another library.
    let is_taken =
        ["test", "core", "std", "alloc", "proc_macro", "pylm-plugin-api", "pylm_plugin_api"].contains(&name);
    if is_plain && !is_taken {
        return Ok(name);
    }
    let why =
        "a project is called by ASCII letters, digits, - and _, as in `words`, and as no library of Rust";
    Err(Failure::Usage(format!("{} cannot be the name of a project: {why}", folder.display())))
}

/// The source of the API in the checkout, or in the package, that this program lies in.
fn installed_api() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?.canonicalize().ok()?;
    let places = program
        .ancestors()
        .skip(1)
        .flat_map(|folder| [folder.join(API[0]), folder.join("share/pylmd").join(API[0])]);
    places.into_iter().find(|place| is_api(place))
}

fn api_in(folder: &Path) -> Result<PathBuf, Failure> {
    let found = folder.canonicalize().ok().filter(|folder| is_api(folder));
    found.ok_or_else(|| {
        Failure::Usage(format!("--api: there is no source of pylm-plugin-api in {}", folder.display()))
    })
}

fn is_api(folder: &Path) -> bool {
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
    let manifest: toml::Table = manifest.parse().unwrap_or_default();
    manifest.get("package").and_then(|package| package.get("name")?.as_str()) == Some("pylm-plugin-api")
}

/// The lines of a manifest that say where the API lies.
fn patch(api: Option<&Path>) -> Result<String, Failure> {
    let Some(api) = api else { return Ok(String::new()) };
    let mut lines = String::from(
        "\n# Where the API lies on this machine; without these lines it comes from crates.io.\n[patch.crates-io]\n",
    );
    // In a package the macros lie beside it; in a checkout it knows where they are.
    let macros = api.with_file_name(API[1]);
    for (name, folder) in [("pylm-plugin-api", api), ("pylm-plugin-api-macros", &macros)] {
        if folder.is_dir() {
            let path = folder.to_str().ok_or_else(|| {
                Failure::Usage(format!(
                    "{} is no text, which cargo needs; give another folder with --api",
                    folder.display()
                ))
            })?;
            lines += &format!("{name} = {{ path = {} }}\n", toml::Value::from(path));
        }
    }
    Ok(lines)
}

/// A lock file without the packages that have no source: those of the workspace it is of.
fn third_party(lock: &str) -> String {
    let mut blocks =
        lock.split("\n\n").filter(|block| !block.contains("[[package]]") || block.contains("\nsource = "));
    blocks.by_ref().collect::<Vec<_>>().join("\n\n").trim_end().to_owned() + "\n"
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &dyn Display| Failure::Running(format!("cannot write {}: {error}", file.display()));
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    fs::write(file, text).map_err(|error| failed(&error))
}
