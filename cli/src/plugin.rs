//! `pylm plugin`: what a plugin offers, and whether it can be used.

use crate::arguments::{PluginAction, PluginArguments, PluginFile};
use crate::failure::{self, Failure};
use crate::job::apart::keep_output_apart;
use pylm_plugin_host::{Descriptor, LoadError, Origin, Search, check, inspect};
use pylm_protocol::visible_lines;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;

/// Does what the arguments say.
pub(crate) fn plugin(arguments: &PluginArguments) -> Result<ExitCode, Failure> {
    let (PluginAction::Inspect { plugin } | PluginAction::Check { plugin, .. }) = &arguments.action;
    keep_output_apart([plugin.name.as_path()])?;
    let (plugin, outcome) = match &arguments.action {
        PluginAction::Inspect { plugin } => (plugin, find(plugin).and_then(inspected)),
        PluginAction::Check { plugin, set } => (
            plugin,
            find(plugin).and_then(inspected).and_then(|(path, descriptor)| {
                let settings = of_plugin(set, &descriptor.name);
                check(&path, &settings).map(|descriptor| (path, descriptor))
            }),
        ),
    };
    match outcome {
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

fn inspected(path: PathBuf) -> Result<(PathBuf, Descriptor), LoadError> {
    inspect(&path).map(|descriptor| (path, descriptor))
}

/// The settings of a plugin, whose name may stand before the key as it does for a node.
fn of_plugin(settings: &[(String, String)], name: &str) -> Vec<(String, String)> {
    let own = |key: &str| key.strip_prefix(name)?.strip_prefix('.').map(str::to_owned);
    settings.iter().map(|(key, value)| (own(key).unwrap_or_else(|| key.clone()), value.clone())).collect()
}

fn print(text: &str) -> Result<(), Failure> {
    failure::print(format!("{}\n", visible_lines(text.trim_end())).as_bytes())
}
