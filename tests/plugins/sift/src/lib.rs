//! A gather hook that leaves some results out, or gives some twice, as `tests/python/shaping.py` does.
#![forbid(unsafe_code)]

use pylm_plugin_api::prelude::*;

#[config]
struct Settings {
    /// Some results go out twice; otherwise some do not go out.
    #[config(default = false)]
    doubles: bool,
}

struct Sift {
    settings: Settings,
}

#[state]
impl Sift {
    #[start]
    fn new(settings: Settings) -> Self {
        Sift { settings }
    }

    #[gather]
    fn sift(&self, _parent: &Message, result: Message) -> impl Iterator<Item = Message> {
        let rest = result.payload().iter().map(|byte| usize::from(*byte)).sum::<usize>() % 4;
        let times = match (rest, self.settings.doubles) {
            (1, true) => 2,
            (1, false) => 0,
            _ => 1,
        };
        std::iter::repeat_n(result, times)
    }
}

export_plugin!(Sift);
