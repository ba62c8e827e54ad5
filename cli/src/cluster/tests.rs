//! Whole files, with what is found wrong in them and how they are drawn.

use super::check::check;
use super::draw::{Language, draw};
use super::finding::Findings;
use super::model::Cluster;
use super::plan::plan;
use pylm_plugin_host::{
    ApiVersion, Descriptor, FunctionInfo, HookInfo, HookKind, LoadError, Origin, PanicStrategy, Search,
    SettingInfo,
};
use pylm_protocol::Address;
use std::path::{Path, PathBuf};

/// Plugins that are named for what they have: `f`, `g` and `fg` functions, the others hooks.
fn look(name: &Path, folders: &[PathBuf]) -> Result<(PathBuf, Descriptor), LoadError> {
    let mut descriptor = Descriptor {
        name: name.to_string_lossy().into_owned(),
        version: "1.0.0".into(),
        api: ApiVersion::HOST,
        panic: PanicStrategy::Unwind,
        rustc: String::new(),
        target: String::new(),
        functions: Vec::new(),
        hooks: Vec::new(),
        settings: Vec::new(),
    };
    let function = |name: char| FunctionInfo { name: name.into(), atomic: false };
    match &*descriptor.name {
        "f" | "g" | "fg" => descriptor.functions = descriptor.name.chars().map(function).collect(),
        "choose" => descriptor.hooks.push(HookInfo { kind: HookKind::Route, name: "choose".into() }),
        "sized" => {
            let setting = |key: &str, required| SettingInfo {
                key: key.into(),
                kind: "u64".into(),
                default: None,
                required,
                help: String::new(),
            };
            descriptor.functions.push(function('s'));
            descriptor.settings = vec![setting("size", true), setting("depth", false)];
        }
        _ => {
            let search = Search { plugin_dirs: folders.to_vec(), ..Search::default() };
            return Err(search.find(name.as_os_str(), Origin::Configuration).unwrap_err());
        }
    }
    Ok((Path::new("/plugins").join(&descriptor.name), descriptor))
}

fn read(text: &str) -> (Cluster, Findings) {
    let mut findings = Findings::default();
    let cluster = Cluster::read(text, Path::new("/cluster"), &look, &mut findings);
    check(&cluster, &mut findings);
    (cluster, findings)
}

/// What is found in a file whose first line is the first of `text`.
#[track_caller]
fn finds(text: &str, wanted: &[&str]) {
    let (_, mut findings) = read(text);
    let found = findings.text(Path::new("c"));
    assert_eq!(found.lines().collect::<Vec<_>>(), wanted, "\n{found}");
    let is_wrong = wanted.iter().any(|line| line.contains(": error: "));
    assert_eq!(findings.has_errors(), is_wrong);
    assert_eq!(findings.json(Path::new("c"))["works"], !is_wrong);
}

const STREAM: &str = r#"ports = 7000
calls = ["first.f even.f", "first.f odd.g"]
[node.first]
plugin = ["f", "choose"]
inline = true
pipelined = true
[node.odd]
from = ["odd@first"]
[node.even]
from = ["even@first", "far=tcp://far:5559"]
plugin = ["f"]
workers = 2
[worker.odds]
node = "odd"
plugin = ["fg"]
count = 2
slots = 4
"#;

#[test]
fn a_sound_file_has_nothing_to_find_and_is_drawn() {
    finds(STREAM, &[]);
    let drawing = r#"flowchart LR
    clients(["clients"])
    n1["first<br/>route choose<br/>inline: f"]
    n2["odd"]
    results(["results"])
    n3["even<br/>2 worker hosts: f"]
    e1(["tcp://far:5559"])
    w1[/"odds<br/>2 worker hosts: f, g"/]
    clients --> n1
    n1 -->|"odd"| n2
    n2 --> results
    n1 -->|"even"| n3
    e1 -->|"far"| n3
    n3 --> results
    n2 <--> w1
"#;
    let (cluster, _) = read(STREAM);
    assert_eq!(draw(&cluster, Language::Mermaid), drawing);
    let dot = draw(&cluster, Language::Dot);
    assert!(dot.starts_with("digraph cluster {\n    rankdir=LR;\n"), "{dot}");
    for line in [
        r#"n1 [label="first\nroute choose\ninline: f"];"#,
        r#"n1 -> n2 [label="odd"];"#,
        r#"w1 [label="odds\n2 worker hosts: f, g", shape=parallelogram];"#,
        "n2 -> w1 [dir=both];",
    ] {
        assert!(dot.contains(line), "{line} is not in\n{dot}");
    }
}

