//! What a request asks for: the function in its path, and how long it may take.

use super::refusal::Refusal;
use axum::http::{HeaderMap, StatusCode};
use pylm_units::TimeSpan;
use std::time::Duration;

/// The header by which a caller asks for less time, written like the times of flags.
const TIMEOUT: &str = "pylm-timeout";

/// The `function` of the message for a path: one stage, or several separated by commas. The first runs at this node: its server
/// may be left out, or be `_`.
pub(super) fn function(path: &str, node: &str) -> String {
    let stages = path.split([',', ' ']).filter(|stage| !stage.is_empty());
    let mut function = String::with_capacity(node.len() + 1 + path.len());
    for stage in stages {
        if !function.is_empty() {
            function.push(' ');
            function.push_str(stage);
        } else if let Some(name) = stage.strip_prefix("_.").or((!stage.contains('.')).then_some(stage)) {
            function.push_str(node);
            function.push('.');
            function.push_str(name);
        } else {
            function.push_str(stage);
        }
    }
    function
}

/// How long the call may take: as long as the gateway allows, or as the caller asks for, whichever is shorter.
pub(super) fn timeout(headers: &HeaderMap, allowed: Option<Duration>) -> Result<Option<Duration>, Refusal> {
    let Some(asked) = headers.get(TIMEOUT) else { return Ok(allowed) };
    let asked = asked.to_str().unwrap_or_default().trim();
    let asked = TimeSpan::positive(asked).map_err(|error| {
        Refusal::new(StatusCode::BAD_REQUEST, format!("Pylm-Timeout is not understood: {error}"))
    })?;
    let asked = asked.duration();
    Ok(Some(allowed.map_or(asked, |allowed| allowed.min(asked))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_left_out_is_this_node() {
        for (path, expected) in [
            ("f", "words.f"),
            ("_.f", "words.f"),
            ("words.f", "words.f"),
            ("other.f", "other.f"),
            ("f,second.g", "words.f second.g"),
            ("words.f second.g", "words.f second.g"),
            (",f", "words.f"),
            ("", ""),
            ("_.", "words."),
        ] {
            assert_eq!(function(path, "words"), expected, "{path:?}");
        }
    }

    #[test]
    fn a_caller_can_ask_for_less_time_and_not_for_more() {
        let ask = |text: &str, allowed| {
            let headers = HeaderMap::from_iter([(TIMEOUT.parse().unwrap(), text.parse().unwrap())]);
            timeout(&headers, allowed).ok()
        };
        let seconds = Duration::from_secs_f64;
        assert_eq!(ask("0.5", Some(seconds(2.0))), Some(Some(seconds(0.5))));
        assert_eq!(ask("5", Some(seconds(2.0))), Some(Some(seconds(2.0))));
        assert_eq!(ask(" 5 ", None), Some(Some(seconds(5.0))));
        assert_eq!(ask("250ms", None), Some(Some(seconds(0.25))));
        for wrong in ["", "0", "-1", "soon", "NaN", "inf", "1e300", "18446744073709551615"] {
            assert_eq!(ask(wrong, None), None, "{wrong:?}");
        }
        assert_eq!(timeout(&HeaderMap::new(), None), Ok(None));
    }
}
