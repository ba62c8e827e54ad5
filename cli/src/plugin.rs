//! `pylm plugin`: making plugins, what they offer, and whether they can be used.

mod arguments;
mod build;
mod new;

pub(crate) use arguments::PluginArguments;

use crate::failure::{self, Failure};
use crate::job::apart::keep_output_apart;
use crate::run;
use arguments::{BuildArguments, PluginAction, PluginFile};
use pylm_plugin_host::{Descriptor, LoadError, Origin, Search, check, inspect};
use pylm_protocol::visible_lines;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn plugin(arguments: &PluginArguments) -> Result<ExitCode, Failure> {
    match &arguments.action {
        PluginAction::Inspect { plugin } => show(plugin, inspect),
        PluginAction::Check { plugin, set } => {
            show(plugin, |path| check(path, &of_plugin(set, &inspect(path)?.name)))
        }
        PluginAction::New(arguments) => new::new(arguments),
        PluginAction::Run(arguments) => build_and_run(arguments),
    }
}

fn build_and_run(arguments: &BuildArguments) -> Result<ExitCode, Failure> {
    let mut plugins = vec![build::build(&arguments.project, arguments.release)?];
    plugins.extend(arguments.plugin.iter().cloned());
    run::run(&plugins, &arguments.private)
}

/// Writes what is found out about a plugin's file.
fn show(
    plugin: &PluginFile,
    look: impl Fn(&Path) -> Result<Descriptor, LoadError>,
) -> Result<ExitCode, Failure> {
    keep_output_apart([plugin.name.as_path()])?;
    match find(plugin).and_then(|path| look(&path).map(|descriptor| (path, descriptor))) {
        Ok((path, descriptor)) if plugin.json => {
            let mut value = serde_json::to_value(&descriptor)
                .map_err(|error| Failure::Running(format!("cannot write the descriptor as JSON: {error}")))?;
            if let Some(fields) = value.as_object_mut() {
                fields.insert("file".into(), json!(path.to_string_lossy()));
            }
            print(&format!("{value:#}"))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok((path, descriptor)) => {
            print(&format!("{}\n{descriptor}", path.display()))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if plugin.json => {
            let error = json!({ "error": {
                "code": error.code(), "message": error.to_string(), "file": error.path().to_string_lossy(),
            }});
            print(&format!("{error:#}"))?;
            Ok(ExitCode::from(2))
        }
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

fn find(plugin: &PluginFile) -> Result<PathBuf, LoadError> {
    Search::from_environment(plugin.plugin_dir.clone()).find(plugin.name.as_os_str(), Origin::CommandLine)
}

/// The settings of a plugin, whose name may stand before the key as it does for a node.
fn of_plugin(settings: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let own = |key: &str| key.strip_prefix(name)?.strip_prefix('.').map(str::to_owned);
    settings.iter().map(|(key, value)| (own(key).unwrap_or_else(|| key.clone()), value.clone())).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    failure::print(format!("{}\n", visible_lines(text.trim_end())).as_bytes())
}