#[test]
fn programs_are_told_addresses_plugins_and_the_rest_of_their_keys() {
    let (cluster, _) = read(STREAM);
    let told: Vec<_> = plan(&cluster)
        .into_iter()
        .map(|program| {
            let args: Vec<_> = program.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
            (program.name, args.join(" "), program.after)
        })
        .collect();
    let addresses = |first: u16| {
        let sockets = ["pull", "pub", "worker-pull", "worker-push", "db"];
        let flag = |(port, socket): (u16, &str)| format!("--{socket}=tcp://127.0.0.1:{port}");
        (first..).zip(sockets).map(flag).collect::<Vec<_>>().join(" ")
    };
    let own = |name: &str, first| format!("--name={name} {}", addresses(first));
    let host = |number| {
        let args = format!("--name=odds-{number} --db=tcp://127.0.0.1:7009 --plugin=/plugins/fg --slots=4");
        (format!("odds-{number}"), args, vec![1])
    };
    let expected = [
        (
            "first".to_owned(),
            format!(
                "{} --plugin=/plugins/f --plugin=/plugins/choose --inline --pipelined",
                own("first", 7000)
            ),
            vec![],
        ),
        ("odd".to_owned(), format!("{} --from=odd=tcp://127.0.0.1:7004", own("odd", 7005)), vec![0]),
        (
            "even".to_owned(),
            format!(
                "{} --from=even=tcp://127.0.0.1:7004 --from=far=tcp://far:5559 --workers=2 --plugin=/plugins/f",
                own("even", 7010)
            ),
            vec![0],
        ),
        host(1),
        host(2),
    ];
    assert_eq!(told, expected);
}

#[test]
fn what_is_no_key_or_no_value_is_found_with_its_line() {
    finds("[node.a", &["c:1: error: this is not TOML (unclosed table, expected `]`); correct this line"]);
    finds("", &["c:1: error: there is no node in this file; begin one with [node.NAME]"]);
    finds(
        "nodes = 1\n[node]\nb = 1\n[node.a]\nplugins = ['f']\nworkers = -1\ninline = 'yes'\nconfig = 'x'\n[worker.w]\nnod = 'a'",
        &[
            "c:1: error: nodes: there is no such key; did you mean `node`?",
            "c:3: error: node.b: this is no table with a name; write [node.NAME], and the keys below it",
            "c:5: error: node.a.plugins: there is no such key; did you mean `plugin`?",
            "c:6: error: node.a.workers: this value cannot stand here; write a whole number that is not negative",
            "c:7: error: node.a.inline: this value cannot stand here; write true or false",
            "c:8: error: node.a.config: there is no such key; write the keys of that file here",
            "c:10: error: worker.w.nod: there is no such key; did you mean `node`?",
        ],
    );
}

#[test]
fn nodes_that_meet_on_a_port_or_a_name_are_found() {
    finds(
        "[node.a]\nworkers = 0\n[node.b]\nname = 'a'\nworkers = 0\ndb = 'tcp://0.0.0.0:7000'\nhttp = '127.0.0.1:7000'\n\
         [node.c]\nworkers = 0\npull = 'tcp://127.0.0.1:30176'\n[node.d]\nname = 'd.e'\nworkers = 0\n[worker.a]\nnode = 'a'\nplugin = ['f']",
        &[
            "c:4: error: node.b.name: `a` is the name of node.a too, and clients call both; give each node that clients call a \
             name of its own",
            "c:7: error: node.b.http: 127.0.0.1:7000 is taken by node.b.db; give one of the two another port",
            "c:10: error: node.c.pull: tcp://127.0.0.1:30176 lies in the peer ports of node.a, 30176-30239; choose another \
             port, or other `peer-ports`",
            "c:12: error: node.d.name: no call can have the name `d.e` before its dot; '.' cannot stand in a call, SERVER.FUNCTION; use \
             letters, digits, - and _, and no - at the beginning",
            "c:14: error: worker.a: a node is called `a` too, so that their logs look alike; rename one of the two tables",
        ],
    );
    finds(
        "host = '0.0.0.0'\n[node.a]\nworkers = 0\n[node.b]\nworkers = 0\npylm = '0.0.0.0'",
        &[
            "c:1: error: host: 0.0.0.0 is open to other machines, and nothing there is encrypted; give a host of loopback, or write \
             `pylm = '0.0.0.0'` in the node's table to open it all the same",
        ],
    );
    finds(
        "ports = 0\n[node.a]\nworkers = 0",
        &[
            "c:1: error: ports: the blocks of five ports for each node do not lie between 1 and 65535; choose another first port",
        ],
    );
    finds(
        "[node.a]\ndb = 'tcp://127.0.0.1:0'\n[worker.w]\nnode = 'a'\nplugin = ['f']",
        &[
            "c:2: error: node.a.db: the system chooses this port, so that nobody in this file knows it; write a port, or \
             leave `db` out",
        ],
    );
}

