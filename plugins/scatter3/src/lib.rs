//! Sends each message three times, as pylm's scatter example does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[scatter]
fn three(message: Message) -> impl Iterator<Item = Message> {
    std::iter::repeat_n(message, 3)
}

export_plugin!(three);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_goes_out_three_times() {
        pylm_plugin_api::both_ways!(|host| {
            let message = Message::new("server.foo", "a message");
            assert_eq!(host.start(&[]).unwrap().scatter(message.clone()).unwrap(), vec![message; 3]);
        });
    }
}
