//! What a plugin logs reaches the log of its host.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use pylm_plugin_host::{Call, Function, NoServices, PluginSet, load};
use serde_json::Value;
use tracing_subscriber::EnvFilter;

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn take(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }
}

fn call(function: &Function) {
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled).client("the client").number(7);
    let _ = function.call(&call, b"12345").map(drop);
}

/// One test, since the log belongs to the whole process.
#[test]
fn events_and_panics_arrive_with_plugin_function_and_message_under_the_filter() {
    let written = Written::default();
    let writer = written.clone();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("warn,troublesome=info"))
        .with_writer(move || writer.clone())
        .init();
    let set = PluginSet::new(vec![load(&build::fixture("troublesome"), &[]).unwrap()]).unwrap();
    let function = |name: &str| set.function(name).unwrap();

    call(&function("logs"));
    let events = written.take();
    assert_eq!(events.len(), 2, "{events:?}");
    for (event, level, text) in [(&events[0], "INFO", "through tracing"), (&events[1], "WARN", "through log")]
    {
        assert_eq!((&event["level"], &event["message"]), (&Value::from(level), &Value::from(text)));
        assert_eq!(event["target"], "troublesome");
        assert_eq!(
            (&event["plugin"], &event["function"]),
            (&Value::from("troublesome"), &Value::from("logs"))
        );
        assert_eq!((&event["client"], &event["number"]), (&Value::from("the client"), &Value::from(7)));
    }
    assert_eq!((&events[0]["bytes"], &events[0]["own.client"]), (&Value::from(5), &Value::from("own")));

    call(&function("panics"));
    let events = written.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["message"], "panicked: cannot work on 5 bytes");
    assert_eq!(
        (&events[0]["level"], &events[0]["function"]),
        (&Value::from("ERROR"), &Value::from("panics"))
    );
    assert!(events[0]["place"].as_str().unwrap().starts_with("src/lib.rs:"), "{events:?}");

    call(&function("thread_panics"));
    let events = written.take();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        (&events[0]["message"], &events[0]["thread"]),
        (&Value::from("panicked: a thread went wrong"), &Value::from("helper"))
    );
    assert_eq!(events[0].get("client"), None, "a thread of the plugin's own is in no call");

    call(&function("drop_panics"));
    assert_eq!(written.take()[0]["message"], "panicked: drop of the results went wrong");
}
