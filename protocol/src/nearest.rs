//! The name that was probably meant.

/// The name that is most like what was written, where one is like it at all.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (strsim::osa_distance(written, name), name)).min()?;
    (near.0 <= written.len().max(near.1.len()) / 2).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_like_nothing_has_no_nearest() {
        assert_eq!(nearest("shuot", ["count", "shout"]), Some("shout"));
        assert_eq!(nearest("plugins", ["plugin", "pull"]), Some("plugin"));
        assert_eq!(nearest("echo", ["parallel"]), None);
        assert_eq!(nearest("echo", []), None);
    }
}
