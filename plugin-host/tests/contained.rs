//! Whatever a plugin does to one message, the process lives and the next message is served.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bytes::Bytes;
use pylm_plugin_host::{
    Call, CallError, CallErrorKind, Message, NoServices, Outcome, Plugin, PluginSet, ServiceError, Services,
    load,
};

fn plugin(settings: &[(&str, &str)]) -> Plugin {
    let settings: Vec<(String, String)> = settings.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    load(&build::fixture("troublesome"), &settings).unwrap()
}

fn set() -> PluginSet {
    PluginSet::new(vec![plugin(&[])]).unwrap()
}

/// All results of a call with these services.
fn call_with(
    set: &PluginSet,
    services: &dyn Services,
    function: &str,
    payload: &[u8],
) -> Result<Vec<Vec<u8>>, CallError> {
    let cancelled = AtomicBool::new(true);
    let call = Call::new(services, &cancelled)
        .pipeline("job")
        .client("client")
        .stage(0)
        .function("server.function")
        .cache_key("key")
        .worker("worker")
        .number(7)
        .attempt(2)
        .deadline(Some(Instant::now() + Duration::from_secs(60)));
    match set.function(function).unwrap().call(&call, payload)? {
        Outcome::Nothing => Ok(Vec::new()),
        Outcome::One(payload) => Ok(vec![payload.to_vec()]),
        Outcome::Many(results) => results.map(|result| result.map(|payload| payload.to_vec())).collect(),
    }
}

fn call(set: &PluginSet, function: &str, payload: &[u8]) -> Result<Vec<Vec<u8>>, CallError> {
    call_with(set, &NoServices, function, payload)
}

fn still_works(set: &PluginSet) {
    assert_eq!(call(set, "echo", b"hello").unwrap(), [b"hello"]);
}

#[test]
fn a_panic_in_a_call_is_an_error_with_text_and_place() {
    let set = set();
    for _ in 0..3 {
        let error = call(&set, "panics", b"12345").unwrap_err();
        assert_eq!((error.kind, error.permanent), (CallErrorKind::Panicked, false));
        assert!(error.message.starts_with("panicked at src/lib.rs:"), "{error}");
        assert!(error.message.ends_with(": cannot work on 5 bytes"), "{error}");
    }
    still_works(&set);
}

#[test]
fn a_panic_between_two_results_keeps_the_first_and_ends_the_rest() {
    let set = set();
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled);
    let function = set.function("bytes").unwrap();
    let Outcome::Many(mut results) = function.call(&call, b"a!b").unwrap() else { panic!("several results") };
    assert_eq!(&*results.next().unwrap().unwrap(), b"a");
    assert_eq!(results.next().unwrap().unwrap_err().kind, CallErrorKind::Panicked);
    assert!(results.next().is_none());
    drop(results);
    still_works(&set);
}

#[test]
fn an_error_between_two_results_says_what_the_function_said() {
    let error = call(&set(), "bytes", b"a?b").unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Failed, "worker fails here"));
}

#[test]
fn a_panic_in_the_drop_of_results_harms_nothing() {
    let set = set();
    assert_eq!(call(&set, "drop_panics", b"").unwrap(), Vec::<Vec<u8>>::new());
    still_works(&set);
}

#[test]
fn a_panic_in_a_thread_of_the_plugin_harms_nothing() {
    let set = set();
    assert_eq!(call(&set, "thread_panics", b"").unwrap(), [b"the thread panicked"]);
    still_works(&set);
}

#[test]
fn a_panic_in_the_drop_of_the_state_harms_nothing() {
    drop(plugin(&[("panic_at_drop", "true")]));
    still_works(&set());
}

#[test]
fn a_panic_in_a_service_of_the_host_is_an_error_of_the_function() {
    struct Panics;
    impl Services for Panics {
        fn cache_get(&self, _: &str) -> Result<Option<Bytes>, ServiceError> {
            panic!("the host went wrong")
        }
        fn cache_set(&self, _: &str, _: &[u8]) -> Result<(), ServiceError> {
            panic!("the host went wrong")
        }
        fn cache_delete(&self, _: &str) -> Result<(), ServiceError> {
            panic!("the host went wrong")
        }
    }
    let error = call_with(&set(), &Panics, "remember", b"x").unwrap_err();
    assert_eq!(error.message, "the host panicked in this service; its log says more");
}

#[test]
fn errors_say_whether_another_attempt_makes_sense() {
    let set = set();
    let error = call(&set, "fails", b"").unwrap_err();
    assert_eq!((error.permanent, error.message.as_str()), (false, "invalid digit found in string"));
    let error = call(&set, "fails_for_good", b"").unwrap_err();
    assert_eq!((error.permanent, error.message.as_str()), (true, "never"));
}

#[test]
fn a_function_sees_its_call() {
    let seen = call(&set(), "context", b"").unwrap();
    assert_eq!(seen, [b"job client 0 server.function key worker 7 2 true true"]);
}

#[test]
fn a_function_reaches_the_cache() {
    #[derive(Default)]
    struct Recorded(Mutex<Vec<String>>);
    impl Services for Recorded {
        fn cache_get(&self, _: &str) -> Result<Option<Bytes>, ServiceError> {
            Ok(None)
        }
        fn cache_set(&self, key: &str, value: &[u8]) -> Result<(), ServiceError> {
            self.0.lock().unwrap().push(format!("set {key} {}", value.escape_ascii()));
            Ok(())
        }
        fn cache_delete(&self, key: &str) -> Result<(), ServiceError> {
            self.0.lock().unwrap().push(format!("delete {key}"));
            Err(ServiceError("it is read-only".to_owned()))
        }
    }
    let services = Recorded::default();
    let error = call_with(&set(), &services, "remember", b"x").unwrap_err();
    assert_eq!(error.message, "it is read-only");
    assert_eq!(*services.0.lock().unwrap(), ["set kept x", "delete forgotten"]);
}