#[test]
fn blocks_of_ports_leave_out_those_that_are_given() {
    let (cluster, _) = read(
        "ports = 7000\n[node.z]\n[node.y]\nhttp = '127.0.0.1:7007'\n[node.x]\npull = 'tcp://h:1'\nhost = 'h'",
    );
    let addresses: Vec<_> = cluster
        .nodes
        .iter()
        .map(|node| node.addresses.0.each_ref().map(Address::to_string).join(" "))
        .collect();
    let block = |first: u16| {
        (first..first + 5).map(|port| format!("tcp://127.0.0.1:{port}")).collect::<Vec<_>>().join(" ")
    };
    let x = "tcp://h:1 tcp://h:7014 tcp://h:7015 tcp://h:7016 tcp://h:7017".to_owned();
    assert_eq!(addresses, [block(7000), block(7008), x]);
}

#[test]
fn what_nobody_publishes_is_found() {
    finds(
        "[node.a]\nworkers = 0\n[node.b]\nworkers = 0\npipelined = true\n[node.c]\nworkers = 0\nfrom = ['a', 'x@b', 'bb',\n'd@choose']\n\
         [node.choose]\nplugin = ['choose']\nworkers = 0\n[node.e]\nname = 'other'\nworkers = 0\npipelined = true",
        &[
            "c:8: error: node.c.from: there is no node `bb` in this file; did you mean `b`?",
            "c:8: error: node.c.from: nobody publishes `a`: the results of `a` go to clients; add `pipelined = true` to [node.a]",
            "c:8: error: node.c.from: `b` publishes under `b` only, not under `x`; write `b` alone, or give that node a plugin \
             with a route hook",
            "c:16: warning: node.e.pipelined: its results go to followers, and no node in this file follows it; add \
             `from = [\"e\"]` to one, or leave `pipelined` out",
        ],
    );
}

#[test]
fn rounds_without_a_way_out_are_found() {
    let round = |plugin: &str| {
        format!(
            "[node.in]\nworkers = 0\npipelined = true\n[node.a]\nworkers = 0\npipelined = true\nfrom = ['in', 'b']\n\
             [node.b]\nworkers = 0\nplugin = [{plugin}]\npipelined = true\nfrom = ['a']"
        )
    };
    finds(
        &round(""),
        &[
            "c:7: error: node.a.from: messages go round for ever: a → b → a; take one of them out of `from`, or let a route \
             hook say when a message leaves",
        ],
    );
    finds(&round("'choose'"), &[]);
    finds(
        "[node.a]\nworkers = 0\nplugin = ['choose']\nfrom = ['a']",
        &[
            "c:4: error: node.a.from: no node takes messages from clients: each follows another one; leave `from` out of the \
             first one",
        ],
    );
}

#[test]
fn functions_that_nobody_runs_are_found() {
    finds(
        "[node.a]\n[node.b]\ninline = true\nplugin = ['choose']\n[node.c]\nworkers = 2\ninline = true\nplugin = ['f']\n\
         [worker.w]\nplugin = ['f']\n[worker.v]\nnode = 'c'\n[worker.web]\nhttp = 'h:1'\nplugin = ['choose']",
        &[
            "c:1: error: node.a: nobody runs functions for this node; add `inline = true`, `workers = N`, or a [worker.NAME] \
             with `node = \"a\"`; `workers = 0` says that hosts come from elsewhere",
            "c:3: error: node.b.inline: none of its plugins exports a function that could run there; list one that does \
             under `plugin`",
            "c:7: warning: node.c.inline: functions run in the node itself, so that its worker hosts have nothing to do; \
             leave either `inline` or the worker hosts out",
            "c:9: error: worker.w: these worker hosts serve no node; say which one with `node = \"NAME\"`",
            "c:11: error: worker.v: these worker hosts have no plugin; list one under `plugin`",
            "c:15: error: worker.web.plugin: none of its plugins exports a function; list one that does",
        ],
    );
}

