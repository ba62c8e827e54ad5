//! Works on the elements of a JSON array, each as a message of its own, and makes an array of the answers, in their order.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use pylm_plugin_api::prelude::*;
use serde_json::Value;

/// A part for each element, which carries its place: results come in any order.
#[scatter]
fn elements(message: Message) -> Result<Vec<Message>, Failure> {
    let elements: Vec<Value> = serde_json::from_slice(message.payload())?;
    let parts = elements.into_iter().enumerate().map(|(place, element)| {
        let part = serde_json::to_vec(&(place, element))?;
        Ok(message.clone().with_payload(part))
    });
    parts.collect()
}

/// What an order costs: `{"price": 2, "count": 3}` is 6.
#[function]
fn total(payload: &[u8]) -> Result<Vec<u8>, Failure> {
    let (place, order): (usize, Value) = serde_json::from_slice(payload)?;
    let number =
        |key: &str| order[key].as_u64().ok_or_else(|| Failure::permanent(format!("no {key} in {order}")));
    Ok(serde_json::to_vec(&(place, number("price")? * number("count")?))?)
}

/// Makes an array of the answers.
#[join]
fn array(parent: &Message) -> Answers {
    Answers { parent: parent.clone(), answers: BTreeMap::new() }
}

struct Answers {
    parent: Message,
    /// By their place.
    answers: BTreeMap<usize, Value>,
}

impl Join for Answers {
    fn take(&mut self, result: Message) -> Result<(), Failure> {
        let (place, answer) = serde_json::from_slice(result.payload())?;
        self.answers.insert(place, answer);
        Ok(())
    }

    fn finish(self) -> impl Iterator<Item = Result<Message, Failure>> + Send {
        let answers: Vec<Value> = self.answers.into_values().collect();
        let array = serde_json::to_vec(&answers).map_err(Failure::new);
        std::iter::once(array.map(|array| self.parent.with_payload(array)))
    }
}

export_plugin!(elements, total, array);

#[cfg(test)]
mod tests {
    use pylm_plugin_api::Message;

    #[test]
    fn answers_stand_where_their_elements_stood() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[]).unwrap();
            let parent = Message::new("", r#"[{"price": 2, "count": 3}, {"price": 5, "count": 1}]"#);
            let mut parts = plugin.scatter(parent.clone()).unwrap();
            parts.reverse();
            let results: Vec<Message> = parts
                .iter()
                .map(|part| Message::new("", plugin.call("total", part.payload()).unwrap().remove(0)))
                .collect();
            let joined = plugin.join(&parent, results).unwrap();
            assert_eq!(&**joined[0].payload(), b"[6,5]");
            let error = plugin.call("total", br#"[0, {"price": 2}]"#).unwrap_err();
            assert!(error.to_string().contains("no count"), "{error}");
        });
    }
}
