//! The pieces that the [guide](../../../docs/plugins/guide.md) shows, as one plugin.
#![forbid(unsafe_code)]

mod last;
mod routes;
mod sum;
mod thumbnails;

use pylm_plugin_api::prelude::*;

export_plugin!(last::Last, routes::by_language, sum::sum);

#[cfg(test)]
mod tests {
    use pylm_plugin_api::Message;

    #[test]
    fn the_pieces_do_what_the_guide_says() {
        pylm_plugin_api::both_ways!(|host| {
            let plugin = host.start(&[("after", "2")]).unwrap();
            let message = |text: &str| Message::new("", text.to_owned());
            let seen =
                ["1", "2"].map(|text| plugin.gather(&message("parent"), message(text)).unwrap().remove(0));
            assert_eq!(
                seen.map(|result| result.payload().to_vec()),
                [b"1".to_vec(), b"Final message".to_vec()]
            );
            let sum = plugin.join(&message("parent"), ["40", "2"].map(message)).unwrap();
            assert_eq!(&**sum[0].payload(), b"42");
            for (text, topic) in [("de Hallo", "german"), ("en Hello", "other")] {
                assert_eq!(plugin.route(message(text)).unwrap()[0].0, topic);
            }
        });
    }
}
