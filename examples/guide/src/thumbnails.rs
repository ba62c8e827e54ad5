//! Settings of every kind.
#![allow(dead_code, reason = "it shows how settings are declared")]

use pylm_plugin_api::prelude::*;

#[config]
struct Settings {
    /// One of the words below: `--set thumbnails.format=png`.
    #[config(default = Format::Jpeg)]
    format: Format,
    /// A list: `--set thumbnails.sizes=64,128`.
    #[config(default = vec![128])]
    sizes: Vec<u32>,
    /// A list that must be given: `--set thumbnails.folders=photos,scans`.
    folders: Vec<String>,
    /// May be left out.
    title: Option<String>,
}

#[config]
#[serde(rename_all = "lowercase")]
enum Format {
    Jpeg,
    Png,
}
