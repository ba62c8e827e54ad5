//! Every flag of every program can be told in all three ways: typed, in the environment, and in the file.

use super::variables::Variables;
use super::{ENV_PREFIX, Kind, Origin, kind, layered, merged};
use crate::host::options::WorkerOptions;
use clap::{Arg, ArgMatches, Command, CommandFactory};
use std::ffi::OsString;
use std::io::Write;

/// Three values that a flag may have, by what its help calls them.
fn samples(arg: &Arg) -> [String; 3] {
    let possible = arg.get_possible_values();
    if let [one, other, ..] = possible.as_slice() {
        return [one, other, one].map(|value| value.get_name().to_owned());
    }
    let name = arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str());
    let of = |form: &str| ["1", "2", "3"].map(|number| form.replace('#', number));
    match name {
        "ADDRESS" => of("tcp://127.0.0.1:700#"),
        "HOST:PORT" | "HOST[:PORT]" => of("127.0.0.1:800#"),
        "HOST" | "off|loopback|HOST" => of("127.0.0.#"),
        "USER" => of("#"),
        "FIRST-LAST" => of("2000#-20100"),
        "TOPIC=DB_ADDRESS" => of("first=tcp://127.0.0.1:700#"),
        "PLUGIN.KEY=VALUE" => of("plugin.key=#"),
        "URL" => of("http://127.0.0.1:900#/"),
        "NAME=TIME" => of("name#=#s"),
        "NAME" | "PLUGIN" | "FOLDER" | "FILE" => of("name#"),
        "FILTER" => of("target#=info"),
        "N" => of("#"),
        "TIME" => of("#s"),
        "SIZE" => of("#MiB"),
        other => panic!("--{} takes {other:?}, of which this test knows no sample", arg.get_id()),
    }
}

struct Program {
    command: Command,
    neighbour: Command,
    /// What has to be told, beside the flag that is looked at.
    needed: Option<&'static str>,
}

impl Program {
    /// The values of a flag, and where they came from.
    fn told(
        &self,
        arg: &Arg,
        typed: &[String],
        variables: &[(String, &str)],
        file: &str,
    ) -> (Vec<OsString>, Origin) {
        let mut config = tempfile::NamedTempFile::new().unwrap();
        config.write_all(file.as_bytes()).unwrap();
        let is_needed = self.needed.filter(|_| !["db", "http"].contains(&arg.get_id().as_str()));
        let args = ["program"].into_iter().chain(is_needed).map(OsString::from);
        let args = args.chain(typed.iter().map(OsString::from));
        let args = args.chain(["--config".into(), config.path().into()]).collect();
        let variables = variables.iter().map(|(name, value)| (name.into(), OsString::from(value)));
        let variables = Variables::new(ENV_PREFIX, variables);
        let outcome = merged(&self.command, &self.neighbour, args, &variables);
        let (matches, origins) = outcome.unwrap_or_else(|error| panic!("--{}: {error}", arg.get_id()));
        (values(&matches, arg), origins.of(arg.get_long().unwrap()).clone())
    }

    /// Tells a flag in each of the ways alone, and in ways that contradict each other.
    fn check(&self, long: &str, arg: &Arg) {
        let variable = format!("{ENV_PREFIX}{}", long.to_uppercase().replace('-', "_"));
        let is_switch = matches!(kind(arg), Kind::Switch);
        let [in_file, in_variable, typed] =
            if is_switch { ["true"; 3].map(String::from) } else { samples(arg) };
        let toml = match kind(arg) {
            Kind::Switch => format!("{long} = true"),
            Kind::One => format!("{long} = {in_file:?}"),
            Kind::List => format!("{long} = [{in_file:?}]"),
        };
        let typed_flag = if is_switch { format!("--{long}") } else { format!("--{long}={typed}") };
        let is = |value: &String| vec![OsString::from(value)];

        let (values, origin) = self.told(arg, &[], &[], &toml);
        assert!(matches!(origin, Origin::File(_)) && values == is(&in_file), "the file: --{long} {values:?}");
        let (values, origin) = self.told(arg, &[], &[(variable.clone(), &in_variable)], &toml);
        assert!(
            matches!(origin, Origin::Environment(_)) && values == is(&in_variable),
            "{variable}: {values:?}"
        );
        let (values, origin) = self.told(arg, &[typed_flag], &[(variable, &in_variable)], &toml);
        assert!(origin == Origin::CommandLine && values == is(&typed), "the flag: --{long} {values:?}");
    }
}

fn values(matches: &ArgMatches, arg: &Arg) -> Vec<OsString> {
    let id = arg.get_id().as_str();
    match kind(arg) {
        Kind::Switch => vec![matches.get_flag(id).to_string().into()],
        _ => matches.get_raw(id).into_iter().flatten().map(OsString::from).collect(),
    }
}

#[test]
fn every_flag_of_every_program_can_be_told_in_all_three_ways() {
    let (node, worker) = (crate::node::command(), WorkerOptions::command());
    let programs = [
        Program { command: node.clone(), neighbour: worker.clone(), needed: None },
        Program { command: worker, neighbour: node, needed: Some("--db=tcp://127.0.0.1:5559") },
    ];
    for program in &programs {
        let flags: Vec<_> = layered(&program.command).collect();
        assert!(flags.len() > 10);
        flags.into_iter().for_each(|(long, arg)| program.check(long, arg));
    }
}
