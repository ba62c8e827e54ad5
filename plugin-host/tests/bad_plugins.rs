//! Each way in which a plugin can be bad has its own code, in one sentence.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pylm_plugin_host::{Code, LoadError, PluginSet, inspect, load};
use tempfile::tempdir;

/// Checks what holds for every error, and gives its sentence.
fn sentence(error: &LoadError, code: Code) -> String {
    let text = error.to_string();
    assert_eq!(error.kind(), code, "{text}");
    assert!(text.starts_with(&format!("{}: {} ", code.as_str(), error.path().display())), "{text}");
    assert!(!text.contains('\n') && !text.ends_with('.') && text.contains("; "), "{text}");
    text
}

fn refused(path: &Path, settings: &[(&str, &str)], code: Code) -> String {
    let settings: Vec<(String, String)> = settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    sentence(&load(path, &settings).unwrap_err(), code)
}

/// A descriptor in C, with a head of these values and these records.
fn descriptor(major: u16, minor: u16, kind: u8, size: usize, records: &[(u16, &str)]) -> String {
    let mut bytes = Vec::new();
    for (tag, text) in records {
        bytes.extend(tag.to_ne_bytes());
        bytes.extend((text.len() as u32).to_ne_bytes());
        bytes.extend(text.as_bytes());
    }
    let list: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!(
        "__attribute__((section(\".pylmd.meta\"), used)) const struct {{
             char magic[16]; unsigned size; unsigned short major, minor; unsigned char kind, panic, reserved[6];
             unsigned char records[{len}];
         }} pylmd_plugin_descriptor = {{ \"pylmd.descripto\" \"r\", {size}, {major}, {minor}, {kind}, 0, {{0}}, {{ {list} }} }};",
        len = bytes.len(),
        list = list.join(", "),
    )
}

const NAMED: &[(u16, &str)] = &[(1, "bad"), (4, env!("PYLM_HOST_TARGET"))];

fn named(major: u16, minor: u16, kind: u8) -> String {
    let size = 32 + NAMED.iter().map(|(_, text)| 6 + text.len()).sum::<usize>();
    descriptor(major, minor, kind, size, NAMED)
}

#[test]
fn a_file_that_is_not_there() {
    let text = refused(Path::new("/nowhere/libx.so"), &[], Code::NotFound);
    assert_eq!(text, "plugin-not-found: /nowhere/libx.so is not there; give the path of a plugin's file");
}

#[test]
fn a_file_that_cannot_be_read() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("libx.so");
    std::os::unix::fs::symlink(&path, &path).unwrap();
    refused(&path, &[], Code::Unreadable);
}

#[test]
fn a_folder_an_archive_and_a_program_are_told_by_what_they_are() {
    let folder = tempdir().unwrap();
    assert!(refused(folder.path(), &[], Code::NotALibrary).contains("is a folder; give the plugin's file"));
    let archive = folder.path().join("libx.rlib");
    fs::write(&archive, "!<arch>\nlib.rmeta/      0           0     0     644     0         `\n").unwrap();
    let text = refused(&archive, &[], Code::NotALibrary);
    assert!(text.contains("is an archive (.rlib or .a)") && text.contains("cdylib"), "{text}");
    let program = std::env::current_exe().unwrap();
    let error = load(&program, &[]).unwrap_err();
    // A program that may lie anywhere in memory is told from a library by nothing but its section.
    assert!([Code::NotALibrary, Code::NoDescriptor].contains(&error.kind()), "{error}");
}

