//! A run as a picture: messages in a second, by size, one bar for each contender. SVG, written by hand.

use crate::report::Summary;
use std::fmt::Write as _;

const WIDTH: f64 = 960.0;
const ROW: f64 = 16.0;
const LEFT: f64 = 230.0;
/// From here to the right end: one to ten million messages a second, in logarithms.
const DECADES: f64 = 7.0;

/// Colours that are told apart by people who see red and green alike.
const COLOURS: [&str; 8] =
    ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999"];

/// The picture of these rows.
pub fn svg(rows: &[Summary], title: &str) -> String {
    let mut out = String::new();
    let mut y = 40.0;
    let mut last = None;
    for row in rows {
        if last.replace(row.size) != Some(row.size) {
            y += ROW;
            let _ = writeln!(out, r#"<text x="8" y="{y}" font-weight="bold">{}</text>"#, row.size);
            y += ROW * 0.4;
        }
        let length = (row.rate.max(1.0).log10() / DECADES).min(1.0) * (WIDTH - LEFT - 90.0);
        let colour = COLOURS[row.contender as usize % COLOURS.len()];
        let baseline = y + ROW * 0.75;
        let _ = writeln!(
            out,
            r#"<text x="{}" y="{baseline}" text-anchor="end">{}</text><rect x="{LEFT}" y="{y}" width="{length:.1}" height="{}" fill="{colour}"/><text x="{:.1}" y="{baseline}">{:.0}/s</text>"#,
            LEFT - 6.0,
            row.contender,
            ROW - 3.0,
            LEFT + length + 6.0,
            row.rate,
        );
        y += ROW;
    }
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n<text x=\"8\" y=\"18\" font-size=\"12\">{title}</text>\n<text x=\"8\" y=\"34\">messages in a second, on a logarithmic scale</text>\n{out}</svg>\n",
        y + ROW,
    )
}