#[test]
fn overwriting_a_loaded_file_in_place_harms_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libtroublesome.so");
    std::fs::copy(build::fixture("troublesome"), &path).unwrap();
    let set = PluginSet::new(vec![load(&path, &[]).unwrap()]).unwrap();
    let size = std::fs::metadata(&path).unwrap().len();
    std::fs::write(&path, vec![0; usize::try_from(size).unwrap()]).unwrap();
    still_works(&set);
    assert_eq!(load(&path, &[]).unwrap_err().code(), "plugin-not-a-library");
    std::fs::copy(build::library("parallel"), &path).unwrap();
    assert_eq!(load(&path, &[]).unwrap().name(), "parallel");
    still_works(&set);
}

#[test]
fn two_instances_of_one_file_have_states_of_their_own() {
    let number = |plugin: Plugin| call(&PluginSet::new(vec![plugin]).unwrap(), "number", b"").unwrap();
    let (one, two) = (plugin(&[]), plugin(&[("number", "2")]));
    assert_eq!(number(one), [b"1"]);
    assert_eq!(number(two), [b"2"]);
}

#[test]
fn functions_and_their_kind_are_known() {
    let set = set();
    assert!(set.function("panics").unwrap().atomic());
    assert!(!set.function("echo").unwrap().atomic());
    assert!(set.function("twice").is_none());
    let names: Vec<&str> = set.functions().map(|function| function.name()).collect();
    assert!(names.is_sorted() && names.contains(&"number"), "{names:?}");
    assert_eq!(call(&set, "nothing", b"").unwrap(), Vec::<Vec<u8>>::new());
}

fn payloads(parts: pylm_plugin_host::Parts) -> Result<Vec<Vec<u8>>, CallError> {
    parts.map(|part| part.map(|message| message.payload().to_vec())).collect()
}

#[test]
fn scatters_of_several_plugins_follow_each_other() {
    let plugins = vec![plugin(&[]), load(&build::library("scatter3"), &[]).unwrap()];
    let set = PluginSet::new(plugins).unwrap();
    assert_eq!(payloads(set.scatter(Message::new("s.f", "x"))).unwrap(), vec![b"x".to_vec(); 6]);
    let error = payloads(set.scatter(Message::new("s.f", "refuse"))).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (CallErrorKind::Failed, "not scattered"));
    let error = payloads(set.scatter(Message::new("s.f", "panic"))).unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Panicked);
}

#[test]
fn gathers_of_several_plugins_follow_each_other() {
    let settings = [("after".to_owned(), "1".to_owned())];
    let last = load(&build::library("final-message"), &settings).unwrap();
    let set = PluginSet::new(vec![plugin(&[]), last]).unwrap();
    let parent = Message::new("s.f", "same");
    assert_eq!(payloads(set.gather(&parent, Message::new("s.f", "same"))).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(payloads(set.gather(&parent, Message::new("s.f", "other"))).unwrap(), [b"Final message"]);
}

#[test]
fn a_set_without_plugins_passes_everything_on() {
    let set = PluginSet::default();
    let message = Message::new("s.f", "x");
    assert_eq!(payloads(set.scatter(message.clone())).unwrap(), [b"x"]);
    assert_eq!(payloads(set.gather(&message, message.clone())).unwrap(), [b"x"]);
    assert!(set.join(&message).unwrap().is_none());
    assert_eq!(set.route(&message).count(), 0);
    assert!(!set.has_scatter() && !set.has_gather() && !set.has_join() && !set.has_route());
}

#[test]
fn a_join_takes_each_result_and_replaces_them() {
    let set = set();
    let parent = Message::new("s.f", "parent");
    let mut join = set.join(&parent).unwrap().unwrap();
    for result in ["one", "three"] {
        join.take(Message::new("s.f", result)).unwrap();
    }
    assert!(join.take(Message::new("s.f", "")).unwrap_err().permanent);
    assert_eq!(payloads(join.finish()).unwrap(), [b"8"]);
}

#[test]
fn what_one_join_gives_the_next_one_takes() {
    let set = PluginSet::new(vec![plugin(&[]), load(&build::library("wordcount"), &[]).unwrap()]).unwrap();
    let mut join = set.join(&Message::new("s.f", "parent")).unwrap().unwrap();
    join.take(Message::new("s.f", "12345678")).unwrap();
    let error = payloads(join.finish()).unwrap_err();
    assert_eq!(error.message, "no line of counts: \"8\"");
}

#[test]
fn routes_of_several_plugins_add_up() {
    let set = PluginSet::new(vec![plugin(&[])]).unwrap();
    let topics: Vec<String> =
        set.route(&Message::new("a.f b.g", "")).map(|route| route.unwrap().0.to_string()).collect();
    assert_eq!(topics, ["a.f", "b.g"]);
}

#[test]
fn results_and_parts_may_move_to_another_thread() {
    fn is_send<T: Send>() {}
    is_send::<pylm_plugin_host::Results<'_>>();
    is_send::<pylm_plugin_host::Parts>();
    is_send::<pylm_plugin_host::JoinState>();
    is_send::<pylm_plugin_host::Routes>();
}