#[test]
fn a_plugin_finds_the_libraries_that_it_brings_and_keeps_what_they_were() {
    let folder = tempdir().unwrap();
    let (lib, plugins) = (folder.path().join("lib"), folder.path().join("plugins"));
    let search = format!("-L{}", lib.display());
    build::c_library_named(&lib, "deepest", "int deepest(void) { return 1; }", &[]);
    let helper = "#include <dlfcn.h>\n#include <stdlib.h>\nint deepest(void); int helper(void) { return deepest(); }\n\
        __attribute__((constructor)) static void tell(void) {\n\
        Dl_info own; if (dladdr((void *)helper, &own)) setenv(\"PYLM_TEST_HELPER\", own.dli_fname, 1); }";
    let helper = build::c_library_named(
        &lib,
        "helper",
        helper,
        &["-D_GNU_SOURCE", &search, "-ldeepest", "-Wl,-rpath,$ORIGIN"],
    );
    let source = named(1, 0, 1) + "int helper(void); int use(void) { return helper(); }";
    let arguments = [&*search, "-lhelper", "-Wl,-rpath,$ORIGIN/../lib", "-Wl,--allow-shlib-undefined"];
    let path = build::c_library_named(&plugins, "bad", &source, &arguments);
    // The system's loader took it with all that it needs: what it lacks is behind that.
    refused(&path, &[], Code::WrongLayout);
    let link = folder.path().join("libbad.so");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    refused(&link, &[], Code::WrongLayout);

    let at = PathBuf::from(std::env::var_os("PYLM_TEST_HELPER").unwrap());
    assert!(at.ends_with("lib/libhelper.so") && !at.starts_with(folder.path()), "{}", at.display());
    assert_eq!(fs::read(&at).unwrap(), fs::read(&helper).unwrap());

    let bare = build::c_library_named(
        &plugins,
        "bare",
        &(named(1, 0, 1) + "int gone(void); int use(void) { return gone(); }"),
        &[],
    );
    assert!(refused(&bare, &[], Code::NotLinked).contains("$ORIGIN"));
}

#[test]
fn a_name_that_nobody_could_call() {
    for (records, what) in [
        (&[(1, "bad"), (4, env!("PYLM_HOST_TARGET")), (16, "a.b")][..], "a function named \"a.b\""),
        (&[(1, "bad"), (4, env!("PYLM_HOST_TARGET")), (16, "")], "a function named \"\""),
        (&[(1, "\u{1b}[31m"), (4, env!("PYLM_HOST_TARGET"))], "a plugin named \"\\u{1b}[31m\""),
    ] {
        let folder = tempdir().unwrap();
        let size = 32 + records.iter().map(|(_, text)| 6 + text.len()).sum::<usize>();
        let path = build::c_library(folder.path(), &descriptor(1, 0, 1, size, records));
        let text = refused(&path, &[], Code::BadName);
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn a_file_that_is_no_library() {
    let folder = tempdir().unwrap();
    for (name, content) in [("text.so", "not a library"), ("empty.so", "")] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        refused(&path, &[], Code::NotALibrary);
    }
}

#[test]
fn a_library_that_was_cut_short() {
    let folder = tempdir().unwrap();
    let whole = fs::read(build::library("parallel")).unwrap();
    let path = folder.path().join("libcut.so");
    for len in [10, 64, 1000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..len]).unwrap();
        let error = load(&path, &[]).unwrap_err();
        let codes = [Code::NotALibrary, Code::NoDescriptor, Code::Damaged];
        assert!(codes.contains(&error.kind()), "{len} bytes: {error}");
    }
}

#[test]
fn a_library_for_another_machine() {
    let folder = tempdir().unwrap();
    let mut bytes = fs::read(build::library("parallel")).unwrap();
    // The machine in an ELF header: AArch64, or x86-64 where this is AArch64.
    bytes[18] = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
    let path = folder.path().join("libforeign.so");
    fs::write(&path, bytes).unwrap();
    assert!(refused(&path, &[], Code::WrongMachine).ends_with("; build the plugin for this machine"));
}

#[test]
fn a_library_that_is_no_plugin() {
    let folder = tempdir().unwrap();
    refused(&build::c_library(folder.path(), "int answer(void) { return 42; }"), &[], Code::NoDescriptor);
}

