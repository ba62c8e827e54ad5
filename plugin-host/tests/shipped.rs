//! The plugins that ship, loaded as a node and a worker host load them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod build;

use std::sync::atomic::AtomicBool;

use pylm_plugin_host::{Call, Message, NoServices, Outcome, PluginSet, load};

fn messages(parts: pylm_plugin_host::Parts) -> Vec<Message> {
    parts.map(|part| part.unwrap()).collect()
}

#[test]
fn scatter3_sends_each_message_three_times_without_a_copy() {
    let set = PluginSet::new(vec![load(&build::library("scatter3"), &[]).unwrap()]).unwrap();
    let message = Message::new("server.foo", vec![7; 4096]);
    let parts = messages(set.scatter(message.clone()));
    assert_eq!(parts, vec![message.clone(); 3]);
    assert!(parts.iter().all(|part| part.payload().as_ptr() == message.payload().as_ptr()));
}

#[test]
fn final_message_replaces_the_result_it_is_told_to() {
    let settings = [("after".to_owned(), "2".to_owned())];
    let set = PluginSet::new(vec![load(&build::library("final-message"), &settings).unwrap()]).unwrap();
    let parent = Message::new("server.foo", "");
    let seen: Vec<String> = ["a", "b", "c"]
        .into_iter()
        .flat_map(|payload| messages(set.gather(&parent, Message::new("server.foo", payload))))
        .map(|message| String::from_utf8_lossy(message.payload()).into_owned())
        .collect();
    assert_eq!(seen, ["a", "Final message", "c"]);
}

#[test]
fn parallel_names_the_worker() {
    let set = PluginSet::new(vec![load(&build::library("parallel"), &[]).unwrap()]).unwrap();
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled).worker("worker1");
    let foo = set.function("foo").unwrap();
    let Outcome::One(answer) = foo.call(&call, b"a message").unwrap() else { panic!("one result") };
    assert_eq!(&*answer, b"worker1 processed a message");
}

#[test]
fn wordcount_counts_in_pieces_what_it_counts_in_one() {
    let settings = [("chunk".to_owned(), "5".to_owned())];
    let set = PluginSet::new(vec![load(&build::library("wordcount"), &settings).unwrap()]).unwrap();
    let cancelled = AtomicBool::new(false);
    let call = Call::new(&NoServices, &cancelled);
    let count = set.function("count").unwrap();
    let text = Message::new("server.count", "It was it\nthat was THE end");
    let mut join = set.join(&text).unwrap().unwrap();
    let parts = messages(set.scatter(text.clone()));
    assert!(parts.len() > 2);
    for part in parts {
        let Outcome::One(answer) = count.call(&call, part.payload()).unwrap() else { panic!("one result") };
        join.take(part.clone().with_payload(answer)).unwrap();
    }
    let results = messages(join.finish());
    assert_eq!(results, [text.with_payload("end\t1\nit\t2\nthat\t1\nthe\t1\nwas\t2\n")]);
}
