//! `pylm man`: the manual pages.

use crate::arguments::{Arguments, ManArguments};
use crate::failure::{Failure, print};
use clap::{CommandFactory, ValueEnum};
use std::process::ExitCode;

/// Writes the page.
pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode, Failure> {
    let mut command = Arguments::command();
    command.build();
    let name = arguments.page.and_then(|page| page.to_possible_value());
    let page = match name.as_ref().and_then(|name| command.find_subcommand(name.get_name())) {
        Some(subcommand) => {
            let title = format!("pylm-{}", subcommand.get_name());
            clap_mangen::Man::new(subcommand.clone()).title(title)
        }
        None => clap_mangen::Man::new(command),
    };
    let mut text = Vec::new();
    page.render(&mut text).map_err(Failure::running("cannot make the page"))?;
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