#[test]
fn a_descriptor_that_makes_no_sense() {
    let sources = [
        (
            "is too short",
            "__attribute__((section(\".pylmd.meta\"), used)) const char short_one[4] = \"py\";".to_owned(),
        ),
        (
            "does not begin as a descriptor does",
            "__attribute__((section(\".pylmd.meta\"), used)) const char other[64] = \"other\";".to_owned(),
        ),
        ("is cut short", descriptor(1, 0, 1, 10_000, NAMED)),
        ("gives no name", descriptor(1, 0, 1, 32 + 7, &[(16, "f")])),
    ];
    for (what, source) in sources {
        let folder = tempdir().unwrap();
        let text = refused(&build::c_library(folder.path(), &source), &[], Code::Damaged);
        assert!(text.contains(what), "{text}");
    }
}

#[test]
fn a_plugin_of_an_unknown_kind() {
    let folder = tempdir().unwrap();
    assert!(
        refused(&build::c_library(folder.path(), &named(1, 0, 7)), &[], Code::UnknownKind).contains("kind 7")
    );
}

#[test]
fn a_plugin_of_a_newer_api_can_be_inspected_and_not_loaded() {
    for (major, minor) in [(1, 1), (2, 0)] {
        let folder = tempdir().unwrap();
        let path = build::c_library(folder.path(), &named(major, minor, 1));
        assert_eq!(inspect(&path).unwrap().api.to_string(), format!("{major}.{minor}"));
        assert!(refused(&path, &[], Code::ApiTooNew).contains(&format!("API {major}.{minor}, newer than")));
    }
}

#[test]
fn inspecting_runs_no_code_of_the_plugin() {
    let folder = tempdir().unwrap();
    let source = format!(
        "#include <stdlib.h>\n__attribute__((constructor)) static void run(void) {{ abort(); }}\n{}",
        named(1, 0, 1)
    );
    assert_eq!(inspect(&build::c_library(folder.path(), &source)).unwrap().name, "bad");
}

#[test]
fn a_stripped_plugin_says_what_it_said_before() {
    let folder = tempdir().unwrap();
    let (whole, stripped) = (build::fixture("troublesome"), folder.path().join("libstripped.so"));
    let status = Command::new("strip").arg("-o").arg(&stripped).arg(&whole).status().unwrap();
    assert!(status.success());
    let descriptor = inspect(&stripped).unwrap();
    assert_eq!(descriptor, inspect(&whole).unwrap());
    let settings: Vec<&str> = descriptor.settings.iter().map(|setting| setting.key.as_str()).collect();
    assert_eq!(settings, ["at_start", "panic_at_drop", "number"]);
    assert_eq!(descriptor.settings[2].default.as_deref(), Some("1"));
    assert_eq!(load(&stripped, &[]).unwrap().name(), "troublesome");
}

#[test]
fn a_plugin_of_an_older_api() {
    let folder = tempdir().unwrap();
    let path = build::c_library(folder.path(), &named(0, 9, 1));
    assert!(refused(&path, &[], Code::ApiTooOld).ends_with("; build it with pylm-plugin-api 1.x"));
}

#[test]
fn a_plugin_whose_panics_would_end_the_process() {
    let path = build::aborting_fixture("troublesome");
    assert!(refused(&path, &[], Code::PanicAbort).ends_with("; build it with panic = \"unwind\""));
}

#[test]
fn a_plugin_for_another_c_library() {
    let folder = tempdir().unwrap();
    let target = if cfg!(target_env = "musl") { "x-unknown-linux-gnu" } else { "x-unknown-linux-musl" };
    let source = descriptor(1, 0, 1, 32 + 6 + 3 + 6 + target.len(), &[(1, "bad"), (4, target)]);
    assert!(refused(&build::c_library(folder.path(), &source), &[], Code::WrongMachine).contains(target));
}

#[test]
fn a_plugin_that_misses_a_symbol() {
    let folder = tempdir().unwrap();
    let source = format!(
        "extern int missing_symbol(void);\nint call(void) {{ return missing_symbol(); }}\n{}",
        named(1, 0, 1)
    );
    let text = refused(&build::c_library(folder.path(), &source), &[], Code::NotLinked);
    assert!(text.contains("undefined symbol: missing_symbol"), "{text}");
}

