//! What the plugins of a program have, read from their files without running any of their code.

use super::finding::{Findings, Place};
use super::table::Table;
use pylm_plugin_host::{Descriptor, HookInfo, HookKind, LoadError, Origin, Search, admit, inspect};
use pylm_protocol::nearest;
use std::path::{Path, PathBuf};

/// Finds a plugin by its name in these folders, and reads what it says of itself.
pub(crate) type Look<'a> = dyn Fn(&Path, &[PathBuf]) -> Result<(PathBuf, Descriptor), LoadError> + 'a;

/// The functions and hooks of all plugins of a program.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    /// The files, in the order of the plugins.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) functions: Vec<String>,
    pub(crate) hooks: Vec<HookInfo>,
    /// Whether all plugins could be read, so that what is not here is not there.
    pub(crate) is_complete: bool,
}

/// As `pylmd` and `pylm-worker` will do it: a name in a file is never looked for in the current folder.
pub(crate) fn look(name: &Path, folders: &[PathBuf]) -> Result<(PathBuf, Descriptor), LoadError> {
    let found = Search::from_environment(folders.to_vec()).find(name.as_os_str(), Origin::Configuration)?;
    // The programs run in the folder of the cluster's file.
    let path = std::path::absolute(&found).unwrap_or(found);
    let descriptor = inspect(&path)?;
    admit(&path, &descriptor)?;
    Ok((path, descriptor))
}

impl Offer {
    /// Reads the plugins of a table, and checks their settings.
    pub(crate) fn of(
        table: &Table,
        folder: &Path,
        folders: &[PathBuf],
        look: &Look<'_>,
        findings: &mut Findings,
    ) -> Offer {
        let mut offer = Offer { is_complete: true, ..Offer::default() };
        let mut plugins = Vec::new();
        for plugin in table.list("plugin") {
            let is_path = plugin.text.contains('/');
            let name = if is_path { folder.join(&plugin.text) } else { PathBuf::from(&plugin.text) };
            match look(&name, folders) {
                Ok((path, descriptor)) => {
                    offer.add(&descriptor, plugin.place.clone(), findings);
                    offer.files.push(path);
                    plugins.push((descriptor, plugin.place.clone()));
                }
                Err(error) => {
                    offer.is_complete = false;
                    let cause = format!("the plugin {} {}", error.path().display(), error.cause());
                    let remedy = error.remedy().replace("--plugin-dir", "`plugin-dir`");
                    findings.error(error.code(), plugin.place.clone(), cause, remedy);
                }
            }
        }
        if offer.is_complete {
            check_settings(table, &plugins, findings);
        }
        offer
    }

    pub(crate) fn has_hook(&self, kind: HookKind) -> bool {
        self.hooks.iter().any(|hook| hook.kind == kind)
    }

    fn add(&mut self, descriptor: &Descriptor, place: Place, findings: &mut Findings) {
        self.hooks.extend(descriptor.hooks.iter().cloned());
        for function in &descriptor.functions {
            if self.functions.contains(&function.name) {
                let cause = format!(
                    "`{}` has a function `{}`, as another plugin has",
                    descriptor.name, function.name
                );
                let remedy = "rename one of them, or leave one of the plugins out";
                findings.error("plugin-duplicate-function", place.clone(), cause, remedy);
            } else {
                self.functions.push(function.name.clone());
            }
        }
    }
}

/// Checks `set` against what the plugins say can be set, and must be.
fn check_settings(table: &Table, plugins: &[(Descriptor, Place)], findings: &mut Findings) {
    let mut given: Vec<(&str, &str)> = Vec::new();
    for setting in table.list("set") {
        let Some((name, key)) = setting.text.split_once('=').and_then(|(path, _)| path.split_once('.'))
        else {
            let remedy = "write it as PLUGIN.KEY=VALUE, or as a table";
            findings.error("wrong-value", setting.place.clone(), "this is no setting of a plugin", remedy);
            continue;
        };
        given.push((name, key));
        let Some((descriptor, _)) = plugins.iter().find(|(descriptor, _)| descriptor.name == name) else {
            let remedy = match nearest(name, plugins.iter().map(|(descriptor, _)| &*descriptor.name)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "list the plugin under `plugin`, or leave this out".to_owned(),
            };
            let cause = format!("`{name}` is none of the plugins here");
            findings.error("unknown-setting", setting.place.clone(), cause, remedy);
            continue;
        };
        let keys = || descriptor.settings.iter().map(|setting| &*setting.key);
        if !keys().any(|known| known == key) {
            let remedy = match nearest(key, keys()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`pylm plugin inspect` shows what can be set".to_owned(),
            };
            let cause = format!("the plugin `{name}` has no setting `{key}`");
            findings.error("unknown-setting", setting.place.clone(), cause, remedy);
        }
    }
    for (descriptor, place) in plugins {
        for setting in descriptor.settings.iter().filter(|setting| setting.required) {
            if !given.contains(&(&descriptor.name, &setting.key)) {
                let cause =
                    format!("the plugin `{}` does not start without `{}`", descriptor.name, setting.key);
                let remedy = format!("set it in [{}.set.{}]", table.place.key, descriptor.name);
                findings.error("missing-setting", place.clone(), cause, remedy);
            }
        }
    }
}