#[test]
fn more_worker_hosts_than_a_table_may_be_are_found() {
    let cluster = |count: u32| format!("[node.a]\n[worker.w]\nnode = 'a'\nplugin = ['f']\ncount = {count}");
    let found = "c:5: error: worker.w.count: one table is 1000 worker hosts at most; write a smaller count, or several \
                 tables; one host has a slot for each core";
    finds(&cluster(1_001), &[found]);
    finds(&cluster(1_000), &[]);
}

#[test]
fn plugins_that_are_not_there_and_settings_that_they_do_not_have_are_found() {
    finds(
        "plugin-dir = ['d']\n[node.a]\nworkers = 1\nplugin = ['f',\n 'nowhere', './x.so', 'fg']",
        &[
            "c:5: error: node.a.plugin: the plugin nowhere is not there: tried /cluster/d/libnowhere.so; give its path, or \
             name its folder with `plugin-dir`",
            "c:5: error: node.a.plugin: the plugin /cluster/./x.so is not there: tried /cluster/./x.so; give its path, or \
             name its folder with `plugin-dir`",
            "c:5: error: node.a.plugin: `fg` has a function `f`, as another plugin has; rename one of them, or leave one of \
             the plugins out",
        ],
    );
    finds(
        "[node.a]\nworkers = 1\nplugin = ['sized']\n[node.a.set.sized]\ndeph = 3\n[node.a.set]\nsize.x = 1\n\
         [node.b]\nworkers = 1\nplugin = ['sized']\nset = ['sized.size=1']",
        &[
            "c:3: error: node.a.plugin: the plugin `sized` does not start without `size`; set it in [node.a.set.sized]",
            "c:5: error: node.a.set.sized.deph: the plugin `sized` has no setting `deph`; did you mean `depth`?",
            "c:7: error: node.a.set.size.x: `size` is none of the plugins here; did you mean `sized`?",
        ],
    );
}

#[test]
fn calls_that_go_nowhere_are_found() {
    let nodes = "[node.a]\nplugin = ['fg']\ninline = true\npipelined = true\n[node.b]\nfrom = ['a']\nplugin = ['f']\nworkers = 1\n\
                 [node.open]\nworkers = 0";
    let calls = |calls: &str| format!("calls = [{calls}]\n{nodes}");
    finds(&calls("'a.f', 'a.g,b.f', 'a.f b.f', 'open.anything'"), &[]);
    finds(
        &calls("'a.h', 'b.f', 'a.f open.f', 'a.f b.g', 'ab.f', 'f'"),
        &[
            "c:1: error: calls: `a.h`: no plugin that runs for `a` exports `h`; list a plugin that does; `pylm plugin \
             inspect` shows what one has",
            "c:1: error: calls: `b.f`: messages come to `b` from another node, not from clients; begin the call with the \
             first node of the way",
            "c:1: error: calls: `open.f`: `open` does not follow `a`; add `a` to `from` of [node.open], or correct the call",
            "c:1: error: calls: `b.g`: no plugin that runs for `b` exports `g`; list a plugin that does; `pylm plugin \
             inspect` shows what one has",
            "c:1: error: calls: `ab.f`: no node is called `ab`; did you mean `a.f`?",
            "c:1: error: calls: `f` is no function of a node; write NODE.FUNCTION for each stage, with spaces between them",
        ],
    );
}

#[test]
fn followers_of_one_name_are_told_apart_by_their_topics() {
    let file = |call: &str| {
        format!(
            "calls = ['first.f {call}']\n[node.first]\nplugin = ['f', 'choose']\ninline = true\n\
             [node.odd]\nname = 'next'\nfrom = ['odd@first']\nplugin = ['fg']\ninline = true\npipelined = true\n\
             [node.even]\nname = 'next'\nfrom = ['even@first']\nplugin = ['f']\ninline = true\npipelined = true\n\
             [node.last]\nfrom = ['odd', 'even']\nplugin = ['g']\ninline = true"
        )
    };
    finds(&file("next.f last.g"), &[]);
    let (cluster, _) = read(&file("next.f"));
    let drawn = draw(&cluster, Language::Mermaid);
    for line in
        ["n2[\"next (odd)<br/>inline: f, g\"]", "n3[\"next (even)<br/>inline: f\"]", "n3 -->|\"next\"| n4"]
    {
        assert!(drawn.contains(line), "{line} is not in\n{drawn}");
    }
    finds(
        &file("next.g last.g"),
        &[
            "c:1: error: calls: `next.g`: no plugin that runs for `even` exports `g`; list a plugin that does; `pylm plugin \
             inspect` shows what one has",
        ],
    );
}