#[test]
fn a_plugin_with_other_tables_than_its_api_has() {
    let folder = tempdir().unwrap();
    let without_root = build::c_library(folder.path(), &named(1, 0, 1));
    refused(&without_root, &[], Code::WrongLayout);
    let folder = tempdir().unwrap();
    let source = format!("const char pylmd_plugin_v1[512] = {{0}};\n{}", named(1, 0, 1));
    refused(&build::c_library(folder.path(), &source), &[], Code::WrongLayout);
    let text = refused(&build::fixture("other-layout"), &[], Code::WrongLayout);
    assert!(text.len() < 300, "{text}");
}

#[test]
fn a_plugin_with_wrong_settings() {
    let path = build::fixture("troublesome");
    let text = refused(&path, &[("nubmer", "1")], Code::BadSetting);
    assert!(
        text.contains(
            r#"unknown setting "nubmer", did you mean "number"?; correct --set troublesome.KEY=VALUE"#
        ),
        "{text}"
    );
    let text = refused(&path, &[("number", "300")], Code::BadSetting);
    assert!(
        text.contains(r#"setting "number" is "300", which is not a u8: it is out of its range"#),
        "{text}"
    );
    let text = refused(&build::library("parallel"), &[("x", "1")], Code::BadSetting);
    assert!(text.contains(r#"unknown setting "x", the plugin takes none"#), "{text}");
}

#[test]
fn a_plugin_that_refuses_to_start() {
    let text = refused(&build::fixture("troublesome"), &[("at_start", "refuse")], Code::StartRefused);
    assert!(text.contains("refuses to start: the model is not there; "), "{text}");
}

#[test]
fn a_plugin_that_panics_at_start() {
    let text = refused(&build::fixture("troublesome"), &[("at_start", "panic")], Code::StartPanicked);
    assert!(text.contains("does not start: it panicked at src/lib.rs:"), "{text}");
    assert!(text.contains(": start went wrong; "), "{text}");
}

#[test]
fn two_functions_of_one_name_in_one_plugin() {
    let folder = tempdir().unwrap();
    let records: &[(u16, &str)] = &[(1, "bad"), (4, env!("PYLM_HOST_TARGET")), (16, "f"), (17, "f")];
    let size = 32 + records.iter().map(|(_, text)| 6 + text.len()).sum::<usize>();
    let path = build::c_library(folder.path(), &descriptor(1, 0, 1, size, records));
    assert!(refused(&path, &[], Code::DuplicateFunction).contains(r#"two functions named "f""#));
}

#[test]
fn two_functions_of_one_name_in_two_plugins() {
    let (first, second) = (build::library("parallel"), build::library("cached"));
    let plugins = vec![load(&first, &[]).unwrap(), load(&second, &[]).unwrap()];
    let text = sentence(&PluginSet::new(plugins).unwrap_err(), Code::DuplicateFunction);
    assert!(text.contains("\"foo\"") && text.contains(&*first.to_string_lossy()), "{text}");
    assert!(text.contains(&*second.to_string_lossy()), "{text}");
}

/// Runs in a process of its own, since the folder of the copies is the environment's.
#[test]
fn a_plugin_that_cannot_be_copied() {
    if std::env::var_os("PYLM_TEST_INSIDE").is_some() {
        assert!(refused(&build::library("parallel"), &[], Code::NotCopied).contains("XDG_CACHE_HOME"));
        return;
    }
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_plugin_that_cannot_be_copied"])
        .env("PYLM_TEST_INSIDE", "1")
        .env("XDG_CACHE_HOME", &file)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn every_code_has_its_section_in_the_documentation() {
    let page = fs::read_to_string(build::workspace().join("docs/plugins/errors.md")).unwrap();
    for code in Code::ALL {
        assert!(page.contains(&format!("\n## {code}\n")), "{code} has no section in docs/plugins/errors.md");
    }
}
