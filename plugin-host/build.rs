//! Records which machine the host is built for, to compare with that of a plugin.

fn main() {
    println!("cargo::rustc-env=PYLM_HOST_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo::rerun-if-changed=build.rs");
}
