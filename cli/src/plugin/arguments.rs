//! What `pylm plugin` is told.

use super::new::NewArguments;
use crate::arguments::{PrivateArguments, setting};
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub(crate) action: PluginAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PluginAction {
    /// Show what a plugin offers, without running any of its code
    Inspect {
        #[command(flatten)]
        plugin: PluginFile,
    },
    /// Load and start a plugin with these settings, and stop it again; exit code 2 when it cannot be used
    Check {
        #[command(flatten)]
        plugin: PluginFile,
        /// A setting of the plugin; its name may stand before the key, as for a node; can be repeated
        #[arg(long, value_name = "[PLUGIN.]KEY=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
    },
    /// Make a project for a plugin of your own, with a function, tests and a README
    New(NewArguments),
    /// Build the plugin in this folder, and stream messages through it on a private node
    Run(BuildArguments),
}

#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples, in the folder of a plugin:
      pylm plugin run words README.md
      pylm plugin run words --release --each-file books/*.txt

Cargo builds the plugin first, and shows what it has to say. The rest is `pylm run`.")]
pub(crate) struct BuildArguments {
    /// The folder of the plugin
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    pub(crate) project: PathBuf,
    /// Build it with optimizations
    #[arg(long)]
    pub(crate) release: bool,
    /// Another plugin beside it: a path, a file name, or the bare name of one that is installed; can be repeated
    #[arg(long, value_name = "PLUGIN")]
    pub(crate) plugin: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) private: PrivateArguments,
}

/// Which plugin, and how to tell of it.
#[derive(Debug, Args)]
pub(crate) struct PluginFile {
    /// A path, a file name, or the bare name of a plugin that is installed
    #[arg(value_name = "PLUGIN")]
    pub(crate) name: PathBuf,
    /// Another folder in which plugins are looked for; can be repeated
    #[arg(long, value_name = "FOLDER")]
    pub(crate) plugin_dir: Vec<PathBuf>,
    /// Write JSON, errors included
    #[arg(long)]
    pub(crate) json: bool,
}
